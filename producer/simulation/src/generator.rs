//! The stream itself: who does what where, in the order in which it reaches Kafka.

use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason,
};
use laju_schemas::{ActivationEvent, EventId, Fact, KioskStatus, RegionCode, TimestampMs};

use crate::citizen::{Citizens, Regions};
use crate::kiosk::{Kiosk, MEAN_SPELL, Visit, in_office_hours};
use crate::random::Random;
use crate::record::{SimulatedRecord, Trouble};
use crate::scenario::{Scenario, ScenarioError};

/// How many events are kept to be repeated.
const REPEATABLE: usize = 256;
/// How many events a kiosk has on a day, where the scenario has no number of events to spread.
const EVENTS_PER_KIOSK_DAY: u64 = 40;
/// The longest that an online kiosk takes to send an event.
const DELAY_MS: u64 = 20_000;
/// Of activations: about a citizen who was seen before.
const AGAIN: f64 = 0.03;

/// Where activations are done that no visit brings, and how often.
const CHANNELS: [(Channel, u64); 4] = [
    (Channel::Office, 5),
    (Channel::SubDistrict, 2),
    (Channel::ServiceMall, 2),
    (Channel::SelfService, 1),
];

/// Why people are turned away, and how often.
const DEFERRALS: [(DeferralReason, u64); 7] = [
    (DeferralReason::NoSmartphone, 2),
    (DeferralReason::UnsupportedDevice, 1),
    (DeferralReason::NoEmailOrNumber, 1),
    (DeferralReason::NoConnectivity, 1),
    (DeferralReason::VerificationFailed, 1),
    (DeferralReason::NotInterested, 1),
    (DeferralReason::Other, 1),
];

#[derive(Clone, Copy)]
enum Kind {
    Activated,
    Deferred,
    Cards,
    Deactivated,
    Relocated,
    Retracted,
}

/// The records of a scenario, one after the other.
pub struct Generator {
    scenario: Scenario,
    random: Random,
    regions: Regions,
    kiosks: Vec<Kiosk>,
    citizens: Citizens,
    /// The chance that an online kiosk's next event begins a spell without connection.
    spell: f64,
    emitted: u64,
    /// How many records there are in all.
    limit: u64,
    /// How many records the period is spread over.
    horizon: u64,
    /// The kiosk that is online again and sends what it held back.
    returning: Option<usize>,
    /// How many events are in outboxes.
    held: u64,
    /// The kiosk whose outbox is looked at next when the stream ends.
    closing: usize,
    repeatable: Vec<ActivationEvent>,
    next_bad: usize,
}

impl Generator {
    /// Sets the scene.
    ///
    /// # Errors
    /// If the scenario cannot be played.
    pub fn new(scenario: Scenario) -> Result<Self, ScenarioError> {
        let (mut random, regions) = (Random::new(scenario.seed), Regions::new());
        let numbers = 1..=scenario.kiosks;
        let kiosks =
            numbers.map(|number| Kiosk::numbered(number, regions.draw(&mut random))).collect();
        Self::with(scenario, random, regions, kiosks)
    }

    /// Sets the scene for these kiosks, which go on from where they are.
    ///
    /// # Errors
    /// If the scenario cannot be played.
    pub fn of_kiosks(scenario: Scenario, kiosks: Vec<Kiosk>) -> Result<Self, ScenarioError> {
        let scenario = Scenario { kiosks: kiosks.len() as u32, ..scenario };
        Self::with(scenario, Random::new(scenario.seed), Regions::new(), kiosks)
    }

    fn with(
        scenario: Scenario,
        random: Random,
        regions: Regions,
        kiosks: Vec<Kiosk>,
    ) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let days = ((scenario.to.0 - scenario.from.0) / 86_400_000).max(1).unsigned_abs();
        let usual = days * u64::from(scenario.kiosks) * EVENTS_PER_KIOSK_DAY;
        let share = scenario.shares.disorder;
        Ok(Self {
            random,
            regions,
            kiosks,
            citizens: Citizens::new(scenario.seed, scenario.subjects),
            // A spell holds MEAN_SPELL events, its first included.
            spell: share / (MEAN_SPELL * (1.0 - share) + share),
            emitted: 0,
            limit: scenario.events.unwrap_or(u64::MAX),
            horizon: scenario.events.unwrap_or(usual).max(1),
            returning: None,
            held: 0,
            closing: 0,
            repeatable: Vec::new(),
            next_bad: 0,
            scenario,
        })
    }

    /// What each kiosk would say of itself at this moment of the stream.
    pub fn statuses(&self) -> impl Iterator<Item = KioskStatus> {
        let now = self.now();
        self.kiosks.iter().map(move |kiosk| kiosk.status(now))
    }

    /// The stream's clock: spread evenly over the office hours of its days.
    fn now(&self) -> TimestampMs {
        let (from, to) = (self.scenario.from.0, self.scenario.to.0);
        let passed = i128::from(to - from) * i128::from(self.emitted.min(self.horizon))
            / i128::from(self.horizon);
        TimestampMs(in_office_hours(from + passed as i64).clamp(from, to))
    }

    fn step(&mut self) -> SimulatedRecord {
        let now = self.now();
        let record = |event, trouble| SimulatedRecord::new(event, now, trouble);
        // At the end everything that is held back must still fit in.
        if self.returning.is_none() && self.held >= self.left() {
            self.bring_back_one();
        }
        if let Some(event) = self.returned() {
            return record(event, Some(Trouble::Late));
        }
        let shares = self.scenario.shares;
        let share = self.random.unit();
        if share < shares.duplicates && !self.repeatable.is_empty() {
            let event = self.repeatable[self.random.index(self.repeatable.len())].clone();
            return record(event, Some(Trouble::Duplicate));
        }
        if share >= 1.0 - shares.bad {
            let (_, event) = self.event(now);
            let reason = Trouble::BAD[self.next_bad % Trouble::BAD.len()];
            self.next_bad += 1;
            return record(event, Some(Trouble::Bad(reason)));
        }
        loop {
            let (number, event) = self.event(now);
            let kiosk = &mut self.kiosks[number];
            if !kiosk.is_offline() {
                if !self.random.chance(self.spell) {
                    self.keep_for_repeats(&event);
                    return record(event, None);
                }
                kiosk.go_offline(&mut self.random);
            }
            self.held += 1;
            if kiosk.hold(event) {
                self.bring_back(number);
            } else if self.held >= self.left() {
                self.bring_back_one();
            }
            if let Some(event) = self.returned() {
                return record(event, Some(Trouble::Late));
            }
        }
    }

    fn left(&self) -> u64 {
        self.limit - self.emitted
    }

    fn bring_back(&mut self, number: usize) {
        let kiosk = &mut self.kiosks[number];
        kiosk.come_online(&mut self.random);
        self.returning = kiosk.holds_back().then_some(number);
    }

    /// Brings the next kiosk online that holds anything back, if there is one.
    fn bring_back_one(&mut self) {
        while self.held > 0 && self.returning.is_none() {
            self.closing %= self.kiosks.len();
            self.bring_back(self.closing);
            self.closing += 1;
        }
    }

    /// The next of the events that are brought back.
    fn returned(&mut self) -> Option<ActivationEvent> {
        let kiosk = &mut self.kiosks[self.returning?];
        let event = kiosk.send();
        self.held -= u64::from(event.is_some());
        if !kiosk.holds_back() {
            self.returning = None;
        }
        event
    }

    fn keep_for_repeats(&mut self, event: &ActivationEvent) {
        let share = self.scenario.shares.duplicates;
        if share == 0.0 {
            return;
        }
        if self.repeatable.len() < REPEATABLE {
            self.repeatable.push(event.clone());
        } else if self.random.chance(4.0 * share) {
            let place = self.random.index(REPEATABLE);
            self.repeatable[place] = event.clone();
        }
    }

    fn kind(&mut self) -> Kind {
        let shares = &self.scenario.shares;
        let mut share = self.random.unit();
        for (kind, of_all) in [
            (Kind::Deferred, shares.deferred),
            (Kind::Cards, shares.cards),
            (Kind::Deactivated, shares.deactivated),
            (Kind::Relocated, shares.relocated),
            (Kind::Retracted, shares.retracted),
        ] {
            if share < of_all {
                return kind;
            }
            share -= of_all;
        }
        Kind::Activated
    }

    /// Somebody for a fact of this kind: new, or seen before.
    fn citizen(&mut self, kind: Kind) -> usize {
        let may_be_new = match kind {
            Kind::Activated => !self.random.chance(AGAIN),
            Kind::Deferred | Kind::Cards => self.random.chance(0.5),
            Kind::Deactivated | Kind::Relocated | Kind::Retracted => false,
        };
        if !(may_be_new && self.citizens.has_new())
            && let Some(place) = self.citizens.seen(&mut self.random)
        {
            return place;
        }
        let kiosk = self.random.index(self.kiosks.len());
        let served = self.kiosks[kiosk].region;
        let home = if !self.random.chance(self.scenario.shares.outside) {
            served
        } else if self.random.chance(0.8) {
            self.regions.draw_near(served, &mut self.random)
        } else {
            self.regions.draw(&mut self.random)
        };
        self.citizens.create(home, kiosk, &mut self.random)
    }

    /// The next fact, and the number of the kiosk that records it.
    fn event(&mut self, now: TimestampMs) -> (usize, ActivationEvent) {
        let kind = self.kind();
        let place = self.citizen(kind);
        let citizen = *self.citizens.at(place);
        let number = citizen.kiosk;
        let share = self.scenario.shares.outreach;
        let visit = self.kiosks[number].visit(number, now.0, share, &mut self.random);
        let mut home = citizen.home;
        let fact = match kind {
            Kind::Retracted if let Some(event_id) = citizen.last => {
                Fact::Retracted { event_id, reason: self.random.pick(&RetractionReason::ALL[..4]) }
            }
            Kind::Activated | Kind::Retracted => self.activated(number, visit.as_ref()),
            Kind::Deferred => Fact::Deferred { reason: self.random.weighted(&DEFERRALS) },
            Kind::Cards => self.card(),
            Kind::Deactivated => {
                Fact::Deactivated { reason: self.random.pick(&DeactivationReason::ALL[..4]) }
            }
            Kind::Relocated => {
                home = self.regions.draw_near(citizen.home, &mut self.random);
                Fact::Relocated { from_region: citizen.home }
            }
        };
        let delay = self.random.below(DELAY_MS) as i64;
        let occurred_at = TimestampMs((now.0 - delay).max(self.scenario.from.0));
        let event_id = self.random.event_id(occurred_at);
        self.remember(place, home, &fact, event_id);
        let kiosk = &mut self.kiosks[number];
        let event = ActivationEvent {
            event_id,
            kiosk_id: kiosk.id.clone(),
            sequence: kiosk.next_sequence(),
            occurred_at,
            subject: citizen.subject,
            home_region: home,
            service_region: kiosk.region,
            outreach_id: visit.map(|visit| visit.id),
            fact,
        };
        (number, event)
    }

    fn activated(&mut self, kiosk: usize, visit: Option<&Visit>) -> Fact {
        let channel = match (visit, self.kiosks[kiosk].channel) {
            (Some(_), _) => Channel::Outreach,
            (None, Some(channel)) => channel,
            (None, None) => self.random.weighted(&CHANNELS),
        };
        let first_time_holder = self.random.chance(0.06);
        Fact::Activated { channel, venue: visit.map(|visit| visit.venue), first_time_holder }
    }

    fn card(&mut self) -> Fact {
        let reason = self.random.pick(&CardReason::ALL[..4]);
        match self.random.below(3) {
            0 => Fact::CardRecorded { first_time_holder: self.random.chance(0.5) },
            1 => Fact::CardRequested { reason },
            _ => Fact::CardPrinted { reason },
        }
    }

    fn remember(&mut self, place: usize, home: RegionCode, fact: &Fact, event_id: EventId) {
        let citizen = self.citizens.at(place);
        citizen.home = home;
        citizen.last = match fact {
            Fact::Retracted { .. } => None,
            _ => Some(event_id),
        };
    }
}

impl Iterator for Generator {
    type Item = SimulatedRecord;

    fn next(&mut self) -> Option<SimulatedRecord> {
        if self.left() == 0 {
            return None;
        }
        let record = self.step();
        self.emitted += 1;
        Some(record)
    }
}

#[cfg(test)]
mod tests;
