//! The citizens that have been seen, so that later facts are about them.

use laju_schemas::{EventId, RegionCode, SubjectId};

use super::random::{Random, subject};

/// How many are remembered: enough for variety, and little memory however long the stream.
const REMEMBERED: usize = 1 << 17;

#[derive(Clone, Copy)]
pub(super) struct Citizen {
    pub(super) subject: SubjectId,
    pub(super) home: RegionCode,
    pub(super) kiosk: u32,
    /// An event about them that may still be retracted.
    pub(super) last: Option<EventId>,
}

pub(super) struct Citizens {
    seed: u64,
    limit: u64,
    created: u64,
    remembered: Vec<Citizen>,
}

impl Citizens {
    pub(super) fn new(seed: u64, limit: u64) -> Self {
        Self { seed, limit, created: 0, remembered: Vec::new() }
    }

    /// Whether there are more to come.
    pub(super) fn has_new(&self) -> bool {
        self.created < self.limit
    }

    /// Somebody not seen before; answers where they are remembered.
    pub(super) fn create(&mut self, home: RegionCode, kiosk: u32, random: &mut Random) -> usize {
        let subject = subject(self.seed, self.created);
        self.created += 1;
        let citizen = Citizen { subject, home, kiosk, last: None };
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(citizen);
            return self.remembered.len() - 1;
        }
        let place = random.index(REMEMBERED);
        self.remembered[place] = citizen;
        place
    }

    /// Somebody seen before, if anybody was.
    pub(super) fn seen(&self, random: &mut Random) -> Option<usize> {
        (!self.remembered.is_empty()).then(|| random.index(self.remembered.len()))
    }

    pub(super) fn at(&mut self, place: usize) -> &mut Citizen {
        &mut self.remembered[place]
    }
}
