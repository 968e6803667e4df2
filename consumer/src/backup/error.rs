//! Why a backup cannot be made, read or restored, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use laju_kafka::connection::ConnectionError;
use laju_kafka::publish::exact::ExactError;
use laju_kafka::read::TopicReadError;
use laju_kafka::topics::TopicsError;
use laju_schemas::TimestampMs;
use rdkafka::error::RDKafkaErrorCode;
use thiserror::Error;

/// Why a backup cannot be made, read or restored.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Range(#[from] TopicReadError),
    #[error(transparent)]
    Topics(#[from] TopicsError),
    #[error(transparent)]
    Exact(#[from] ExactError),
    #[error("{}: {source}{}", .path.display(), on_a_full_disk(.source))]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the headers of the record at offset {offset} cannot be read ({code}): it cannot be kept in {file} as it is"
    )]
    Headers { file: String, offset: i64, code: RDKafkaErrorCode },
    #[error("{0} is not part of a backup: name a directory that has nothing else in it")]
    Occupied(PathBuf),
    #[error("another process works on the backup in {0}: wait for it")]
    Busy(PathBuf),
    #[error("there is no backup in {0}: it has no manifest.json")]
    None(PathBuf),
    #[error(
        "{0} has files of a backup and no manifest.json, without which nobody knows what they are: put it back from where the directory was copied, or name another directory (nothing was removed)"
    )]
    ManifestLost(PathBuf),
    #[error("{path} is no manifest that this program can read ({why})")]
    Manifest { path: PathBuf, why: String },
    #[error(
        "the backup in {0} was never taken to its end, so that what it holds of one topic may not go with what it holds of another: run `laju backup` on it once more"
    )]
    NeverWhole(PathBuf),
    #[error(
        "the backup is of {what} {was}, and this is {is}: another log is kept in another directory"
    )]
    Another { what: String, was: String, is: String },
    #[error(
        "partition {partition} of {topic} ends at offset {end}, and was kept up to {kept}: records were lost, or the topic was made again. The backup is left as it is; keep what comes in another directory"
    )]
    Shrunk { topic: String, partition: u32, end: i64, kept: i64 },
    #[error(
        "partition {partition} of {topic} has another record at offset {offset} than was kept: it is another log, or the topic was made again and written from elsewhere. The backup is left as it is; keep what there is in another directory"
    )]
    OtherLog { topic: String, partition: u32, offset: i64 },
    #[error(
        "there is no topic {0} any more that this user may see, and it was kept: the backup is left as it is. Check the user's rights; if the topic was deleted, restore the backup, or keep what there is now in another directory"
    )]
    Gone(String),
    #[error(
        "partition {partition} of {topic} begins at offset {low}, and was kept up to {kept}: what stood between is gone. The backup is left as it is; keep what there is in another directory, with --without-beginning"
    )]
    Torn { topic: String, partition: u32, low: i64, kept: i64 },
    #[error(
        "partition {partition} of {topic} begins at offset {low}: what came first is gone, and no node can fold the log, nor what is restored of it, from nothing. Keep a node's store beside it. --without-beginning keeps what there is"
    )]
    WithoutBeginning { topic: String, partition: u32, low: i64 },
    #[error(
        "there is no topic {0} that this user may see: check --brokers, --topic-prefix and the user's rights"
    )]
    Missing(String),
    #[error(
        "{} is damaged: in the block at byte {at}, at the record with offset {offset} or behind it, {what}", .path.display()
    )]
    Damaged {
        path: PathBuf,
        at: u64,
        /// The least offset that the next record can have.
        offset: i64,
        what: String,
    },
    #[error("{} is not the file that the manifest lists: {what}", .path.display())]
    Changed { path: PathBuf, what: String },
    #[error(
        "{0} is the topic that the backup was made of: restore to another cluster, or under another --topic-prefix"
    )]
    Itself(String),
    #[error(
        "{topic} has {found} partitions, and the backup has {wanted}: delete it while it is empty (kafka-topics.sh --delete --topic {topic}), and it is made as it was"
    )]
    Partitions { topic: String, found: u32, wanted: u32 },
    #[error(
        "{topic} has records already that are not the beginning of this backup (partition {partition}: {what}): restore to topics that are empty or not there, under another --topic-prefix for one. If a restore of this backup was killed here, delete {topic} (kafka-topics.sh --bootstrap-server … --delete --topic {topic}) and run this again"
    )]
    NotEmpty { topic: String, partition: u32, what: String },
    #[error(
        "{topic} says that these topics are a copy as of {was}, and the backup has gone on to {is} since: nothing was changed. If that restore came to its end, the copy as of {was} is whole; for what is new restore to other topics, under another --topic-prefix for one, or delete these before"
    )]
    Outgrown { topic: String, was: TimestampMs, is: TimestampMs },
    #[error(
        "a restore was interrupted in partition {partition} of {topic} at offset {offset}, in the middle of a gap, and cannot go on from there: delete {topic} (kafka-topics.sh --bootstrap-server … --delete --topic {topic}) and run this again, which makes it as it was"
    )]
    Stuck { topic: String, partition: u32, offset: i64 },
    #[error(
        "partition {partition} of {topic} goes from offset {} up to {}, and has to go from {} up to {}: somebody else wrote to it, or deleted from it, while it was restored. Stop who does, delete {topic}, and run this again",
        .found.0, .found.1, .wanted.0, .wanted.1
    )]
    Disturbed { topic: String, partition: u32, wanted: (i64, i64), found: (i64, i64) },
    #[error(
        "partition {partition} of {topic} has nothing at offset 0 and a record at offset 1, which no copy can have"
    )]
    FirstMark { topic: String, partition: u32 },
    #[error("interrupted")]
    Interrupted,
}

impl BackupError {
    /// What the disk says to what was to be done at a path.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// What to do where there is no room.
fn on_a_full_disk(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room, and run it again: it goes on from where it was"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_the_file_and_what_to_do() {
        let io = |kind: io::ErrorKind| {
            let (path, source) = (PathBuf::from("/backup/3-from-0.avro"), kind.into());
            BackupError::Io { path, source }.to_string()
        };
        let full = io(io::ErrorKind::StorageFull);
        assert!(
            full.starts_with("/backup/3-from-0.avro: ") && full.contains("Make room"),
            "{full}"
        );
        assert!(!io(io::ErrorKind::PermissionDenied).contains("Make room"));
    }
}
