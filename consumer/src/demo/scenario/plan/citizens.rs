//! What happens to citizens: activated, turned away, deactivated, moved, met by mistake.

use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::{Fact, RegionCode, SubjectId};

use super::cards::REPRINTS;
use super::{Plan, Spot, Standing};
use crate::demo::scenario::calendar::{DAYS, MINUTE_MS, day_of_ms, openness};

/// Why people are turned away, and how often.
pub(super) const DEFERRALS: [(DeferralReason, u64); 7] = [
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

impl Plan {
    fn someone_active(&mut self, office: usize) -> Option<(RegionCode, SubjectId)> {
        let home = self.dice.weighted(&self.offices[office].homes);
        let active = &mut self.people.entry(home).or_default().active;
        if active.len() < 20 { None } else { self.dice.take(active).map(|who| (home, who)) }
    }

    pub(super) fn deactivate(&mut self, office: usize, day: u16) -> bool {
        let Some((home, subject)) = self.someone_active(office) else { return false };
        let reason = self.dice.weighted(&DEACTIVATIONS);
        let spot = self.spot_at(self.desk(office), day);
        self.add(spot, subject, home, Fact::Deactivated { reason });
        if reason != DeactivationReason::Deceased {
            self.tonight.push((home, Standing::Inactive, subject));
        }
        self.deactivations += 1;
        true
    }

    /// Somebody active moves to another office's region, where one activation fewer is due then.
    pub(super) fn relocate(&mut self, from: usize, open: &[usize], day: u16, due: &mut [u32]) {
        let to = *self.dice.pick(open);
        if to == from || due[to] == 0 {
            return;
        }
        let Some((from_region, subject)) = self.someone_active(from) else { return };
        let home = self.dice.weighted(&self.offices[to].homes);
        let spot = self.spot_at(self.desk(to), day);
        let fact = if self.dice.chance(600) {
            Fact::Relocated { from_region }
        } else {
            Fact::Activated { channel: spot.channel, venue: None, first_time_holder: false }
        };
        self.add(spot, subject, home, fact);
        self.tonight.push((home, Standing::Active, subject));
        due[from] += 1;
        due[to] -= 1;
        self.moves += 1;
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
        let elsewhere = *self.dice.pick(open);
        if elsewhere != office && self.dice.chance(15) {
            // Served by another city's office; counted at home all the same.
            home = self.dice.weighted(&self.offices[office].homes);
            spot = self.spot_at(self.desk(elsewhere), day);
        }
        let met_before = self.dice.below(1000);
        let people = self.people.entry(home).or_default();
        let known = match met_before {
            0..20 => self.dice.take(&mut people.not_yet),
            20..28 => self.dice.take(&mut people.inactive),
            _ => None,
        };
        let subject = known.unwrap_or_else(|| self.dice.subject());
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
        let often = if spot.venue == Some(Venue::School) { 550 } else { 40 };
        let first_time_holder = self.dice.chance(often);
        let fact = Fact::Activated { channel: spot.channel, venue: spot.venue, first_time_holder };
        let silent = self.silences.covers(spot.kiosk, day);
        if self.dice.chance(if silent { 20 } else { 3 }) {
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
        let reason = *self.dice.pick(&RetractionReason::ALL[..4]);
        match reason {
            RetractionReason::WrongRegion => {
                let own = &self.offices[office].homes;
                let others: Vec<_> = if own.len() > 1 {
                    own.iter().map(|(own, _)| *own).filter(|own| *own != home).collect()
                } else {
                    self.offices.iter().map(|o| o.region).filter(|own| *own != home).collect()
                };
                wrong_home = *self.dice.pick(&others);
            }
            RetractionReason::WrongDetails => {
                wrong_fact = Fact::Activated {
                    channel: Channel::SelfService,
                    venue: None,
                    first_time_holder: true,
                };
            }
            _ => wrong_subject = self.dice.subject(),
        }
        let mistaken = self.add(spot, wrong_subject, wrong_home, wrong_fact);
        let taken_back = self.events.len() - 1;
        let soon = spot.at + self.dice.between(5 * MINUTE_MS, 70 * MINUTE_MS);
        let (kiosk, fixed) = if silent {
            // The kiosk is out of reach: the desk's word arrives before the kiosk's.
            (desk, soon)
        } else if self.dice.chance(600) {
            (spot.kiosk, soon)
        } else {
            let day = day_of_ms(spot.at) + self.dice.between(1, 5) as u16;
            match (day..DAYS - 2).find(|&day| openness(day) > 0) {
                Some(day) => (desk, self.time(day, 8, 11)),
                None => (spot.kiosk, soon),
            }
        };
        let correction = Spot { kiosk, at: fixed, ..spot };
        let retracted = Fact::Retracted { event_id: mistaken, reason };
        self.add(correction, wrong_subject, wrong_home, retracted);
        self.mistakes.push((taken_back, self.events.len() - 1));
        self.add_later(spot, (kiosk, fixed + MINUTE_MS), subject, home, fact);
    }

    /// What else an office does beside every new activation, now and then.
    pub(super) fn serve_others(&mut self, office: usize, day: u16, today: &[u32]) {
        if self.dice.chance(35) {
            let spot = self.spot(office, day, today);
            let subject = self.dice.subject();
            let reason = self.dice.weighted(&DEFERRALS);
            self.add(spot, subject, spot.service, Fact::Deferred { reason });
            self.tonight.push((spot.service, Standing::NotYet, subject));
        }
        if !self.offices[office].guests.is_empty() && self.dice.chance(18) {
            let home = *self.dice.pick(&self.offices[office].guests);
            let spot = self.spot(office, day, today);
            let subject = self.dice.subject();
            self.activate(office, spot, subject, home, day);
        }
        if self.dice.chance(4)
            && let Some((home, subject)) = self.someone_active(office)
        {
            // A new phone: activated again at the same home, which changes nothing.
            let spot = self.spot_at(self.desk(office), day);
            let channel = spot.channel;
            let fact = Fact::Activated { channel, venue: None, first_time_holder: false };
            self.add(spot, subject, home, fact);
            self.tonight.push((home, Standing::Active, subject));
            self.activated_again += 1;
        }
        if self.dice.chance(10) {
            let spot = self.spot_at(self.desk(office), day);
            let (subject, reason) = (self.dice.subject(), self.dice.weighted(&REPRINTS));
            if reason == CardReason::DataChange {
                let recorded = Fact::CardRecorded { first_time_holder: false };
                self.add(spot, subject, spot.service, recorded);
            }
            self.request_card(office, day, spot, subject, reason);
        }
    }
}
