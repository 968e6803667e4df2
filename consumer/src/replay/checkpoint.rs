//! How far a replay is, in a file: everything before these offsets is safe where it was to go, so
//! that the same command goes on from there.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::filter::Filter;
use super::rows::Format;
use crate::files::{replace_by_json, with_ending};

/// The version of the file's form.
const VERSION: u32 = 2;

/// Why a checkpoint cannot be gone on from.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("the checkpoint {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is no checkpoint of this version of laju: {reason}")]
    Form { path: PathBuf, reason: String },
    #[error("another process replays with the checkpoint {0}")]
    Locked(PathBuf),
    #[error(
        "the checkpoint {path} is of another replay: {what} was {before}, and is {now}. Give the same options, or another --checkpoint"
    )]
    Another { path: PathBuf, what: String, before: String, now: String },
}

/// Where a replay goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A file of rows.
    File {
        /// Its absolute path.
        path: PathBuf,
        format: Format,
        /// Whether what cannot be read is left out.
        skip_undecodable: bool,
    },
    /// Another topic.
    Topic {
        /// Its full name.
        topic: String,
        cluster_id: String,
    },
}

/// What a replay was asked for: another question needs another checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The cluster that is read.
    pub cluster_id: String,
    /// The topic's full name.
    pub topic: String,
    /// The topic's own id; none if its brokers have none, or the checkpoint is from before it was
    /// kept: that says nothing of another.
    #[serde(default)]
    pub topic_id: Option<String>,
    /// Where from, as it was asked for.
    pub from: Option<String>,
    /// Up to where, as it was asked for.
    pub to: Option<String>,
    pub partitions: Vec<u32>,
    pub filter: Filter,
    pub limit: Option<u64>,
    pub destination: Destination,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub read: u64,
    /// Those wanted.
    pub matched: u64,
    /// Rows or records written.
    pub written: u64,
    /// Records that cannot be read. Copied without a filter, nobody looks.
    pub undecodable: u64,
}

/// How far a replay is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    pub request: Request,
    /// How many partitions the topic had.
    pub partition_count: u32,
    /// Where each partition began.
    pub from_offsets: BTreeMap<u32, i64>,
    /// Everything before these is safe.
    pub next_offsets: BTreeMap<u32, i64>,
    /// Up to where it goes; none for a partition that it follows.
    pub to_offsets: BTreeMap<u32, Option<i64>>,
    /// What was done up to there.
    pub counts: Counts,
    /// How many bytes of the file that is, where it goes to a file.
    pub bytes: Option<u64>,
    /// A digest of how these end (see [`super::file::tail_digest`]).
    pub tail: Option<String>,
    /// Where the other topic ended at least by then, where it goes to one.
    pub target_ends: Option<BTreeMap<u32, i64>>,
    /// Whether it has come to its end.
    pub complete: bool,
}

impl Checkpoint {
    pub fn begin(
        request: Request,
        partition_count: u32,
        from_offsets: BTreeMap<u32, i64>,
        to_offsets: BTreeMap<u32, Option<i64>>,
    ) -> Self {
        Self {
            version: VERSION,
            request,
            partition_count,
            next_offsets: from_offsets.clone(),
            from_offsets,
            to_offsets,
            counts: Counts::default(),
            bytes: None,
            tail: None,
            target_ends: None,
            complete: false,
        }
    }

    /// Keeps other processes from the checkpoint at `path` until the answer is dropped, by
    /// `PATH.lock`, which stays.
    pub fn lock(path: &Path) -> Result<File, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.to_owned(), source };
        let mut options = File::options();
        let file =
            options.write(true).create(true).truncate(false).open(with_ending(path, ".lock"));
        let file = file.map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Reads a checkpoint and checks that it is of this request; none if there is no such file.
    pub fn load(path: &Path, request: &Request) -> Result<Option<Self>, CheckpointError> {
        let text = match laju_kafka::text::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path: path.to_owned(), source }),
        };
        let form = |reason: String| CheckpointError::Form { path: path.to_owned(), reason };
        let read: Self = serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
        if read.version != VERSION {
            return Err(form(format!("it is of version {}", read.version)));
        }
        match difference(&read.request, request) {
            None => Ok(Some(Self { request: request.clone(), ..read })),
            Some((what, before, now)) => {
                Err(CheckpointError::Another { path: path.to_owned(), what, before, now })
            }
        }
    }

    /// Writes it in place of the one before: a reader sees this one or that one, whole.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let new = with_ending(path, ".new");
        let written = File::create(&new).and_then(|file| replace_by_json((file, &new), path, self));
        written.map_err(|source| CheckpointError::Io { path: path.to_owned(), source })
    }
}

/// The first field in which two requests differ, and both its values.
fn difference(before: &Request, now: &Request) -> Option<(String, String, String)> {
    let has_both_ids = before.topic_id.is_some() && now.topic_id.is_some();
    let fields = |request: &Request| match serde_json::to_value(request) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, now) = (fields(before), fields(now));
    let is_told = |field: &&String| has_both_ids || *field != "topic_id";
    let is_other = |field: &&String| before.get(*field) != now.get(*field);
    let field = before.keys().filter(is_told).find(is_other)?;
    let value = |of: &serde_json::Map<String, serde_json::Value>| {
        of.get(field).map_or_else(String::new, serde_json::Value::to_string)
    };
    Some((field.clone(), value(&before), value(&now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            cluster_id: "cluster".to_owned(),
            topic: "ikd.events.v1".to_owned(),
            topic_id: Some("an id".to_owned()),
            from: Some("3 days ago".to_owned()),
            to: None,
            partitions: vec![0, 2],
            filter: Filter {
                kinds: vec![laju_schemas::event::FactKind::Activated],
                ..Filter::default()
            },
            limit: None,
            destination: Destination::File {
                path: "/tmp/events.csv".into(),
                format: Format::Csv,
                skip_undecodable: false,
            },
        }
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_and_only_for_its_own_request() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("replay.json");
        assert_eq!(Checkpoint::load(&path, &request()).unwrap(), None);
        let lock = Checkpoint::lock(&path).unwrap();
        let error = Checkpoint::lock(&path).unwrap_err();
        assert!(matches!(error, CheckpointError::Locked(_)), "{error}");
        lock.unlock().unwrap();
        Checkpoint::lock(&path).unwrap();
        let to = [(0, Some(10)), (2, None)].into();
        let mut checkpoint = Checkpoint::begin(request(), 3, [(0, 3), (2, 0)].into(), to);
        checkpoint.save(&path).unwrap();
        checkpoint.next_offsets = [(0, 7), (2, 9)].into();
        checkpoint.counts = Counts { read: 13, matched: 12, written: 12, undecodable: 1 };
        checkpoint.bytes = Some(4_711);
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, &request()).unwrap().unwrap(), checkpoint);

        let topic = Destination::Topic { topic: "copy".into(), cluster_id: "other".into() };
        for (other, what) in [
            (Request { cluster_id: "another".to_owned(), ..request() }, "cluster_id"),
            (Request { topic_id: Some("made again".to_owned()), ..request() }, "topic_id"),
            (Request { from: None, ..request() }, "from"),
            (Request { partitions: vec![0], ..request() }, "partitions"),
            (Request { filter: Filter::default(), ..request() }, "filter"),
            (Request { limit: Some(9), ..request() }, "limit"),
            (Request { destination: topic, ..request() }, "destination"),
        ] {
            let error = Checkpoint::load(&path, &other).unwrap_err().to_string();
            assert!(error.contains("another replay") && error.contains(what), "{error}");
        }
        // One from before ids were kept goes on, and has the id from then on.
        let mut older: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        older["request"].as_object_mut().unwrap().remove("topic_id").unwrap();
        std::fs::write(&path, older.to_string()).unwrap();
        assert_eq!(Checkpoint::load(&path, &request()).unwrap().unwrap(), checkpoint);
        std::fs::write(&path, "{}").unwrap();
        let error = Checkpoint::load(&path, &request()).unwrap_err();
        assert!(matches!(error, CheckpointError::Form { .. }), "{error}");
    }
}
