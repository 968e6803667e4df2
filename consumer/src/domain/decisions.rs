//! What was decided about quarantined records: which decision stands of those about one record. It
//! does not know where decisions come from, nor what is done with them.
//!
//! The first decision of people about an origin, in the order of the topic, stands for ever. So does
//! the first *verdict*, beside it: that a registry has no schema of the record's id, which a node
//! writes down before any node acts on it, and which the fold follows.
//!
//! A log may be a copy of another one: then what names the original's topic is about the copy's, as
//! far as that was copied.

mod copies;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Origin;
use laju_schemas::{LogCopy, QuarantineDecision};

/// What became of a decision that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the first of its kind about its origin, and stands.
    Kept,
    /// Another one stands, it is about a record of another topic, or it is of a later version and
    /// not known here: its record is open.
    Ignored,
}

/// Every decision that stands.
#[derive(Clone, Debug, Default)]
pub struct DecisionBook {
    /// People's, in the order in which they were made.
    kept: Vec<Arc<QuarantineDecision>>,
    places: HashMap<Origin, usize>,
    /// In the order in which they were written.
    verdicts: Vec<Arc<QuarantineDecision>>,
    verdict_places: HashMap<Origin, usize>,
    /// The id of the events topic that the places are of, if it has one.
    topic_id: Option<String>,
    copies: copies::Copies,
    /// Behind the last record.
    next_offset: i64,
}

impl DecisionBook {
    /// An empty one, about records of the events topic with this id: what names another is about a
    /// topic that had its name before.
    #[must_use]
    pub fn of_topic(id: Option<&str>) -> Self {
        Self { topic_id: id.map(str::to_owned), ..Self::default() }
    }

    /// Adds the record at an offset of the decisions topic. Records come in the order of their
    /// offsets; one that is given again changes nothing.
    pub fn add(&mut self, offset: i64, decision: QuarantineDecision) -> Taken {
        self.pass(offset);
        let is_ours =
            decision.is_of_topic(self.topic_id.as_deref()) || self.copies.is_of_original(&decision);
        if !is_ours {
            // It may turn out that this log is a copy of that one.
            self.copies.put_aside(offset, decision);
            return Taken::Ignored;
        }
        self.take(decision)
    }

    /// Adds the record at an offset of the decisions topic by which a log says that it is a copy:
    /// if this one does, what was decided about the original's records stands for it.
    pub fn add_copy(&mut self, offset: i64, copy: LogCopy) {
        self.pass(offset);
        for decision in self.copies.add(self.topic_id.as_deref(), copy) {
            self.take(decision);
        }
    }

    /// The logs that this one is a copy of, the one that was copied last first: whatever it has
    /// before the offsets that each names, that one has at the same offsets.
    #[must_use]
    pub fn copies(&self) -> &[Arc<LogCopy>] {
        self.copies.all()
    }

    /// The log of another cluster that this one is a copy of, up to these offsets of the events topic
    /// and of the reference topic at least.
    #[must_use]
    pub fn copied_from(
        &self,
        cluster_id: &str,
        events: impl IntoIterator<Item = (u32, i64)>,
        reference: i64,
    ) -> Option<&Arc<LogCopy>> {
        let mut events = events.into_iter();
        let copies = self.copies.all().iter();
        let copy = copies.rev().find(|copy| copy.original_cluster_id == cluster_id)?;
        let reaches = events.all(|(partition, next)| next <= copy.next_offset(partition));
        (reaches && reference <= copy.reference_next_offset).then_some(copy)
    }

    /// Whether a record of the events topic was copied from another log.
    #[must_use]
    pub fn is_copied(&self, origin: Origin) -> bool {
        let mut copies = self.copies.all().iter();
        copies.any(|copy| origin.offset < copy.next_offset(origin.partition))
    }

    fn take(&mut self, decision: QuarantineDecision) -> Taken {
        match decision.decision {
            Decision::Released | Decision::Discarded => {}
            Decision::UnknownSchema => {
                let Entry::Vacant(place) = self.verdict_places.entry(decision.origin()) else {
                    return Taken::Ignored;
                };
                place.insert(self.verdicts.len());
                self.verdicts.push(Arc::new(decision));
                return Taken::Kept;
            }
            Decision::Unknown => return Taken::Ignored,
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

    /// What people decided about the record at an origin.
    #[must_use]
    pub fn get(&self, origin: Origin) -> Option<&Arc<QuarantineDecision>> {
        self.places.get(&origin).map(|place| &self.kept[*place])
    }

    /// The verdict about the record at an origin: that no registry has its schema. It stands
    /// whatever people decide: a record that is released counts at its new place.
    #[must_use]
    pub fn verdict(&self, origin: Origin) -> Option<&Arc<QuarantineDecision>> {
        // Asked for each record of a log, and mostly there are none.
        if self.verdicts.is_empty() {
            return None;
        }
        self.verdict_places.get(&origin).map(|place| &self.verdicts[*place])
    }

    /// The verdicts that stand, in the order in which they were written.
    #[must_use]
    pub fn verdicts(&self) -> &[Arc<QuarantineDecision>] {
        &self.verdicts
    }

    /// People's decisions that stand, in the order in which they were made. A book to which more is
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

    /// A decision about an origin; released ones say where the event was sent to.
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
            origin_topic_id: None,
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
    fn a_verdict_takes_no_persons_place_and_none_of_theirs_takes_its_place() {
        let mut book = DecisionBook::default();
        let origin = Origin { partition: 0, offset: 7 };
        let verdict = decided((0, 7), Decision::UnknownSchema, None);
        let by_another =
            QuarantineDecision { decided_by: "another node".to_owned(), ..verdict.clone() };
        assert_eq!(book.add(0, verdict.clone()), Taken::Kept);
        assert_eq!(book.get(origin), None, "it is open");
        assert_eq!(book.add(1, by_another), Taken::Ignored);
        assert_eq!(book.add(2, decided((0, 7), Decision::Released, Some((1, 9)))), Taken::Kept);
        assert_eq!(book.add(3, verdict.clone()), Taken::Ignored);
        assert_eq!(book.get(origin).unwrap().decision, Decision::Released);
        assert_eq!(**book.verdict(origin).unwrap(), verdict);
        assert_eq!((book.all().len(), book.verdicts().len(), book.next_offset()), (1, 1, 4));
        assert_eq!(book.verdict(Origin { partition: 1, offset: 9 }), None, "not where it counts");
    }

    #[test]
    fn a_verdict_about_a_topic_that_had_the_name_before_is_about_no_record_of_this_one() {
        let verdict = |offset, id: Option<&str>| QuarantineDecision {
            origin_topic_id: id.map(str::to_owned),
            ..decided((0, offset), Decision::UnknownSchema, None)
        };
        let mut book = DecisionBook::of_topic(Some("now"));
        assert_eq!(book.add(0, verdict(7, Some("before"))), Taken::Ignored);
        assert_eq!(book.verdict(Origin { partition: 0, offset: 7 }), None);
        assert_eq!(book.add(1, verdict(7, Some("now"))), Taken::Kept);
        assert_eq!(book.add(2, verdict(8, None)), Taken::Kept);
        assert_eq!((book.verdicts().len(), book.next_offset()), (2, 3));
        let mut without = DecisionBook::of_topic(None);
        assert_eq!(without.add(0, verdict(7, Some("before"))), Taken::Kept);
    }

    #[test]
    fn what_is_no_decision_keeps_its_place() {
        let mut book = DecisionBook::default();
        book.pass(0);
        assert_eq!((book.next_offset(), book.all().len()), (1, 0));
        assert_eq!(book.get(Origin { partition: 0, offset: 0 }), None);
    }
}
