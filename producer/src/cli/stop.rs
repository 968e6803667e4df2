//! The end that a user asks for: orderly at first, at once if asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use laju_kafka::signal::{INTERRUPTED, Signals};

/// Whether the user has asked for an end.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Begins to listen. The listening thread ends with the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        let stop = Self(Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&stop.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::listen()?
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                signals.end().await;
                flag.store(true, Ordering::Relaxed);
                signals.end_at_once().await;
                std::process::exit(INTERRUPTED);
            });
        })?;
        Ok(stop)
    }

    pub(super) fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
