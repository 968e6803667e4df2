//! The demo: five offices over three years, played through the very pipeline that runs in
//! production. [`scenario`] is what their kiosks send, as pure data; it knows no broker, no store
//! and no clock.

pub mod scenario;
