//! Tests against an in-process broker, over its real socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod program;
mod publish;
mod registry;
mod support;
