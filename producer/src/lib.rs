//! The publishing library and the program `laju-kiosk`.
//!
//! An event comes in ([`intake`], [`nik`]), its NIK becomes a pseudonym ([`secret`] reads the
//! key), it waits on the disk for its turn ([`outbox`]), and it is published and confirmed
//! ([`publish`]). [`connection`], [`registry`] and
//! [`settings`] are shared with the program `laju`. [`simulate`] makes events up.
//! An event comes in ([`agent`], which checks it with [`intake`] and [`nik`]), its NIK becomes a
//! pseudonym ([`secret`] reads the key), it is numbered and kept ([`outbox`]), and it is published
//! and confirmed ([`publish`]). [`connection`], [`registry`] and [`settings`] are shared with the
//! program `laju`. [`simulate`] makes events up.

pub mod agent;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod intake;
pub mod nik;
pub mod outbox;
pub mod publish;
pub mod registry;
pub mod secret;
pub mod settings;
pub mod simulate;
