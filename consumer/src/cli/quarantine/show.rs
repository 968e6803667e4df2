//! `laju quarantine show`: one record, with all that can be said of it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use laju_schemas::TimestampMs;
use laju_schemas::explain::Explanation;
use laju_schemas::quarantine::Origin;
use serde_json::{Value, json};

use super::decoded::{DecodedFields, fault_json, field_text, masked, nik_runs, shown};
use super::dump::dump;
use super::source::{Known, Source};
use crate::ingest::decide::Judgement;
use crate::ingest::quarantine::Quarantined;
use crate::query::kiosks::quarantine::RecordDecision;

/// Show a record: what it says, where it stops making sense, what the present rules say of it.
///
/// As many digits in a row as a NIK has are not shown, wherever they stand.
#[derive(Clone, Debug, Args)]
pub(super) struct ShowArgs {
    /// The record's place on the events topic, as `laju quarantine list` has it.
    #[arg(value_name = "PARTITION/OFFSET")]
    pub origin: Origin,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    source: Source,
}

/// A record with all that can be said of it.
struct Shown {
    record: Quarantined,
    explained: Explanation,
    judgement: Judgement,
    /// Whether it counts where it stands, by the present rules.
    counts: bool,
    decision: Option<RecordDecision>,
    /// The verdict by which every node refuses it where it stands.
    verdict: Option<RecordDecision>,
    /// Where the event sent again is in quarantine again.
    again: Option<Origin>,
}

impl ShowArgs {
    /// Looks for the record and shows it.
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Known { partitions, mut judge, decisions } = self.source.open()?;
        let decision = decisions.get(self.origin);
        let sent_as = decision.and_then(|decision| decision.released());
        let (mut found, mut again) = (None, None);
        self.source.read(partitions, ("looking for the record", self.json), |record| {
            if record.origin == self.origin {
                found = Some(record);
            } else if Some(record.origin) == sent_as && decisions.get(record.origin).is_none() {
                again = Some(record);
            }
            Ok(())
        })?;
        let Some(record) = found else {
            bail!(
                "there is no record of {} in quarantine: `laju quarantine list` shows those there are",
                self.origin
            )
        };
        let value = record.value.as_deref().unwrap_or_default();
        let again = match again {
            Some(again) if !judge.counts_at_its_place(&again, &decisions)? => Some(again.origin),
            _ => None,
        };
        let shown = Shown {
            counts: judge.counts_at_its_place(&record, &decisions)?,
            again,
            explained: judge.reader_for(value)?.book.explain(value),
            judgement: judge.judge(&record, now)?,
            decision: decision.map(|decision| RecordDecision::from(&**decision)),
            verdict: decisions.verdict(self.origin).map(|verdict| RecordDecision::from(&**verdict)),
            record,
        };
        if self.json {
            writeln!(out, "{:#}", shown.to_json())?;
        } else {
            write!(out, "{}", shown.text())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A header's value, as far as it is text.
fn header_text(value: Option<&Vec<u8>>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

impl Shown {
    fn to_json(&self) -> Value {
        let Self { record, explained, judgement, counts, decision, verdict, again } = self;
        let value = record.value.as_deref().unwrap_or_default();
        let hidden = nik_runs(value);
        let fields = explained.fields.iter().map(|field| {
            json!({
                "field": field.path,
                "from_byte": field.bytes.start,
                "to_byte": field.bytes.end,
                "value": field_text(field, &hidden),
            })
        });
        let headers = record.headers.iter().map(|(name, value)| {
            let value = header_text(value.as_ref());
            json!({"name": masked(name), "value": value.as_deref().map(masked)})
        });
        json!({
            "partition": record.origin.partition,
            "offset": record.origin.offset,
            "recorded": record.timestamp,
            "quarantined_at": record.quarantined_at,
            "quarantine_offset": record.offset,
            "fold_version": masked(&record.fold_version),
            "reason": record.reason,
            "detail": masked(&record.detail),
            "truncated": record.is_cut,
            "key": record.key.as_deref().map(|key| masked(&hex::encode(key)).into_owned()),
            "value_bytes": value.len(),
            "headers": headers.collect::<Vec<_>>(),
            "event": DecodedFields::of(explained, value),
            "fields": fields.collect::<Vec<_>>(),
            "fault": fault_json(explained.fault.as_ref()),
            "now": match judgement {
                Judgement::Counts { .. } => json!({"counts": true, "reason": null, "detail": null}),
                Judgement::Refused(refusal, _) => json!({
                    "counts": false, "reason": refusal.reason, "detail": masked(&refusal.detail),
                }),
            },
            "counts_at_its_place": counts,
            "decision": decision,
            "verdict": verdict,
            "in_quarantine_again": again.map(|place| place.to_string()),
        })
    }

    fn text(&self) -> String {
        let Self { record, explained, judgement, counts, decision, verdict, again } = self;
        let mut text = format!("Record {} of the events topic\n\n", record.origin);
        let mut line = |name: &str, value: String| {
            text.push_str(&format!("  {name:14} {}\n", shown(&value)));
        };
        line("Reason", record.reason.to_string());
        line("Detail", record.detail.clone());
        line("Recorded", record.timestamp.to_string());
        line(
            "Quarantined",
            format!("{}, at offset {} of its topic", record.quarantined_at, record.offset),
        );
        line("By the rules", record.fold_version.clone());
        line("Key", record.key.as_deref().map_or("none".to_owned(), hex::encode));
        for (name, value) in &record.headers {
            let value = header_text(value.as_ref()).unwrap_or_else(|| "null".to_owned());
            line("Header", format!("{name}: {value}"));
        }
        if record.is_cut {
            line("Cut", "only a part of it is here; the whole is at its origin".to_owned());
        }
        let decided = |d: &RecordDecision, where_to: &str| {
            let RecordDecision { decision, decided_by, decided_at, reason, .. } = d;
            format!("{decision}{where_to} by {decided_by} at {decided_at}: {reason}")
        };
        let decision = decision.as_ref().map(|d| {
            let place = d.released_partition.zip(d.released_offset);
            let place = place.map(|(p, o)| format!(" as {p}/{o}")).unwrap_or_default();
            let again = if again.is_some() { ", in quarantine again there" } else { "" };
            decided(d, &format!("{place}{again}"))
        });
        line("Decision", decision.unwrap_or_else(|| "none".to_owned()));
        if let Some(verdict) = verdict {
            line("Verdict", decided(verdict, ""));
        }
        if *counts {
            line("At its place", "it counts, by the present rules".to_owned());
        }
        line(
            "Sent again now",
            match judgement {
                Judgement::Counts { .. } => "it would count".to_owned(),
                Judgement::Refused(refusal, _) => {
                    format!("it would be refused: {}: {}", refusal.reason, refusal.detail)
                }
            },
        );
        text.push('\n');
        let value = record.value.as_deref().unwrap_or_default();
        text.push_str(&format!("Value of {} bytes\n\n", value.len()));
        let hidden = nik_runs(value);
        for field in &explained.fields {
            let bytes = format!("{}..{}", field.bytes.start, field.bytes.end);
            let decoded = shown(&field_text(field, &hidden));
            text.push_str(&format!("  {bytes:>11}  {} = {decoded}\n", field.path));
        }
        if let Some(fault) = &explained.fault {
            let field = if fault.path.is_empty() { "behind the last field" } else { &fault.path };
            let why = shown(&fault.why);
            text.push_str(&format!("  from byte {}: {field}: {why}\n", fault.byte));
        }
        text.push('\n');
        text.push_str(&dump(value, explained.fault.as_ref().map(|fault| fault.byte)));
        text
    }
}
