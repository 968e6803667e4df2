//! The wire contract of Laju, and nothing else: the Avro schemas, newtypes that cannot hold a
//! wrong value, bytes to events and back in both framings, the topics, the partitioner, the
//! region table. It knows no Kafka client, no store, no runtime and no clock.
//!
//! An integrator in another language needs only the files in `schemas/avsc/` and what
//! [`topic`], [`partition`] and [`framing`] say about keys, partitions and headers.

#![warn(missing_docs)]

pub mod codec;
mod cursor;
mod datum;
mod decimal;
pub mod decision;
pub mod event;
pub mod explain;
pub mod former;
pub mod framing;
pub mod id;
pub mod known;
pub mod log_copy;
pub mod nik;
#[cfg(feature = "openapi")]
mod openapi;
pub mod partition;
pub mod position;
pub mod pseudonym;
pub mod quarantine;
pub mod quoted;
pub mod raw;
pub mod reference;
pub mod references;
pub mod region;
mod resolve;
pub mod rules;
mod serde_text;
pub mod share;
pub mod status;
mod symbols;
pub mod text;
pub mod time;
pub mod topic;
mod walk;

pub use cursor::DecodeError;
pub use decision::QuarantineDecision;
pub use event::{ActivationEvent, Fact};
pub use former::FormerCode;
pub use id::{
    CopyId, DecisionId, EventId, FigureId, KioskId, OutreachId, ReferenceId, Sequence, SubjectId,
};
pub use log_copy::LogCopy;
pub use quoted::QuotedFigure;
pub use raw::RawEvent;
pub use reference::ReferenceFigure;
pub use region::{Region, RegionCode, RegionIndex, RegionLevel, RegionTable, Zone};
pub use status::KioskStatus;
pub use time::TimestampMs;
