//! A copy of an installation: what its topics hold, kept in files (`take`), and put into topics
//! again (`restore`) at the same offsets and with the same timestamps. It does not know what the
//! records say; only that the decisions topic gets one more, which says that the log is a copy.

mod check;
mod directory;
mod error;
mod keeping;
mod kept_last;
mod manifest;
mod record;
pub mod restore;
mod segment;
mod take;

pub use check::{Checked, check};
pub use error::BackupError;
pub use manifest::{Cut, Gap, MANIFEST, Manifest, Segment, TopicPart};
pub use take::{Taken, Taking};

use laju_kafka::topics::TopicsError;

/// The admin client answers in futures; nothing else here does.
fn runtime() -> Result<tokio::runtime::Runtime, BackupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(|error| {
        let (what, reason) = ("wait for the cluster's answers", error.to_string());
        TopicsError::Kafka { what, reason }.into()
    })
}
