//! Which logs a log is a copy of, and what was decided about their records. That a log is a copy is
//! said behind what was copied, so decisions that name other topics are kept until it is known whose
//! they are.

use std::sync::Arc;

use laju_schemas::{LogCopy, QuarantineDecision};

/// The copies that are known of, and what waits for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    /// This log's: the copy of the nearest original first, then that one's of its own.
    ours: Vec<Arc<LogCopy>>,
    /// Of logs that this one is not known to be a copy of.
    others: Vec<LogCopy>,
    /// With their offsets.
    aside: Vec<(i64, QuarantineDecision)>,
}

impl Copies {
    pub(super) fn all(&self) -> &[Arc<LogCopy>] {
        &self.ours
    }

    /// Whether a decision is about a record of a log that this one is a copy of, as far as that was
    /// copied.
    pub(super) fn is_of_original(&self, decision: &QuarantineDecision) -> bool {
        let Some(named) = decision.origin_topic_id.as_deref() else { return false };
        self.ours.iter().any(|copy| {
            copy.original_topic_id.as_deref() == Some(named)
                && decision.origin_offset < copy.next_offset(decision.origin_partition)
        })
    }

    pub(super) fn put_aside(&mut self, offset: i64, decision: QuarantineDecision) {
        self.aside.push((offset, decision));
    }

    /// Takes what a log says of itself; gives the decisions that are about this log by that, in the
    /// order of their offsets.
    pub(super) fn add(&mut self, topic_id: Option<&str>, copy: LogCopy) -> Vec<QuarantineDecision> {
        if self.ours.iter().any(|known| known.copy_id == copy.copy_id) {
            return Vec::new();
        }
        match (&copy.topic_id, topic_id) {
            (Some(_), Some(_)) => self.others.push(copy),
            // Without ids, whatever stands here is said of this log, the nearest original last.
            _ => self.ours.insert(0, Arc::new(copy)),
        }
        // A copy of a copy has what its original says of itself before what it says itself.
        while let Some(place) = self.others.iter().position(|copy| self.is_ours(topic_id, copy)) {
            let copy = self.others.remove(place);
            self.ours.push(Arc::new(copy));
        }
        let aside = std::mem::take(&mut self.aside);
        let (ours, aside): (Vec<_>, Vec<_>) =
            aside.into_iter().partition(|(_, decision)| self.is_of_original(decision));
        self.aside = aside;
        ours.into_iter().map(|(_, decision)| decision).collect()
    }

    /// Whether it is said of this log, or of one that it is a copy of.
    fn is_ours(&self, topic_id: Option<&str>, copy: &LogCopy) -> bool {
        let id = copy.topic_id.as_deref();
        id == topic_id || self.ours.iter().any(|nearer| nearer.original_topic_id.as_deref() == id)
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::decision::Decision;
    use laju_schemas::log_copy::CopiedPartition;
    use laju_schemas::quarantine::Origin;
    use laju_schemas::{CopyId, TimestampMs};

    use super::super::tests::decided;
    use super::super::{DecisionBook, Taken};
    use super::*;

    fn copy(of: &str, is: &str, next: i64) -> LogCopy {
        LogCopy {
            copy_id: CopyId([next as u8; 16]),
            original_cluster_id: format!("cluster of {of}"),
            original_topic: "ikd.events.v1".to_owned(),
            original_topic_id: Some(of.to_owned()),
            topic: "ikd.events.v1".to_owned(),
            topic_id: Some(is.to_owned()),
            partitions: vec![CopiedPartition { partition: 0, next_offset: next }],
            reference_next_offset: 2,
            copied_at: TimestampMs(next),
            restored_at: TimestampMs(next),
        }
    }

    fn verdict(offset: i64, topic: &str) -> QuarantineDecision {
        let verdict = decided((0, offset), Decision::UnknownSchema, None);
        QuarantineDecision { origin_topic_id: Some(topic.to_owned()), ..verdict }
    }

    #[test]
    fn what_was_decided_about_the_original_stands_for_the_copy_as_far_as_it_was_copied() {
        let mut book = DecisionBook::of_topic(Some("second"));
        assert_eq!(book.add(0, verdict(4, "first")), Taken::Ignored);
        assert_eq!(book.add(1, verdict(10, "first")), Taken::Ignored);
        assert_eq!(book.add(2, verdict(5, "another")), Taken::Ignored);
        assert!(book.verdicts().is_empty() && book.copies().is_empty());
        book.add_copy(3, copy("first", "second", 10));
        let origins: Vec<_> = book.verdicts().iter().map(|verdict| verdict.origin()).collect();
        assert_eq!(origins, [Origin { partition: 0, offset: 4 }]);
        assert_eq!(book.next_offset(), 4);
        // What comes behind it, of this log and of the original.
        assert_eq!(book.add(4, verdict(10, "second")), Taken::Kept);
        assert_eq!(book.add(5, verdict(11, "first")), Taken::Ignored);
        assert_eq!(book.add(6, verdict(6, "first")), Taken::Kept);
        let is_copied = |offset| book.is_copied(Origin { partition: 0, offset });
        assert!(is_copied(9) && !is_copied(10));
        assert!(!book.is_copied(Origin { partition: 1, offset: 0 }));
    }

    #[test]
    fn a_copy_of_a_copy_follows_both_and_the_first_decision_by_offset_stands() {
        let mut book = DecisionBook::of_topic(Some("third"));
        let first = QuarantineDecision { reason: "the first".to_owned(), ..verdict(4, "first") };
        book.add(0, first.clone());
        book.add_copy(1, copy("first", "second", 10));
        assert!(book.copies().is_empty());
        book.add(2, verdict(4, "second"));
        book.add(3, verdict(12, "second"));
        book.add_copy(4, copy("second", "third", 20));
        assert_eq!(*book.verdicts()[0], first);
        assert_eq!(book.verdicts().len(), 2);
        let of: Vec<_> = book.copies().iter().map(|c| c.original_topic_id.as_deref()).collect();
        assert_eq!(of, [Some("second"), Some("first")]);
        let from = |cluster, next| book.copied_from(cluster, [(0, next)], 2).is_some();
        assert!(from("cluster of first", 10) && !from("cluster of first", 11));
        assert!(from("cluster of second", 20) && !from("cluster of third", 1));
        assert!(book.copied_from("cluster of first", [(0, 1)], 3).is_none(), "the reference");
        // Given again, as a feed that begins again does, nothing changes.
        book.add_copy(4, copy("second", "third", 20));
        assert_eq!(book.copies().len(), 2);
    }

    #[test]
    fn a_log_that_another_one_is_a_copy_of_follows_its_own() {
        let mut book = DecisionBook::of_topic(Some("first"));
        book.add(0, verdict(4, "second"));
        book.add_copy(1, copy("first", "second", 10));
        assert!(book.copies().is_empty() && book.verdicts().is_empty());
        assert!(book.copied_from("cluster of first", [], 0).is_none());
    }
}
