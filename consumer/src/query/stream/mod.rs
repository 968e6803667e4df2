//! The live stream without sockets and clocks: every region's latest state, when it last changed,
//! and what a reader has still to be sent.
//!
//! States, not differences: a *revision* holds the latest state of every region and the number of
//! the revision in which it last changed. A reader has nothing but the number of the revision up to
//! which it has been sent everything, so that nothing is queued for it however slow it is; what it
//! is sent next is what has changed since. An event's id names that number, the run of the program
//! that counts them, and the position behind it. Another node knows by the position which of its own
//! revisions that reader is at; one that had no readers then has made none, cannot tell what has
//! changed, and sends everything.

mod last_event_id;
mod reader;
mod revision;
mod revisions;
mod selection;
#[cfg(test)]
mod tests;

pub use last_event_id::LastEventId;
pub use reader::{Message, Reader, Resync};
pub use revision::{MOST_BEHIND, Revision};
pub use revisions::Revisions;
pub use selection::Selection;
