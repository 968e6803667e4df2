//! When kiosks are out of reach: outreach kits that travel without a connection for days.

use laju_schemas::event::Channel;
use laju_simulation::Random;

use super::calendar::DAYS;
use super::offices::{Kiosk, Office};

/// The spells in which each kiosk cannot send.
pub(super) struct Silences(Vec<Vec<(u16, u16)>>);

impl Silences {
    /// Spells of one to eight days for every outreach kit, and those that an office is to have
    /// for its first kit. All end before the last day.
    pub(super) fn new(offices: &[Office], kiosks: &[Kiosk], random: &mut Random) -> Self {
        let mut seen = vec![false; offices.len()];
        let spells = kiosks.iter().map(|kiosk| {
            if kiosk.channel != Channel::Outreach {
                return Vec::new();
            }
            let office = &offices[kiosk.office];
            let first_kit = !std::mem::replace(&mut seen[kiosk.office], true);
            let fixed = if first_kit { office.silences.clone() } else { Vec::new() };
            let mut spells = fixed.clone();
            let mut from = office.start() + random.between(10, 50) as u16;
            while from < DAYS {
                let to = from + random.between(1, 8) as u16;
                let overlaps = fixed.iter().any(|(f, t)| from <= *t && *f <= to);
                if to < DAYS - 1 && !overlaps {
                    spells.push((from, to));
                }
                from = to + random.between(20, 60) as u16;
            }
            spells
        });
        Self(spells.collect())
    }

    /// The spell that a kiosk is in on a day: its place among the kiosk's, and the day on which
    /// the kiosk is back.
    pub(super) fn at(&self, kiosk: u16, day: u16) -> Option<(usize, u16)> {
        let spells = &self.0[usize::from(kiosk)];
        let place = spells.iter().position(|(from, to)| (*from..*to).contains(&day))?;
        Some((place, spells[place].1))
    }

    /// Whether a kiosk is out of reach on a day.
    pub(super) fn covers(&self, kiosk: u16, day: u16) -> bool {
        self.at(kiosk, day).is_some()
    }
}
