//! What a release or a discard is to decide about.

use std::collections::{BTreeSet, HashSet};

use laju_kafka::read::headers::Headers;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::{Origin, Reason};
use laju_schemas::{EventId, SubjectId, TimestampMs};

use super::bar;
use super::decide::{DecideArgs, already};
use super::decoded::{DecodedFields, masked};
use super::report::{Refused, Report};
use crate::domain::decisions::DecisionBook;
use crate::ingest::decide::{Judge, Judgement};
use crate::ingest::quarantine::{Quarantined, read_quarantine};
use crate::query::kiosks::quarantine::RecordDecision;

/// How many bytes of events are kept at most, to be sent later.
const MOST_BYTES: usize = 256 << 20;

/// A record that is to be decided about.
pub(super) struct SelectedRecord {
    pub(super) origin: Origin,
    pub(super) event_id: Option<EventId>,
    /// The event to be sent again, if it is released.
    pub(super) event: Option<Event>,
}

impl SelectedRecord {
    /// How many bytes of it are kept, and sent.
    pub(super) fn bytes(&self) -> usize {
        self.event.as_ref().map_or(0, |event| event.value.len())
    }
}

pub(super) struct Event {
    pub(super) subject: SubjectId,
    pub(super) value: Vec<u8>,
    pub(super) headers: Headers,
}

impl DecideArgs {
    /// Reads the quarantine topic and chooses what to decide about. What cannot be is put down in
    /// the report.
    pub(super) fn choose(
        &self,
        action: Decision,
        now: TimestampMs,
        partitions: u32,
        decisions: &DecisionBook,
        report: &mut Report,
    ) -> anyhow::Result<Vec<SelectedRecord>> {
        let wanted = self.filter.at(now)?;
        let schemas = self.schemas.read()?;
        let mut judge = Judge::new(&schemas, self.connection.registry_client()?, partitions)?;
        let mut missing: BTreeSet<Origin> = self.origins.iter().copied().collect();
        let by_name = !missing.is_empty();
        // Where released events were sent to, and those of them that are in quarantine there.
        let anew: HashSet<Origin> = decisions.all().iter().filter_map(|d| d.released()).collect();
        let mut again = HashSet::new();
        let (mut chosen, mut bytes, mut outage) = (Vec::new(), 0, None);
        let bar = bar("reading the quarantine topic", self.json);
        let passed = read_quarantine(
            &self.connection,
            partitions,
            |read, total| {
                bar.set_length(total);
                bar.set_position(read);
            },
            |record| {
                if anew.contains(&record.origin) && decisions.get(record.origin).is_none() {
                    match judge.counts_at_its_place(&record, decisions) {
                        Ok(counts) => again.extend((!counts).then_some(record.origin)),
                        Err(error) => outage = Some(error),
                    }
                }
                let is_meant = if by_name {
                    missing.remove(&record.origin)
                } else {
                    // Those decided about are left alone, whatever was decided.
                    decisions.get(record.origin).is_none() && wanted.takes(&record)
                };
                if !is_meant || outage.is_some() {
                    return;
                }
                if let Some(decision) = decisions.get(record.origin) {
                    report.already.push(already(decision));
                    return;
                }
                let value = record.value.as_deref().unwrap_or_default();
                let decoded = match judge.reader_for(value) {
                    Ok(reader) => DecodedFields::of(&reader.book.explain(value), value),
                    Err(error) => return outage = Some(error),
                };
                if !by_name && !wanted.takes_saying(&decoded) {
                    return;
                }
                match judge.counts_at_its_place(&record, decisions) {
                    Ok(true) => return report.at_place.push(record.origin.to_string()),
                    Ok(false) => {}
                    Err(error) => return outage = Some(error),
                }
                if action == Decision::Discarded {
                    let (origin, event_id) = (record.origin, decoded.event_id);
                    return chosen.push(SelectedRecord { origin, event_id, event: None });
                }
                if bytes >= MOST_BYTES {
                    report.beyond += 1;
                    return;
                }
                match judge.judge(&record, now) {
                    Ok(judgement) => {
                        let judged = self.judged(record, judgement, now, report);
                        bytes += judged.as_ref().map_or(0, SelectedRecord::bytes);
                        chosen.extend(judged);
                    }
                    Err(error) => outage = Some(error),
                }
            },
        );
        bar.finish_and_clear();
        passed?;
        if let Some(outage) = outage {
            return Err(outage.into());
        }
        for already in &mut report.already {
            let RecordDecision { released_partition, released_offset, .. } = already.decision;
            let place = released_partition.zip(released_offset);
            let place = place.map(|(partition, offset)| Origin { partition, offset });
            already.again = place.filter(|place| again.contains(place)).map(|at| at.to_string());
        }
        missing.into_iter().for_each(|origin| report.not_found(origin));
        Ok(chosen)
    }

    /// A record to be released, unless it would be refused again.
    fn judged(
        &self,
        record: Quarantined,
        judgement: Judgement,
        now: TimestampMs,
        report: &mut Report,
    ) -> Option<SelectedRecord> {
        let mut refuse = |reason, detail: &str| {
            let (origin, detail) = (record.origin.to_string(), masked(detail).into_owned());
            report.refused.push(Refused { origin, reason, detail });
        };
        let (subject, event_id) = match judgement {
            Judgement::Counts { subject, event_id } => (subject, event_id),
            Judgement::Refused(refusal, _) => {
                refuse(refusal.reason, &refusal.detail);
                return None;
            }
        };
        let value = record.value.unwrap_or_default();
        let event = Event { subject, value, headers: record.headers };
        let chosen =
            SelectedRecord { origin: record.origin, event_id: Some(event_id), event: Some(event) };
        if self.order(Decision::Released, now, &chosen).is_too_large() {
            refuse(
                Reason::TooLarge,
                "value: with its headers it is too large for the events topic",
            );
            return None;
        }
        Some(chosen)
    }
}
