//! Which quarantined records are unknown no longer, because somebody decided about them.
//!
//! A discarded one at once; a released one as soon as the event sent again is in the snapshot: not
//! before, so that bounds never become narrower than what they are of.

use laju_schemas::decision::Decision;
use laju_schemas::{DecisionId, QuarantineDecision, RegionTable};

use crate::domain::decisions::DecisionBook;
use crate::projection::quarantine::QuarantineKey;
use crate::projection::snapshot::Snapshot;
use crate::query::scope::concerned;

/// What a decision means for one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The record, which would have counted there, is unknown no longer.
    Closed(QuarantineKey),
    /// It is still unknown, or not read yet: a later snapshot may tell otherwise.
    Waiting,
    /// There is no such quarantined record, or nothing follows from the decision.
    Nothing,
}

/// What a decision means for a snapshot.
pub(crate) fn effect(snapshot: &Snapshot, decision: &QuarantineDecision) -> Effect {
    let origin = decision.origin();
    let Some(part) = snapshot.partitions.get(&origin.partition) else { return Effect::Waiting };
    let Some(key) = part.quarantine.key_at(origin.offset) else {
        let is_passed = part.next_offset > origin.offset;
        return if is_passed { Effect::Nothing } else { Effect::Waiting };
    };
    match (decision.decision, decision.released()) {
        (Decision::Discarded, _) => Effect::Closed(key),
        (Decision::Released, Some(again)) => {
            let part = snapshot.partitions.get(&again.partition);
            let is_read = part.is_some_and(|part| part.next_offset > again.offset);
            if is_read { Effect::Closed(key) } else { Effect::Waiting }
        }
        (Decision::Released | Decision::UnknownSchema | Decision::Unknown, _) => Effect::Nothing,
    }
}

/// How many records are unknown no longer, by region: kept from one snapshot to the next, and only
/// what is new is looked at. The same snapshot and decisions give the same counts, whatever was
/// seen before, as long as partitions and decisions only grow.
#[derive(Default)]
pub(crate) struct Closed {
    /// By region, and all of them at the end; empty while there are none.
    counts: Vec<u64>,
    /// How many decisions were looked at, and the last one of them.
    seen: usize,
    last: Option<DecisionId>,
    /// Those to be looked at again.
    waiting: Vec<usize>,
}

impl Closed {
    /// Adds what a snapshot and the decisions have beyond those before.
    pub(crate) fn absorb(&mut self, snapshot: &Snapshot, book: &DecisionBook) {
        let all = book.all();
        let last = self.seen.checked_sub(1).and_then(|at| all.get(at)).map(|d| d.decision_id);
        if last != self.last || all.len() < self.seen {
            // The topic was read again, and has become another one.
            *self = Self::default();
        }
        let again = std::mem::take(&mut self.waiting);
        for at in again.into_iter().chain(self.seen..all.len()) {
            match effect(snapshot, &all[at]) {
                Effect::Closed(key) => self.close(&key),
                Effect::Waiting => self.waiting.push(at),
                Effect::Nothing => {}
            }
        }
        self.seen = all.len();
        self.last = all.last().map(|decision| decision.decision_id);
    }

    fn close(&mut self, key: &QuarantineKey) {
        let regions = RegionTable::get().len();
        self.counts.resize(regions + 1, 0);
        for region in concerned(key) {
            self.counts[usize::from(region.0)] += 1;
        }
        self.counts[regions] += 1;
    }

    /// By region; nothing while no record is.
    pub(crate) fn regions(&self) -> &[u64] {
        self.counts.split_last().map_or(&[], |(_, regions)| regions)
    }

    /// All of them.
    pub(crate) fn all(&self) -> u64 {
        self.counts.last().copied().unwrap_or(0)
    }
}
