//! What benchmarks share: how their figures are made.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::broker::TestBroker;

/// The broker at this address, or the embedded one.
#[must_use]
pub fn broker(brokers: Option<&str>, partitions: u32) -> TestBroker {
    match brokers {
        Some(brokers) => TestBroker::at(brokers, partitions),
        None => TestBroker::start(partitions),
    }
}

/// The middle one, or the upper of the two in the middle.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long something took, in milliseconds.
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub count: usize,
}

impl Percentiles {
    /// Of these times; NaN where there are none.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        Self { p50: at(0.5), p99: at(0.99), count: times.len() }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2}, p99 {:.2}, of {}", self.p50, self.p99, self.count)
    }
}

/// The bytes of a file, or of all files below a directory.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn size(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().expect("a file").len();
    }
    let entries = std::fs::read_dir(path).expect("a directory");
    entries.map(|entry| size(&entry.expect("an entry").path())).sum()
}

/// A process's resident memory now (`VmRSS`) or at its peak (`VmHWM`), in bytes; 0 once it has
/// ended.
#[must_use]
pub fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1_024
}
