//! Stopping on Ctrl-C, SIGTERM or SIGHUP.

use anyhow::Context as _;
use laju_kafka::signal::{self, Signals};

use crate::ingest::stop::Stop;

/// The exit code of a program that Ctrl-C has ended.
pub(super) const INTERRUPTED: u8 = signal::INTERRUPTED as u8;

/// Stops on the first Ctrl-C, SIGTERM or SIGHUP; a further one of the first two ends the program at
/// once, which the store survives.
pub(super) fn on_signal() -> anyhow::Result<Stop> {
    on_signal_saying("stopping: finishing the commit under way")
}

/// The same, with another log message.
pub(super) fn on_signal_saying(words: &'static str) -> anyhow::Result<Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals::listen().context("cannot listen for signals")?
    };
    let stop = Stop::default();
    let stopped = stop.clone();
    std::thread::Builder::new().name("laju-signal".to_owned()).spawn(move || {
        runtime.block_on(async {
            signals.end().await;
            tracing::info!("{words}");
            stop.stop();
            signals.end_at_once().await;
            std::process::exit(signal::INTERRUPTED);
        });
    })?;
    Ok(stopped)
}
