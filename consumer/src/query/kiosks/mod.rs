//! Kiosks and their events: what has come in, what is missing, what became of an event, and what
//! could not be counted.

pub mod conflicts;
pub(crate) mod decided;
pub mod event;
#[cfg(test)]
pub(crate) mod event_tests;
pub mod list;
#[cfg(test)]
mod list_tests;
pub mod missing;
#[cfg(test)]
pub(crate) mod missing_tests;
pub mod quarantine;
pub mod silence;
pub mod state;
