//! Events whose times nobody could check: those of a clock that no broker had confirmed, and those
//! that clients gave while the clock could not be right. When a broker is met it shows which of the
//! first were wrong; both are remembered, for people to look at.
//!
//! Pure: it knows neither clocks nor files.

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};

use super::best_clock::{Reading, TimeSource};
use crate::outbox::Dated;

/// Times that were wrong by more than this are remembered, in milliseconds.
const CLOCK_WRONG_MS: i64 = 5 * 60 * 1_000;
/// A clock that moved by more than this was set, in milliseconds.
const CLOCK_SET_MS: i64 = 1_000;
/// How long something found is remembered, by the broker's clock, in milliseconds.
const REMEMBERED_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How many findings are remembered, the latest.
const MAX_FOUND: usize = 100;

/// Events taken one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first event's sequence.
    pub first: u32,
    /// The last one's; between them may be others.
    pub last: u32,
    /// How many there are.
    pub events: u64,
    /// What the kiosk's clock showed at the first.
    pub clock_from: TimestampMs,
    /// And at the last.
    pub clock_until: TimestampMs,
}

impl Span {
    /// Of one event.
    fn one(sequence: u32, clock: TimestampMs) -> Self {
        let (clock_from, clock_until) = (clock, clock);
        Self { first: sequence, last: sequence, events: 1, clock_from, clock_until }
    }

    /// Takes later events in.
    fn extend(&mut self, next: &Self) {
        self.last = self.last.max(next.last);
        self.events += next.events;
        self.clock_until = next.clock_until;
    }
}

/// Events that have doubtful times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubtful {
    /// Where their times came from.
    pub times: DoubtfulTimes,
    /// Which they are.
    #[serde(flatten)]
    pub span: Span,
    /// The kiosk's clock at that time minus the broker's, in milliseconds, as far as it could be
    /// told later.
    pub offset_ms: Option<i64>,
    /// When a broker was met after that, by its clock.
    pub met_at: Option<TimestampMs>,
}

/// Where doubtful times came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtfulTimes {
    /// From the kiosk's clock, which was wrong.
    WrongClock,
    /// From clients, while the kiosk's clock could not be right.
    ClientAlone,
    /// From the broker's clock, while the kiosk's showed another day and might as well be right.
    Disputed,
}

/// Events with doubtful times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtfulEvents {
    /// How many, since when, and why.
    #[serde(flatten)]
    pub found: Doubtful,
    /// The first of them that are still remembered.
    pub shown: Vec<Dated>,
}

/// Events with times of a clock that no broker has confirmed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unconfirmed {
    span: Span,
    /// See [`Reading::base_ms`]; none for events of an earlier start.
    base_ms: Option<i64>,
}

impl Unconfirmed {
    /// Adds an event to the last of these, unless the clock was set in between.
    pub(super) fn add(
        found: &mut Vec<Self>,
        sequence: u32,
        clock: TimestampMs,
        base_ms: Option<i64>,
    ) {
        let span = Span::one(sequence, clock);
        match found.last_mut() {
            Some(last) if last.precedes(&span, base_ms) => last.span.extend(&span),
            _ => found.push(Self { span, base_ms }),
        }
    }

    /// Whether the clock was not set between these and the next.
    fn precedes(&self, next: &Span, base_ms: Option<i64>) -> bool {
        match (self.base_ms, base_ms) {
            (Some(one), Some(other)) => (one - other).abs() <= CLOCK_SET_MS,
            (None, None) => next.clock_from >= self.span.clock_until,
            _ => false,
        }
    }

    /// How wrong their times are: the clock then minus the broker's.
    fn offset_ms(&self, reading: Reading, broker: TimestampMs) -> i64 {
        let now = reading.clock.0 - broker.0;
        match self.base_ms {
            Some(base) => now + (base - reading.base_ms()),
            // They cannot be of the future; else nobody knows more than what is wrong now.
            None if self.span.clock_until.0 - broker.0 > CLOCK_WRONG_MS => {
                self.span.clock_until.0 - broker.0
            }
            None => now,
        }
    }
}

/// What is in doubt, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubt {
    unconfirmed: Vec<Unconfirmed>,
    found: Vec<Doubtful>,
}

impl Doubt {
    pub(super) fn new(unconfirmed: Vec<Unconfirmed>, found: Vec<Doubtful>) -> Self {
        Self { unconfirmed, found }
    }

    pub(super) fn found(&self) -> &[Doubtful] {
        &self.found
    }

    /// An event was taken; says whether there is something to remember on the disk.
    pub(super) fn took(&mut self, sequence: u32, source: TimeSource, reading: Reading) -> bool {
        match source {
            TimeSource::Checked => false,
            TimeSource::Kiosk => {
                let base_ms = Some(reading.base_ms());
                Unconfirmed::add(&mut self.unconfirmed, sequence, reading.clock, base_ms);
                false
            }
            TimeSource::ClientAlone => {
                self.add(sequence, DoubtfulTimes::ClientAlone, reading);
                true
            }
            TimeSource::Disputed => {
                self.add(sequence, DoubtfulTimes::Disputed, reading);
                true
            }
        }
    }

    /// Adds an event to the latest finding, if that is of the same kind and not over.
    fn add(&mut self, sequence: u32, times: DoubtfulTimes, reading: Reading) {
        let span = Span::one(sequence, reading.clock);
        match self.found.last_mut() {
            Some(last) if last.times == times && last.met_at.is_none() => last.span.extend(&span),
            _ => self.remember(Doubtful { times, span, offset_ms: None, met_at: None }),
        }
    }

    /// A broker was met, whose clock shows `broker` at this reading; says whether what is to be
    /// remembered has changed.
    pub(super) fn measured(&mut self, reading: Reading, broker: TimestampMs) -> bool {
        let before = self.found.len();
        self.found.retain(|found| found.met_at.is_none_or(|at| broker.0 - at.0 < REMEMBERED_MS));
        let mut changed = self.found.len() != before;
        let still = (reading.clock.0 - broker.0).abs() > CLOCK_WRONG_MS;
        for found in self.found.iter_mut().filter(|found| found.met_at.is_none()) {
            if found.times == DoubtfulTimes::Disputed && still {
                continue;
            }
            found.met_at = Some(broker);
            changed = true;
        }
        for unconfirmed in std::mem::take(&mut self.unconfirmed) {
            let offset = unconfirmed.offset_ms(reading, broker);
            if offset.abs() > CLOCK_WRONG_MS {
                changed = true;
                self.remember(Doubtful {
                    times: DoubtfulTimes::WrongClock,
                    span: unconfirmed.span,
                    offset_ms: Some(offset),
                    met_at: Some(broker),
                });
            }
        }
        changed
    }

    fn remember(&mut self, found: Doubtful) {
        if self.found.len() >= MAX_FOUND {
            self.found.remove(0);
        }
        self.found.push(found);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const T: i64 = 1_795_000_000_000;
    const DAY: i64 = 24 * 60 * 60 * 1_000;

    fn reading(clock: i64, seconds: u64) -> Reading {
        Reading { clock: TimestampMs(clock), uptime: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_clock_that_was_wrong_is_found_out_also_when_it_was_set_before_the_broker_was_met() {
        let mut doubt = Doubt::default();
        // Three days behind, then set, then right.
        for (sequence, seconds) in [(1, 100), (2, 160)] {
            let behind = reading(T + seconds as i64 * 1_000 - 3 * DAY, seconds);
            assert!(!doubt.took(sequence, TimeSource::Kiosk, behind));
        }
        doubt.took(3, TimeSource::Checked, reading(T + 170_000, 170));
        doubt.took(4, TimeSource::Kiosk, reading(T + 180_000, 180));
        assert!(doubt.measured(reading(T + 200_000, 200), TimestampMs(T + 200_010)));
        let [found] = doubt.found() else { panic!("{doubt:?}") };
        assert_eq!((found.span.first, found.span.last, found.span.events), (1, 2, 2));
        assert_eq!(found.offset_ms, Some(-3 * DAY - 10));
        assert_eq!(found.times, DoubtfulTimes::WrongClock);
        // Once, and for thirty days.
        assert!(!doubt.measured(reading(T + 300_000, 300), TimestampMs(T + 300_000)));
        assert_eq!(doubt.found().len(), 1);
        let later = T + 31 * DAY;
        assert!(doubt.measured(reading(later, 400), TimestampMs(later)));
        assert!(doubt.found().is_empty());
    }

    #[test]
    fn events_of_an_earlier_start_are_as_wrong_as_the_clock_or_of_the_future() {
        let of = |clock| {
            let mut found = Vec::new();
            Unconfirmed::add(&mut found, 7, TimestampMs(clock), None);
            found
        };
        for (given, clock_now, offset) in [
            (T - DAY, T, None),
            (T - 30 * DAY, T - 29 * DAY, Some(-29 * DAY)),
            (T + 2 * DAY, T, Some(2 * DAY)),
        ] {
            let mut doubt = Doubt::new(of(given), Vec::new());
            doubt.measured(reading(clock_now, 5), TimestampMs(T));
            assert_eq!(doubt.found().first().and_then(|found| found.offset_ms), offset);
        }
    }

    #[test]
    fn what_clients_dated_while_the_clock_was_impossible_is_remembered_at_once() {
        let mut doubt = Doubt::default();
        assert!(doubt.took(1, TimeSource::ClientAlone, reading(0, 5)));
        assert!(doubt.took(2, TimeSource::ClientAlone, reading(9_000, 14)));
        let [found] = doubt.found() else { panic!("{doubt:?}") };
        assert_eq!(
            (found.span.first, found.span.last, found.span.events, found.met_at),
            (1, 2, 2, None)
        );
        assert!(doubt.measured(reading(T, 20), TimestampMs(T)));
        assert_eq!(doubt.found()[0].met_at, Some(TimestampMs(T)));
        doubt.took(3, TimeSource::ClientAlone, reading(0, 30));
        assert_eq!(doubt.found().len(), 2, "another time");
    }

    #[test]
    fn what_was_taken_while_two_clocks_disagreed_is_one_finding_until_they_agree() {
        let mut doubt = Doubt::default();
        for (sequence, seconds) in [(1, 5), (2, 70)] {
            let clock = T + seconds as i64 * 1_000;
            assert!(doubt.took(sequence, TimeSource::Disputed, reading(clock, seconds)));
            doubt.measured(reading(clock, seconds), TimestampMs(clock - 3 * DAY));
        }
        let [found] = doubt.found() else { panic!("{doubt:?}") };
        assert_eq!(
            (found.span.first, found.span.last, found.span.events, found.met_at),
            (1, 2, 2, None)
        );
        doubt.measured(reading(T + 80_000, 80), TimestampMs(T + 80_000));
        assert_eq!(doubt.found()[0].met_at, Some(TimestampMs(T + 80_000)));
    }
}
