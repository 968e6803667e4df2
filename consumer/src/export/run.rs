//! One export from its beginning to its end: which cut, what is there already, the log once
//! through, the state at its end, and the change in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use laju_kafka::connection::{Connection, Operation};
use laju_kafka::read::{READ_TIMEOUT, TopicChange, TopicReadError, ends};
use laju_kafka::topic_id::topic_id;
use laju_schemas::known::EventReader;
use laju_schemas::topic::{EVENTS, KIOSK_STATUS, REFERENCE};

use super::continued::{continues, same_rules};
use super::cut::{Cut, DatasetEntry, FORM, FileEntry, Manifest};
use super::datasets::{Dataset, Rows, balances, kiosks, postings, reference, regions, statuses};
use super::error::ExportError;
use super::file::{Metadata, WriteError};
use super::parts::Parts;
use super::place::Place;
use super::table::Described;
use super::write::Format;
use crate::domain::version::fold_version;
use crate::ingest::follow::statuses::statuses_now;
use crate::ingest::recompute::reference_until;
use crate::ingest::stop::Stop;
use crate::projection::partition_ledger::PartitionLedgers;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Which part of the log is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that is there when it begins.
    Now,
    /// Up to these offsets of the events topic, and all reference figures that there are.
    Until(BTreeMap<u32, i64>),
    /// Exactly the cut of an export, which has to be of this cluster and these rules.
    Like(Box<Manifest>),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The datasets; none for those that are there already, else those of the export that it is to
    /// be like, else all.
    pub datasets: BTreeSet<Dataset>,
    pub output: PathBuf,
    /// What to write; none for what is there already, else what the export is that it is to be
    /// like, else Parquet.
    pub format: Option<Format>,
    pub wanted: Wanted,
    /// Texts of further versions of the events topic's schema, as a worker has them.
    pub schemas: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What is there now.
    pub manifest: Manifest,
    /// What was found of an export that did not come to its end, for people.
    pub found: Option<String>,
    pub records: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// So many offsets are to be read.
    Reading(u64),
    /// So many of them have been passed.
    Passed(u64),
    /// A dataset is being written from memory.
    Writing(Dataset),
}

/// Exports. If it is stopped, the folder is as it was before.
///
/// # Errors
/// If anything is in the way. The folder is as it was before, then.
pub fn export(
    connection: &Connection,
    request: &Request,
    stop: &Stop,
    told: &mut dyn FnMut(Told),
) -> Result<Exported, ExportError> {
    let mut place = Place::open(&request.output)?;
    let done = Run::prepare(connection, request, stop, &place).and_then(|mut run| {
        let root = place.begin()?;
        run.write(&place, &root, told)?;
        if stop.is_stopped() {
            return Err(ExportError::Stopped);
        }
        run.require_same_topic()?;
        place.commit(&run.manifest)?;
        Ok(run)
    });
    match done {
        Ok(run) => {
            let (manifest, found, records) = (run.manifest, place.found.take(), run.records);
            Ok(Exported { manifest, found, records })
        }
        Err(error) => {
            // What went wrong first is what is reported; the next run removes what is left.
            if let Err(left) = place.abandon() {
                tracing::warn!(error = %left, "what was written of the export could not be removed");
            }
            // Rows on their way to a file have no other word for it.
            Err(match error {
                ExportError::Write(WriteError::Io(why))
                    if stop.is_stopped() && why.kind() == std::io::ErrorKind::Interrupted =>
                {
                    ExportError::Stopped
                }
                error => error,
            })
        }
    }
}

pub(super) struct Run<'a> {
    pub(super) connection: &'a Connection,
    pub(super) schemas: &'a [String],
    pub(super) stop: &'a Stop,
    /// The cut that goes on from there, if something is there.
    pub(super) before: Option<Manifest>,
    pub(super) manifest: Manifest,
    pub(super) datasets: BTreeSet<Dataset>,
    /// By which records the log is recognised.
    pub(super) known: Cut,
    /// The cut that it has to come to, records included.
    pub(super) expected: Option<Cut>,
    pub(super) records: u64,
}

impl<'a> Run<'a> {
    fn prepare(
        connection: &'a Connection,
        request: &'a Request,
        stop: &'a Stop,
        place: &Place,
    ) -> Result<Self, ExportError> {
        let cluster = connection.check(TIMEOUT)?;
        let mut needs = vec![(Operation::Read, &EVENTS), (Operation::Read, &REFERENCE)];
        if request.datasets.is_empty() || request.datasets.contains(&Dataset::Statuses) {
            needs.push((Operation::Read, &KIOSK_STATUS));
        }
        connection.require_on(&needs, TIMEOUT)?;
        let reader = EventReader::new(&request.schemas)?;
        let registry = connection.registry.is_some();
        let topic = connection.topic(&EVENTS);
        // Before the ends are asked for: they are of this one, or the export ends with an error.
        let topic_id = topic_id(connection, &topic, READ_TIMEOUT)?;
        let before = place.manifest.clone();
        let like = match &request.wanted {
            Wanted::Like(like) => Some(&**like),
            Wanted::Now | Wanted::Until(_) => None,
        };
        let format = request.format.or(before.as_ref().or(like).map(|manifest| manifest.format));
        let reference = |next: Option<i64>| match next {
            Some(next) => Ok::<_, ExportError>(next),
            None => {
                let ends = ends(connection, &connection.topic(&REFERENCE))?;
                Ok(ends.values().map(|(_, end)| *end).max().unwrap_or(0))
            }
        };
        let cut = match &request.wanted {
            Wanted::Now => {
                // The figures first: what is said of them holds for the events that come after.
                let reference = reference(None)?;
                let ends = ends(connection, &topic)?;
                Cut::at(&ends.iter().map(|(p, (_, end))| (*p, *end)).collect(), reference)
            }
            Wanted::Until(offsets) => Cut::at(offsets, reference(None)?),
            Wanted::Like(manifest) => manifest.cut.clone(),
        };
        let there = cluster.partitions(&topic).unwrap_or(0) as usize;
        if !cut.partitions.iter().map(|part| part.partition as usize).eq(0..there) {
            let named = cut.partitions.len();
            return Err(ExportError::Partitions { named, topic, there });
        }
        let mut datasets = request.datasets.clone();
        let of = |manifest: &Manifest| -> BTreeSet<Dataset> {
            manifest.datasets.iter().filter_map(|entry| Dataset::of(&entry.name)).collect()
        };
        if let Some(before) = &before {
            datasets.extend(of(before));
        } else if datasets.is_empty() {
            datasets.extend(like.map_or(Dataset::ALL.into(), of));
        }
        let manifest = Manifest {
            form: FORM,
            made_by: concat!("laju ", env!("CARGO_PKG_VERSION")).to_owned(),
            cluster_id: cluster.cluster_id,
            topic_id,
            topic,
            fold_version: fold_version(&reader.book.fingerprints(), registry),
            format: format.unwrap_or(Format::Parquet),
            increment: before.as_ref().map_or(0, |before| before.increment + 1),
            cut: Cut::at(&cut.offsets(), cut.reference_next_offset),
            datasets: Vec::new(),
        };
        if let Some(like) = like {
            same_rules(like, &manifest, "the manifest named")?;
        }
        if let Some(before) = &before {
            continues(before, &manifest)?;
        }
        let known = before.as_ref().map_or(cut, |before| before.cut.clone());
        let expected = like.map(|like| like.cut.clone());
        let (schemas, records) = (&request.schemas[..], 0);
        Ok(Self { connection, schemas, stop, before, manifest, datasets, known, expected, records })
    }

    /// That what was read is of the topic that it was to be of: asked for after the last record.
    fn require_same_topic(&self) -> Result<(), ExportError> {
        let topic = &self.manifest.topic;
        let now = topic_id(self.connection, topic, READ_TIMEOUT)?;
        match (self.manifest.topic_id.clone(), now) {
            (Some(was), Some(is)) if was != is => {
                let change = TopicChange::MadeAgain { was, is };
                Err(TopicReadError::changed(topic, change).into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wants(&self, dataset: Dataset) -> bool {
        self.datasets.contains(&dataset)
    }

    pub(super) fn parts(&self, root: &Path, dataset: Dataset, increment: u32) -> Parts {
        let table = dataset.table();
        Parts::new(root, table, self.manifest.format, self.metadata(dataset, increment), increment)
    }

    /// What a file says of itself.
    fn metadata(&self, dataset: Dataset, increment: u32) -> Metadata {
        let cut = &self.manifest.cut;
        let from = match &self.before {
            Some(before) if increment > 0 => before.cut.text(),
            _ => cut
                .partitions
                .iter()
                .map(|part| format!("{}:0", part.partition))
                .collect::<Vec<_>>()
                .join(","),
        };
        vec![
            ("laju.dataset", dataset.name().to_owned()),
            ("laju.schema_version", dataset.table().version.to_string()),
            ("laju.cluster_id", self.manifest.cluster_id.clone()),
            ("laju.topic", self.manifest.topic.clone()),
            ("laju.fold_version", self.manifest.fold_version.clone()),
            ("laju.from_offsets", from),
            ("laju.until_offsets", cut.text()),
            ("laju.reference_next_offset", cut.reference_next_offset.to_string()),
        ]
    }

    fn write(
        &mut self,
        place: &Place,
        root: &Path,
        told: &mut dyn FnMut(Told),
    ) -> Result<(), ExportError> {
        let reads_log = self.datasets.iter().any(|d| d.is_of_records() || d.is_folded());
        let ledgers =
            if reads_log { self.read_log(place, root, told)? } else { PartitionLedgers::default() };
        for dataset in self.datasets.clone() {
            if dataset.is_of_records() {
                continue;
            }
            if self.stop.is_stopped() {
                return Err(ExportError::Stopped);
            }
            told(Told::Writing(dataset));
            let mut parts = self.parts(root, dataset, 0);
            let mut since = 0;
            let stop = self.stop;
            let rows: Rows<'_> = &mut |recorded, row| {
                since += 1;
                if since % 4_096 == 0 && stop.is_stopped() {
                    return Err(std::io::Error::from(std::io::ErrorKind::Interrupted).into());
                }
                parts.row(recorded, row)
            };
            match dataset {
                Dataset::Balances => balances::rows(&ledgers, rows)?,
                Dataset::Postings => postings::rows(&ledgers, rows)?,
                Dataset::Kiosks => kiosks::rows(&ledgers.snapshot(), rows)?,
                Dataset::Reference => {
                    let next = self.manifest.cut.reference_next_offset;
                    reference::rows(&reference_until(self.connection, next)?, rows)?;
                }
                Dataset::Regions => regions::rows(rows)?,
                Dataset::Statuses => {
                    statuses::rows(&statuses_now(self.connection, self.stop)?.0, rows)?;
                }
                Dataset::Events | Dataset::Quarantine => {}
            }
            let files = parts.finish(true)?;
            self.add(dataset, files);
        }
        self.manifest.datasets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    pub(super) fn add(&mut self, dataset: Dataset, mut files: Vec<FileEntry>) {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let table = dataset.table();
        self.manifest.datasets.push(DatasetEntry {
            name: table.name.to_owned(),
            schema_version: table.version,
            reproducible: dataset.is_reproducible(),
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            columns: table.columns.iter().map(Described::from).collect(),
            files,
        });
    }
}
