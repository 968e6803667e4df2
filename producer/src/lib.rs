//! The publishing library and the program `laju-kiosk`.
//!
//! An event comes in ([`agent`], which checks it with [`intake`] and [`nik`]), its NIK becomes a
//! pseudonym ([`secret`] reads the key), it is numbered and kept ([`outbox`]), and it is published
//! and confirmed ([`publish`]). [`connection`], [`http_client`], [`registry`], [`serve`],
//! [`settings`] and [`signal`] are shared with the program `laju`. [`last_word`]
//! reads what a kiosk last said of itself. [`simulate`] makes events up.

pub mod agent;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod http_client;
pub mod intake;
pub mod last_word;
pub mod lock;
pub mod outbox;
pub mod problem;
pub mod publish;
pub mod registry;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod signal;
pub mod simulate;
pub mod terminal;
pub mod text;

pub use laju_schemas::nik;
