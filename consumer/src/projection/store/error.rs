//! Why a store cannot be used, and what to do about it.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::projection::format::FORMAT_VERSION;

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory cannot be made, read or written.
    #[error("the store {path} cannot be used: {source}; check the disk's space and rights")]
    Io {
        /// The store's directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the store {0} is in use by another worker: stop that one, or give this one a --store of its own"
    )]
    InUse(PathBuf),
    /// Where a store should be there is none.
    #[error("there is no store of Laju's in {0}")]
    Missing(PathBuf),
    /// A directory with something else in it.
    #[error("{0} is not empty and not a store of Laju's: give --store an empty or a new directory")]
    Foreign(PathBuf),
    /// Written by another version of the program.
    #[error(
        "the store {path} has format {found}, this version of laju has {FORMAT_VERSION}: use --rebuild to make it again from Kafka"
    )]
    Format {
        /// The store's directory.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// Of another cluster, topic, number of partitions or set of rules.
    #[error(
        "the store {path} belongs to {what} {found}, but this worker reads {expected}: check --brokers, or give --store another directory (new rules make a store of their own beside the old one), or use --rebuild to make this one again from Kafka"
    )]
    Belongs {
        /// The store's directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the store says.
        found: String,
        /// What is expected.
        expected: String,
    },
    /// The topic was deleted and made again.
    #[error(
        "the store {path} was made of {topic} with the id {found}, but the topic of that name has the id {expected}: it was deleted and made again. If the new one is to be counted, use --rebuild; else give --store another directory and keep this one"
    )]
    AnotherTopic {
        /// The store's directory.
        path: PathBuf,
        /// The topic's full name.
        topic: String,
        /// The id that the store says.
        found: String,
        /// The id that the topic has.
        expected: String,
    },
    /// The topic has another number of partitions.
    #[error(
        "the store {path} was made of {topic} when it had {found} partitions, but it has {expected}: keys now belong elsewhere, and a rebuild would refuse the events from before as being in the wrong partition, so --rebuild leaves the store as it is. Partitions cannot be added to it: make a new topic with as many partitions as are wanted and copy the events into that one with `laju replay --to-topic`; if it was made again, give --store another directory"
    )]
    Partitions {
        /// The store's directory.
        path: PathBuf,
        /// The topic.
        topic: String,
        /// What the store says.
        found: u32,
        /// What the topic has.
        expected: u32,
    },
    /// Something is missing, damaged or does not add up.
    #[error(
        "the store {path} is damaged ({what}): use --rebuild to make it again from Kafka, which has everything"
    )]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is being taken from another node, and not all of it is there.
    #[error(
        "the store {0} was being taken from another node, and not all of it is there: start the worker again with --seed URL, which goes on from there, or with --rebuild, which makes it from Kafka"
    )]
    Unfinished(PathBuf),
    /// The database fails.
    #[error(
        "the store {path} cannot be read or written: {source}; check the disk's space and rights"
    )]
    Database {
        /// The store's directory.
        path: PathBuf,
        /// What sled says.
        source: sled::Error,
    },
}

impl StoreError {
    /// What sled says, told as damage where it is.
    pub(super) fn database(path: &Path, source: sled::Error) -> Self {
        let path = path.to_owned();
        match source {
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => {
                Self::Damaged { path, what: source.to_string() }
            }
            source => Self::Database { path, source },
        }
    }
}
