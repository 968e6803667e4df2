//! That the outbox was rolled back, or another device has its numbers: remembered beside the
//! outbox for a month, since who looks at the kiosk may do so only after a restart or two.

use std::path::{Path, PathBuf};

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};

use super::best_clock::{Moment, Now};
use super::json_file;
use crate::outbox::Counts;

/// Beside the outbox's own files.
const FILE: &str = "outbox.setback";
/// How long it is said.
const REMEMBERED_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// A rollback that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackNotice {
    /// What shows it.
    pub what: String,
    /// When it was noticed; none if nobody could tell the time.
    pub at: Option<TimestampMs>,
    /// How many numbers were passed over, with those of then.
    pub passed_over: u64,
}

impl RollbackNotice {
    pub(super) fn new(what: String, passed_over: u64, moment: &Moment) -> Self {
        let at = match moment.now() {
            Now::Measured(now) | Now::Unconfirmed(now) => Some(now),
            Now::Unknown(_) => None,
        };
        Self { what, at, passed_over }
    }

    /// Whether it is still to be said.
    pub(super) fn matters(&self, now: TimestampMs) -> bool {
        self.at.is_none_or(|at| now.0.saturating_sub(at.0) < REMEMBERED_MS)
    }
}

/// The latest rollback, on the disk.
#[derive(Debug, Default)]
pub(super) struct RollbackFile {
    path: PathBuf,
    latest: Option<RollbackNotice>,
}

impl RollbackFile {
    /// Of the outbox in this directory.
    pub(super) fn of(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let latest = json_file::read(&path, "whether the outbox was set back before");
        Self { path, latest }
    }

    /// What is remembered.
    pub(super) fn known(&self) -> Option<&RollbackNotice> {
        self.latest.as_ref()
    }

    /// That numbers were passed over of which nothing is remembered: the agent ended before it
    /// had written that down.
    pub(super) fn unsaid(&self, counts: &Counts, moment: &Moment) -> Option<RollbackNotice> {
        let known = self.latest.as_ref().map_or(0, |latest| latest.passed_over);
        let passed_over = counts.passed_over;
        (passed_over > known).then(|| {
            let what = format!(
                "{passed_over} numbers were passed over, because they had been given before this \
                 outbox was set back, or by another device; they count as missing unless their \
                 events are in Kafka"
            );
            RollbackNotice::new(what, passed_over, moment)
        })
    }

    /// Remembers one. It writes to the disk: not for async threads.
    pub(super) fn note(&mut self, notice: RollbackNotice) {
        if let Err(error) = json_file::write(&self.path, &notice) {
            tracing::warn!(%error, "that the outbox has been set back cannot be written down");
        }
        self.latest = Some(notice);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::best_clock::{BestClock, Reading, VERSION_BEGAN};
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn moment(clock: TimestampMs) -> Moment {
        let reading = Reading { clock, uptime: Duration::from_secs(5) };
        Moment { reading, best: BestClock::new(VERSION_BEGAN, None) }
    }

    #[test]
    fn a_rollback_is_said_for_thirty_days_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let now = TimestampMs(VERSION_BEGAN.0 + DAY_MS);
        let passed_over = |passed_over| Counts { passed_over, ..Counts::default() };
        let mut file = RollbackFile::of(folder.path());
        assert_eq!((file.known(), file.unsaid(&passed_over(0), &moment(now))), (None, None));
        file.note(RollbackNotice::new("fell back".to_owned(), 20, &moment(now)));
        let again = RollbackFile::of(folder.path());
        let known = again.known().unwrap();
        assert_eq!((known.what.as_str(), known.at), ("fell back", Some(now)));
        assert_eq!(again.unsaid(&passed_over(20), &moment(now)), None);
        assert!(known.matches_days(now, 29) && !known.matches_days(now, 31));
        // One of which only the outbox knows.
        let more = again.unsaid(&passed_over(25), &moment(now)).unwrap();
        assert!(more.what.contains("25 numbers were passed over"), "{more:?}");
        // A clock that cannot be right says nothing of when.
        assert_eq!(RollbackNotice::new(String::new(), 1, &moment(TimestampMs(0))).at, None);
    }

    impl RollbackNotice {
        fn matches_days(&self, now: TimestampMs, days: i64) -> bool {
            self.matters(TimestampMs(now.0 + days * DAY_MS))
        }
    }
}
