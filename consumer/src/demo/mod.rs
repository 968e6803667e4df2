//! The demo: kiosks, broker, worker and live figures in one process, from nothing.
//!
//! The embedded broker takes what the scenario's kiosks send, the very worker that runs in
//! production folds it, and the figures are asked for over HTTP, like anybody's.

pub mod check;
pub mod play;
pub mod scenario;
