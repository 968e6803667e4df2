//! One kiosk: its region, its sequence, its day, and what it holds back while it is offline.

use jiff::ToSpan;
use jiff::civil::Date;
use laju_schemas::event::{Channel, Venue};
use laju_schemas::{
    ActivationEvent, KioskId, KioskStatus, OutreachId, RegionCode, Sequence, TimestampMs,
};

use crate::random::Random;

const DAY_MS: i64 = 86_400_000;
/// The programme's zone is seven hours ahead of UTC.
const WIB_MS: i64 = 7 * 3_600_000;
/// Offices open at eight and close at four.
const OPENS_MS: i64 = 8 * 3_600_000;
const OPEN_MS: i64 = 8 * 3_600_000;

/// Up to how many events a kiosk holds back in one spell without connection.
const LONGEST_SPELL: u64 = 39;
/// How many it holds back in one spell on average: 2 to 40, all equally often.
pub(crate) const MEAN_SPELL: f64 = 21.0;

/// The days since 1970 in the programme's zone.
const fn local_day(instant: i64) -> i64 {
    (instant + WIB_MS).div_euclid(DAY_MS)
}

/// The same instant moved into its day's office hours, keeping the order.
pub(crate) const fn in_office_hours(instant: i64) -> i64 {
    let day = local_day(instant);
    let into_day = instant + WIB_MS - day * DAY_MS;
    day * DAY_MS - WIB_MS + OPENS_MS + into_day * OPEN_MS / DAY_MS
}

fn date_of(day: i64) -> Date {
    // Days beyond the calendar's end are of no simulation.
    Date::new(1970, 1, 1).and_then(|first| first.checked_add(day.days())).unwrap_or(Date::MAX)
}

/// A visit to a place, on one day.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) id: OutreachId,
    pub(crate) venue: Venue,
}

/// A kiosk at a moment of the stream.
pub struct Kiosk {
    pub(crate) id: KioskId,
    pub(crate) region: RegionCode,
    /// The channel of all its activations, where it has only one.
    pub(crate) channel: Option<Channel>,
    sequence: u32,
    day: i64,
    visit: Option<Visit>,
    /// How many events it holds back before it is online again; 0 while online.
    spell: usize,
    outbox: Vec<ActivationEvent>,
}

impl Kiosk {
    /// A kiosk that serves in a region, has one channel or all of them, and goes on after its event
    /// of this number.
    #[must_use]
    pub const fn new(
        id: KioskId,
        region: RegionCode,
        channel: Option<Channel>,
        sequence: u32,
    ) -> Self {
        Self {
            id,
            region,
            channel,
            sequence,
            day: i64::MIN,
            visit: None,
            spell: 0,
            outbox: Vec::new(),
        }
    }

    /// The kiosk of a number.
    pub(crate) fn numbered(number: u32, region: RegionCode) -> Self {
        let id = format!("disdukcapil-{region}-kiosk-{number:05}");
        let id = id.parse().expect("letters, digits, dots and hyphens, far below 64");
        Self::new(id, region, None, 0)
    }

    /// The number of its next event.
    pub(crate) fn next_sequence(&mut self) -> Sequence {
        // After 2³²−1 it stays there: no simulation lasts that long.
        self.sequence = self.sequence.saturating_add(1);
        i64::from(self.sequence).try_into().expect("1 at least, and 32 bits")
    }

    /// Where it is today: on a visit, or in its office.
    pub(crate) fn visit(
        &mut self,
        number: usize,
        now: i64,
        share: f64,
        random: &mut Random,
    ) -> Option<Visit> {
        let today = local_day(now);
        if today != self.day {
            self.day = today;
            self.visit = random.chance(share).then(|| {
                const VENUES: [Venue; 6] = [
                    Venue::School,
                    Venue::Campus,
                    Venue::Government,
                    Venue::Private,
                    Venue::Village,
                    Venue::Health,
                ];
                // Some kiosks of a region go together.
                let team = number % 3;
                let id = format!("jemput-bola-{}-{}-{team}", self.region, date_of(today));
                Visit {
                    id: id.parse().expect("letters, digits, dots and hyphens, far below 64"),
                    venue: VENUES[(today.unsigned_abs() as usize + team) % VENUES.len()],
                }
            });
        }
        self.visit.clone()
    }

    pub(crate) const fn is_offline(&self) -> bool {
        self.spell > 0
    }

    pub(crate) fn go_offline(&mut self, random: &mut Random) {
        self.spell = 2 + random.below(LONGEST_SPELL) as usize;
    }

    /// Holds an event back; true once it is the last of the spell.
    pub(crate) fn hold(&mut self, event: ActivationEvent) -> bool {
        self.outbox.push(event);
        self.outbox.len() >= self.spell
    }

    /// Online again: what it held back it will send in no order.
    pub(crate) fn come_online(&mut self, random: &mut Random) {
        self.spell = 0;
        random.shuffle(&mut self.outbox);
    }

    pub(crate) const fn holds_back(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next event that it sends of those it held back.
    pub(crate) fn send(&mut self) -> Option<ActivationEvent> {
        self.outbox.pop()
    }

    /// What it would say of itself now.
    pub(crate) fn status(&self, now: TimestampMs) -> KioskStatus {
        KioskStatus {
            kiosk_id: self.id.clone(),
            service_region: self.region,
            highest_sequence: self.sequence,
            unsent: self.outbox.len() as u64,
            oldest_unsent: self.outbox.iter().map(|event| event.occurred_at).min(),
            clock_offset_ms: None,
            agent_version: concat!("simulated ", env!("CARGO_PKG_VERSION")).to_owned(),
            sent_at: now,
            retired: false,
            key_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn office_hours_keep_order_and_day() {
        // 2024-01-01 00:00 and 23:59:59.999 in Asia/Jakarta.
        let (first, last) = (1_704_042_000_000, 1_704_042_000_000 + DAY_MS - 1);
        assert_eq!(in_office_hours(first), first + OPENS_MS);
        assert!(in_office_hours(last) < first + OPENS_MS + OPEN_MS);
        assert_eq!(local_day(in_office_hours(last)), local_day(first));
        assert_eq!(date_of(local_day(first)).to_string(), "2024-01-01");
        assert!(in_office_hours(first + 1_000) <= in_office_hours(first + 2_000));
    }
}
