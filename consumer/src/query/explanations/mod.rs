//! What lies behind a figure: why it changed, what it rests on, and its postings.

pub mod change;
#[cfg(test)]
mod change_tests;
pub mod evidence;
#[cfg(test)]
mod evidence_tests;
pub mod postings;
