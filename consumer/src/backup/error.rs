//! Why a backup cannot be made, read or restored, and what to do about it.

use std::io;
use std::path::PathBuf;

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
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A topic cannot be read.
    #[error(transparent)]
    Range(#[from] TopicReadError),
    /// The topics cannot be looked at, made or changed.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// A record cannot be put where it stood.
    #[error(transparent)]
    Exact(#[from] ExactError),
    /// The disk says no.
    #[error("{}: {source}{}", .path.display(), on_a_full_disk(.source))]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A record has headers that are damaged.
    #[error(
        "the headers of the record at offset {offset} cannot be read ({code}): it cannot be kept in {file} as it is"
    )]
    Headers {
        /// The file of its partition.
        file: String,
        /// Its offset.
        offset: i64,
        /// What librdkafka says of them.
        code: RDKafkaErrorCode,
    },
    /// The directory has something else in it.
    #[error("{0} is not part of a backup: name a directory that has nothing else in it")]
    Occupied(PathBuf),
    /// Somebody else works on it.
    #[error("another process works on the backup in {0}: wait for it")]
    Busy(PathBuf),
    /// There is no backup.
    #[error("there is no backup in {0}: it has no manifest.json")]
    None(PathBuf),
    /// There are a backup's files, and no manifest.
    #[error(
        "{0} has files of a backup and no manifest.json, without which nobody knows what they are: put it back from where the directory was copied, or name another directory (nothing was removed)"
    )]
    ManifestLost(PathBuf),
    /// The manifest cannot be read.
    #[error("{path} is no manifest that this program can read ({why})")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No backup was ever taken to its end.
    #[error(
        "the backup in {0} was never taken to its end, so that what it holds of one topic may not go with what it holds of another: run `laju backup` on it once more"
    )]
    NeverWhole(PathBuf),
    /// It is of another installation.
    #[error(
        "the backup is of {what} {was}, and this is {is}: another log is kept in another directory"
    )]
    Another {
        /// What differs.
        what: String,
        /// What the backup has.
        was: String,
        /// What there is.
        is: String,
    },
    /// The log ends before what was kept of it.
    #[error(
        "partition {partition} of {topic} ends at offset {end}, and was kept up to {kept}: records were lost, or the topic was made again. The backup is left as it is; keep what comes in another directory"
    )]
    Shrunk {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where it ends.
        end: i64,
        /// Up to where it was kept.
        kept: i64,
    },
    /// The log has something else at the place of what was kept.
    #[error(
        "partition {partition} of {topic} has another record at offset {offset} than was kept: it is another log, or the topic was made again and written from elsewhere. The backup is left as it is; keep what there is in another directory"
    )]
    OtherLog {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where it differs.
        offset: i64,
    },
    /// A topic that was kept is not there any more.
    #[error(
        "there is no topic {0} any more that this user may see, and it was kept: the backup is left as it is. Check the user's rights; if the topic was deleted, restore the backup, or keep what there is now in another directory"
    )]
    Gone(String),
    /// Records were deleted before they were kept.
    #[error(
        "partition {partition} of {topic} begins at offset {low}, and was kept up to {kept}: what stood between is gone. The backup is left as it is; keep what there is in another directory, with --without-beginning"
    )]
    Torn {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its first offset.
        low: i64,
        /// Up to where it was kept.
        kept: i64,
    },
    /// The log has lost its beginning.
    #[error(
        "partition {partition} of {topic} begins at offset {low}: what came first is gone, and no node can fold the log, nor what is restored of it, from nothing. Keep a node's store beside it. --without-beginning keeps what there is"
    )]
    WithoutBeginning {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its first offset.
        low: i64,
    },
    /// A topic is not there.
    #[error(
        "there is no topic {0} that this user may see: check --brokers, --topic-prefix and the user's rights"
    )]
    Missing(String),
    /// A file is damaged.
    #[error(
        "{} is damaged: in the block at byte {at}, at the record with offset {offset} or behind it, {what}", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The byte at which the block begins.
        at: u64,
        /// The least offset that the next record can have.
        offset: i64,
        /// What is wrong.
        what: String,
    },
    /// A file is another one than the manifest says.
    #[error("{} is not the file that the manifest lists: {what}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// In which way.
        what: String,
    },
    /// The backup is of the topics that it is to be restored to.
    #[error(
        "{0} is the topic that the backup was made of: restore to another cluster, or under another --topic-prefix"
    )]
    Itself(String),
    /// The target has other partitions.
    #[error(
        "{topic} has {found} partitions, and the backup has {wanted}: delete it while it is empty (kafka-topics.sh --delete --topic {topic}), and it is made as it was"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many were kept.
        wanted: u32,
    },
    /// The target has records that are none of the backup's.
    #[error(
        "{topic} has records already that are not the beginning of this backup (partition {partition}: {what}): restore to topics that are empty or not there, under another --topic-prefix for one. If a restore of this backup was killed here, delete {topic} (kafka-topics.sh --bootstrap-server … --delete --topic {topic}) and run this again"
    )]
    NotEmpty {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is there.
        what: String,
    },
    /// The topics were restored from the backup before it went on.
    #[error(
        "{topic} says that these topics are a copy as of {was}, and the backup has gone on to {is} since: nothing was changed. If that restore came to its end, the copy as of {was} is whole; for what is new restore to other topics, under another --topic-prefix for one, or delete these before"
    )]
    Outgrown {
        /// The decisions topic.
        topic: String,
        /// As of when it is a copy.
        was: TimestampMs,
        /// As of when the backup is whole.
        is: TimestampMs,
    },
    /// A restore was killed where it cannot go on.
    #[error(
        "a restore was interrupted in partition {partition} of {topic} at offset {offset}, in the middle of a gap, and cannot go on from there: delete {topic} (kafka-topics.sh --bootstrap-server … --delete --topic {topic}) and run this again, which makes it as it was"
    )]
    Stuck {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where it ends.
        offset: i64,
    },
    /// Somebody else was there while it was restored.
    #[error(
        "partition {partition} of {topic} goes from offset {} up to {}, and has to go from {} up to {}: somebody else wrote to it, or deleted from it, while it was restored. Stop who does, delete {topic}, and run this again",
        .found.0, .found.1, .wanted.0, .wanted.1
    )]
    Disturbed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset and the end that it has to have.
        wanted: (i64, i64),
        /// Those that it has.
        found: (i64, i64),
    },
    /// Offset 0 cannot be left out.
    #[error(
        "partition {partition} of {topic} has nothing at offset 0 and a record at offset 1, which no copy can have"
    )]
    FirstMark {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// Asked to stop.
    #[error("interrupted")]
    Interrupted,
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
