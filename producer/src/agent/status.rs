//! Where the kiosk stands, in figures and in words: what is stuck, and what to do about it.

use laju_schemas::{EventId, RegionCode, TimestampMs};
use serde::{Deserialize, Serialize};

use super::{Agent, hands};
use crate::outbox::{Counts, Obstacle, OutboxError};

use super::progress::ShippingState;

/// How many set-aside events are shown.
const SHOWN: usize = 100;
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
    /// Bytes of events in the outbox.
    pub outbox_bytes: u64,
    /// Bytes of events that it takes.
    pub outbox_limit_bytes: u64,
    /// When Kafka last acknowledged an event since the start, by the kiosk's clock.
    pub last_acknowledged_at: Option<TimestampMs>,
    /// When the kiosk's status was last delivered, likewise.
    pub last_reported_at: Option<TimestampMs>,
    /// The kiosk's clock minus the broker's, in milliseconds, once measured.
    pub clock_offset_ms: Option<i64>,
    /// What is in the way of sending.
    pub obstacle: Option<String>,
    /// The first of the events that were set aside.
    pub set_aside_events: Vec<SetAsideEvent>,
    /// What deserves attention; nothing if all is well.
    pub attention: Vec<Advice>,
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
        let aside = hands::blocking(move || outbox.set_aside(SHOWN)).await?;
        let aside = aside.into_iter().map(|event| SetAsideEvent {
            event_id: event.event_id,
            sequence: event.sequence,
            obstacle: event.obstacle,
            detail: event.detail,
            at: event.at,
        });
        let (counts, shipping, now) =
            (self.0.outbox.counts(), self.0.shipping.state(), (self.0.clock)());
        let attention = attention(&counts, &shipping, now);
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
            outbox_bytes: counts.unsent_bytes,
            outbox_limit_bytes: counts.limit_bytes,
            last_acknowledged_at: shipping.last_acknowledged_at,
            last_reported_at: shipping.last_reported_at,
            clock_offset_ms: shipping.clock_offset_ms,
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
    if let Some(offset) = shipping.clock_offset_ms
        && offset.abs() > CLOCK_ODD_MS
    {
        let seconds = offset.abs() / 1_000;
        let side = if offset > 0 { "ahead of" } else { "behind" };
        say(
            format!("this kiosk's clock is {seconds} s {side} the broker's"),
            "set the clock (NTP): days and hours of events come from it",
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

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

#[cfg(test)]
mod tests {
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
        let aside = Counts { set_aside: 3, ..well };
        assert!(said(&aside, &calm, now).contains("3 events refused"));
        let slow = ShippingState { clock_offset_ms: Some(-90_000), ..calm.clone() };
        assert!(said(&well, &slow, now).contains("90 s behind"));
        let away = ShippingState { obstacle: Some("no broker".to_owned()), ..calm.clone() };
        assert!(said(&well, &away, now).contains("no broker"));
        let disk = ShippingState { outbox_failed: true, ..calm };
        assert!(said(&well, &disk, now).contains("cannot be written"));
    }
}
