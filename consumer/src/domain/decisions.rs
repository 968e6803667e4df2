//! What was decided about quarantined records: which decision stands of those about one record. It
//! does not know where decisions come from, nor what is done with them.
//!
//! The first decision about an origin, in the order of the topic, stands for ever.

use std::collections::HashMap;
use std::sync::Arc;

use laju_schemas::QuarantineDecision;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Origin;

/// What became of a decision that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the first about its origin, and stands.
    Kept,
    /// Another one stands, or it is of a later version and not known here: its record is open.
    Ignored,
}

/// Every decision that stands.
#[derive(Clone, Debug, Default)]
pub struct DecisionBook {
    /// In the order in which they were made.
    kept: Vec<Arc<QuarantineDecision>>,
    places: HashMap<Origin, usize>,
    /// Behind the last record.
    next_offset: i64,
}

impl DecisionBook {
    /// Adds the record at an offset of the decisions topic. Records come in the order of their
    /// offsets; one that is given again changes nothing.
    pub fn add(&mut self, offset: i64, decision: QuarantineDecision) -> Taken {
        self.pass(offset);
        if decision.decision == Decision::Unknown {
            return Taken::Ignored;
        }
        let next = self.kept.len();
        let place = *self.places.entry(decision.origin()).or_insert(next);
        if place != next {
            return Taken::Ignored;
        }
        self.kept.push(Arc::new(decision));
        Taken::Kept
    }

    /// Passes over a record that is no decision.
    pub fn pass(&mut self, offset: i64) {
        self.next_offset = self.next_offset.max(offset.saturating_add(1));
    }

    /// What was decided about the record at an origin.
    #[must_use]
    pub fn get(&self, origin: Origin) -> Option<&Arc<QuarantineDecision>> {
        self.places.get(&origin).map(|place| &self.kept[*place])
    }

    /// The decisions that stand, in the order in which they were made. A book to which more is
    /// added keeps those it has where they are.
    #[must_use]
    pub fn all(&self) -> &[Arc<QuarantineDecision>] {
        &self.kept
    }

    /// The offset behind the last record that was added; 0 before there was one.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.next_offset
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use laju_schemas::{DecisionId, TimestampMs};
    use proptest::prelude::*;

    use super::*;

    /// A decision about an origin; released ones say where the event stands anew.
    pub(crate) fn decided(
        (partition, offset): (u32, i64),
        decision: Decision,
        released: Option<(u32, i64)>,
    ) -> QuarantineDecision {
        QuarantineDecision {
            decision_id: DecisionId([1; 16]),
            origin_partition: partition,
            origin_offset: offset,
            decision,
            event_id: None,
            released_partition: released.map(|(partition, _)| partition),
            released_offset: released.map(|(_, offset)| offset),
            decided_by: "Sri Rahayu".to_owned(),
            reason: "made by hand".to_owned(),
            decided_at: TimestampMs(1_720_000_000_000),
        }
    }

    proptest! {
        /// However often decisions are made and read, the first about each origin stands.
        #[test]
        fn of_any_decisions_the_first_about_an_origin_stands(
            log in prop::collection::vec((0_u32..3, 0_i64..6, any::<bool>()), 0..60),
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let records: Vec<_> = log.iter().enumerate().map(|(at, (partition, offset, release))| {
                let decision = if *release { Decision::Released } else { Decision::Discarded };
                let id = DecisionId((at as u128).to_be_bytes());
                (at as i64, QuarantineDecision {
                    decision_id: id,
                    ..decided((*partition, *offset), decision, None)
                })
            }).collect();
            let mut first: BTreeMap<Origin, &QuarantineDecision> = BTreeMap::new();
            let mut book = DecisionBook::default();
            for (offset, record) in &records {
                let stands = !first.contains_key(&record.origin());
                first.entry(record.origin()).or_insert(record);
                let taken = book.add(*offset, record.clone());
                prop_assert_eq!(taken == Taken::Kept, stands);
            }
            for index in again {
                if !records.is_empty() {
                    let (offset, record) = index.get(&records);
                    prop_assert_eq!(book.add(*offset, record.clone()), Taken::Ignored);
                }
            }
            prop_assert_eq!(book.next_offset(), records.len() as i64);
            prop_assert_eq!(book.all().len(), first.len());
            prop_assert!(book.all().is_sorted_by_key(|kept| kept.decision_id));
            for (origin, stands) in first {
                prop_assert_eq!(&**book.get(origin).unwrap(), stands);
            }
        }
    }

    #[test]
    fn what_a_later_version_decided_is_open_here() {
        let mut book = DecisionBook::default();
        assert_eq!(book.add(0, decided((0, 7), Decision::Unknown, None)), Taken::Ignored);
        let origin = Origin { partition: 0, offset: 7 };
        assert_eq!((book.next_offset(), book.get(origin)), (1, None));
        assert_eq!(book.add(1, decided((0, 7), Decision::Discarded, None)), Taken::Kept);
        assert_eq!(book.all().len(), 1);
    }

    #[test]
    fn what_is_no_decision_keeps_its_place() {
        let mut book = DecisionBook::default();
        book.pass(0);
        assert_eq!((book.next_offset(), book.all().len()), (1, 0));
        assert_eq!(book.get(Origin { partition: 0, offset: 0 }), None);
    }
}
