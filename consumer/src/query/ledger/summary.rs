//! How large a node's ledger is, and up to where it goes.

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::posting_count;
use crate::query::view::View;

/// What a node's ledger consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ledger {
    /// The Kafka cluster that it was made from.
    pub cluster_id: String,
    /// The events topic that it was made from, its full name.
    pub topic: String,
    /// The rules by which events were counted.
    pub fold_version: String,
    /// How many postings there are, of all partitions added up: keys whose amounts do not add up to
    /// nothing.
    pub postings: u64,
    /// What each partition adds.
    pub partitions: Vec<LedgerPartition>,
}

/// What of the ledger is a partition's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerPartition {
    /// The partition of the events topic.
    pub partition: u32,
    /// The offset after the last record in it.
    pub next_offset: i64,
    /// The timestamp of the latest record in it, as it counts.
    pub recorded_until: Option<TimestampMs>,
    /// How many kiosks sent to it.
    pub kiosks: u64,
    /// How many records of it could not be counted.
    pub quarantined: u64,
    /// How many citizens it has, as pseudonyms.
    pub subjects: u64,
}

/// The sizes of a state's ledger.
#[must_use]
pub fn summary(view: &View, topic: &str) -> Ledger {
    let part =
        |part: &std::sync::Arc<crate::projection::partition_view::PartitionView>| LedgerPartition {
            partition: part.partition,
            next_offset: part.next_offset,
            recorded_until: part.recorded_until,
            kiosks: part.kiosks.len() as u64,
            quarantined: part.tallies.quarantined,
            subjects: part.subjects,
        };
    Ledger {
        cluster_id: view.cluster_id.to_string(),
        topic: topic.to_owned(),
        fold_version: view.fold_version.to_string(),
        postings: posting_count(&view.snapshot.ledger),
        partitions: view.snapshot.partitions.values().map(part).collect(),
    }
}
