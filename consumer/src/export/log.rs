//! The log once through: rows of its records as they come, and the fold of all of them.

use std::collections::BTreeMap;

use super::datasets::{Dataset, events, quarantine};
use super::error::ExportError;
use super::parts::Parts;
use super::place::Place;
use super::run::{Run, Told};
use crate::ingest::event_log::{EventLog, EventLogError, EventRecord, RecordOutcome};
use crate::ingest::log_fold::LedgersFold;
use crate::projection::partition::Position;
use crate::projection::partition_ledger::PartitionLedgers;

/// A dataset of the log's records.
struct Output {
    dataset: Dataset,
    /// Where it goes on in each partition; empty if it begins with the log.
    from: BTreeMap<u32, Position>,
    parts: Parts,
}

impl Output {
    fn takes(&self, record: &EventRecord<'_>) -> bool {
        let from = self.from.get(&record.partition);
        from.is_none_or(|position| record.mark.offset >= position.next_offset)
    }
}

impl Run<'_> {
    /// The log once through: rows of records as they come, and the fold of all of them.
    pub(super) fn read_log(
        &mut self,
        place: &Place,
        root: &std::path::Path,
        told: &mut dyn FnMut(Told),
    ) -> Result<PartitionLedgers, ExportError> {
        let to = self.manifest.cut.offsets();
        let folds = self.datasets.iter().any(|dataset| dataset.is_folded());
        let positions = self.before.as_ref().and_then(|before| before.cut.positions());
        // What is continued goes on from here; a dataset that is new begins with the log.
        let continued = |dataset: Dataset| -> bool {
            let before = self.before.as_ref().filter(|_| positions.is_some());
            before.is_some_and(|before| before.dataset(dataset.name()).is_some())
        };
        let output = |dataset: Dataset| {
            self.wants(dataset).then(|| {
                let from = if continued(dataset) { positions.clone() } else { None };
                let increment = if from.is_some() { self.manifest.increment } else { 0 };
                let from = from.unwrap_or_default();
                Output { dataset, from, parts: self.parts(root, dataset, increment) }
            })
        };
        let mut events = output(Dataset::Events);
        let mut quarantine = output(Dataset::Quarantine);
        let from_start =
            folds || [&events, &quarantine].into_iter().flatten().any(|o| o.from.is_empty());
        let from = if from_start { BTreeMap::new() } else { positions.clone().unwrap_or_default() };
        let known = self.known.marks();
        let mut log = EventLog::open(self.connection, self.schemas, from.clone(), &to, known)?;
        let start = |partition: &u32| from.get(partition).map_or(0, |p| p.next_offset);
        let total: i64 = to.iter().map(|(partition, end)| (end - start(partition)).max(0)).sum();
        told(Told::Reading(total.unsigned_abs()));

        let mut fold = folds.then(|| LedgersFold::new(std::iter::empty()));
        let mut records = 0;
        loop {
            let more = log.read(|record| {
                records += 1;
                match &record.outcome {
                    RecordOutcome::Counted(event) => {
                        if let Some(output) = events.as_mut().filter(|o| o.takes(&record)) {
                            events::row(&record, event, &mut |day, row| {
                                output.parts.row(day, row)
                            })?;
                        }
                    }
                    RecordOutcome::Refused(refusal, raw) => {
                        if let Some(output) = quarantine.as_mut().filter(|o| o.takes(&record)) {
                            quarantine::row(&record, refusal, *raw, &mut |day, row| {
                                output.parts.row(day, row)
                            })?;
                        }
                    }
                }
                if let Some(fold) = &mut fold {
                    fold.take(&record);
                }
                Ok::<_, ExportError>(())
            })?;
            if self.stop.is_stopped() {
                return Err(ExportError::Stopped);
            }
            let next = log.next_offsets();
            let passed: i64 = next.iter().map(|(p, next)| (next - start(p)).max(0)).sum();
            told(Told::Passed(passed.unsigned_abs()));
            if !more {
                break;
            }
        }
        self.records = records;
        self.manifest.cut.read(log.positions());
        if let Some(expected) = &self.expected
            && let Some((partition, offset)) = expected.missing_in(&self.manifest.cut)
        {
            let topic = self.manifest.topic.clone();
            return Err(EventLogError::AnotherLog { topic, partition, offset }.into());
        }
        for output in [events, quarantine].into_iter().flatten() {
            let mut files = Vec::new();
            if !output.from.is_empty()
                && let Some(before) = &self.before
                && let Some(entry) = before.dataset(output.dataset.name())
            {
                for file in &entry.files {
                    place.keep(&file.path, file.bytes)?;
                }
                files.extend(entry.files.iter().cloned());
            }
            let is_first = files.is_empty();
            files.extend(output.parts.finish(is_first)?);
            self.add(output.dataset, files);
        }
        Ok(fold.map(LedgersFold::finish).unwrap_or_default())
    }
}
