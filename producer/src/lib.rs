//! The publishing library and the program `laju-kiosk`.
//!
//! An event comes in ([`agent`], which checks it with [`intake`] and [`nik`]), its NIK becomes a
//! pseudonym ([`secret`] reads the key), it is numbered and kept ([`outbox`]), and it is published
//! and confirmed ([`publish`]). [`latest_status`] reads the status that a kiosk last sent. What the
//! program `laju` needs as well is in `laju-kafka`; of it an integration finds here what it has to
//! name.

#![warn(missing_docs)]

pub mod agent;
pub mod cli;
pub mod clock;
pub mod intake;
pub mod latest_status;
pub mod outbox;

pub use laju_kafka::{connection, http_client, problem, publish, registry, secret};
pub use laju_schemas::nik;
