//! What lies behind a figure: why it changed, what it rests on, and its postings.

pub mod change;
#[cfg(test)]
pub(crate) mod change_tests;
pub mod evidence;
#[cfg(test)]
pub(crate) mod evidence_tests;
pub mod parts;
pub mod postings;
