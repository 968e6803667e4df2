//! A trouble: why a partition stands still although there is more of it, which time alone does not
//! mend, and what to do about it.

use std::sync::Arc;

/// What kind of trouble a partition has: one word, the same in the interface, the metrics and the
/// log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TroubleKind {
    /// Records are compressed with what this program cannot unpack.
    Codec,
    /// Records are not what their checksum says, or cannot be unpacked.
    Damaged,
    /// The user may not read the topic any more.
    NotAuthorized,
    /// Records are in a format that this program or the broker cannot give.
    MessageFormat,
    /// The broker refuses to give the records, for a reason of another kind.
    FetchFailed,
    /// A record's schema is one that the registry does not have.
    SchemaNotFound,
    /// A record's schema cannot be asked for: the registry does not answer.
    RegistryUnreachable,
    /// Not every leader says that the log is still the same: nothing is committed.
    NotConfirmed,
    /// The topic was deleted and made again: the worker ends.
    AnotherLog,
    /// The topic was given partitions, so that keys belong elsewhere: the worker ends.
    PartitionsAdded,
}

impl TroubleKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Codec,
        Self::Damaged,
        Self::NotAuthorized,
        Self::MessageFormat,
        Self::FetchFailed,
        Self::SchemaNotFound,
        Self::RegistryUnreachable,
        Self::NotConfirmed,
        Self::AnotherLog,
        Self::PartitionsAdded,
    ];

    /// Whether it is one of the records at its offset, so that it is over once those were had.
    #[must_use]
    pub const fn is_of_records(self) -> bool {
        !matches!(self, Self::NotConfirmed | Self::AnotherLog | Self::PartitionsAdded)
    }

    /// The word for it, in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Damaged => "damaged",
            Self::NotAuthorized => "not_authorized",
            Self::MessageFormat => "message_format",
            Self::FetchFailed => "fetch_failed",
            Self::SchemaNotFound => "schema_not_found",
            Self::RegistryUnreachable => "registry_unreachable",
            Self::NotConfirmed => "not_confirmed",
            Self::AnotherLog => "another_log",
            Self::PartitionsAdded => "partitions_added",
        }
    }
}

/// Why a partition stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Of what kind it is.
    pub kind: TroubleKind,
    /// The offset of the first record that cannot be had.
    pub offset: i64,
    /// What is wrong, for people, in our own words.
    pub reason: String,
    /// What to do about it, for people.
    pub cure: String,
}

/// A trouble and the partition that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubledPartition {
    /// The topic's full name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// What it has.
    pub trouble: Trouble,
}

impl std::fmt::Display for TroubledPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, trouble: Trouble { offset, reason, cure, .. } } = self;
        write!(
            f,
            "partition {partition} of {topic} cannot be read on from offset {offset}: {reason}; {cure}"
        )
    }
}
