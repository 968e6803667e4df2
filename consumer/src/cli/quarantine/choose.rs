//! What a release or a discard is to decide about.

use std::collections::{BTreeSet, HashSet};

use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::{Origin, Reason};

use super::decoded::{DecodedFields, masked};
use super::order::{DecideArgs, Event, SelectedRecord};
use super::report::{Already, Refused, Report};
use super::source::Known;
use crate::ingest::decide::Judgement;
use crate::ingest::quarantine::Quarantined;

/// How many bytes of events are kept at most, to be sent later.
const MOST_BYTES: usize = 256 << 20;

impl DecideArgs {
    /// Reads the quarantine topic and chooses what to decide about. What cannot be is put down in
    /// the report.
    pub(super) fn choose(
        &self,
        action: Decision,
        now: TimestampMs,
        report: &mut Report,
    ) -> anyhow::Result<Vec<SelectedRecord>> {
        let wanted = self.filter.at(now)?;
        let Known { partitions, mut judge, decisions } = self.source.open()?;
        let mut missing: BTreeSet<Origin> = self.origins.iter().copied().collect();
        let by_name = !missing.is_empty();
        // Where released events were sent to, and those of them that are in quarantine there.
        let released: HashSet<Origin> =
            decisions.all().iter().filter_map(|d| d.released()).collect();
        let (mut again, mut already) = (HashSet::new(), Vec::new());
        let (mut chosen, mut bytes) = (Vec::new(), 0);
        let under = ("reading the quarantine topic", self.json);
        self.source.read(partitions, under, |record| {
            let decision = decisions.get(record.origin);
            if released.contains(&record.origin)
                && decision.is_none()
                && !judge.counts_at_its_place(&record, &decisions)?
            {
                again.insert(record.origin);
            }
            let is_meant = if by_name {
                missing.remove(&record.origin)
            } else {
                // Those decided about are left alone, whatever was decided.
                decision.is_none() && wanted.takes(&record)
            };
            if !is_meant {
                return Ok(());
            }
            if let Some(decision) = decision {
                already.push(decision);
                return Ok(());
            }
            let value = record.value.as_deref().unwrap_or_default();
            let explained = judge.reader_for(value)?.book.explain(value);
            let decoded = DecodedFields::of(&explained, value);
            if !by_name && !wanted.takes_saying(&decoded) {
                return Ok(());
            }
            if judge.counts_at_its_place(&record, &decisions)? {
                report.at_place.push(record.origin.to_string());
            } else if action == Decision::Discarded {
                let (origin, event_id) = (record.origin, decoded.event_id);
                chosen.push(SelectedRecord { origin, event_id, event: None });
            } else if bytes >= MOST_BYTES {
                report.beyond += 1;
            } else {
                let judgement = judge.judge(&record, now)?;
                let judged = self.judged(record, judgement, now, report);
                bytes += judged.as_ref().map_or(0, SelectedRecord::bytes);
                chosen.extend(judged);
            }
            Ok(())
        })?;
        report.already.extend(already.into_iter().map(|decision| {
            let place = decision.released().filter(|place| again.contains(place));
            Already { again: place.map(|at| at.to_string()), ..Already::from(&**decision) }
        }));
        report.not_found.extend(missing.iter().map(Origin::to_string));
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
        let origin = record.origin;
        let mut refuse = |reason, detail: &str| {
            let (origin, detail) = (origin.to_string(), masked(detail).into_owned());
            report.refused.push(Refused { origin, reason, detail });
        };
        let (subject, event_id) = match judgement {
            Judgement::Counts { subject, event_id } => (subject, Some(event_id)),
            Judgement::Refused(refusal, _) => {
                refuse(refusal.reason, &refusal.detail);
                return None;
            }
        };
        let value = record.value.unwrap_or_default();
        let event = Some(Event { subject, value, headers: record.headers });
        let chosen = SelectedRecord { origin, event_id, event };
        if self.order(Decision::Released, now, &chosen).is_too_large() {
            let detail = "value: with its headers it is too large for the events topic";
            refuse(Reason::TooLarge, detail);
            return None;
        }
        Some(chosen)
    }
}
