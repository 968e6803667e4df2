//! What the kiosks of five offices send over 2022-2024, day by day: pure data, the same for the
//! same seed, on every machine: a plan for the simulation (`laju_simulation`).
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
mod expected;
mod measure;
mod offices;
mod plan;
mod reported;
mod silence;
#[cfg(test)]
mod tests;
mod trickle;

use laju_schemas::{ActivationEvent, KioskStatus, RegionCode, RegionTable, Sequence, TimestampMs};
use laju_simulation::{Kiosk, Random, SimulatedRecord};

use calendar::{DAYS, date_of, start_ms};
use delivery::{Deliveries, Delivery};
use plan::Plan;

pub use calendar::DemoDay;
pub use expected::{Expectation, Expected};
pub use measure::{Measure, Part};
pub use offices::{LOSING_KIOSK, LOST_EVENTS};
pub use trickle::Trickle;

/// How many partitions the demo's events topic has: enough to keep each one well below what the
/// embedded broker holds (5 MiB or 100,000 batches, whichever is first).
pub const PARTITIONS: u32 = 12;

/// The seed that `laju demo` plays with.
pub const SEED: u64 = 2024;

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
        let plan = Plan::new(offices, kiosks, Random::new(seed));
        let deliveries = Deliveries::new(&plan, &mut Random::new(seed.rotate_left(32) ^ 1));
        Self { seed, plan, deliveries }
    }

    /// Every day from 2022-01-01 to 2024-12-31, with its records; none on days without work.
    pub fn days(&self) -> impl Iterator<Item = DemoDay> {
        let mut left = self.deliveries.records.as_slice();
        (0..DAYS).map(move |day| {
            let end = left.partition_point(|record| record.at < start_ms(day + 1));
            let (today, rest) = left.split_at(end);
            left = rest;
            let records = today.iter().map(|delivery| self.record(delivery)).collect();
            DemoDay { date: date_of(day), records }
        })
    }

    /// What goes on after 2024-12-31: a handful of events a day, without end (to the year 2158).
    #[must_use]
    pub fn trickle(&self) -> Trickle {
        let kiosks = self.plan.kiosks.iter().zip(&self.deliveries.highest);
        let kiosk = |(kiosk, highest): (&offices::Kiosk, &u32)| {
            let region = self.plan.offices[kiosk.office].region;
            Kiosk::new(kiosk.id.clone(), region, Some(kiosk.channel), *highest)
        };
        Trickle::new(kiosks.map(kiosk).collect(), self.seed)
    }

    /// What each kiosk says of itself at the end of 2024.
    #[must_use]
    pub fn statuses(&self) -> Vec<KioskStatus> {
        self.trickle().statuses()
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

    /// The five offices: the region that each serves in, and its name.
    #[must_use]
    pub fn offices(&self) -> Vec<(RegionCode, &'static str)> {
        let name = |region| RegionTable::get().name_of(region).unwrap_or_default();
        self.plan.offices.iter().map(|office| (office.region, name(office.region))).collect()
    }

    fn record(&self, delivery: &Delivery) -> SimulatedRecord {
        let event = &self.plan.events[delivery.event as usize];
        let sequence = self.deliveries.sequences[delivery.event as usize];
        let sequence = Sequence::try_from(i64::from(sequence)).expect("from 1 and below 2^32");
        let event = ActivationEvent {
            event_id: event.id,
            kiosk_id: self.plan.kiosks[usize::from(event.kiosk)].id.clone(),
            sequence,
            occurred_at: TimestampMs(event.occurred),
            subject: event.subject,
            home_region: event.home,
            service_region: event.service,
            outreach_id: event.visit.map(|visit| self.plan.visits[visit as usize].id.clone()),
            fact: event.fact,
        };
        SimulatedRecord::new(event, TimestampMs(delivery.at), delivery.trouble)
    }
}
