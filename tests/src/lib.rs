//! What crosses the crates: the naive oracle, the generators, and the reading of the ledger in
//! the oracle's terms.

pub mod fold;
pub mod generate;
pub mod ledger;
pub mod log;
pub mod oracle;
pub mod text;
pub mod wire;
