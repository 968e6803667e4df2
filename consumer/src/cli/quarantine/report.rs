//! What a release or a discard did, or would do.

use std::collections::BTreeMap;

use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, QuarantineDecision};
use serde::Serialize;

use super::decoded::shown;
use crate::cli::tables::number;
use crate::query::kiosks::quarantine::RecordDecision;

/// How many records are named one by one; more are counted by reason.
const NAMED: usize = 20;

/// A record that would be refused again, or that cannot be sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Refused {
    pub(super) origin: String,
    pub(super) reason: Reason,
    pub(super) detail: String,
}

/// A record that was decided about before.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Already {
    pub(super) origin: String,
    pub(super) decision: RecordDecision,
    /// Where the event that was sent again is in quarantine again, and nobody has decided about it.
    pub(super) again: Option<String>,
}

/// A record decided about now.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Done {
    pub(super) origin: String,
    pub(super) event_id: Option<EventId>,
    pub(super) decision_id: String,
    pub(super) released_partition: Option<u32>,
    pub(super) released_offset: Option<i64>,
}

impl From<&QuarantineDecision> for Already {
    fn from(decision: &QuarantineDecision) -> Self {
        let origin = decision.origin().to_string();
        Self { origin, decision: RecordDecision::from(decision), again: None }
    }
}

impl From<&QuarantineDecision> for Done {
    fn from(decision: &QuarantineDecision) -> Self {
        Self {
            origin: decision.origin().to_string(),
            event_id: decision.event_id,
            decision_id: decision.decision_id.to_string(),
            released_partition: decision.released_partition,
            released_offset: decision.released_offset,
        }
    }
}

/// What was done, or would be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) action: Decision,
    pub(super) dry_run: bool,
    /// Whether everything asked for is so now, or would be.
    pub(super) ok: bool,
    /// Records decided about.
    pub(super) decided: Vec<Done>,
    /// Records that would be decided about, or that were not reached.
    pub(super) left: Vec<String>,
    /// Records not released, because they would be refused again.
    pub(super) refused: Vec<Refused>,
    /// Records decided about before: nothing was done about them.
    pub(super) already: Vec<Already>,
    /// Records that count where they stand, by the present rules: nothing was done about them.
    pub(super) at_place: Vec<String>,
    /// How many more there are, for which there was no room in the memory.
    pub(super) beyond: usize,
    /// Records asked for by their place that are not in quarantine.
    pub(super) not_found: Vec<String>,
    /// Why not everything was decided about.
    pub(super) error: Option<String>,
}

impl Report {
    pub(super) const fn new(action: Decision, dry_run: bool) -> Self {
        Self {
            action,
            dry_run,
            ok: false,
            decided: Vec::new(),
            left: Vec::new(),
            refused: Vec::new(),
            already: Vec::new(),
            at_place: Vec::new(),
            beyond: 0,
            not_found: Vec::new(),
            error: None,
        }
    }

    /// Works out whether everything asked for is so.
    pub(super) fn finish(mut self) -> Self {
        let as_asked =
            |already: &Already| already.decision.decision == self.action && already.again.is_none();
        // What counts by itself is what a release is for, and what a discard is to prevent.
        let counts_as_asked = self.at_place.is_empty() || self.action == Decision::Released;
        self.ok = self.refused.is_empty()
            && self.not_found.is_empty()
            && self.error.is_none()
            && (self.dry_run || (self.left.is_empty() && self.beyond == 0))
            && counts_as_asked
            && self.already.iter().all(as_asked);
        self
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        let done = self.action;
        if self.dry_run {
            lines.push(format!("{} would be {done}; nothing is done", records(self.left.len())));
        } else {
            let heading = format!("{} {done}", records(self.decided.len()));
            named(&mut lines, heading, &self.decided, |done| {
                let place = done.released_partition.zip(done.released_offset);
                let place = place.map(|(p, o)| format!(" stands again at {p}/{o}"));
                format!("{}{}", done.origin, place.unwrap_or_default())
            });
        }
        if !self.already.is_empty() {
            let heading = format!("{} already decided about", records(self.already.len()));
            named(&mut lines, heading, &self.already, |Already { origin, decision, again }| {
                let by = shown(&decision.decided_by);
                let again = again.as_ref().map(|place| format!(", in quarantine again at {place}"));
                format!("{origin} {} by {by}{}", decision.decision, again.unwrap_or_default())
            });
        }
        if !self.refused.is_empty() {
            let refused = records(self.refused.len());
            let heading = format!("{refused} not released, as they would be refused again");
            named(&mut lines, heading, &self.refused, |Refused { origin, reason, detail }| {
                format!("{origin} {reason}: {}", shown(detail))
            });
            let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
            self.refused.iter().for_each(|row| *counts.entry(row.reason).or_default() += 1);
            let counts = counts.iter().map(|(reason, count)| format!("{reason} {count}"));
            lines.push(format!("  by reason: {}", counts.collect::<Vec<_>>().join(", ")));
        }
        if !self.at_place.is_empty() {
            let at_place = records(self.at_place.len());
            let instead = match self.action {
                Decision::Discarded => "what is not to count has to be retracted",
                Decision::Released | Decision::UnknownSchema | Decision::Unknown => {
                    "as soon as the workers have these rules"
                }
            };
            let heading =
                format!("{at_place} not {done}, as they count at their places: {instead}");
            named(&mut lines, heading, &self.at_place, String::clone);
        }
        if !self.not_found.is_empty() {
            let named: Vec<_> = self.not_found.iter().take(NAMED).map(String::as_str).collect();
            let not_found = records(self.not_found.len());
            lines.push(format!("{not_found} not in quarantine: {}", named.join(", ")));
        }
        if !self.dry_run && !self.left.is_empty() {
            lines.push(format!("{} not reached: start again", records(self.left.len())));
        }
        if self.beyond > 0 {
            lines.push(format!("{} more: start again", number(self.beyond)));
        }
        lines.join("\n")
    }
}

/// Adds rows below a heading: so many are named.
fn named<T>(lines: &mut Vec<String>, heading: String, rows: &[T], words: impl Fn(&T) -> String) {
    lines.push(heading);
    lines.extend(rows.iter().take(NAMED).map(|row| format!("  {}", words(row))));
    if rows.len() > NAMED {
        lines.push(format!("  … and {} more", rows.len() - NAMED));
    }
}

/// So many records, in words.
pub(super) fn records(count: usize) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{} records", number(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decisions::tests::decided;

    fn report() -> Report {
        Report::new(Decision::Released, false)
    }

    #[test]
    fn everything_is_well_only_if_everything_asked_for_is_so() {
        assert!(report().finish().ok);
        let already = |decision| Already {
            origin: "0/1".to_owned(),
            decision: RecordDecision::from(&decided((0, 1), decision, None)),
            again: None,
        };
        let same = Report { already: vec![already(Decision::Released)], ..report() };
        assert!(same.finish().ok, "it is so");
        let other = Report { already: vec![already(Decision::Discarded)], ..report() };
        assert!(!other.finish().ok, "it is not");
        let again = Already { again: Some("2/9".to_owned()), ..already(Decision::Released) };
        let again = Report { already: vec![again], ..report() }.finish();
        assert!(!again.ok && again.text().contains("in quarantine again at 2/9"), "{again:?}");
        let counts = Report { at_place: vec!["0/1".to_owned()], ..report() };
        assert!(counts.clone().finish().ok, "it counts, as asked for");
        assert!(!Report { action: Decision::Discarded, ..counts }.finish().ok);
        let beyond = Report { beyond: 1_200, ..report() }.finish();
        assert!(!beyond.ok && beyond.text().contains("1,200 more: start again"), "{beyond:?}");
        let left = Report { left: vec!["0/1".to_owned()], ..report() };
        assert!(!left.clone().finish().ok);
        assert!(Report { dry_run: true, ..left }.finish().ok);
        let refused = Refused {
            origin: "0/1".to_owned(),
            reason: Reason::InFuture,
            detail: "occurred_at: …".to_owned(),
        };
        let refused = Report { refused: vec![refused], ..report() }.finish();
        assert!(!refused.ok);
        assert!(refused.text().contains("0/1 in_future: occurred_at: …"), "{}", refused.text());
        assert!(!Report { not_found: vec!["0/1".to_owned()], ..report() }.finish().ok);
        assert!(!Report { error: Some("fenced".to_owned()), ..report() }.finish().ok);
    }
}
