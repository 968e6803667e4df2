//! The publishing library and the program `laju-kiosk`.

pub mod connection;
pub mod publish;
pub mod registry;
pub mod settings;
pub mod simulate;
