//! What readers see of one partition, from commit to commit.

use std::sync::Arc;

use laju_schemas::TimestampMs;

use super::bitruns::BitRuns;
use super::blocks::Blocks;
use super::partition::PartitionCommit;
use super::quarantine::{QuarantineTally, QuarantinedRecord};
use super::recent::{
    Block, REMEMBERED_FACTS, REMEMBERED_REFUSED, Recent, RecentFact, RecentRefusal,
    remembered_since,
};
use crate::domain::day::Day;
use crate::domain::dictionary::{KioskRef, Names, member};
use crate::domain::fold::{KioskActivity, Tallies};

/// The state of one partition after a commit.
#[derive(Clone)]
pub struct PartitionView {
    /// The partition's number.
    pub partition: u32,
    /// The offset of the next record to be folded: everything before it is in these figures.
    pub next_offset: i64,
    /// The timestamp of the latest record folded, as it counts (never going back).
    pub recorded_until: Option<TimestampMs>,
    /// The offset of the first record with that timestamp.
    pub recorded_by: Option<i64>,
    /// The texts behind the numbers of its facts and sets.
    pub names: Arc<Names>,
    /// Sequences of each kiosk's events that count.
    pub received: BitRuns,
    /// Sequences of each kiosk's records that could not be counted, where they decode.
    pub refused: BitRuns,
    /// Home regions (their index) of the people that each kiosk has served.
    pub served: BitRuns,
    /// Days of recording on which each kiosk was heard of.
    pub days: BitRuns,
    /// By kiosk number.
    pub kiosks: Blocks<KioskActivity>,
    /// Counts of events.
    pub tallies: Tallies,
    /// What could not be counted.
    pub quarantine: Arc<QuarantineTally>,
    /// The events of the last days that count, each content once.
    pub recent: Recent<RecentFact>,
    /// The events of the last days that could not be counted.
    pub recent_refused: Recent<RecentRefusal>,
    /// How many subjects there are.
    pub subjects: u64,
}

impl PartitionView {
    /// A partition of which nothing has been read.
    #[must_use]
    pub fn empty(partition: u32) -> Self {
        Self {
            partition,
            next_offset: 0,
            recorded_until: None,
            recorded_by: None,
            names: Arc::default(),
            received: BitRuns::default(),
            refused: BitRuns::default(),
            served: BitRuns::default(),
            days: BitRuns::default(),
            kiosks: Blocks::default(),
            tallies: Tallies::default(),
            quarantine: Arc::new(QuarantineTally::default()),
            recent: Recent::default(),
            recent_refused: Recent::default(),
            subjects: 0,
        }
    }

    /// A kiosk's number in the partition, if it has been heard of there.
    #[must_use]
    pub fn kiosk_number(&self, id: &str) -> Option<KioskRef> {
        (0..self.kiosks.len() as KioskRef).find(|kiosk| self.names.kiosk(*kiosk) == id)
    }

    /// The view after a commit. What it posts goes elsewhere.
    #[must_use]
    pub fn after(&self, commit: PartitionCommit) -> Self {
        let mut view = self.clone();
        view.remember(&commit);
        view.next_offset = commit.position.next_offset;
        view.recorded_until = commit.position.recorded_until.map(TimestampMs);
        view.recorded_by = commit.position.recorded_by;
        view.names = commit.names;
        view.tallies = commit.tallies;
        view.subjects = commit.subjects;
        view.received.push(commit.received);
        view.refused.push(commit.refused);
        view.served.push(commit.served);
        let days = commit
            .kiosks
            .iter()
            .filter_map(|(kiosk, day, _)| day.map(|day| member(*kiosk, day.0.into())));
        view.days.push(days.collect());
        for (kiosk, _, activity) in commit.kiosks {
            view.kiosks.set(kiosk as usize, activity);
        }
        if !commit.quarantined.is_empty() {
            let tally = Arc::make_mut(&mut view.quarantine);
            commit.quarantined.into_iter().for_each(|record| tally.add(record));
        }
        view
    }

    /// Remembers a commit's events, and forgets those that are old by now.
    fn remember(&mut self, commit: &PartitionCommit) {
        for (arrival, facts) in commit.facts_by_arrival() {
            let mut block = Block::new(arrival.day, facts.len());
            for (subject, fact) in facts {
                block.push(fact.event_id, RecentFact::of(*subject, fact));
            }
            self.recent.push(block);
        }
        let same_day =
            |a: &QuarantinedRecord, b: &QuarantinedRecord| a.key.recorded == b.key.recorded;
        for records in commit.quarantined.chunk_by(same_day) {
            let mut block = Block::new(records[0].key.recorded, records.len());
            for record in records {
                if let Some(event_id) = record.event_id {
                    block.push(event_id, RecentRefusal::of(event_id, record));
                }
            }
            self.recent_refused.push(block);
        }
        if let Some(until) = commit.position.recorded_until {
            let since = remembered_since(Day::recorded(until));
            self.recent.forget_before(since);
            self.recent_refused.forget_before(since);
        }
        self.recent.forget_beyond(REMEMBERED_FACTS);
        self.recent_refused.forget_beyond(REMEMBERED_REFUSED);
    }

    /// The first day of recording of which every event is remembered by its id; `None` before
    /// there is a record.
    #[must_use]
    pub fn remembered_since(&self) -> Option<Day> {
        let since = remembered_since(Day::recorded(self.recorded_until?.0));
        // Of the first day in a full memory a part may be forgotten.
        let cut = self.recent.first_day().filter(|_| self.recent.len() >= REMEMBERED_FACTS);
        Some(cut.map_or(since, |first| since.max(Day(first.0.saturating_add(1)))))
    }
}
