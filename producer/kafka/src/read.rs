//! Reading topics between offsets or as a whole, by clients that join no group and commit nothing:
//! everything but the worker's own loop, which shares with them how an error of records is judged
//! ([`fetch_error`], [`probe`]).
//!
//! It does not know what the records say.

mod client;
mod error;
pub mod fetch_error;
pub mod headers;
mod lookout;
mod places;
mod probe;
mod queue;
mod range;
mod reader;
mod tail;

pub use client::{FETCHED_KIB, reading, reading_ahead};
pub use error::{TopicChange, TopicReadError};
pub use places::{ends, offsets_at};
pub use probe::{PATIENCE_ASIDE, PATIENCE_OF_ONE, Probed, probe};
pub use queue::{Entry, Record, RecordQueue, Taken};
pub use range::{Order, Range};
pub use reader::{MAX_POLL_RECORDS, Polled, READ_TIMEOUT, RangeReader};
pub use tail::{Tail, TailRecord, Tailed};
