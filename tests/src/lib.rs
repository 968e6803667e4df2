//! What crosses the crates: the naive oracle, the generators, the reading of the ledger in
//! the oracle's terms, the brokers that tests run on, and the programs run as processes.

pub mod agent;
pub mod asking;
pub mod balancer;
pub mod broker;
pub mod disk;
pub mod events;
pub mod fold;
pub mod fuzz;
pub mod generate;
pub mod judge;
pub mod kafka;
pub mod ledger;
pub mod log;
pub mod make;
pub mod measure;
pub mod meddler;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod property;
pub mod proxy;
pub mod registry;
pub mod replay;
pub mod stream;
pub mod text;
pub mod tls;
pub mod wire;
