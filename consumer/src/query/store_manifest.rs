//! A node's store as it is handed to another node: what it is and up to where, and its chunks in
//! frames, as they are stored.
//!
//! | frame | |
//! | --- | --- |
//! | length | 4 bytes, little endian: of the value |
//! | value | the chunk as [`crate::projection::format`] has it: CRC-32 of its payload, then the payload |
//!
//! Frames follow each other without anything between them, in the order of the chunks' numbers. There is
//! no end mark: the client knows how many it asked for. That they are the right ones is seen by the
//! digest that the position row has of all of them.

use std::io::{ErrorKind, Read};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::projection::format::{PositionRow, read_row, row};
use crate::projection::store::{Chunk, StoreError, StoreReader};

/// No chunk is nearly as long: see [`crate::projection::format`].
const LONGEST: usize = 128 << 10;

/// What a node's store is, and up to where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreManifest {
    /// The version of the store's format.
    pub format_version: u32,
    /// The rules that the log was folded by.
    pub fold_version: String,
    /// The Kafka cluster's id.
    pub cluster_id: String,
    /// The events topic's full name.
    pub topic: String,
    /// The topic's own id; null if its brokers have none.
    pub topic_id: Option<String>,
    /// The node's name, made once with its store: chunks of two nodes do not go together.
    pub node_id: String,
    /// Every partition, in the order of the numbers.
    pub partitions: Vec<StorePartition>,
}

/// What a store has of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorePartition {
    /// The partition.
    pub partition: u32,
    /// The offset after the last record folded and committed.
    pub next_offset: i64,
    /// How many chunks of each kind there are.
    pub chunks: StoreChunks,
    /// The position row as it is stored, in base64: CRC-32 of the rest, little endian, then JSON with the
    /// position, the counts, and of each kind the count of the chunks and the digest chained over them.
    pub row: String,
}

/// How many chunks of each kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreChunks {
    /// Of texts and what they are numbered by.
    pub dictionary: u64,
    /// Of subjects' facts.
    pub facts: u64,
    /// Of kiosks heard of.
    pub kiosks: u64,
    /// Of records that cannot be counted.
    pub quarantine: u64,
}

impl StoreManifest {
    /// What a store is at this moment.
    ///
    /// # Errors
    /// If it is damaged, or cannot be read.
    pub fn of(store: &StoreReader) -> Result<Self, StoreError> {
        let identity = store.identity();
        let mut partitions = Vec::new();
        for partition in 0..identity.partitions {
            partitions.push(StorePartition::of(partition, &store.position(partition)?));
        }
        Ok(Self {
            format_version: identity.format_version,
            fold_version: identity.fold_version.clone(),
            cluster_id: identity.cluster_id.clone(),
            topic: identity.topic.clone(),
            topic_id: identity.topic_id.clone(),
            node_id: identity.node_id.clone(),
            partitions,
        })
    }
}

impl StorePartition {
    fn of(partition: u32, position: &PositionRow) -> Self {
        let [dictionary, facts, kiosks, quarantine] = position.chains.map(|chain| chain.count);
        Self {
            partition,
            next_offset: position.position.next_offset,
            chunks: StoreChunks { dictionary, facts, kiosks, quarantine },
            row: BASE64_STANDARD.encode(row(position)),
        }
    }

    /// The position row; none if it is not as it was written.
    #[must_use]
    pub fn position(&self) -> Option<PositionRow> {
        read_row(&BASE64_STANDARD.decode(&self.row).ok()?)
    }
}

/// Adds a chunk's frame.
pub fn frame(value: &[u8], out: &mut Vec<u8>) {
    // A store whose chunks were that long would have been refused long before.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}

/// The bytes of a frame around its value.
pub const FRAME_BYTES: usize = 4;

/// Reads the next frame. Nothing is left where the stream ends between two; what is not a chunk with
/// the right checksum is an error of the kind [`ErrorKind::InvalidData`].
///
/// # Errors
/// If the stream cannot be read, ends within a frame, or holds something else.
pub fn read_frame(stream: &mut impl Read) -> std::io::Result<Option<Chunk>> {
    let mut length = [0; FRAME_BYTES];
    let mut have = 0;
    while have < FRAME_BYTES {
        match stream.read(&mut length[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut value = vec![0; length];
    stream.read_exact(&mut value)?;
    Chunk::new(value).map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
}
