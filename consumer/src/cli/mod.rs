//! The commands of the program `laju`: what they take, and what they print. Each is clap's `Args`
//! with a `run` that writes to where it is told and answers with the exit code.

pub mod reference;
pub mod query;
pub mod topics;
