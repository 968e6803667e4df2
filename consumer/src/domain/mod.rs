//! What Laju is about, and nothing of how it is run: which records count, what a subject's facts
//! contribute, the postings of the ledger, denominators and targets, percentages. Pure: no I/O,
//! no clock, no randomness, no async. The same log gives the same ledger.

pub mod account;
pub mod admission;
pub mod cell;
pub mod contribution;
pub mod day;
pub mod decisions;
pub mod dictionary;
pub mod fact;
pub mod fate;
pub mod figure_book;
pub mod fold;
pub mod kiosk_habit;
pub mod pace;
pub mod rate;
pub mod reference;
pub mod subjects;
pub mod version;
