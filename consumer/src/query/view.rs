//! One moment's state, which questions are answered from.

use std::sync::Arc;

use jiff::civil::Date;
use laju_schemas::position::Position;
use laju_schemas::{SubjectId, TimestampMs};

use super::answer::{Evidence, PartitionEvidence};
use super::days::Horizon;
use super::figures::sums::RegionSums;
use super::figures::visits::VisitBook;
use super::kiosks::missing::{Gaps, KioskBook};
use crate::domain::day::Day;
use crate::domain::decisions::DecisionBook;
use crate::domain::reference::ReferenceBook;
use crate::projection::shard::{NoFacts, Shards, SubjectFacts};
use crate::projection::snapshot::{Snapshot, Statuses};

/// The reference figures read so far.
#[derive(Clone, Debug, Default)]
pub struct ReferenceView {
    /// The figures.
    pub book: ReferenceBook,
    /// The next offset of the reference topic to be read.
    pub next_offset: i64,
}

/// One moment's state: what one question is answered from.
#[derive(Clone)]
pub struct View {
    /// The cluster that the figures come from.
    pub cluster_id: Arc<str>,
    /// The rules by which events were counted.
    pub fold_version: Arc<str>,
    /// The ledger and all that goes with it.
    pub snapshot: Arc<Snapshot>,
    /// Denominators and targets.
    pub reference: Arc<ReferenceView>,
    /// What kiosks say of themselves.
    pub statuses: Arc<Statuses>,
    /// What was decided about quarantined records.
    pub decisions: Arc<DecisionBook>,
    /// Up to where each topic is in it.
    pub position: Position,
    /// What is missing.
    pub gaps: Arc<Gaps>,
    /// Every region's sums of all postings.
    pub sums: RegionSums,
    /// What is kept of outreach visits from one question to the next.
    pub visits: Arc<VisitBook>,
    /// Where citizens' facts are, once there is a worker.
    pub shards: Option<Shards>,
    /// The moment of the answer.
    pub now: TimestampMs,
    /// Today, in the programme's zone.
    pub today: Date,
}

impl View {
    /// A state that no worker keeps up to date, as of a day: nothing is known of kiosks' own words
    /// or of decisions, and nobody has subjects' facts.
    #[must_use]
    pub fn alone(
        cluster_id: &str,
        fold_version: &str,
        snapshot: Snapshot,
        reference: ReferenceView,
        today: Date,
    ) -> Self {
        let snapshot = Arc::new(snapshot);
        let (statuses, decisions) = (Statuses::new(), DecisionBook::default());
        Self {
            cluster_id: cluster_id.into(),
            fold_version: fold_version.into(),
            reference: Arc::new(reference),
            gaps: Arc::new(KioskBook::default().gaps(&snapshot, &statuses, &decisions)),
            sums: RegionSums::of(&snapshot),
            visits: Arc::default(),
            statuses: Arc::new(statuses),
            decisions: Arc::new(decisions),
            position: Position::default(),
            snapshot,
            shards: None,
            now: TimestampMs(0),
            today,
        }
    }

    /// Up to where this state goes beyond today.
    #[must_use]
    pub fn horizon(&self) -> Horizon {
        let recorded = self.snapshot.partitions.values().filter_map(|view| view.recorded_until);
        let recorded = recorded.map(|until| Day::recorded(until.0));
        let known = recorded.chain([self.reference.book.recorded()]).max().map(Day::date);
        let today = self.today;
        let known = known.map_or(today, |day| day.max(today));
        let ahead = self.sums.latest().is_some_and(|day| day.date() > today);
        Horizon { today, known, ahead }
    }

    /// What answers from this state rest on.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let partitions = self.snapshot.partitions.values().map(|view| PartitionEvidence {
            partition: view.partition,
            next_offset: view.next_offset,
            recorded_until: view.recorded_until,
        });
        Evidence {
            cluster_id: self.cluster_id.to_string(),
            partitions: partitions.collect(),
            reference_next_offset: self.reference.next_offset,
            fold_version: self.fold_version.to_string(),
        }
    }

    /// The facts of subjects, each named with its partition.
    ///
    /// # Errors
    /// If they cannot be told now.
    pub(super) fn facts(
        &self,
        subjects: &[(u32, SubjectId)],
    ) -> Result<Vec<SubjectFacts>, NoFacts> {
        match &self.shards {
            Some(shards) => shards.facts(subjects),
            None if subjects.is_empty() => Ok(Vec::new()),
            None => Err(NoFacts::NotFolding),
        }
    }
}
