//! `laju quarantine list`: what could not be counted, decoded as far as it goes.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;
use laju_schemas::explain::Fault;
use laju_schemas::quarantine::Reason;
use serde_json::{Value, json};

use super::decoded::{DecodedFields, fault_json, masked, shown};
use super::report::records;
use super::select::Filter;
use super::source::{Known, Source};
use crate::cli::tables::number;
use crate::ingest::quarantine::{Passed, Quarantined};
use crate::query::kiosks::quarantine::RecordDecision;

/// The columns of the CSV.
const COLUMNS: &str = "partition,offset,recorded,reason,detail,event_id,kiosk_id,sequence,\
     occurred_at,home_region,service_region,fact,fault_field,fault_byte,decision,decided_by,\
     decided_at,decision_reason,counts_at_its_place";

/// Show what is in quarantine, and how much of it for which reason.
///
/// One row for each record, however often it was put there; read as far as its bytes make sense.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("state").args(["open", "released", "discarded"]))]
#[command(group = ArgGroup::new("form").args(["json", "csv"]))]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub filter: Filter,

    /// Only those that nobody has decided about and that do not count at their places by now.
    #[arg(long)]
    pub open: bool,

    /// Only those released.
    #[arg(long)]
    pub released: bool,

    /// Only those discarded.
    #[arg(long)]
    pub discarded: bool,

    /// Show only the latest so many; all are counted.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    /// Answer in CSV: the records without the counts.
    #[arg(long)]
    pub csv: bool,

    #[command(flatten)]
    source: Source,
}

/// A record as it is listed.
struct Row {
    record: Quarantined,
    decoded: DecodedFields,
    fault: Option<Fault>,
    decision: Option<RecordDecision>,
    /// Whether it counts where it stands, by the present rules.
    counts: bool,
}

/// How many there are for a reason, and how many of them nobody has decided about.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u64,
    open: u64,
}

#[derive(Default)]
struct Listed {
    rows: VecDeque<Row>,
    counts: BTreeMap<Reason, Count>,
    total: Count,
}

impl ListArgs {
    /// Reads the quarantine topic to its end and shows what it holds.
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let wanted = self.filter.at(now)?;
        let Known { partitions, mut judge, decisions } = self.source.open()?;
        let mut listed = Listed::default();
        let under = ("reading the quarantine topic", self.json);
        let passed = self.source.read(partitions, under, |record| {
            if !wanted.takes(&record) {
                return Ok(());
            }
            let value = record.value.as_deref().unwrap_or_default();
            let explained = judge.reader_for(value)?.book.explain(value);
            let decoded = DecodedFields::of(&explained, value);
            if wanted.takes_saying(&decoded) {
                let counts = judge.counts_at_its_place(&record, &decisions)?;
                let decision = decisions.get(record.origin).map(|d| RecordDecision::from(&**d));
                let fault = explained.fault;
                self.add(Row { record, decoded, fault, decision, counts }, &mut listed);
            }
            Ok(())
        })?;
        match (self.json, self.csv) {
            (true, _) => writeln!(out, "{:#}", listed.to_json(&passed))?,
            (_, true) => listed.to_csv(out)?,
            _ => listed.show(&passed, out)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn add(&self, mut row: Row, listed: &mut Listed) {
        let is = row.decision.as_ref().map(|decision| decision.decision);
        let is_open = is.is_none() && !row.counts;
        let is_meant = match (self.open, self.released, self.discarded) {
            (true, ..) => is_open,
            (_, true, _) => is == Some(Decision::Released),
            (.., true) => is == Some(Decision::Discarded),
            _ => true,
        };
        if !is_meant {
            return;
        }
        for count in [listed.counts.entry(row.record.reason).or_default(), &mut listed.total] {
            count.all += 1;
            count.open += u64::from(is_open);
        }
        // Values may have megabytes, and are not shown here.
        (row.record.key, row.record.value, row.record.headers) = (None, None, Vec::new());
        listed.rows.push_back(row);
        if self.limit.is_some_and(|limit| listed.rows.len() > limit) {
            listed.rows.pop_front();
        }
    }
}

impl Listed {
    fn to_json(&self, passed: &Passed) -> Value {
        let rows = self.rows.iter().map(Row::to_json);
        let reasons = self.counts.iter().map(
            |(reason, count)| json!({"reason": reason, "count": count.all, "open": count.open}),
        );
        let total = self.total;
        json!({
            "records": rows.collect::<Value>(),
            "reasons": reasons.collect::<Value>(),
            "total": total.all,
            "open": total.open,
            "copies": passed.copies,
            "foreign": passed.foreign,
            "unknown": passed.unknown,
        })
    }

    fn to_csv(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(COLUMNS.split(','))?;
        for Row { record, decoded, fault, decision, counts } in &self.rows {
            // Spreadsheets and terminals get these, whoever wrote the texts.
            let text = |text: Option<&String>| text.map(|text| shown(text)).unwrap_or_default();
            let d = decision.as_ref();
            csv.write_record([
                record.origin.partition.to_string(),
                record.origin.offset.to_string(),
                record.timestamp.to_string(),
                record.reason.to_string(),
                shown(&record.detail),
                decoded.event_id.map(|id| id.to_string()).unwrap_or_default(),
                text(decoded.kiosk_id.as_ref()),
                decoded.sequence.map(|number| number.to_string()).unwrap_or_default(),
                text(decoded.occurred_at.as_ref()),
                text(decoded.home_region.as_ref()),
                text(decoded.service_region.as_ref()),
                text(decoded.fact.as_ref()),
                text(fault.as_ref().map(|fault| &fault.path)),
                fault.as_ref().map(|fault| fault.byte.to_string()).unwrap_or_default(),
                d.map(|d| d.decision.to_string()).unwrap_or_default(),
                text(d.map(|d| &d.decided_by)),
                d.map(|d| d.decided_at.to_string()).unwrap_or_default(),
                text(d.map(|d| &d.reason)),
                counts.to_string(),
            ])?;
        }
        csv.flush()?;
        Ok(())
    }

    fn show(&self, passed: &Passed, out: &mut dyn Write) -> std::io::Result<()> {
        let total = self.total;
        if total.all == 0 {
            writeln!(out, "Nothing of it is in quarantine.")?;
        } else {
            writeln!(out, "{}\n", self.table())?;
            let shown = self.rows.len() as u64;
            if shown < total.all {
                writeln!(out, "The latest {} of {}.\n", number(shown), number(total.all))?;
            }
            let mut reasons = Table::new();
            reasons.load_style(presets::UTF8_FULL_CONDENSED);
            reasons.set_header(["reason", "records", "open"]);
            let all = self.counts.iter().map(|(reason, count)| (reason.to_string(), *count));
            for (reason, count) in all.chain([("all".to_owned(), total)]) {
                reasons.add_row([reason, number(count.all), number(count.open)]);
            }
            writeln!(out, "{reasons}")?;
        }
        if passed.foreign > 0 {
            let topic = passed.foreign_topic.as_deref().map(shown).unwrap_or_default();
            let records = records(passed.foreign as usize);
            writeln!(
                out,
                "{records} of another events topic, or of a partition that it does not have ({topic}), left out."
            )?;
        }
        if passed.unknown > 0 {
            let records = records(passed.unknown as usize);
            writeln!(out, "{records} that do not say what they are left out.")?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header([
                "place", "recorded", "reason", "kiosk", "regions", "fact", "detail", "decision",
            ]);
        for Row { record, decoded, decision, counts, .. } in &self.rows {
            let or_unknown =
                |text: Option<&String>| text.map_or("?".to_owned(), |text| shown(text));
            let sequence = decoded.sequence.map(|number| format!(" #{number}")).unwrap_or_default();
            let kiosk = format!("{}{sequence}", or_unknown(decoded.kiosk_id.as_ref()));
            let (home, service) = (&decoded.home_region, &decoded.service_region);
            let regions = if home == service {
                or_unknown(home.as_ref())
            } else {
                format!("{}, by {}", or_unknown(home.as_ref()), or_unknown(service.as_ref()))
            };
            let decision =
                decision.as_ref().map(|d| shown(&format!("{} by {}", d.decision, d.decided_by)));
            let counts = counts.then(|| "counts at its place".to_owned());
            let decision: Vec<_> = counts.into_iter().chain(decision).collect();
            table.add_row([
                Cell::new(record.origin),
                Cell::new(record.timestamp),
                Cell::new(record.reason),
                Cell::new(kiosk),
                Cell::new(regions),
                Cell::new(or_unknown(decoded.fact.as_ref())),
                Cell::new(shown(&record.detail)),
                Cell::new(decision.join(", ")),
            ]);
        }
        table
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let Self { record, decoded, fault, decision, counts } = self;
        json!({
            "partition": record.origin.partition,
            "offset": record.origin.offset,
            "recorded": record.timestamp,
            "quarantined_at": record.quarantined_at,
            "reason": record.reason,
            "detail": masked(&record.detail),
            "event": decoded,
            "fault": fault_json(fault.as_ref()),
            "decision": decision,
            "counts_at_its_place": counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::quarantine::Origin;

    use super::*;

    #[test]
    fn what_strangers_wrote_steers_nothing_in_csv() {
        let evil = "\u{1b}[2J1871010101900001".to_owned();
        let record = Quarantined {
            origin: Origin { partition: 1, offset: 2 },
            offset: 3,
            quarantined_at: TimestampMs(0),
            reason: Reason::WrongKey,
            detail: evil.clone(),
            timestamp: TimestampMs(0),
            fold_version: "1".to_owned(),
            is_cut: false,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let decoded = DecodedFields {
            kiosk_id: Some(evil.clone()),
            occurred_at: Some(evil.clone()),
            home_region: Some(evil.clone()),
            service_region: Some(evil.clone()),
            fact: Some(evil.clone()),
            ..DecodedFields::default()
        };
        let fault = Fault { path: evil.clone(), byte: 7, why: evil.clone() };
        let decision = RecordDecision {
            decision: Decision::Released,
            decided_by: evil.clone(),
            reason: evil,
            decided_at: TimestampMs(0),
            released_partition: None,
            released_offset: None,
        };
        let row =
            Row { record, decoded, fault: Some(fault), decision: Some(decision), counts: false };
        let listed = Listed { rows: [row].into(), ..Listed::default() };
        let mut out = Vec::new();
        listed.to_csv(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("\u{fffd}[(17 digits)").count(), 9, "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("187101"), "{text}");
    }
}
