//! What happens to citizens: activated, turned away, deactivated, moved, met by mistake; the
//! printed card recorded, asked for, and printed when there are blank cards.

use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::{Fact, RegionCode, SubjectId};

use super::{Plan, Spot, Standing};
use crate::demo::scenario::calendar::{DAYS, MINUTE_MS, date_of, day_of_ms, openness};

/// Why people are turned away, and how often.
const DEFERRALS: [(DeferralReason, u64); 7] = [
    (DeferralReason::NoSmartphone, 34),
    (DeferralReason::UnsupportedDevice, 21),
    (DeferralReason::NoEmailOrNumber, 13),
    (DeferralReason::NoConnectivity, 11),
    (DeferralReason::VerificationFailed, 10),
    (DeferralReason::NotInterested, 8),
    (DeferralReason::Other, 3),
];

const DEACTIVATIONS: [(DeactivationReason, u64); 4] = [
    (DeactivationReason::DeviceLost, 55),
    (DeactivationReason::Withdrawn, 20),
    (DeactivationReason::Deceased, 20),
    (DeactivationReason::Error, 5),
];

/// Why those who have a card want another, and how often.
const REPRINTS: [(CardReason, u64); 3] =
    [(CardReason::Damaged, 40), (CardReason::Lost, 35), (CardReason::DataChange, 25)];

impl Plan {
    fn someone_active(&mut self, office: usize) -> Option<(RegionCode, SubjectId)> {
        let home = self.random.weighted(&self.offices[office].homes);
        let active = self.people.entry((home, Standing::Active)).or_default();
        if active.len() < 20 { None } else { self.random.take(active).map(|who| (home, who)) }
    }

    pub(super) fn deactivate(&mut self, office: usize, day: u16) -> bool {
        let Some((home, subject)) = self.someone_active(office) else { return false };
        let reason = self.random.weighted(&DEACTIVATIONS);
        let spot = self.at_desk(office, day);
        self.add(spot, subject, home, Fact::Deactivated { reason });
        if reason != DeactivationReason::Deceased {
            self.tonight.push((home, Standing::Inactive, subject));
        }
        true
    }

    /// Somebody active moves to another office's region, where one activation fewer is due then.
    pub(super) fn relocate(&mut self, from: usize, open: &[usize], day: u16, due: &mut [u32]) {
        let to = self.random.pick(open);
        if to == from || due[to] == 0 {
            return;
        }
        let Some((from_region, subject)) = self.someone_active(from) else { return };
        let home = self.random.weighted(&self.offices[to].homes);
        let spot = self.at_desk(to, day);
        let fact = if self.random.chance(0.6) {
            Fact::Relocated { from_region }
        } else {
            spot.activated(false)
        };
        self.add(spot, subject, home, fact);
        self.tonight.push((home, Standing::Active, subject));
        due[from] += 1;
        due[to] -= 1;
    }

    pub(super) fn activate_someone(
        &mut self,
        office: usize,
        open: &[usize],
        day: u16,
        today: &[u32],
    ) {
        let mut spot = self.spot(office, day, today);
        let mut home = spot.service;
        let elsewhere = self.random.pick(open);
        if elsewhere != office && self.random.chance(0.015) {
            // Served by another city's office; counted at home all the same.
            home = self.random.weighted(&self.offices[office].homes);
            spot = self.at_desk(elsewhere, day);
        }
        let met_before = match self.random.below(1000) {
            0..20 => Some(Standing::NotYet),
            20..28 => Some(Standing::Inactive),
            _ => None,
        };
        let known = met_before.and_then(|standing| {
            self.random.take(self.people.entry((home, standing)).or_default())
        });
        let subject = known.unwrap_or_else(|| self.random.subject());
        self.activate(office, spot, subject, home, day);
        self.tonight.push((home, Standing::Active, subject));
    }

    fn activate(
        &mut self,
        office: usize,
        spot: Spot,
        subject: SubjectId,
        home: RegionCode,
        day: u16,
    ) {
        let often = if spot.venue == Some(Venue::School) { 0.55 } else { 0.04 };
        let first_time_holder = self.random.chance(often);
        let fact = spot.activated(first_time_holder);
        let silent = self.silences.covers(spot.kiosk, day);
        if self.random.chance(if silent { 0.02 } else { 0.003 }) {
            self.activate_by_mistake_first(office, spot, subject, home, fact, silent);
        } else {
            self.add(spot, subject, home, fact);
        }
    }

    /// An operator enters something wrong; it is retracted, and the right thing is sent.
    fn activate_by_mistake_first(
        &mut self,
        office: usize,
        spot: Spot,
        subject: SubjectId,
        home: RegionCode,
        fact: Fact,
        silent: bool,
    ) {
        let desk = self.desk(office);
        let (mut wrong_subject, mut wrong_home, mut wrong_fact) = (subject, home, fact);
        let reason = self.random.pick(&RetractionReason::ALL[..4]);
        match reason {
            RetractionReason::WrongRegion => {
                let own = &self.offices[office].homes;
                let others: Vec<_> = if own.len() > 1 {
                    own.iter().map(|(own, _)| *own).filter(|own| *own != home).collect()
                } else {
                    self.offices.iter().map(|o| o.region).filter(|own| *own != home).collect()
                };
                wrong_home = self.random.pick(&others);
            }
            RetractionReason::WrongDetails => {
                wrong_fact = Fact::Activated {
                    channel: Channel::SelfService,
                    venue: None,
                    first_time_holder: true,
                };
            }
            _ => wrong_subject = self.random.subject(),
        }
        let mistaken = self.add(spot, wrong_subject, wrong_home, wrong_fact);
        let soon = spot.at + self.random.between(5 * MINUTE_MS, 70 * MINUTE_MS);
        let (kiosk, fixed) = if silent {
            // The kiosk is out of reach: the desk's word arrives before the kiosk's.
            (desk, soon)
        } else if self.random.chance(0.6) {
            (spot.kiosk, soon)
        } else {
            let day = day_of_ms(spot.at) + self.random.between(1, 5) as u16;
            match (day..DAYS - 2).find(|&day| openness(day) > 0) {
                Some(day) => (desk, self.time(day, 8, 11)),
                None => (spot.kiosk, soon),
            }
        };
        let correction = Spot { kiosk, at: fixed, ..spot };
        let retracted = Fact::Retracted { event_id: mistaken, reason };
        self.add(correction, wrong_subject, wrong_home, retracted);
        self.add_later(spot, (kiosk, fixed + MINUTE_MS), subject, home, fact);
    }

    /// What else an office does beside every new activation, now and then.
    pub(super) fn serve_others(&mut self, office: usize, day: u16, today: &[u32]) {
        if self.random.chance(0.035) {
            let spot = self.spot(office, day, today);
            let subject = self.random.subject();
            let reason = self.random.weighted(&DEFERRALS);
            self.add(spot, subject, spot.service, Fact::Deferred { reason });
            self.tonight.push((spot.service, Standing::NotYet, subject));
        }
        if !self.offices[office].guests.is_empty() && self.random.chance(0.018) {
            let home = self.random.pick(&self.offices[office].guests);
            let spot = self.spot(office, day, today);
            let subject = self.random.subject();
            self.activate(office, spot, subject, home, day);
        }
        if self.random.chance(0.004)
            && let Some((home, subject)) = self.someone_active(office)
        {
            // A new phone: activated again at the same home, which changes nothing.
            let spot = self.at_desk(office, day);
            self.add(spot, subject, home, spot.activated(false));
            self.tonight.push((home, Standing::Active, subject));
        }
        if self.random.chance(0.01) {
            let spot = self.at_desk(office, day);
            let (subject, reason) = (self.random.subject(), self.random.weighted(&REPRINTS));
            if reason == CardReason::DataChange {
                let recorded = Fact::CardRecorded { first_time_holder: false };
                self.add(spot, subject, spot.service, recorded);
            }
            self.request_card(office, day, spot, subject, reason);
        }
    }

    pub(super) fn record_first_card(&mut self, office: usize, day: u16, today: &[u32]) {
        let school =
            today.iter().copied().find(|&visit| self.visits[visit as usize].venue == Venue::School);
        let spot = match school {
            Some(visit) => self.spot_at_visit(visit, day),
            None => self.at_desk(office, day),
        };
        let subject = self.random.subject();
        self.add(spot, subject, spot.service, Fact::CardRecorded { first_time_holder: true });
        if self.random.chance(0.09) {
            let later =
                Spot { at: spot.at + self.random.between(MINUTE_MS, 9 * MINUTE_MS), ..spot };
            let reason = self.random.weighted(&DEFERRALS);
            self.add(later, subject, spot.service, Fact::Deferred { reason });
        }
        if self.random.chance(0.4) {
            self.request_card(office, day, spot, subject, CardReason::FirstTime);
        }
        self.tonight.push((spot.service, Standing::NotYet, subject));
    }

    fn request_card(
        &mut self,
        office: usize,
        day: u16,
        spot: Spot,
        subject: SubjectId,
        reason: CardReason,
    ) {
        let spot = Spot { at: spot.at + self.random.between(MINUTE_MS, 9 * MINUTE_MS), ..spot };
        self.add(spot, subject, spot.service, Fact::CardRequested { reason });
        // Blank cards are short towards the end of every year.
        let short = date_of(day).month() >= 10;
        let (least, most) = if short { (30, 90) } else { (2, 21) };
        let ready = day + self.random.between(least, most) as u16;
        self.printing.entry(ready).or_default().push((office, spot.service, subject, reason));
    }

    pub(super) fn print(&mut self, day: u16) {
        let later = self.printing.split_off(&(day + 1));
        for (_, cards) in std::mem::replace(&mut self.printing, later) {
            for (office, home, subject, reason) in cards {
                let spot = self.at_desk(office, day);
                let spot = Spot { service: home, ..spot };
                self.add(spot, subject, home, Fact::CardPrinted { reason });
            }
        }
    }
}
