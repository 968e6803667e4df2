//! The publishing library and the program `laju-kiosk`.

pub mod connection;
pub mod settings;
