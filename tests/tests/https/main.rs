//! https to a worker and to a registry, by every program that speaks it: with the authority named
//! it goes, without it the program says what to do. Nothing goes through a proxy that the
//! environment names, and no token or password to where an answer points, nor into a log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod refused;
mod spoken;

use std::process::Command;

use laju_tests::process;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");

/// A command in an environment whose every proxy is one at which nobody listens, and whose log says
/// all that there is.
fn command(program: &str, args: &[&str]) -> Command {
    let mut command = process::command(program, args);
    for proxy in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(proxy, "http://127.0.0.1:9").env(proxy.to_lowercase(), "http://127.0.0.1:9");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy").env("LAJU_LOG", "trace");
    command
}

/// A file that holds this.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
