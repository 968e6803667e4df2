//! Verdicts that come about records which were counted without them: their partitions are folded again.

use std::collections::BTreeMap;

use laju_schemas::quarantine::Origin;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;

use super::{ASK_WAIT, Pipeline};
use crate::ingest::batch::Batch;

impl Pipeline {
    /// Takes over verdicts that came meanwhile. What was judged without one is folded again.
    ///
    /// # Errors
    /// If the client does not read a partition again that is folded again.
    pub(super) fn follow_verdicts(&mut self, batch: &mut Batch) -> KafkaResult<()> {
        if let Some(new) = self.decided.refresh() {
            if let Some(learning) = &mut self.learning {
                learning.sent.retain(|origin, _| self.decided.book.verdict(*origin).is_none());
            }
            for verdict in new {
                let origin = verdict.origin();
                if self.is_mine(origin.partition) {
                    self.leases.want(origin.partition, origin.offset);
                    if self.has_judged(origin) {
                        self.late.push(verdict);
                    }
                }
            }
        }
        if !self.late.is_empty() {
            self.fold(batch, false);
            let again = self.fold_again(batch);
            self.positions.restart(&self.consumer, &again)?;
        }
        Ok(())
    }

    /// Folds those partitions again of which records were judged without verdicts: another node's
    /// registry did not have what this one's had, and the log says what counts. Gives those partitions,
    /// which stand at their beginnings now.
    pub(super) fn fold_again(&mut self, batch: &mut Batch) -> Vec<u32> {
        let mut again = Vec::new();
        let mut late: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for verdict in std::mem::take(&mut self.late) {
            late.entry(verdict.origin_partition).or_default().push(verdict);
        }
        for (partition, verdicts) in late {
            let Some(first) = verdicts.iter().min_by_key(|verdict| verdict.origin_offset) else {
                continue;
            };
            let marks = self.consumer.fetch_watermarks(&self.topic, partition as i32, ASK_WAIT);
            let Ok((begin, _)) = marks else {
                // Asked again at the next look.
                self.late.extend(verdicts);
                continue;
            };
            tracing::warn!(
                origin = %first.origin(),
                decided_by = first.decided_by,
                reason = first.reason,
                "a verdict refuses a record that this node has counted: the partition is folded \
                 again. Do all nodes have the same --registry?"
            );
            if begin > 0 {
                tracing::error!(
                    partition,
                    begin,
                    "the partition's beginning was deleted: it cannot be folded again, and the \
                     ledger of whoever folds the whole log differs from this one"
                );
                continue;
            }
            if self.waiting.0.remove(&partition).is_some() {
                self.end_trouble(partition);
            }
            self.expected.remove(&partition);
            self.leases.refolding(partition);
            batch.again(partition);
            self.positions.again(partition);
            again.push(partition);
        }
        again
    }

    /// Whether a partition is one of this pipeline.
    fn is_mine(&self, partition: u32) -> bool {
        self.shard.partitions().contains(&partition)
    }

    /// Whether the record at an origin was judged already.
    fn has_judged(&self, Origin { partition, offset }: Origin) -> bool {
        let progress = self.consumer.context().progress();
        let Some(at) = progress.partitions.get(partition as usize) else { return false };
        let line = self.waiting.0.get(&partition);
        let first_held = line.and_then(|line| line.held.front()).map(|held| held.mark.offset);
        let judged = first_held.unwrap_or_else(|| self.positions.next(partition));
        offset < judged.max(at.next_offset())
    }
}
