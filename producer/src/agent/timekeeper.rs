//! The agent's clock: reads the kiosk's, keeps what brokers tell, and remembers on the disk which
//! events have doubtful times.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use laju_schemas::TimestampMs;

use super::best_clock::{BestClock, Moment, Reading, TimeSource, VERSION_BEGAN};
use super::doubt::{Doubt, Doubtful, Unconfirmed};
use super::json_file;
use crate::clock::{self, Clock};
use crate::outbox::Dated;
use laju_kafka::publish::Receipt;

/// Beside the outbox's own files.
const FILE: &str = "outbox.clock";

/// Shared by the intake and the shipper.
pub(super) struct Timekeeper {
    clock: Clock,
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    best: BestClock,
    doubt: Doubt,
    unsaved: bool,
    /// When writing it down failed, and how often in a row.
    failed: Option<(Instant, u32)>,
    /// What a broker's clock showed last, if that cannot be right.
    disbelieved: Option<TimestampMs>,
}

/// How long is waited after a failed write; twice as long after each further one.
const WRITE_RETRY_INTERVAL: Duration = Duration::from_secs(1);
const MAX_WRITE_RETRY_INTERVAL: Duration = Duration::from_secs(5 * 60);

impl Known {
    /// Whether something is to be written down, and the disk has had its time after a failure.
    fn is_due(&self) -> bool {
        let rests = self.failed.is_some_and(|(at, times)| {
            let pause = WRITE_RETRY_INTERVAL.saturating_mul(1 << times.min(16));
            at.elapsed() < pause.min(MAX_WRITE_RETRY_INTERVAL)
        });
        self.unsaved && !rests
    }
}

impl Timekeeper {
    /// For the outbox in this directory: `latest` is the newest time that a broker reported,
    /// `unconfirmed` are the events that it has not sent and that have the kiosk's clock for
    /// their time.
    pub(super) fn new(
        clock: Clock,
        directory: &Path,
        latest: Option<TimestampMs>,
        unconfirmed: Vec<Unconfirmed>,
    ) -> Self {
        let path = directory.join(FILE);
        let found = json_file::read(&path, "which events have doubtful times");
        let doubt = Doubt::new(unconfirmed, found.unwrap_or_default());
        let best = BestClock::new(VERSION_BEGAN, latest);
        let (unsaved, failed, disbelieved) = (false, None, None);
        let known = Mutex::new(Known { best, doubt, unsaved, failed, disbelieved });
        Self { clock, path, known }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every field is whole at any time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kiosk's own clock.
    pub(super) fn kiosk_clock(&self) -> TimestampMs {
        (self.clock)()
    }

    pub(super) fn moment(&self) -> Moment {
        let reading = Reading { clock: (self.clock)(), uptime: clock::uptime() };
        Moment { reading, best: self.known().best }
    }

    /// A receipt as far as it is believed: the time of a broker whose clock cannot be right is not
    /// counted as the broker's.
    pub(super) fn believed(&self, receipt: Receipt) -> Receipt {
        let Some(at) = receipt.timestamp.filter(|_| receipt.by_broker) else { return receipt };
        let by_broker = self.known().best.believes(at, (self.clock)());
        Receipt { by_broker, ..receipt }
    }

    /// What a broker's clock showed last, if that cannot be right.
    pub(super) fn disbelieved(&self) -> Option<TimestampMs> {
        self.known().disbelieved
    }

    /// The broker's clock showed `broker` half a round trip ago.
    pub(super) fn measured(&self, broker: TimestampMs, half: Duration) {
        let reading = Reading { clock: (self.clock)(), uptime: clock::uptime() };
        let half = i64::try_from(half.as_millis()).unwrap_or(0);
        let broker = TimestampMs(broker.0.saturating_add(half));
        let mut known = self.known();
        if !known.best.measured(broker, reading) {
            if known.disbelieved.replace(broker).is_none() {
                tracing::warn!(%broker, "a broker's clock cannot be right: it is not believed");
            }
            return;
        }
        known.disbelieved = None;
        if known.doubt.measured(reading, broker) {
            known.unsaved = true;
        }
    }

    /// An event was taken at a moment, with a time of this source.
    pub(super) fn took(&self, sequence: u32, source: TimeSource, moment: &Moment) {
        let mut known = self.known();
        if known.doubt.took(sequence, source, moment.reading) {
            known.unsaved = true;
        }
    }

    /// What was found to be doubtful.
    pub(super) fn doubtful(&self) -> Vec<Doubtful> {
        self.known().doubt.found().to_vec()
    }

    /// Whether something is to be written down now.
    pub(super) fn is_unsaved(&self) -> bool {
        self.known().is_due()
    }

    /// Writes down what was found, if that is not done yet; what fails is tried again later.
    /// It writes to the disk: not for async threads.
    pub(super) fn save(&self) {
        // Held while it is written, so that a later state never comes before an earlier one.
        let mut known = self.known();
        if !known.is_due() {
            return;
        }
        match json_file::write(&self.path, known.doubt.found()) {
            Ok(()) => (known.unsaved, known.failed) = (false, None),
            Err(error) => {
                let before = known.failed.map_or(0, |(_, times)| times);
                if before == 0 {
                    tracing::warn!(
                        %error,
                        "which events have doubtful times cannot be written down; it is tried again"
                    );
                }
                known.failed = Some((Instant::now(), before.saturating_add(1)));
            }
        }
    }
}

/// Adds an unsent event, if it has the kiosk's clock for its time: nobody has confirmed it.
pub(super) fn add_unconfirmed(spans: &mut Vec<Unconfirmed>, event: &Dated) {
    if event.is_by_kiosk_clock() {
        Unconfirmed::add(spans, event.sequence, event.occurred_at, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use laju_schemas::EventId;

    use super::super::best_clock::Now;
    use super::*;

    #[test]
    fn the_word_of_a_broker_whose_clock_cannot_be_right_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let now = TimestampMs(VERSION_BEGAN.0 + 30 * 86_400_000);
        let keeper = Timekeeper::new(Arc::new(move || now), folder.path(), None, Vec::new());
        let receipt =
            |at| Receipt { partition: 0, offset: None, timestamp: Some(at), by_broker: true };
        let absurd: TimestampMs = "2099-01-01T00:00:00Z".parse().unwrap();
        assert!(keeper.believed(receipt(now)).by_broker);
        assert!(!keeper.believed(receipt(absurd)).by_broker);
        keeper.measured(absurd, Duration::ZERO);
        assert_eq!(
            (keeper.moment().now(), keeper.disbelieved()),
            (Now::Unconfirmed(now), Some(absurd))
        );
        keeper.measured(now, Duration::ZERO);
        assert_eq!(keeper.disbelieved(), None);
        assert!(matches!(keeper.moment().now(), Now::Measured(_)));
    }

    #[test]
    fn what_was_found_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = TimestampMs(VERSION_BEGAN.0 + 30 * 86_400_000);
        let dated = |sequence, accepted_at| Dated {
            sequence,
            event_id: EventId([1; 16]),
            occurred_at: wrong,
            accepted_at,
        };
        let open = |unsent: &[Dated]| {
            let mut spans = Vec::new();
            unsent.iter().for_each(|event| add_unconfirmed(&mut spans, event));
            Timekeeper::new(Arc::new(move || wrong), folder.path(), None, spans)
        };
        // The second came with a time of its own.
        let keeper = open(&[dated(4, wrong), dated(5, TimestampMs(wrong.0 + 1)), dated(6, wrong)]);
        assert_eq!(keeper.moment().now(), Now::Unconfirmed(wrong));
        keeper.measured(TimestampMs(wrong.0 + 86_400_000), Duration::ZERO);
        assert!(matches!(keeper.moment().now(), Now::Measured(_)));
        assert!(keeper.is_unsaved());
        keeper.save();
        let again = open(&[]);
        assert_eq!(again.doubtful(), keeper.doubtful());
        let [found] = &again.doubtful()[..] else { panic!("{:?}", again.doubtful()) };
        assert_eq!((found.span.first, found.span.last, found.span.events), (4, 6, 2));
        assert_eq!(found.offset_ms, Some(-86_400_000));

        // A disk that takes nothing is left alone for a while.
        let missing = folder.path().join("missing");
        let lost = Timekeeper::new(Arc::new(move || wrong), &missing, None, Vec::new());
        lost.took(1, TimeSource::ClientAlone, &lost.moment());
        assert!(lost.is_unsaved());
        lost.save();
        assert!(!lost.is_unsaved(), "not at every turn");

        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(open(&[]).doubtful().is_empty(), "and it starts all the same");
    }
}
