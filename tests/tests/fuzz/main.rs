//! No input makes a reader panic, and what a reader takes means one thing: written again it is
//! read as the same. An ordinary run makes a few hundred thousand inputs; with
//! `LAJU_FUZZ_INPUTS=10000000` as many as that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod decoder;
mod intake;
