//! Which state an answer is of: a number that differs wherever an answer to the same question may.
//! It is the same on every node that has absorbed the same offsets.

use xxhash_rust::xxh3::Xxh3;

use super::view::View;

impl View {
    /// The version of all that answers rest on. Beside the offsets, which a recreated topic could
    /// repeat, the times up to which they reach.
    ///
    /// A `settled` question asks for a past day's knowledge of a given day: its answers have no
    /// bounds and name no silent kiosks, and no day changes them. Those of any other question have
    /// both, and a status or the passing of time changes them without a new event.
    #[must_use]
    pub fn version(&self, settled: bool) -> u128 {
        let mut hash = Xxh3::new();
        let mut text = |text: &str| {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(&self.cluster_id);
        text(&self.fold_version);
        hash.update(&self.reference.next_offset.to_le_bytes());
        for (partition, view) in &self.snapshot.partitions {
            hash.update(&partition.to_le_bytes());
            hash.update(&view.next_offset.to_le_bytes());
            hash.update(&view.recorded_until.map_or(i64::MIN, |until| until.0).to_le_bytes());
            // A verdict that came late changes what counts of the same records.
            hash.update(&view.tallies.quarantined.to_le_bytes());
        }
        if !settled {
            self.add_moment(&mut hash);
        }
        hash.digest128()
    }

    /// What speaks of the moment of the answer: today, what was decided about what could not be
    /// counted, what is missing, who is silent.
    fn add_moment(&self, hash: &mut Xxh3) {
        let today = (self.today.year(), self.today.month(), self.today.day());
        hash.update(&today.0.to_le_bytes());
        hash.update(&[today.1 as u8, today.2 as u8]);
        hash.update(&self.decisions.next_offset().to_le_bytes());
        for unknown in self.gaps.each() {
            for number in [unknown.events, unknown.kiosks, unknown.quarantined] {
                hash.update(&number.to_le_bytes());
            }
        }
        let silent = self.gaps.kiosks.iter().filter(|k| k.is_silent(self.now) == Some(true));
        for kiosk in silent {
            hash.update(kiosk.id.as_bytes());
            hash.update(&kiosk.last_word.map_or(i64::MIN, |word| word.0).to_le_bytes());
            hash.update(&kiosk.service.map_or(u16::MAX, |region| region.0).to_le_bytes());
            let usual = kiosk.habit.as_ref().map_or(0, |habit| habit.usual_per_day);
            hash.update(&usual.to_le_bytes());
        }
    }
}
