//! Where the kiosk stands, in figures and in words: what is stuck, and what to do about it.

use laju_schemas::pseudonym::KeyId;
use laju_schemas::{EventId, RegionCode, TimestampMs};
use serde::{Deserialize, Serialize};

use super::best_clock::{Moment, Now};
use super::doubt::{Doubtful, DoubtfulTimes};
use super::progress::ShippingState;
use super::verdicts::Verdicts;
use super::{Agent, publisher};
use crate::outbox::{Counts, Dated, Obstacle, OutboxError};

/// How many set-aside events are shown.
const SHOWN: usize = 100;
/// How many events of doubtful times are shown, of each finding.
const DOUBTFUL_SHOWN: usize = 20;
/// A clock that is wrong by more than this deserves a word: milliseconds.
const CLOCK_ODD_MS: i64 = 60_000;
/// An outbox fuller than this share deserves a word, in percent.
const FULLISH: u64 = 80;
/// How long an event waits before it deserves a word: milliseconds.
const LONG_MS: i64 = 60_000;

/// Where a kiosk stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The kiosk.
    pub kiosk_id: String,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
    /// The agent's version.
    pub agent_version: String,
    /// When the agent was started, by the kiosk's clock.
    pub started_at: TimestampMs,
    /// The kiosk's clock.
    pub now: TimestampMs,
    /// The highest sequence given to an event; 0 before the first.
    pub highest_sequence: u32,
    /// Events that are waiting or on their way.
    pub unsent: u64,
    /// When the oldest of them happened.
    pub oldest_unsent: Option<TimestampMs>,
    /// When it was accepted, by the kiosk's clock.
    pub waiting_since: Option<TimestampMs>,
    /// Events on their way.
    pub in_flight: usize,
    /// Events that Kafka refused for good.
    pub set_aside: u64,
    /// Events that Kafka has acknowledged, ever.
    pub acknowledged: u64,
    /// Whether no event is taken at present, for want of room on the disk. What is there is still
    /// sent, which makes room.
    #[serde(default)]
    pub disk_full: bool,
    /// Numbers that were passed over, since they had been given before the outbox was set back, or
    /// by another device.
    #[serde(default)]
    pub passed_over: u64,
    /// Which key the pseudonyms are made with.
    #[serde(default)]
    pub key_id: Option<KeyId>,
    /// Bytes of events in the outbox.
    pub outbox_bytes: u64,
    /// Bytes of events that it takes.
    pub outbox_limit_bytes: u64,
    /// When Kafka last acknowledged an event since the start, by the kiosk's clock.
    pub last_acknowledged_at: Option<TimestampMs>,
    /// When the kiosk's status was last delivered, by the same clock.
    pub last_reported_at: Option<TimestampMs>,
    /// The kiosk's clock minus the broker's, in milliseconds, once measured.
    pub clock_offset_ms: Option<i64>,
    /// What the kiosk's clock is worth.
    #[serde(default)]
    pub clock: ClockState,
    /// Events that were taken with doubtful times during the last 30 days.
    #[serde(default)]
    pub doubtful: Vec<DoubtfulEvents>,
    /// What the worker said of this kiosk, if the agent knows one.
    #[serde(default)]
    pub worker: Option<Verdicts>,
    /// What is in the way of sending.
    pub obstacle: Option<String>,
    /// The first of the events that were set aside.
    pub set_aside_events: Vec<SetAsideEvent>,
    /// What deserves attention; nothing if all is well.
    pub attention: Vec<Advice>,
}

/// What the kiosk's clock is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ClockState {
    /// No broker has confirmed it since the start; it may be right.
    #[default]
    Unconfirmed,
    /// The broker's is known, and events get that.
    Measured {
        /// The present, by the broker's clock.
        now: TimestampMs,
    },
    /// It cannot be right, and no broker has told a better one.
    Wrong {
        /// Why not.
        detail: String,
    },
}

impl ClockState {
    fn of(moment: &Moment) -> Self {
        match moment.now() {
            Now::Unconfirmed(_) => Self::Unconfirmed,
            Now::Measured(now) => Self::Measured { now },
            Now::Unknown(wrong) => Self::Wrong { detail: wrong.to_string() },
        }
    }

    /// Whether it cannot be right.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
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

/// An event that Kafka refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideEvent {
    /// The event.
    pub event_id: EventId,
    /// The kiosk's own number of it.
    pub sequence: u32,
    /// What kind of refusal.
    pub obstacle: Obstacle,
    /// Its words.
    pub detail: String,
    /// When, by the kiosk's clock.
    pub at: TimestampMs,
}

/// Something that deserves attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Agent {
    /// Where the kiosk stands.
    ///
    /// # Errors
    /// If the outbox cannot be read.
    pub async fn status(&self) -> Result<Status, OutboxError> {
        let outbox = self.0.outbox.clone();
        let found = self.0.time.doubtful();
        let told = found.clone();
        let read = publisher::blocking(move || {
            let doubtful = found.into_iter().map(|found| {
                let by_clock = found.times == DoubtfulTimes::WrongClock;
                let wanted = |event: &Dated| event.is_by_kiosk_clock() == by_clock;
                let shown = outbox.dates(found.first, found.last, DOUBTFUL_SHOWN, wanted)?;
                Ok(DoubtfulEvents { found, shown })
            });
            let doubtful = doubtful.collect::<Result<Vec<_>, OutboxError>>()?;
            Ok::<_, OutboxError>((outbox.set_aside(SHOWN)?, doubtful))
        })
        .await;
        let (aside, doubtful) = match read {
            // A full disk is what the status has to tell of: the database may be reopening.
            Err(error) if error.passes() => {
                let bare = |found| DoubtfulEvents { found, shown: Vec::new() };
                (Vec::new(), told.into_iter().map(bare).collect())
            }
            read => read?,
        };
        let aside = aside.into_iter().map(|event| SetAsideEvent {
            event_id: event.event_id,
            sequence: event.sequence,
            obstacle: event.obstacle,
            detail: event.detail,
            at: event.at,
        });
        let moment = self.0.time.moment();
        let (counts, shipping, now) =
            (self.0.outbox.counts(), self.0.shipping.state(), moment.reading.clock);
        let clock = ClockState::of(&moment);
        let mut attention = clock_attention(&clock, moment.offset_ms(), &doubtful);
        attention.extend(self.0.time.disbelieved().map(|broker| {
            Advice {
                what: format!("a broker's clock cannot be right: it shows {broker}"),
                advice:
                    "tell whoever runs the brokers to set their clocks (NTP); it is not believed \
                     here, but whatever is recorded now is recorded as of then"
                        .to_owned(),
            }
        }));
        attention.extend(self::attention(&counts, &shipping, now));
        let worker = self.verdicts();
        attention.extend(worker.iter().flat_map(|worker| worker.attention(now)));
        let worker = worker.map(Verdicts::shown);
        Ok(Status {
            kiosk_id: self.0.kiosk.id.to_string(),
            service_region: self.0.kiosk.service_region,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.0.started_at,
            now,
            highest_sequence: counts.highest_sequence,
            unsent: counts.unsent,
            oldest_unsent: counts.oldest_unsent,
            waiting_since: counts.waiting_since,
            in_flight: shipping.in_flight,
            set_aside: counts.set_aside,
            acknowledged: counts.acknowledged,
            disk_full: counts.disk_full,
            passed_over: counts.passed_over,
            key_id: Some(self.0.key.id()),
            outbox_bytes: counts.unsent_bytes,
            outbox_limit_bytes: counts.limit_bytes,
            last_acknowledged_at: shipping.last_acknowledged_at,
            last_reported_at: shipping.last_reported_at,
            clock_offset_ms: moment.offset_ms(),
            clock,
            doubtful,
            worker,
            obstacle: shipping.obstacle,
            set_aside_events: aside.collect(),
            attention,
        })
    }

    /// The agent's metrics in Prometheus' text format.
    ///
    /// # Errors
    /// If the outbox cannot be read.
    pub async fn metrics(&self) -> Result<String, OutboxError> {
        Ok(self.0.metrics.render(&self.status().await?))
    }
}

/// What deserves attention, the most urgent first.
fn attention(counts: &Counts, shipping: &ShippingState, now: TimestampMs) -> Vec<Advice> {
    let mut attention = Vec::new();
    let mut say = |what: String, advice: &str| {
        attention.push(Advice { what, advice: advice.to_owned() });
    };
    if counts.disk_full {
        say(
            "the disk is full: no events are taken".to_owned(),
            "make room on the outbox's disk; what is there is still sent, which makes room too, \
             and taking goes on by itself",
        );
    }
    if let Some(setback) = shipping.set_back.as_ref().filter(|setback| setback.matters(now)) {
        say(
            setback.what.clone(),
            "its disk was set back (an image, a snapshot, a restore at start), or another device \
             uses this kiosk id: keep the outbox on a disk that nothing sets back, and give every \
             device an id of its own; what was lost has to be recorded again; this is remembered for 30 \
             days",
        );
    }
    if let Some((why, advice)) = &shipping.not_compared {
        say(format!("it is not known whether this outbox has been set back: {why}"), advice);
    }
    if shipping.outbox_failed {
        say(
            "the outbox cannot be written".to_owned(),
            "make room on its disk; nothing is lost, and the agent goes on by itself",
        );
    }
    let percent = (counts.unsent_bytes * 100).checked_div(counts.limit_bytes).unwrap_or(0);
    if percent >= FULLISH {
        say(
            format!("the outbox is {percent} % full"),
            "connect the kiosk, or raise --outbox-limit: a full outbox refuses events",
        );
    }
    if counts.set_aside > 0 {
        say(
            format!("{} refused by Kafka and set aside", events(counts.set_aside)),
            "mend what their reasons say (rights, the topic's max.message.bytes), then run `laju-kiosk retry`",
        );
    }
    let waits = counts.waiting_since.is_some_and(|since| {
        // Where events are acknowledged a long queue is none that is stuck.
        let since = shipping.last_acknowledged_at.map_or(since, |at| at.max(since));
        now.0 - since.0 > LONG_MS
    });
    if let Some(obstacle) = &shipping.obstacle
        && counts.unsent > 0
    {
        say(
            format!("{} waiting: {obstacle}", events(counts.unsent)),
            "check the connection and the brokers' address; the agent tries for ever",
        );
    } else if waits {
        say(
            format!("{} waiting, and no broker has answered", events(counts.unsent)),
            "check the connection and the brokers' address; the agent tries for ever",
        );
    }
    if let Some(latest) = counts.latest_accepted_at
        && latest.0 - now.0 > CLOCK_ODD_MS
    {
        let seconds = (latest.0 - now.0) / 1_000;
        say(
            format!("this kiosk's clock has gone back by {seconds} s since its latest event"),
            "set the clock (NTP), and look at the events of that time; numbers go on as they were",
        );
    }
    attention
}

/// What deserves attention of the clock, and of events that have their times from it.
fn clock_attention(
    clock: &ClockState,
    offset_ms: Option<i64>,
    doubtful: &[DoubtfulEvents],
) -> Vec<Advice> {
    let mut attention = Vec::new();
    let mut say = |what: String, advice: &str| {
        attention.push(Advice { what, advice: advice.to_owned() });
    };
    if let ClockState::Wrong { detail } = clock {
        say(
            format!("this kiosk's clock cannot be right: {detail}"),
            "set the clock (NTP) or connect the kiosk: until then an event without a time of its \
             own is answered with 503, and is to be sent again",
        );
    }
    if let Some(offset) = offset_ms
        && offset.abs() > CLOCK_ODD_MS
    {
        say(
            format!("this kiosk's clock is {} the broker's", beside(offset)),
            "set the clock (NTP); while a broker's time is known, events get that",
        );
    }
    for DoubtfulEvents { found, .. } in doubtful {
        let (first, last) = (found.first, found.last);
        let (from, until) = (found.clock_from, found.clock_until);
        let taken = format!("{} (sequences {first} to {last}) taken", events(found.events));
        match found.times {
            DoubtfulTimes::WrongClock => say(
                format!(
                    "{taken} with times of a wrong clock, {from} to {until}, about {} the broker's",
                    beside(found.offset_ms.unwrap_or_default())
                ),
                "retract each of those events and send it again with its right time; this is \
                 remembered for 30 days",
            ),
            DoubtfulTimes::ClientAlone => say(
                format!(
                    "{taken} with the times that came with them, while the clock showed {from} to \
                     {until}"
                ),
                "compare those times with your own records; this is remembered for 30 days",
            ),
            DoubtfulTimes::Disputed => say(
                format!(
                    "{taken} by the broker's clock, while this kiosk's showed another day, {from} \
                     to {until}, and either may be right"
                ),
                "see which of the two clocks is wrong and set it (NTP), then compare the times of \
                 those events with your own records; this is remembered for 30 days",
            ),
        }
    }
    attention
}

/// How far a clock is from another.
fn beside(offset_ms: i64) -> String {
    let seconds = offset_ms.abs() / 1_000;
    format!("{seconds} s {}", if offset_ms > 0 { "ahead of" } else { "behind" })
}

pub(super) fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

#[cfg(test)]
mod tests {
    use super::super::setback::Setback;
    use super::*;

    fn said(counts: &Counts, shipping: &ShippingState, now: i64) -> String {
        let advice = attention(counts, shipping, TimestampMs(now));
        advice.into_iter().map(|advice| advice.what).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn all_is_well_says_nothing_and_each_trouble_is_named() {
        let now = 1_770_000_000_000;
        let well = Counts {
            highest_sequence: 9,
            unsent: 1,
            unsent_bytes: 100,
            limit_bytes: 1_000,
            // It tells of last year.
            oldest_unsent: Some(TimestampMs(now - 365 * 86_400_000)),
            waiting_since: Some(TimestampMs(now - 10)),
            latest_accepted_at: Some(TimestampMs(now - 10)),
            ..Counts::default()
        };
        let calm = ShippingState::default();
        assert_eq!(said(&well, &calm, now), "");
        assert!(said(&well, &calm, now + 61_000).contains("1 event waiting"));
        // Idle for an hour, and then an event.
        let idle = ShippingState {
            last_acknowledged_at: Some(TimestampMs(now - 3_600_000)),
            ..calm.clone()
        };
        assert_eq!(said(&well, &idle, now), "");
        assert!(said(&well, &idle, now + 61_000).contains("1 event waiting"));
        assert!(said(&well, &calm, now - 86_400_000).contains("gone back by 86399 s"));
        let full = Counts { unsent_bytes: 800, ..well };
        assert!(said(&full, &calm, now).contains("80 % full"));
        let crowded = Counts { disk_full: true, ..well };
        assert!(said(&crowded, &calm, now).contains("the disk is full: no events are taken"));
        let aside = Counts { set_aside: 3, ..well };
        assert!(said(&aside, &calm, now).contains("3 events refused"));
        let away = ShippingState { obstacle: Some("no broker".to_owned()), ..calm.clone() };
        assert!(said(&well, &away, now).contains("no broker"));
        let (what, at) = ("fell back".to_owned(), Some(TimestampMs(now)));
        let setback = Some(Setback { what, at, passed_over: 7 });
        let back = ShippingState { set_back: setback, ..calm.clone() };
        assert!(said(&well, &back, now).contains("fell back"));
        assert!(!said(&well, &back, now + 31 * 86_400_000).contains("fell back"));
        let why = Some(("no right".to_owned(), "give it"));
        let blind = ShippingState { not_compared: why, ..calm.clone() };
        assert!(said(&well, &blind, now).contains("not known whether"));
        let disk = ShippingState { outbox_failed: true, ..calm };
        assert!(said(&well, &disk, now).contains("cannot be written"));
    }

    #[test]
    fn a_wrong_clock_and_what_it_did_are_told() {
        let said = |clock: &ClockState, offset, doubtful: &[DoubtfulEvents]| {
            let advice = clock_attention(clock, offset, doubtful);
            advice.into_iter().map(|advice| advice.what).collect::<Vec<_>>().join("; ")
        };
        let now = TimestampMs(1_795_000_000_000);
        let measured = ClockState::Measured { now };
        assert_eq!(said(&measured, Some(40), &[]), "");
        assert_eq!(said(&ClockState::Unconfirmed, None, &[]), "");
        assert!(said(&measured, Some(-90_000), &[]).contains("90 s behind"));
        let wrong = ClockState::Wrong { detail: "1970 is before 2026".to_owned() };
        assert!(said(&wrong, None, &[]).contains("cannot be right: 1970 is before 2026"));
        let mut found = Doubtful {
            times: DoubtfulTimes::WrongClock,
            first: 3,
            last: 9,
            events: 5,
            clock_from: now,
            clock_until: now,
            offset_ms: Some(86_400_000),
            met_at: Some(now),
        };
        let doubtful = |found: &Doubtful| [DoubtfulEvents { found: found.clone(), shown: vec![] }];
        let words = said(&measured, None, &doubtful(&found));
        assert!(words.contains("5 events (sequences 3 to 9)"), "{words}");
        assert!(words.contains("86400 s ahead of"), "{words}");
        found.times = DoubtfulTimes::ClientAlone;
        let words = said(&measured, None, &doubtful(&found));
        assert!(words.contains("that came with them, while the clock showed"), "{words}");
    }
}
