//! What the kiosks of five offices send over 2022-2024, day by day: pure data, the same for the
//! same seed, on every machine.
//!
//! **What is played.** The offices whose figures the press quoted
//! (`schemas/data/reported-figures.csv`): Kota Bandar Lampung (18.71), Kota Pangkal Pinang
//! (19.71), Kota Bengkulu (17.71), Kabupaten Serang (36.04), and an office for the islands of
//! province 19. Each has counters, some a service mall or a self-service kiosk, and outreach kits
//! that go to schools, campuses, government and private offices, often without a connection.
//! They begin slowly in the middle of 2022, work on the days on which offices work, and arrive at
//! the quoted figures on the quoted days.
//!
//! **Why it is shaped like this.** The figures must come out of events, by the rules of the fold,
//! and not be typed in. So the plan (`plan`) lets things happen that change a figure in ways
//! that a counter gets wrong: deactivations, a new phone, moves between two cities (said by a
//! `Relocated` or by an activation with another home), people served in one city and registered
//! in another, mistakes that are retracted and entered again. And the way to the broker
//! (`delivery`) does what real ones do: kits come online days late and out of order, send twice,
//! a retraction overtakes what it retracts, a few records cannot be counted at all, and one kiosk
//! loses two events, so that "missing" has something to show. A figure as known on its day is
//! therefore mostly lower than the same figure as known later; around every quoted day a kit is
//! surely out of reach.
//!
//! Record timestamps are those of the calendar played and never go back. All records of a day
//! belong together: publish them in order and flush before the next day begins.

mod calendar;
mod delivery;
mod dice;
mod expected;
mod offices;
mod plan;
mod reported;
mod silence;
#[cfg(test)]
mod tests;
mod trickle;

use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_schemas::codec::Encoder;
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{
    ActivationEvent, KioskId, KioskStatus, RegionCode, RegionTable, Sequence, TimestampMs,
};

use calendar::{DAYS, HOUR_MS, date_of, start_ms};
use delivery::{Deliveries, Delivery};
use dice::Dice;
use plan::{Event, Plan};

pub use expected::{Breakdown, Expectation, Expected, Measure};
pub use offices::{LOSING_KIOSK, LOST_EVENTS};
pub use trickle::Trickle;

/// How many partitions the demo's events topic has: enough to keep each one well below what the
/// embedded broker holds (5 MiB or 100,000 batches, whichever is first).
pub const PARTITIONS: u32 = 12;

/// The seed that `laju demo` plays with.
pub const SEED: u64 = 2024;

/// One day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoDay {
    /// The day, in Asia/Jakarta.
    pub date: Date,
    /// What reaches the broker on it, in that order; nothing on days without work.
    pub records: Vec<DemoRecord>,
}

/// One record for the events topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoRecord {
    /// The message key: the subject, but for a record made wrong.
    pub key: Vec<u8>,
    /// The framed Avro bytes, or what was made of them.
    pub value: Vec<u8>,
    /// Given only where it is wrong on purpose: otherwise the partitioner decides.
    pub partition: Option<u32>,
    /// The record's timestamp: milliseconds since 1970, on the day in Asia/Jakarta; never earlier
    /// than the one before.
    pub timestamp_ms: i64,
}

/// What the input holds, counted while it was made; the trickle is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoCounts {
    /// Records on the events topic.
    pub records: u64,
    /// Events that can be counted, each once.
    pub events: u64,
    /// Records that are the same bytes again.
    pub repeats: u64,
    /// Events whose first record is more than 24 hours after `occurred_at`.
    pub late: u64,
    /// `Retracted` events; each takes back one event.
    pub retractions: u64,
    /// Those of them that arrive before what they retract.
    pub early_retractions: u64,
    /// Moves of an active subject, by `Relocated` or by an activation with another home.
    pub moves: u64,
    /// `Activated` events whose service region is not the home region.
    pub cross_region: u64,
    /// Active subjects deactivated.
    pub deactivations: u64,
    /// Activations of a subject that is active at that home already.
    pub activated_again: u64,
    /// Events that never arrive: the gap in the sequence of [`LOSING_KIOSK`].
    pub missing: u64,
    /// Records that cannot be counted, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
}

/// The scenario of a seed. The figures that come out are the same for every seed.
pub struct Scenario {
    seed: u64,
    plan: Plan,
    deliveries: Deliveries,
}

impl Scenario {
    /// Plans every day of 2022-2024.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let offices = offices::all(&reported::Cases::read());
        let kiosks = offices::kiosks(&offices);
        let plan = Plan::new(offices, kiosks, Dice::new(seed));
        let deliveries = Deliveries::new(&plan, &mut Dice::new(seed.rotate_left(32) ^ 1));
        Self { seed, plan, deliveries }
    }

    /// Every day from 2022-01-01 to 2024-12-31, with its records.
    pub fn days(&self) -> impl Iterator<Item = DemoDay> {
        let encoder = Encoder::events(None);
        let mut left = self.deliveries.records.as_slice();
        (0..DAYS).map(move |day| {
            let end = left.partition_point(|record| record.at < start_ms(day + 1));
            let (today, rest) = left.split_at(end);
            left = rest;
            let records = today.iter().map(|record| self.record(record, &encoder)).collect();
            DemoDay { date: date_of(day), records }
        })
    }

    /// What goes on after 2024-12-31: a handful of events a day, without end (to the year 2160).
    pub fn trickle(&self) -> Trickle {
        Trickle::new(&self.plan, self.deliveries.highest.clone(), self.seed)
    }

    /// What each kiosk says of itself at the end of 2024.
    #[must_use]
    pub fn statuses(&self) -> Vec<KioskStatus> {
        let kiosks = self.plan.kiosks.iter().zip(&self.deliveries.highest);
        kiosks
            .map(|(kiosk, &highest)| {
                let region = self.plan.offices[kiosk.office].region;
                evening_status(&kiosk.id, region, highest, DAYS - 1)
            })
            .collect()
    }

    /// Denominators and targets, each with the timestamp of its record, in their order.
    #[must_use]
    pub fn reference(&self) -> Vec<(i64, laju_schemas::ReferenceFigure)> {
        expected::reference(&reported::Cases::read())
    }

    /// What must come out, from the reported figures.
    #[must_use]
    pub fn expected(&self) -> Vec<Expectation> {
        expected::expectations(&reported::Cases::read())
    }

    /// How many of what the input holds.
    #[must_use]
    pub fn counts(&self) -> &DemoCounts {
        &self.deliveries.counts
    }

    /// The five offices: the region that each serves in, and its name.
    #[must_use]
    pub fn offices(&self) -> Vec<(RegionCode, &'static str)> {
        let name = |region| RegionTable::get().name_of(region).unwrap_or_default();
        self.plan.offices.iter().map(|office| (office.region, name(office.region))).collect()
    }

    fn record(&self, delivery: &Delivery, encoder: &Encoder) -> DemoRecord {
        let event = &self.plan.events[delivery.event as usize];
        let sequence = self.deliveries.sequences[delivery.event as usize];
        let mut value = self.encode(event, sequence, encoder);
        match delivery.damage {
            Some(Reason::UnknownSchema) => value[2..10].iter_mut().for_each(|byte| *byte ^= 0x5a),
            Some(_) => value.truncate(value.len() - 3),
            None => {}
        }
        let mut key = event.subject.0.to_vec();
        let mut partition = None;
        match event.flaw {
            Some(Reason::WrongKey) => key.reverse(),
            Some(Reason::WrongPartition) => {
                partition = Some((partition_for(&key, PARTITIONS) + 1) % PARTITIONS);
            }
            _ => {}
        }
        DemoRecord { key, value, partition, timestamp_ms: delivery.at }
    }

    fn encode(&self, event: &Event, sequence: u32, encoder: &Encoder) -> Vec<u8> {
        let kiosk = &self.plan.kiosks[usize::from(event.kiosk)].id;
        let whole = ActivationEvent {
            event_id: event.id,
            kiosk_id: kiosk.clone(),
            sequence: number(sequence.max(1)),
            occurred_at: TimestampMs(event.occurred),
            subject: event.subject,
            home_region: event.home,
            service_region: event.service,
            outreach_id: event.visit.map(|visit| self.plan.visits[visit as usize].id.clone()),
            fact: event.fact,
        };
        let mut value = encoded(&whole, encoder);
        if sequence == 0 {
            // No `Sequence` can hold it: it stands behind the framing (10 bytes), the event id
            // (16), and the kiosk's id with its length (1 byte for up to 63).
            value[10 + 16 + 1 + kiosk.as_str().len()] = 0;
        }
        value
    }
}

/// What a kiosk that has sent everything says of itself when its office has closed.
fn evening_status(
    kiosk: &KioskId,
    service_region: RegionCode,
    highest_sequence: u32,
    day: u16,
) -> KioskStatus {
    KioskStatus {
        kiosk_id: kiosk.clone(),
        service_region,
        highest_sequence,
        unsent: 0,
        oldest_unsent: None,
        clock_offset_ms: Some(0),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        sent_at: TimestampMs(start_ms(day) + 17 * HOUR_MS),
        retired: false,
        key_id: None,
    }
}

fn number(sequence: u32) -> Sequence {
    i64::from(sequence).try_into().expect("from 1 and below 2^32")
}

fn encoded(event: &ActivationEvent, encoder: &Encoder) -> Vec<u8> {
    let mut value = Vec::with_capacity(128);
    encoder.event(event, &mut value).expect("the encoder is one for events");
    value
}
