//! The ledger at the cut: the same fold as a worker's, in memory, beside the rows of the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ingest::judged::{JudgedRecord, Judgement};
use crate::projection::partition::{PartitionState, UnverifiedFields};
use crate::projection::snapshot::{PartitionView, Snapshot};

/// Records of a partition between two commits to memory: what a commit holds is freed by it.
const COMMIT_EVERY: u64 = 10_000;

/// The ledger on its way through the log.
#[derive(Default)]
pub(super) struct Fold {
    parts: BTreeMap<u32, (PartitionState, PartitionView, u64)>,
}

impl Fold {
    pub(super) fn take(&mut self, record: &JudgedRecord<'_>) {
        let partition = record.partition;
        let (state, view, uncommitted) = self.parts.entry(partition).or_insert_with(|| {
            (PartitionState::new(partition), PartitionView::empty(partition), 0)
        });
        match &record.judgement {
            Judgement::Counted(event) => state.counted(record.mark, event),
            Judgement::Refused(refusal, raw) => {
                state.refused(record.mark, refusal, raw.map(UnverifiedFields::from).as_ref());
            }
        }
        *uncommitted += 1;
        if *uncommitted >= COMMIT_EVERY {
            *uncommitted = 0;
            commit(state, view);
        }
    }

    pub(super) fn finish(self) -> Snapshot {
        let finish = |(partition, (mut state, mut view, _))| {
            commit(&mut state, &mut view);
            (partition, Arc::new(view))
        };
        Snapshot { partitions: self.parts.into_iter().map(finish).collect() }
    }
}

fn commit(state: &mut PartitionState, view: &mut PartitionView) {
    if let Some(commit) = state.take_commit() {
        *view = view.after_unstored(commit);
    }
}
