//! The projection: what the fold has made of the log, in memory for readers and in sled for the
//! next start. The only place that knows sled.

pub mod bitruns;
pub mod blocks;
mod chunks;
mod fact_chunk;
pub mod format;
pub mod kiosk_keys;
pub mod node_ledger;
pub mod partition;
pub mod partition_ledger;
pub mod partition_view;
pub mod quarantine;
pub mod recent;
pub mod runs;
pub mod shard;
pub mod snapshot;
pub mod store;
