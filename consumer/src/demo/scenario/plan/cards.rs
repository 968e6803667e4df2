//! The printed card: recorded, asked for, printed when there are blank cards.

use laju_schemas::event::{CardReason, Venue};
use laju_schemas::{Fact, SubjectId};

use super::citizens::DEFERRALS;
use super::{Plan, Spot, Standing};
use crate::demo::scenario::calendar::{MINUTE_MS, date_of};

/// Why those who have a card want another, and how often.
pub(super) const REPRINTS: [(CardReason, u64); 3] =
    [(CardReason::Damaged, 40), (CardReason::Lost, 35), (CardReason::DataChange, 25)];

impl Plan {
    pub(super) fn record_first_card(&mut self, office: usize, day: u16, today: &[u32]) {
        let school =
            today.iter().copied().find(|&visit| self.visits[visit as usize].venue == Venue::School);
        let spot = match school {
            Some(visit) => self.spot_at_visit(visit, day),
            None => self.spot_at(self.desk(office), day),
        };
        let subject = self.dice.subject();
        self.add(spot, subject, spot.service, Fact::CardRecorded { first_time_holder: true });
        if self.dice.chance(90) {
            let later = Spot { at: spot.at + self.dice.between(MINUTE_MS, 9 * MINUTE_MS), ..spot };
            let reason = self.dice.weighted(&DEFERRALS);
            self.add(later, subject, spot.service, Fact::Deferred { reason });
        }
        if self.dice.chance(400) {
            self.request_card(office, day, spot, subject, CardReason::FirstTime);
        }
        self.tonight.push((spot.service, Standing::NotYet, subject));
    }

    pub(super) fn request_card(
        &mut self,
        office: usize,
        day: u16,
        spot: Spot,
        subject: SubjectId,
        reason: CardReason,
    ) {
        let spot = Spot { at: spot.at + self.dice.between(MINUTE_MS, 9 * MINUTE_MS), ..spot };
        self.add(spot, subject, spot.service, Fact::CardRequested { reason });
        // Blank cards are short towards the end of every year.
        let short = date_of(day).month() >= 10;
        let (least, most) = if short { (30, 90) } else { (2, 21) };
        let ready = day + self.dice.between(least, most) as u16;
        self.printing.entry(ready).or_default().push((office, spot.service, subject, reason));
    }

    pub(super) fn print(&mut self, day: u16) {
        let later = self.printing.split_off(&(day + 1));
        for (_, cards) in std::mem::replace(&mut self.printing, later) {
            for (office, home, subject, reason) in cards {
                let spot = self.spot_at(self.desk(office), day);
                let spot = Spot { service: home, ..spot };
                self.add(spot, subject, home, Fact::CardPrinted { reason });
            }
        }
    }
}
