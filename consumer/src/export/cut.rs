//! Which part of the log an export holds, and the manifest, which says so beside the files: an
//! export is what its manifest lists. There is no clock in it: the same cut gives the same rows, and
//! a whole export made by the same version of the program the same bytes, manifest included.

use std::collections::BTreeMap;

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};

use super::table::Described;
use super::write::Format;
use crate::projection::partition::{Position, RecordMark};

/// The form of the manifest and of how files are laid out.
pub const FORM: u32 = 1;

/// A record that was read: an export that goes on from here looks whether it is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    pub offset: i64,
    /// Its own timestamp, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// A digest of its key and value, in hex.
    pub digest: String,
}

impl From<RecordMark> for LastRecord {
    fn from(mark: RecordMark) -> Self {
        let RecordMark { offset, timestamp, digest } = mark;
        Self { offset, timestamp_ms: timestamp, digest: format!("{digest:016x}") }
    }
}

impl LastRecord {
    fn mark(&self) -> Option<RecordMark> {
        let digest = u64::from_str_radix(&self.digest, 16).ok()?;
        Some(RecordMark { offset: self.offset, timestamp: self.timestamp_ms, digest })
    }
}

/// Up to where an export holds a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionCut {
    /// The partition of the events topic.
    pub partition: u32,
    /// The offset behind the last one: every record before it is in the export.
    pub next_offset: i64,
    /// The latest timestamp of a record before it; none if the log was not read.
    pub recorded_until: Option<TimestampMs>,
    /// The last record before it; none if there is none, or the log was not read.
    pub last_record: Option<LastRecord>,
}

/// The part of the log that an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Every partition of the events topic, in the order of their numbers.
    pub partitions: Vec<PartitionCut>,
    /// The offset of the reference topic behind the last record that counts.
    pub reference_next_offset: i64,
}

impl Cut {
    /// A cut at offsets, of whose records nothing is known yet.
    pub fn at(offsets: &BTreeMap<u32, i64>, reference_next_offset: i64) -> Self {
        let partition = |(&partition, &next_offset): (&u32, &i64)| PartitionCut {
            partition,
            next_offset,
            recorded_until: None,
            last_record: None,
        };
        Self { partitions: offsets.iter().map(partition).collect(), reference_next_offset }
    }

    /// The offset of each partition.
    pub fn offsets(&self) -> BTreeMap<u32, i64> {
        self.partitions.iter().map(|part| (part.partition, part.next_offset)).collect()
    }

    /// Where the reading of each partition goes on behind this cut; none if its log was not read.
    pub fn positions(&self) -> Option<BTreeMap<u32, Position>> {
        let position = |part: &PartitionCut| {
            let last = part.last_record.as_ref().and_then(LastRecord::mark);
            (part.next_offset == 0 || last.is_some()).then_some(())?;
            let recorded_until = part.recorded_until.map(|until| until.0);
            let next_offset = part.next_offset;
            let recorded_by = None;
            Some((part.partition, Position { next_offset, last, recorded_until, recorded_by }))
        };
        self.partitions.iter().map(position).collect()
    }

    /// The last records, by which the log is recognised.
    pub fn marks(&self) -> BTreeMap<u32, RecordMark> {
        let mark = |part: &PartitionCut| {
            Some((part.partition, part.last_record.as_ref().and_then(LastRecord::mark)?))
        };
        self.partitions.iter().filter_map(mark).collect()
    }

    /// Takes note of what was read up to the cut.
    pub fn read(&mut self, positions: &BTreeMap<u32, Position>) {
        for part in &mut self.partitions {
            let Some(position) = positions.get(&part.partition) else { continue };
            part.recorded_until = position.recorded_until.map(TimestampMs);
            part.last_record = position.last.map(LastRecord::from);
        }
    }

    /// A last record that another cut at the same offsets does not have.
    pub fn missing_in(&self, other: &Self) -> Option<(u32, i64)> {
        let there = other.marks();
        let is_missing = |(partition, mark): &(u32, RecordMark)| there.get(partition) != Some(mark);
        let (partition, mark) = self.marks().into_iter().find(is_missing)?;
        Some((partition, mark.offset))
    }

    /// Offsets as `--until-offsets` takes them: `0:120,1:98`.
    pub fn text(&self) -> String {
        let each = self.partitions.iter().map(|p| format!("{}:{}", p.partition, p.next_offset));
        each.collect::<Vec<_>>().join(",")
    }
}

/// A file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path below the export's folder, with `/`.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// SHA-256 of them, in hex.
    pub sha256: String,
}

/// A dataset of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetEntry {
    /// Its name, which is its folder's.
    pub name: String,
    /// The version of its columns.
    pub schema_version: u32,
    /// Whether the same cut always gives the same rows: what kiosks say of themselves is kept by
    /// Kafka only in its latest state.
    pub reproducible: bool,
    /// Its rows in all files.
    pub rows: u64,
    /// Its bytes in all files.
    pub bytes: u64,
    #[serde(skip_deserializing)]
    pub columns: Vec<Described>,
    /// Its files, in the order of their paths.
    pub files: Vec<FileEntry>,
}

/// What stands in `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORM`].
    pub form: u32,
    /// The program that made it.
    pub made_by: String,
    /// The cluster that the log is on.
    pub cluster_id: String,
    /// The events topic's full name.
    pub topic: String,
    /// The topic's own id; none if its brokers have none, or the export is from before it was kept.
    #[serde(default)]
    pub topic_id: Option<String>,
    /// The rules by which events were counted.
    pub fold_version: String,
    /// What the files are.
    pub format: Format,
    /// How many times this export was continued.
    pub increment: u32,
    /// Which part of the log it holds.
    pub cut: Cut,
    /// The datasets, in the order of their names.
    pub datasets: Vec<DatasetEntry>,
}

impl Manifest {
    pub fn dataset(&self, name: &str) -> Option<&DatasetEntry> {
        self.datasets.iter().find(|dataset| dataset.name == name)
    }
}
