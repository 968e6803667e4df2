//! The store's format, version 5: keys, chunks, and the rows that make them trustworthy.
//!
//! | key | value |
//! | --- | --- |
//! | `M` | the store's [`Identity`]: what log, what rules, whose |
//! | `P` partition | the partition's [`PositionRow`] |
//! | `D` partition number | a chunk of new dictionary entries |
//! | `F` partition number | a chunk of new facts, in columns: see `fact_chunk.rs` |
//! | `K` partition number | a chunk of kiosks heard of: a row for each day of recording, or 65535 for one of which an event was released |
//! | `Q` partition number | a chunk of quarantined records |
//! | `S` | only while the store is taken from another node: that node's name, see [`SeedRow`] |
//! | `S` partition | only then: the chunks of each kind that are here, as [`Chain`]s |
//!
//! Partition is 2 bytes, number 8, big endian; so one partition can be loaded, dropped and handed
//! over. Chunks are only ever added. Every value begins with the CRC-32 of the rest. The position
//! row counts the chunks of each kind and carries a digest chained over them: a chunk that is
//! lost, damaged or foreign does not add up.
//!
//! The ledger is not stored: it is what the facts post, folded in the order in which they stand here.
//!
//! A store that is taken from another node has no `M` and no `P` until it has all of its chunks: they
//! are written in the batch that takes the rows `S` away. Until then it is not a store.

use laju_schemas::event::FactKind;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::partition::Position;
use crate::domain::fold::Tallies;

/// The version of this format. Another one is refused.
pub const FORMAT_VERSION: u32 = 5;

/// What a store belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The Kafka cluster's id.
    pub cluster_id: String,
    /// The events topic's full name.
    pub topic: String,
    /// The topic's own id; none if its brokers have none. Format 3 had no such thing.
    #[serde(default)]
    pub topic_id: Option<String>,
    /// Its number of partitions.
    pub partitions: u32,
    /// The rules that the log was folded by.
    pub fold_version: String,
    /// This node's name, made once: who wrote down what it decided. The field is named after what it
    /// once was for.
    #[serde(rename = "group_instance_id")]
    pub node_id: String,
}

/// The kinds of chunk, in the order of the digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Dictionary entries.
    Dictionary,
    /// Facts.
    Facts,
    /// Kiosks heard of.
    Kiosks,
    /// Quarantined records.
    Quarantine,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Dictionary, Self::Facts, Self::Kiosks, Self::Quarantine];

    /// Its name, in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dictionary => "dictionary",
            Self::Facts => "facts",
            Self::Kiosks => "kiosks",
            Self::Quarantine => "quarantine",
        }
    }

    /// The kind of this name, if there is one.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    const fn letter(self) -> u8 {
        match self {
            Self::Dictionary => b'D',
            Self::Facts => b'F',
            Self::Kiosks => b'K',
            Self::Quarantine => b'Q',
        }
    }

    /// What every key of this kind and partition begins with.
    #[must_use]
    pub fn prefix(self, partition: u32) -> [u8; 3] {
        let [high, low] = (partition as u16).to_be_bytes();
        [self.letter(), high, low]
    }

    /// The key of a chunk.
    #[must_use]
    pub fn key(self, partition: u32, number: u64) -> [u8; 11] {
        let mut key = [0; 11];
        key[..3].copy_from_slice(&self.prefix(partition));
        key[3..].copy_from_slice(&number.to_be_bytes());
        key
    }
}

/// The key of the store's identity.
pub const IDENTITY_KEY: &[u8] = b"M";

/// The key of a partition's position.
#[must_use]
pub fn position_key(partition: u32) -> [u8; 3] {
    let [high, low] = (partition as u16).to_be_bytes();
    [b'P', high, low]
}

/// The key of what an unfinished store says of itself.
pub const SEED_KEY: &[u8] = b"S";

/// The key of what an unfinished store has of a partition.
#[must_use]
pub fn seed_key(partition: u32) -> [u8; 3] {
    let [high, low] = (partition as u16).to_be_bytes();
    [b'S', high, low]
}

/// What an unfinished store says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedRow {
    /// The name of the node that it is taken from.
    pub node_id: String,
}

/// How many chunks of a kind there are, and the digest chained over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many chunks.
    pub count: u64,
    /// The digest over their payloads, in order.
    pub digest: u64,
}

impl Chain {
    /// The chain with one more chunk.
    #[must_use]
    pub fn with(self, payload: &[u8]) -> Self {
        Self { count: self.count + 1, digest: xxh3_64_with_seed(payload, self.digest) }
    }
}

/// How far a partition has been folded, and what has to be there for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionRow {
    /// How far.
    pub position: Position,
    /// By [`Kind`], in the order of [`Kind::ALL`].
    pub chains: [Chain; Kind::ALL.len()],
    /// How many subjects there are.
    pub subjects: u64,
    received: u64,
    standing: u64,
    retracted: u64,
    late: u64,
    by_kind: [u64; FactKind::ALL.len()],
    quarantined: u64,
}

impl PositionRow {
    /// The row of a position, its chunks and the counts.
    #[must_use]
    pub fn new(
        position: Position,
        chains: [Chain; Kind::ALL.len()],
        subjects: u64,
        tallies: &Tallies,
    ) -> Self {
        Self {
            position,
            chains,
            subjects,
            received: tallies.received,
            standing: tallies.standing,
            retracted: tallies.retracted,
            late: tallies.late,
            by_kind: tallies.by_kind,
            quarantined: tallies.quarantined,
        }
    }

    /// The counts.
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        Tallies {
            received: self.received,
            standing: self.standing,
            retracted: self.retracted,
            late: self.late,
            by_kind: self.by_kind,
            quarantined: self.quarantined,
        }
    }
}

/// A value with its checksum in front.
#[must_use]
pub fn seal(payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(payload.len() + 4);
    value.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    value.extend_from_slice(payload);
    value
}

/// The payload of a value, if its checksum is right.
#[must_use]
pub fn unseal(value: &[u8]) -> Option<&[u8]> {
    let (checksum, payload) = value.split_first_chunk::<4>()?;
    (crc32fast::hash(payload) == u32::from_le_bytes(*checksum)).then_some(payload)
}

/// A row as JSON, sealed.
///
/// # Panics
/// Never: rows are numbers and texts.
pub fn row<T: Serialize>(row: &T) -> Vec<u8> {
    let json = serde_json::to_vec(row).expect("numbers and texts are JSON");
    seal(&json)
}

/// A sealed JSON row; `None` if it is damaged.
#[must_use]
pub fn read_row<T: for<'de> Deserialize<'de>>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(unseal(value)?).ok()
}
