//! The live stream without sockets and clocks: every region's latest state, when it last changed,
//! and what a reader has still to be sent.
//!
//! States, not differences: an *edition* holds the latest state of every region and the number of
//! the edition in which it last changed. A reader has nothing but the number of the edition up to
//! which it has been sent everything, so that nothing is queued for it however slow it is; what it
//! is sent next is what has changed since. An event's id names that number, the run of the program
//! that counts them, and the position behind it. Another node knows by the position which of its own
//! editions that reader is at; one that had no readers then has made none, cannot tell what has
//! changed, and sends everything.

mod edition;
mod editor;
mod mark;
mod reader;
mod selection;
#[cfg(test)]
mod tests;

pub use edition::{Edition, MOST_BEHIND};
pub use editor::Editor;
pub use mark::Mark;
pub use reader::{Reader, Resync, Word};
pub use selection::Selection;
