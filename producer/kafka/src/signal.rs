//! What asks a program to end: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed. The first
//! asks for an orderly end; a further Ctrl-C or SIGTERM ends at once.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell expects of a program ended by Ctrl-C.
pub const INTERRUPTED: i32 = 130;

/// Listens for signals.
pub struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    /// None where it is to be ignored, as `nohup` wants it.
    #[cfg(unix)]
    hangup: Option<Signal>,
}

impl Signals {
    /// Begins to listen, on the tokio runtime that this is called on.
    ///
    /// # Errors
    /// If the system does not let it.
    #[cfg(unix)]
    pub fn listen() -> io::Result<Self> {
        let hangup = (!is_hangup_ignored()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until an end is asked for.
    pub async fn end(&mut self) {
        #[cfg(unix)]
        {
            let Self { interrupt, terminate, hangup } = self;
            let hung_up = async {
                match hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
        }
        #[cfg(not(unix))]
        interrupted().await;
    }

    /// Waits until an end at once is asked for. SIGHUP is not that: a closed terminal sends it
    /// twice, and service managers send it behind SIGTERM.
    pub async fn end_at_once(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        interrupted().await;
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether this program was started to outlive its terminal.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    // Where there is no such file nobody can tell, and SIGHUP ends programs as ever.
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Whether the mask of ignored signals has SIGHUP, the first.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"));
        assert!(!ignores_hangup("Name:\tx\n"));
    }
}
