//! The kiosk agent: takes events in, keeps them safe, and ships them.
//!
//! [`submission`] reads what a client says and turns a NIK into a pseudonym; the
//! [`outbox`](crate::outbox) numbers the event and keeps it, synced to the disk, before anybody
//! learns that it was accepted; the shipper sends it and takes it out when Kafka has acknowledged
//! it. A Rust integration embeds [`Agent`]; all others talk to it over loopback HTTP ([`http`]).
//! The NIK and the programme's key are in this process's memory and nowhere else.

mod advice;
mod attention;
mod backoff;
pub mod best_clock;
mod blocking;
mod doubt;
mod draft;
mod fate;
mod handle;
pub mod http;
mod json_file;
mod kiosk;
mod metrics;
mod read;
mod refused;
mod report;
mod rollback;
mod ship;
mod shipping;
mod status;
pub mod submission;
mod timekeeper;
mod window;
mod worker;
mod worker_report;

pub use advice::Advice;
pub use doubt::{Doubtful, DoubtfulEvents, DoubtfulTimes, Span};
pub use fate::{EventState, Fate};
pub use handle::{Agent, AgentError, AgentSettings};
pub use kiosk::Kiosk;
pub use refused::{Refused, RetractError};
pub use rollback::RollbackNotice;
pub use shipping::ShippingState;
pub use status::{ClockState, Status};
pub use worker::WorkerAddress;
pub use worker_report::{QuarantinedEvent, WorkerReport};
