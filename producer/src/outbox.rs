//! The outbox: events on the kiosk's disk, from their acceptance until Kafka has them.
//!
//! It knows nothing of NIKs, HTTP or Kafka: it gets pseudonymous drafts, numbers and stores them,
//! and learns what became of each. What it has accepted it never loses and never drops: it is
//! there, or the outbox refuses to open and says so.
//!
//! # On the disk: format 2
//!
//! A directory (mode 0700) of these files (0600):
//!
//! | file | what it is |
//! | --- | --- |
//! | `outbox.lock` | empty; locked as long as the outbox is open |
//! | `outbox.redb` | the database; on Linux 4 MiB more are allocated behind its end, the reserve |
//! | `outbox.witness` | how far the database had come |
//! | `outbox.clock` | the agent's own, JSON: which events have doubtful times; only if some have |
//! | `outbox.conflicts` | the same: how many events of another device under this id the worker knew |
//! | `outbox.setback` | the same: that the outbox was set back, and when that was noticed |
//!
//! Database and witness are made as `….new` and renamed. The tables of the database (redb 4):
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `meta` | `identity` | a sealed JSON object: `format_version`, `kiosk_id`, `key_id` (null before anybody has named a key) |
//! | | `state` | sealed: generation 8, highest sequence 4, then 8 each: unsent, their bytes, set aside, their bytes, acknowledged ever, of those forgotten, idempotency keys; the newest receipt's timestamp and the latest acceptance, each 1 (there or not) + 8; numbers passed over 8 |
//! | `unsent` | sequence | sealed: entry, event |
//! | `set_aside` | sequence | sealed: entry, obstacle 1, when 8, length 2 and text of the detail, event |
//! | `acknowledged` | sequence | sealed: entry, partition 4, offset 8, timestamp 1 + 8, its place in `forget` 8 |
//! | `events` | event id | sequence |
//! | `keys` | digest of the idempotency key | sequence |
//! | `forget` | receipt's timestamp, sequence | nothing |
//!
//! An *entry* is event id 16, subject 16, home and service region 2 each, occurred at 8, accepted
//! at 8, and 1 that says whether the digests of the idempotency key and of its content follow, 16
//! each. The *event* is the whole [`ActivationEvent`](laju_schemas::ActivationEvent) in Avro's
//! single-object encoding. Numbers are little endian, instants milliseconds since 1970. *Sealed*
//! is with a CRC-32 in front, of the sequence number (0 in `meta`) and the rest.
//!
//! Every number given is that of an event in `unsent`, in `set_aside`, acknowledged, or was passed
//! over because it had been given before: the four add up to the highest, and this is checked when
//! the outbox is opened, as is every page. Format 1 had neither key nor numbers passed over; it is
//! brought up to format 2 as it is opened, and belongs to the first key that it is opened with.
//!
//! The witness has 128 bytes: `LAJUWITN`, format 4, generation 8, highest sequence 4, acknowledged
//! 8, length 2 and text of the kiosk id, zeros, and the CRC-32 of all that. It is written over
//! after each durable commit and before the answer, without being forced to the disk: behind the
//! database it may be, ahead of it never. So a database that has fallen back to an older commit,
//! or is gone, is noticed. A second witness may lie on another volume: it notices where the whole
//! directory has fallen back, the first one included. Numbers then go on above what it has seen.
//!
//! # What happens when
//!
//! - A transaction is durable before anybody is answered. A kill in between leaves events that
//!   no client knows of; a client that sends them again with the same idempotency key gets the same
//!   answer.
//! - The disk is full: those who wait get [`OutboxError::DiskFull`]. The database's file is never
//!   sparse, and where the disk has no room to double it, it grows by what there is, the reserve
//!   excepted. The reserve is for settling alone, which goes on in small steps and makes room in
//!   the database; its pages are then moved together, the file is shortened, and the reserve made
//!   again. Once it is whole and there is more room, or the database has as much within itself,
//!   accepting goes on by itself. Where nothing was settled for minutes, and the oldest acknowledged
//!   events take the room that is missing, they are forgotten before their time. Since redb refuses
//!   everything after a failed write, it is opened again under the same lock.
//! - Something is damaged: [`OutboxError::Damaged`], at opening or at the row.
//! - The writer fails permanently: [`OutboxError::Stopped`] to everybody from then on.

mod error;
pub(crate) mod files;
mod format;
mod handle;
mod job;
mod open;
mod pending;
mod read;
mod room;
mod stage;
mod sums;
#[cfg(test)]
mod tests;
mod types;
mod witness;
mod writer;

pub use error::OutboxError;
pub use format::{FORMAT_VERSION, ROW_OVERHEAD};
pub use handle::Outbox;
pub use pending::Pending;
pub use types::{
    Accepted, Counts, Dated, Draft, Entry, IdempotencyKey, Known, OutboxSettings, Outcome, Refusal,
    Rejected, Rejection, RejectionReason, Retry, RolledBack, Unsent,
};
