//! One export from its beginning to its end: which cut, what is there already, the log once
//! through, the state at its end, and the change in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use laju_kafka::connection::{Connection, ConnectionError, Operation};
use laju_kafka::read::{READ_TIMEOUT, TopicChange, TopicReadError, ends};
use laju_kafka::topic_id::topic_id;
use laju_schemas::known::{EventReader, SchemaError};
use laju_schemas::topic::{EVENTS, KIOSK_STATUS, REFERENCE};
use thiserror::Error;

use super::continued::{continues, same_rules};
use super::cut::{Cut, DatasetEntry, FORM, Manifest};
use super::datasets::{
    Dataset, Rows, balances, events, kiosks, postings, quarantine, reference, regions, statuses,
};
use super::parts::Parts;
use super::place::{Place, PlaceError};
use super::table::Described;
use super::write::{Format, Metadata, WriteError};
use crate::domain::version::fold_version;
use crate::ingest::error::WorkerError;
use crate::ingest::event_log::{EventLog, EventLogError, EventRecord, RecordOutcome};
use crate::ingest::follow::statuses::statuses_now;
use crate::ingest::log_fold::SnapshotFold;
use crate::ingest::recompute::{RecomputeError, reference_until};
use crate::ingest::stop::Stop;
use crate::projection::partition::Position;
use crate::projection::snapshot::Snapshot;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The log cannot be read up to the cut.
    #[error(transparent)]
    Range(#[from] TopicReadError),
    /// The log cannot be read, or is another one.
    #[error(transparent)]
    Log(#[from] EventLogError),
    /// The reference topic cannot be read.
    #[error(transparent)]
    Reference(#[from] RecomputeError),
    /// The kiosks' statuses cannot be read.
    #[error(transparent)]
    Status(#[from] WorkerError),
    /// The folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A cut of other partitions than the topic has.
    #[error("the cut names {named} partitions, and {topic} has {there}: name each of them once")]
    Partitions {
        /// How many are named.
        named: usize,
        /// The topic.
        topic: String,
        /// How many it has.
        there: usize,
    },
    /// What is there cannot be continued.
    #[error("{0}: export into another folder")]
    Other(String),
    /// Asked to stop.
    #[error("stopped")]
    Stopped,
}

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
    /// The folder.
    pub output: PathBuf,
    /// What to write; none for what is there already, else what the export is that it is to be
    /// like, else Parquet.
    pub format: Option<Format>,
    /// Which part of the log.
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
    /// Records read.
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

struct Run<'a> {
    connection: &'a Connection,
    schemas: &'a [String],
    stop: &'a Stop,
    /// The cut that goes on from there, if something is there.
    before: Option<Manifest>,
    manifest: Manifest,
    datasets: BTreeSet<Dataset>,
    /// By which records the log is recognised.
    known: Cut,
    /// The cut that it has to come to, records included.
    expected: Option<Cut>,
    records: u64,
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

    fn wants(&self, dataset: Dataset) -> bool {
        self.datasets.contains(&dataset)
    }

    fn parts(&self, root: &std::path::Path, dataset: Dataset, increment: u32) -> Parts {
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
        root: &std::path::Path,
        told: &mut dyn FnMut(Told),
    ) -> Result<(), ExportError> {
        let reads_log = self.datasets.iter().any(|d| d.is_of_records() || d.is_folded());
        let snapshot =
            if reads_log { self.read_log(place, root, told)? } else { Snapshot::default() };
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
                Dataset::Balances => balances::rows(&snapshot, rows)?,
                Dataset::Postings => postings::rows(&snapshot, rows)?,
                Dataset::Kiosks => kiosks::rows(&snapshot, rows)?,
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

    fn add(&mut self, dataset: Dataset, mut files: Vec<super::cut::FileEntry>) {
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

    /// The log once through: rows of records as they come, and the fold of all of them.
    fn read_log(
        &mut self,
        place: &Place,
        root: &std::path::Path,
        told: &mut dyn FnMut(Told),
    ) -> Result<Snapshot, ExportError> {
        let to = self.manifest.cut.offsets();
        let folds = self.datasets.iter().any(|dataset| dataset.is_folded());
        let positions = self.before.as_ref().and_then(|before| before.cut.positions());
        // What is continued goes on from here; a dataset that is new begins with the log.
        let continued = |dataset: Dataset| -> bool {
            let before = self.before.as_ref().filter(|_| positions.is_some());
            before.is_some_and(|before| before.dataset(dataset.name()).is_some())
        };
        let output = |dataset: Dataset| {
            self.wants(dataset).then(|| {
                let from = if continued(dataset) { positions.clone() } else { None };
                let increment = if from.is_some() { self.manifest.increment } else { 0 };
                let from = from.unwrap_or_default();
                Output { dataset, from, parts: self.parts(root, dataset, increment) }
            })
        };
        let mut events = output(Dataset::Events);
        let mut quarantine = output(Dataset::Quarantine);
        let from_start =
            folds || [&events, &quarantine].into_iter().flatten().any(|o| o.from.is_empty());
        let from = if from_start { BTreeMap::new() } else { positions.clone().unwrap_or_default() };
        let known = self.known.marks();
        let mut log = EventLog::open(self.connection, self.schemas, from.clone(), &to, known)?;
        let start = |partition: &u32| from.get(partition).map_or(0, |p| p.next_offset);
        let total: i64 = to.iter().map(|(partition, end)| (end - start(partition)).max(0)).sum();
        told(Told::Reading(total.unsigned_abs()));

        let mut fold = folds.then(|| SnapshotFold::new(std::iter::empty()));
        let mut records = 0;
        loop {
            let more = log.read(|record| {
                records += 1;
                match &record.outcome {
                    RecordOutcome::Counted(event) => {
                        if let Some(output) = events.as_mut().filter(|o| o.takes(&record)) {
                            events::row(&record, event, &mut |day, row| {
                                output.parts.row(day, row)
                            })?;
                        }
                    }
                    RecordOutcome::Refused(refusal, raw) => {
                        if let Some(output) = quarantine.as_mut().filter(|o| o.takes(&record)) {
                            quarantine::row(&record, refusal, *raw, &mut |day, row| {
                                output.parts.row(day, row)
                            })?;
                        }
                    }
                }
                if let Some(fold) = &mut fold {
                    fold.take(&record);
                }
                Ok::<_, ExportError>(())
            })?;
            if self.stop.is_stopped() {
                return Err(ExportError::Stopped);
            }
            let next = log.next_offsets();
            let passed: i64 = next.iter().map(|(p, next)| (next - start(p)).max(0)).sum();
            told(Told::Passed(passed.unsigned_abs()));
            if !more {
                break;
            }
        }
        self.records = records;
        self.manifest.cut.read(log.positions());
        if let Some(expected) = &self.expected
            && let Some((partition, offset)) = expected.missing_in(&self.manifest.cut)
        {
            let topic = self.manifest.topic.clone();
            return Err(EventLogError::AnotherLog { topic, partition, offset }.into());
        }
        for output in [events, quarantine].into_iter().flatten() {
            let mut files = Vec::new();
            if !output.from.is_empty()
                && let Some(before) = &self.before
                && let Some(entry) = before.dataset(output.dataset.name())
            {
                for file in &entry.files {
                    place.keep(&file.path, file.bytes)?;
                }
                files.extend(entry.files.iter().cloned());
            }
            let is_first = files.is_empty();
            files.extend(output.parts.finish(is_first)?);
            self.add(output.dataset, files);
        }
        Ok(fold.map(SnapshotFold::finish).unwrap_or_default())
    }
}

/// A dataset of the log's records.
struct Output {
    dataset: Dataset,
    /// Where it goes on in each partition; empty if it begins with the log.
    from: BTreeMap<u32, Position>,
    parts: Parts,
}

impl Output {
    fn takes(&self, record: &EventRecord<'_>) -> bool {
        let from = self.from.get(&record.partition);
        from.is_none_or(|position| record.mark.offset >= position.next_offset)
    }
}
