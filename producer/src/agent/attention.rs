//! What deserves attention at a kiosk: what is stuck, and what to do about it.

use laju_schemas::TimestampMs;

use super::advice::{Advice, events};
use super::doubt::{DoubtfulEvents, DoubtfulTimes, Span};
use super::shipping::ShippingState;
use super::status::ClockState;
use crate::outbox::Counts;

/// A clock that is wrong by more than this deserves attention, in milliseconds.
const MAX_CLOCK_OFFSET_MS: i64 = 60_000;
/// An outbox fuller than this share deserves attention, in percent.
const FULL_PERCENT: u64 = 80;
/// How long an event waits before it deserves attention, in milliseconds.
const MAX_WAIT_MS: i64 = 60_000;

/// What deserves attention, the most urgent first.
pub(super) fn attention(
    counts: &Counts,
    shipping: &ShippingState,
    now: TimestampMs,
) -> Vec<Advice> {
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
    if let Some(notice) = shipping.rollback.as_ref().filter(|notice| notice.matters(now)) {
        say(
            notice.what.clone(),
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
    if percent >= FULL_PERCENT {
        say(
            format!("the outbox is {percent} % full"),
            "connect the kiosk, or raise --outbox-limit: a full outbox refuses events",
        );
    }
    if counts.rejected > 0 {
        say(
            format!("{} refused by Kafka and set aside", events(counts.rejected)),
            "mend what their reasons say (rights, the topic's max.message.bytes), then run `laju-kiosk retry`",
        );
    }
    let waits = counts.waiting_since.is_some_and(|since| {
        // Where events are acknowledged a long queue is none that is stuck.
        let since = shipping.last_acknowledged_at.map_or(since, |at| at.max(since));
        now.0 - since.0 > MAX_WAIT_MS
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
        && latest.0 - now.0 > MAX_CLOCK_OFFSET_MS
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
pub(super) fn clock_attention(
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
        && offset.abs() > MAX_CLOCK_OFFSET_MS
    {
        say(
            format!("this kiosk's clock is {} the broker's", beside(offset)),
            "set the clock (NTP); while a broker's time is known, events get that",
        );
    }
    for DoubtfulEvents { found, .. } in doubtful {
        let Span { first, last, events: count, clock_from: from, clock_until: until } = found.span;
        let taken = format!("{} (sequences {first} to {last}) taken", events(count));
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

#[cfg(test)]
mod tests {
    use super::super::doubt::Doubtful;
    use super::super::rollback::RollbackNotice;
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
        let aside = Counts { rejected: 3, ..well };
        assert!(said(&aside, &calm, now).contains("3 events refused"));
        let away = ShippingState { obstacle: Some("no broker".to_owned()), ..calm.clone() };
        assert!(said(&well, &away, now).contains("no broker"));
        let (what, at) = ("fell back".to_owned(), Some(TimestampMs(now)));
        let notice = Some(RollbackNotice { what, at, passed_over: 7 });
        let back = ShippingState { rollback: notice, ..calm.clone() };
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
            span: Span { first: 3, last: 9, events: 5, clock_from: now, clock_until: now },
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
