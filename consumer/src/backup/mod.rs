//! A copy of an installation: what its topics hold, kept in files (`take`), and put into topics
//! again (`restore`) at the same offsets and with the same timestamps. It does not know what the
//! records say; only that the decisions topic gets one more, which says that the log is a copy.

mod admin;
mod check;
mod directory;
mod error;
mod keeping;
mod kept_last;
mod manifest;
mod private;
mod record;
mod records;
pub mod restore;
mod segment;
mod take;

pub use check::{Checked, check};
pub use error::BackupError;
pub use manifest::{Cut, Gap, MANIFEST, Manifest, Segment, TopicPart};
pub use take::{Taken, Taking};
