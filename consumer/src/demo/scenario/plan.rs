//! What happens at the offices, day by day: the plan. Each day an office's active figure is to
//! end at a given number; whatever else happens to it that day (deactivations, moves, people
//! served elsewhere) is made up for by activations, so that the figures of the press come out of
//! events that nobody chose one by one.
//!
//! Only `occurred_at` matters here. When an event reaches the broker is [`super::delivery`]'s.

mod citizens;

use std::collections::BTreeMap;

use laju_schemas::event::{CardReason, Channel, Venue};
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, OutreachId, RegionCode, SubjectId, TimestampMs};
use laju_simulation::Random;

use super::calendar::{DAYS, HOUR_MS, curve, date_of, is_weekday, openness, start_ms};
use super::offices::{Kiosk, Office, PLACES, is_of_a_drive};
use super::silence::Silences;

/// An event as its kiosk has it.
pub(super) struct Event {
    /// Its place in [`Plan::kiosks`].
    pub(super) kiosk: u16,
    /// When it was entered, which numbers it: later than `occurred` for a correction.
    pub(super) created: i64,
    pub(super) occurred: i64,
    pub(super) id: EventId,
    pub(super) subject: SubjectId,
    pub(super) home: RegionCode,
    pub(super) service: RegionCode,
    /// Its place in [`Plan::visits`].
    pub(super) visit: Option<u32>,
    pub(super) fact: Fact,
    /// Why it cannot be counted, if it was made so.
    pub(super) flaw: Option<Reason>,
}

/// An outreach visit.
pub(super) struct Visit {
    pub(super) id: OutreachId,
    region: RegionCode,
    venue: Venue,
    kits: Vec<u16>,
}

/// Where and when a citizen is served.
#[derive(Clone, Copy)]
struct Spot {
    kiosk: u16,
    at: i64,
    channel: Channel,
    service: RegionCode,
    venue: Option<Venue>,
    visit: Option<u32>,
}

impl Spot {
    fn activated(self, first_time_holder: bool) -> Fact {
        Fact::Activated { channel: self.channel, venue: self.venue, first_time_holder }
    }
}

/// What citizens are who may be met again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Active,
    Inactive,
    NotYet,
}

/// Everything that happens.
pub(super) struct Plan {
    pub(super) offices: Vec<Office>,
    pub(super) kiosks: Vec<Kiosk>,
    pub(super) silences: Silences,
    pub(super) visits: Vec<Visit>,
    pub(super) events: Vec<Event>,
    /// The kiosks of each office that stay, and those that travel.
    counters: Vec<Vec<u16>>,
    kits: Vec<Vec<u16>>,
    /// Citizens who may be met again.
    people: BTreeMap<(RegionCode, Standing), Vec<SubjectId>>,
    /// How many are active in the homes of each office.
    active: Vec<u32>,
    /// Who is what from tomorrow on: nobody meets two offices on one day.
    tonight: Vec<(RegionCode, Standing, SubjectId)>,
    printing: BTreeMap<u16, Vec<(usize, RegionCode, SubjectId, CardReason)>>,
    random: Random,
}

/// What was made wrong on purpose, and how often.
const FLAWS: [(Reason, usize); 8] = [
    (Reason::WrongKey, 2),
    (Reason::WrongPartition, 2),
    (Reason::UnknownRegion, 3),
    (Reason::SequenceOutOfRange, 2),
    (Reason::BeforeProgramme, 3),
    (Reason::InFuture, 2),
    (Reason::Undecodable, 3),
    (Reason::UnknownSchema, 2),
];

impl Plan {
    /// Plays every day.
    pub(super) fn new(offices: Vec<Office>, kiosks: Vec<Kiosk>, mut random: Random) -> Self {
        let silences = Silences::new(&offices, &kiosks, &mut random);
        let curves: Vec<_> =
            offices.iter().map(|office| curve(&office.active, &mut random)).collect();
        let cards: Vec<_> =
            offices.iter().map(|office| curve(&office.first_cards, &mut random)).collect();
        let of_each = |travels: bool| {
            let mut of_each = vec![Vec::new(); offices.len()];
            for (place, kiosk) in kiosks.iter().enumerate() {
                if (kiosk.channel == Channel::Outreach) == travels {
                    of_each[kiosk.office].push(place as u16);
                }
            }
            of_each
        };
        let mut plan = Self {
            counters: of_each(false),
            kits: of_each(true),
            active: vec![0; offices.len()],
            offices,
            kiosks,
            silences,
            visits: Vec::new(),
            events: Vec::new(),
            people: BTreeMap::new(),
            tonight: Vec::new(),
            printing: BTreeMap::new(),
            random,
        };
        for day in (0..DAYS).filter(|&day| openness(day) > 0) {
            let targets: Vec<u32> = curves.iter().map(|curve| curve[usize::from(day)]).collect();
            let recordings: Vec<u32> = cards
                .iter()
                .map(|curve| curve[usize::from(day)] - curve[usize::from(day) - 1])
                .collect();
            plan.play(day, &targets, &recordings);
        }
        plan.add_flaws();
        plan
    }

    fn is_open(&self, office: usize, day: u16) -> bool {
        day >= self.offices[office].start()
    }

    fn play(&mut self, day: u16, targets: &[u32], recordings: &[u32]) {
        let open: Vec<usize> = (0..self.offices.len()).filter(|&o| self.is_open(o, day)).collect();
        // How many each office has to activate today: its growth, and whatever leaves it today.
        let growth: Vec<u32> = targets.iter().zip(&self.active).map(|(t, a)| t - a).collect();
        let mut due = growth.clone();
        for &office in &open {
            for _ in 0..growth[office] {
                if self.random.chance(0.01) && self.deactivate(office, day) {
                    due[office] += 1;
                }
                if self.random.chance(0.003) {
                    self.relocate(office, &open, day, &mut due);
                }
            }
        }
        for &office in &open {
            let today = self.plan_visits(office, day, recordings[office] >= 4);
            for _ in 0..due[office] {
                self.activate_someone(office, &open, day, &today);
            }
            for _ in 0..growth[office] {
                self.serve_others(office, day, &today);
            }
            for _ in 0..recordings[office] {
                self.record_first_card(office, day, &today);
            }
            self.active[office] = targets[office];
        }
        self.print(day);
        for (home, standing, subject) in std::mem::take(&mut self.tonight) {
            self.people.entry((home, standing)).or_default().push(subject);
        }
    }

    fn plan_visits(&mut self, office: usize, day: u16, to_schools: bool) -> Vec<u32> {
        let about = &self.offices[office];
        let random = &mut self.random;
        let silenced = about.silences.iter().any(|(from, to)| (*from..*to).contains(&day));
        let weekday = is_weekday(day);
        let count = match (about.in_drive(day), weekday) {
            (true, true) => 2,
            (true, false) => 1,
            (false, true) => u64::from(random.chance(0.65)) + u64::from(random.chance(0.25)),
            (false, false) => u64::from(random.chance(0.3)),
        };
        let kits = &self.kits[office];
        let mut visits: Vec<Visit> = Vec::new();
        for place in 0..count.max(u64::from(silenced)) {
            let (venue, name) = loop {
                let (venue, name) = random.pick(PLACES);
                let official = matches!(venue, Venue::School | Venue::Campus | Venue::Government);
                let schools_only = to_schools && place == 0 && weekday;
                if (weekday || !official)
                    && (!schools_only || venue == Venue::School)
                    && (!about.in_drive(day) || is_of_a_drive(venue))
                {
                    break (venue, name);
                }
            };
            let region = random.weighted(&about.homes);
            let id = format!("{region}-{}-{name}", date_of(day));
            let id: OutreachId = id.parse().expect("a code, a date and a short name");
            if visits.iter().any(|visit| visit.id == id) {
                continue;
            }
            let mut chosen = vec![if silenced && place == 0 { kits[0] } else { random.pick(kits) }];
            let second = random.pick(kits);
            if second != chosen[0] && random.chance(0.4) {
                chosen.push(second);
            }
            visits.push(Visit { id, region, venue, kits: chosen });
        }
        let first = self.visits.len() as u32;
        self.visits.extend(visits);
        (first..self.visits.len() as u32).collect()
    }

    /// At one of today's visits, or at a kiosk of the office.
    fn spot(&mut self, office: usize, day: u16, today: &[u32]) -> Spot {
        let about = &self.offices[office];
        let share = if about.in_drive(day) { 0.88 } else { about.outreach };
        if !today.is_empty() && self.random.chance(share) {
            let visit = self.random.pick(today);
            return self.spot_at_visit(visit, day);
        }
        let kiosk = self.random.pick(&self.counters[office]);
        self.spot_at(kiosk, day)
    }

    fn spot_at(&mut self, kiosk: u16, day: u16) -> Spot {
        let Kiosk { office, channel, .. } = self.kiosks[usize::from(kiosk)];
        let (opens, closes) = match channel {
            Channel::SelfService => (6, 20),
            Channel::ServiceMall => (10, 18),
            _ => (8, 15),
        };
        let at = self.time(day, opens, closes);
        let service = self.offices[office].region;
        Spot { kiosk, at, channel, service, venue: None, visit: None }
    }

    fn spot_at_visit(&mut self, visit: u32, day: u16) -> Spot {
        let at = self.time(day, 8, 14);
        let about = &self.visits[visit as usize];
        Spot {
            kiosk: self.random.pick(&about.kits),
            at,
            channel: Channel::Outreach,
            service: about.region,
            venue: Some(about.venue),
            visit: Some(visit),
        }
    }

    /// The kiosk of an office that is always in reach: its first.
    fn desk(&self, office: usize) -> u16 {
        self.counters[office][0]
    }

    fn at_desk(&mut self, office: usize, day: u16) -> Spot {
        self.spot_at(self.desk(office), day)
    }

    fn time(&mut self, day: u16, from_hour: i64, to_hour: i64) -> i64 {
        start_ms(day) + self.random.between(from_hour * HOUR_MS, to_hour * HOUR_MS - 1)
    }

    /// Adds an event that is entered when it happens.
    fn add(&mut self, spot: Spot, subject: SubjectId, home: RegionCode, fact: Fact) -> EventId {
        self.add_later(spot, (spot.kiosk, spot.at), subject, home, fact)
    }

    /// Adds an event that is entered at another kiosk and instant than it happens.
    fn add_later(
        &mut self,
        spot: Spot,
        (kiosk, created): (u16, i64),
        subject: SubjectId,
        home: RegionCode,
        fact: Fact,
    ) -> EventId {
        let id = self.random.event_id(TimestampMs(created));
        self.events.push(Event {
            kiosk,
            created,
            occurred: spot.at,
            id,
            subject,
            home,
            service: spot.service,
            visit: spot.visit,
            fact,
            flaw: None,
        });
        id
    }

    /// A few events that cannot be counted, of people who are never heard of again.
    fn add_flaws(&mut self) {
        let flaws = FLAWS.iter().flat_map(|&(reason, times)| std::iter::repeat_n(reason, times));
        for reason in flaws {
            let day = loop {
                let day = self.random.between(250, i64::from(DAYS) - 10) as u16;
                if is_weekday(day) {
                    break day;
                }
            };
            let office = self.random.index(self.offices.len());
            let spot = self.at_desk(office, day);
            let subject = self.random.subject();
            self.add(spot, subject, spot.service, spot.activated(false));
            if let Some(event) = self.events.last_mut() {
                event.flaw = Some(reason);
            }
        }
    }
}
