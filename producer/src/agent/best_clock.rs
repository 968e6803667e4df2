//! What time it is, by the best that is known: a kiosk's own clock may start in 1970 or 2099. The
//! broker's is better, also some while ago, as long as the machine has been running since; and
//! it is never earlier than what a broker reported before, or than this program.
//!
//! Pure: the clock and how long the machine has been running are arguments.

#[cfg(test)]
mod tests;

use std::time::Duration;

use laju_schemas::TimestampMs;
use laju_schemas::rules::{MAX_AHEAD_MS, PROGRAMME_BEGAN};
use thiserror::Error;

use crate::intake::{self, IntakeError};

/// When this version was begun: no clock that shows less is right. A constant and not the time of
/// the build, so that the same source gives the same program.
pub const VERSION_BEGAN: TimestampMs = TimestampMs(1_793_491_200_000);
/// How far behind a right clock may be of what is known, in milliseconds.
const CLOCK_SLACK_MS: i64 = 10 * 60 * 1_000;
/// How far a right clock may be ahead of the last time that a broker reported, in milliseconds.
const LONGEST_OFFLINE_MS: i64 = 400 * DAY_MS;
/// How far a right clock may be ahead of this version where no broker ever reported the time.
const LONGEST_IN_USE_MS: i64 = 10 * 365 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// A kiosk's clock that went forward by more than this since the broker's was measured, in
/// milliseconds: it was set, or the machine stood still and counted nothing.
const CLOCK_JUMP_MS: i64 = 5 * 60 * 1_000;

/// What the machine shows at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The kiosk's clock.
    pub clock: TimestampMs,
    /// How long the machine has been running: nobody sets that.
    pub uptime: Duration,
}

impl Reading {
    /// When the machine was started, if its clock is right: what moves when the clock is set.
    #[must_use]
    pub fn base_ms(self) -> i64 {
        self.clock.0.saturating_sub(millis(self.uptime))
    }
}

/// What is known of the time besides the kiosk's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BestClock {
    began: TimestampMs,
    /// The latest that brokers have reported.
    latest: Option<TimestampMs>,
    /// The same before this start.
    latest_before: Option<TimestampMs>,
    measured: Option<Measured>,
}

/// When the machine was started, as it was when a broker's clock was last measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measured {
    /// By the broker's clock.
    broker_base_ms: i64,
    /// By the kiosk's.
    kiosk_base_ms: i64,
}

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// By the broker's clock.
    Measured(TimestampMs),
    /// By the kiosk's own, which nobody has confirmed, and which may be right.
    Unconfirmed(TimestampMs),
    /// Nobody knows: the kiosk's clock cannot be right.
    Unknown(WrongClock),
}

/// An instant: what the machine shows, and what else is known of the time.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What the machine shows.
    pub reading: Reading,
    /// What else is known.
    pub best: BestClock,
}

impl Moment {
    /// The time of an event that happened at `given`, or just now.
    ///
    /// # Errors
    /// As [`BestClock::time`].
    pub fn time(&self, given: Option<TimestampMs>) -> Result<Timed, Untimely> {
        self.best.time(self.reading, given)
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.best.now(self.reading)
    }

    /// The kiosk's clock minus the broker's, in milliseconds, once measured.
    #[must_use]
    pub fn offset_ms(&self) -> Option<i64> {
        self.best.offset_ms(self.reading)
    }
}

/// Why a clock cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongClock {
    /// It shows less than what a broker has reported.
    #[error("{clock} is before {told}, which a broker has told")]
    BeforeBroker {
        /// What it shows.
        clock: TimestampMs,
        /// What was reported.
        told: TimestampMs,
    },
    /// It shows less than the beginning of this version.
    #[error("{clock} is before {began}, when this version of the agent was begun")]
    BeforeVersion {
        /// What it shows.
        clock: TimestampMs,
        /// The version's beginning.
        began: TimestampMs,
    },
    /// It shows much more than what is known.
    #[error("{clock} is too long after {known}, the latest time known")]
    FarAhead {
        /// What it shows.
        clock: TimestampMs,
        /// What is known.
        known: TimestampMs,
    },
}

/// Why an event is not taken because of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Untimely {
    /// Permanently: by the best clock it cannot have happened then.
    #[error(transparent)]
    Never(IntakeError),
    /// As long as the clock is wrong.
    #[error(
        "this kiosk's clock cannot be right: {0}; set it (NTP) or connect the kiosk, then send the \
         event again as it is, or send it now with its occurred_at"
    )]
    WrongClock(WrongClock),
    /// The time given is ahead of a clock that nobody has confirmed: one of them is wrong.
    #[error(
        "occurred_at: {at} is more than 24 hours ahead of this kiosk's clock, {clock}, which no \
         broker has confirmed: one of them is wrong; set the clock (NTP) or connect the kiosk, \
         then send the event again"
    )]
    Unconfirmed {
        /// The time given.
        at: TimestampMs,
        /// The kiosk's clock.
        clock: TimestampMs,
    },
    /// The time given is right by the kiosk's clock and more than a day ahead of the broker's, and
    /// both may be right.
    #[error(
        "occurred_at: {at} is more than 24 hours ahead of the broker's clock, {broker}, while this \
         kiosk's shows {clock}: one of the two is wrong; have both set (NTP), then send the event \
         again"
    )]
    Disputed {
        /// The time given.
        at: TimestampMs,
        /// The broker's clock.
        broker: TimestampMs,
        /// The kiosk's.
        clock: TimestampMs,
    },
}

/// An event's time, and how much it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// When it happened.
    pub occurred_at: TimestampMs,
    /// Where the time came from.
    pub source: TimeSource,
}

/// Where an event's time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The broker's clock, or the client with the broker's clock to check it by.
    Checked,
    /// The kiosk's clock, while nobody had confirmed it.
    Kiosk,
    /// The client, while the kiosk's clock could not be right.
    ClientAlone,
    /// The broker's clock, or the client by it, while the kiosk's showed another day and might as
    /// well be right.
    Disputed,
}

impl BestClock {
    /// What a version begun then knows of an outbox to which a broker last reported `latest`.
    #[must_use]
    pub fn new(began: TimestampMs, latest: Option<TimestampMs>) -> Self {
        let mut best = Self { began, latest: None, latest_before: None, measured: None };
        best.heard(latest);
        best.latest_before = best.latest;
        best
    }

    /// A broker reported the time, some while ago. What cannot be true is not believed.
    fn heard(&mut self, latest: Option<TimestampMs>) {
        let credible = |told: &TimestampMs| told.0 <= self.began.0 + LONGEST_IN_USE_MS;
        self.latest = self.latest.max(latest.filter(credible));
    }

    /// Whether a broker's clock may show this: not less than this version's beginning, and not
    /// much more than what is known, unless the kiosk's own clock says so as well.
    #[must_use]
    pub fn believes(&self, broker: TimestampMs, clock: TimestampMs) -> bool {
        let agreed = (clock.0.saturating_sub(broker.0)).abs() <= DAY_MS
            && broker.0 <= self.began.0 + LONGEST_IN_USE_MS;
        broker.0 >= self.began.0 - CLOCK_SLACK_MS && (broker <= self.last_credible() || agreed)
    }

    /// The broker's clock showed `broker` at this reading. What is measured goes before whatever
    /// was heard: a broker's clock may have been mended. Says whether it is believed; if not,
    /// nothing has changed.
    pub fn measured(&mut self, broker: TimestampMs, reading: Reading) -> bool {
        if !self.believes(broker, reading.clock) {
            return false;
        }
        self.measured = Some(Measured {
            broker_base_ms: broker.0.saturating_sub(millis(reading.uptime)),
            kiosk_base_ms: reading.base_ms(),
        });
        self.heard(Some(broker));
        true
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self, reading: Reading) -> Now {
        let own = self.own(reading.clock, self.latest);
        let Some(Measured { broker_base_ms, kiosk_base_ms }) = self.measured else { return own };
        let went_forward = reading.base_ms().saturating_sub(kiosk_base_ms) > CLOCK_JUMP_MS;
        if went_forward && matches!(own, Now::Unconfirmed(_)) {
            return own;
        }
        Now::Measured(TimestampMs(broker_base_ms.saturating_add(millis(reading.uptime))))
    }

    /// What time it is by the kiosk's own clock, where brokers have reported this.
    fn own(&self, clock: TimestampMs, told: Option<TimestampMs>) -> Now {
        if let Some(told) = told
            && clock.0 < told.0 - CLOCK_SLACK_MS
        {
            return Now::Unknown(WrongClock::BeforeBroker { clock, told });
        }
        if clock.0 < self.began.0 - CLOCK_SLACK_MS {
            return Now::Unknown(WrongClock::BeforeVersion { clock, began: self.began });
        }
        if clock > self.last_credible() {
            let known = self.latest.map_or(self.began, |told| told.max(self.began));
            return Now::Unknown(WrongClock::FarAhead { clock, known });
        }
        Now::Unconfirmed(clock)
    }

    /// The kiosk's clock, where it may be right and shows another day than the broker's, `now`.
    fn dispute(&self, now: Now, clock: TimestampMs) -> Option<TimestampMs> {
        let Now::Measured(broker) = now else { return None };
        let differs = clock.0.saturating_sub(broker.0).abs() > DAY_MS;
        let credible = matches!(self.own(clock, self.latest_before), Now::Unconfirmed(_));
        (differs && credible).then_some(clock)
    }

    /// The kiosk's clock minus the broker's, in milliseconds, once that is known.
    #[must_use]
    pub fn offset_ms(&self, reading: Reading) -> Option<i64> {
        self.measured.map(|at| reading.base_ms().saturating_sub(at.broker_base_ms))
    }

    /// The time of an event that happened at `given`, or just now. See [`Untimely`] for what is
    /// refused, and for how long.
    ///
    /// # Errors
    /// If it cannot have happened then, or nobody can tell when now is.
    pub fn time(&self, reading: Reading, given: Option<TimestampMs>) -> Result<Timed, Untimely> {
        let now = self.now(reading);
        let timed = |occurred_at, source| Ok(Timed { occurred_at, source });
        let disputed = self.dispute(now, reading.clock);
        let Some(at) = given else {
            return match now {
                Now::Measured(now) if disputed.is_some() => timed(now, TimeSource::Disputed),
                Now::Measured(now) => timed(now, TimeSource::Checked),
                Now::Unconfirmed(clock) => timed(clock, TimeSource::Kiosk),
                Now::Unknown(wrong) => Err(Untimely::WrongClock(wrong)),
            };
        };
        let ahead = |now: TimestampMs| at.0 > now.0.saturating_add(MAX_AHEAD_MS);
        let never = |now| {
            let why = intake::occurred_at(at, now).err();
            Err(Untimely::Never(why.unwrap_or(IntakeError::InFuture { at, now })))
        };
        match now {
            Now::Measured(now) | Now::Unconfirmed(now) if at < PROGRAMME_BEGAN => never(now),
            Now::Unknown(_) if at < PROGRAMME_BEGAN => never(self.began),
            Now::Measured(broker) if ahead(broker) => match disputed {
                Some(clock) if !ahead(clock) => Err(Untimely::Disputed { at, broker, clock }),
                _ => never(broker),
            },
            Now::Unconfirmed(now) if ahead(now) && at > self.last_credible() => never(now),
            Now::Unconfirmed(clock) if ahead(clock) => Err(Untimely::Unconfirmed { at, clock }),
            Now::Unknown(wrong) if at > self.last_credible() => Err(Untimely::WrongClock(wrong)),
            Now::Measured(_) if disputed.is_some_and(ahead) => timed(at, TimeSource::Disputed),
            Now::Measured(_) | Now::Unconfirmed(_) => timed(at, TimeSource::Checked),
            Now::Unknown(_) => timed(at, TimeSource::ClientAlone),
        }
    }

    /// The latest time that a right clock may show.
    fn last_credible(&self) -> TimestampMs {
        TimestampMs(match self.latest {
            Some(told) => told.max(self.began).0 + LONGEST_OFFLINE_MS,
            None => self.began.0 + LONGEST_IN_USE_MS,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
