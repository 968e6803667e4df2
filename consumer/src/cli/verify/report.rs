//! What is said of a ledger: in JSON all of it, in words as much as a person reads.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::behind::Behind;
use crate::cli::tables::{harmless, number};
use crate::ingest::event_log::LogPart;
use crate::query::ledger::LedgerHead;
use crate::query::ledger::compare::{
    Differences, FieldDiffers, KioskDifference, Offsets, PostingDifference, QuarantinedDifference,
};
use crate::query::ledger::lines::LedgerDigest;
use crate::query::ledger::origins::{Finding, Origins, Records};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Every row is what the log gives.
    Identical,
    /// Some are not.
    Differs,
    /// Neither can be said.
    #[default]
    CannotBeVerified,
}

/// What is said of a ledger.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// Why it cannot be verified, or why no records are named.
    pub(super) reason: Option<String>,
    /// Where the ledger is.
    ledger: String,
    /// What it says that it was made of.
    made_of: Option<MadeOf>,
    /// What was folded.
    pub(super) folded: Option<Folded>,
    records: u64,
    seconds: f64,
    /// Records folded in a second.
    rate: f64,
    /// Of the whole ledger, or of the partitions asked for.
    digest: Option<LedgerDigest>,
    digest_of_log: Option<LedgerDigest>,
    pub(super) partitions: Vec<Part>,
    /// Partitions of which the log had more than the ledger when it was asked for.
    pub(super) behind: Vec<Behind>,
    /// Whether the worker, which goes on folding, did not get to all of that within ten seconds.
    /// False for the store of one that is stopped: it goes nowhere.
    pub(super) stays_behind: bool,
    /// What it looks like.
    findings: Vec<Finding>,
    pub(super) differences: Differences,
    /// The records behind each of the differing postings, in their order.
    posting_records: Vec<Records>,
    /// The records behind each sort of quarantined records whose number differs, in their order.
    quarantined_records: Vec<Records>,
}

/// What a ledger says that it was made of.
#[derive(Clone, Debug, Serialize)]
struct MadeOf {
    cluster_id: String,
    topic: String,
    partitions: u32,
    fold_version: String,
}

/// What was folded.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Folded {
    cluster_id: String,
    topic: String,
    /// Whether it is a copy of the log, in which records have other offsets.
    is_copy: bool,
}

impl Folded {
    pub(super) fn of(cluster_id: &str, log: &LogPart, offsets: Offsets) -> Self {
        Self {
            cluster_id: cluster_id.to_owned(),
            topic: log.topic.clone(),
            is_copy: offsets == Offsets::LeftOut,
        }
    }
}

/// A partition's part.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Part {
    pub(super) partition: u32,
    /// The offset after the last record in the ledger.
    pub(super) next_offset: i64,
    /// The offset after the last record folded here.
    pub(super) folded_to: i64,
    /// Postings, kiosks and subjects by the log.
    pub(super) postings: u64,
    pub(super) kiosks: u64,
    pub(super) subjects: u64,
    pub(super) digest: LedgerDigest,
    pub(super) digest_of_log: LedgerDigest,
    pub(super) is_identical: bool,
}

impl Report {
    /// Of which nothing is known yet.
    pub(super) fn of(ledger: String) -> Self {
        Self { ledger, ..Self::default() }
    }

    pub(super) fn ledger_of(&mut self, head: &LedgerHead) {
        self.made_of = Some(MadeOf {
            cluster_id: head.cluster_id.clone(),
            topic: head.topic.clone(),
            partitions: head.partitions,
            fold_version: head.fold_version.clone(),
        });
    }

    pub(super) fn took(&mut self, records: u64, time: Duration) {
        self.records = records;
        self.seconds = time.as_secs_f64();
        self.rate = (records as f64 / self.seconds.max(0.001)).round();
    }

    pub(super) fn add(&mut self, part: Part, differences: Differences) {
        self.partitions.push(part);
        self.differences.append(differences);
    }

    /// The digests of all partitions together.
    pub(super) fn digests(&mut self) {
        let all = |digest: fn(&Part) -> LedgerDigest| {
            Some(LedgerDigest::of_all(self.partitions.iter().map(digest)))
        };
        (self.digest, self.digest_of_log) = (all(|part| part.digest), all(|p| p.digest_of_log));
    }

    pub(super) fn explain(&mut self, origins: Origins) {
        (self.posting_records, self.quarantined_records, self.findings) =
            origins.finish(&self.differences);
    }

    /// The report for people: of everything at most so many lines.
    pub(super) fn text(&self, limit: usize) -> String {
        let mut lines = vec![match self.verdict {
            Verdict::Identical if !self.behind.is_empty() => format!(
                "identical as far as it goes, but behind the end of the log: {}",
                self.extent()
            ),
            Verdict::Identical => format!("identical: {}", self.extent()),
            Verdict::Differs => {
                let count = self.differences.count();
                let rows = if count == 1 { "row" } else { "rows" };
                format!("differs in {} {rows}: {}", number(count as u64), self.extent())
            }
            Verdict::CannotBeVerified => "cannot be verified".to_owned(),
        }];
        let mut line = |name: &str, text: String| lines.push(format!("  {name:<9}{text}"));
        if let Some(reason) = &self.reason {
            line("because", harmless(reason));
        }
        line("ledger", harmless(&self.ledger));
        if let Some(made) = &self.made_of {
            let MadeOf { cluster_id, topic, partitions, fold_version } = made;
            let of = format!(
                "{topic} of the cluster {cluster_id}, {partitions} partitions, rules {fold_version}"
            );
            line("made of", harmless(&of));
        }
        match &self.folded {
            Some(Folded { cluster_id, topic, is_copy: true }) => {
                let copy = format!(
                    "{topic} of the cluster {cluster_id}, a copy: all of it was folded, and \
                     everything but cluster, topic and offsets compared"
                );
                line("folded", harmless(&copy));
            }
            Some(_) if !self.partitions.is_empty() => line("folded", self.offsets(limit)),
            _ => {}
        }
        for row in self.behind.iter().take(limit) {
            line("behind", harmless(&row.words()));
        }
        if self.behind.len() > limit {
            let more = self.behind.len() - limit;
            line("behind", format!("… and {more} partitions more"));
        }
        if !self.behind.is_empty() && self.stays_behind {
            line("", "the worker has not folded them for ten seconds: see its /readyz".to_owned());
        }
        if self.seconds > 0.0 {
            let rate = number(self.rate as u64);
            line("rate", format!("{rate} records/s, {:.1} s", self.seconds));
        }
        if let (Some(digest), Some(of_log)) = (self.digest, self.digest_of_log) {
            line("digest", digest.to_string());
            if digest != of_log {
                line("by log", of_log.to_string());
            }
        }
        self.add_differences(limit, &mut lines);
        lines.join("\n")
    }

    /// How much was compared.
    fn extent(&self) -> String {
        let sum = |of: fn(&Part) -> u64| number(self.partitions.iter().map(of).sum::<u64>());
        let count = self.partitions.len();
        format!(
            "{} records, {} postings, {} kiosks and {} subjects in {count} {}",
            number(self.records),
            sum(|part| part.postings),
            sum(|part| part.kiosks),
            sum(|part| part.subjects),
            if count == 1 { "partition" } else { "partitions" }
        )
    }

    fn offsets(&self, limit: usize) -> String {
        let of = |part: &Part| format!("{}:{}", part.partition, part.next_offset);
        let shown: Vec<_> = self.partitions.iter().take(limit).map(of).collect();
        let more = self.partitions.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("the log again, each PARTITION:OFFSET up to {}{more}", shown.join(", "))
    }

    fn add_differences(&self, limit: usize, lines: &mut Vec<String>) {
        let found = &self.differences;
        let mut section = |name: &str, count: usize, rows: Vec<String>| {
            if count > 0 {
                let count = number(count as u64);
                lines.push(format!("{name} ({count})"));
                let shown = rows.len();
                lines.extend(rows.into_iter().map(|row| format!("  {row}")));
                if shown >= limit && count != number(shown as u64) {
                    lines.push(format!("  … of {count}: --limit shows more, --json all"));
                }
            }
        };
        let findings = self.findings.iter().take(limit);
        let words = findings.map(|finding| harmless(&finding.words)).collect();
        section("what it looks like", self.findings.len(), words);
        let rows = found.postings.iter().take(limit).enumerate();
        let rows = rows.map(|(at, row)| posting(row, self.posting_records.get(at), limit));
        section("postings", found.postings.len(), rows.collect());
        let rows = found.tallies.iter().take(limit);
        let rows = rows.map(|row| format!("partition {}: {}", row.partition, field(&row.count)));
        section("counts", found.tallies.len(), rows.collect());
        let rows = found.kiosks.iter().take(limit).map(kiosk);
        section("kiosks", found.kiosks.len(), rows.collect());
        let rows = found.quarantined.iter().take(limit).enumerate();
        let rows = rows.map(|(at, row)| quarantined(row, self.quarantined_records.get(at), limit));
        section("quarantine", found.quarantined.len(), rows.collect());
        let rows = found.refused.iter().take(limit).map(|row| {
            let told = |row: &Option<_>| serde_json::to_string(row).unwrap_or_default();
            let text = format!("ledger {}, log {}", told(&row.in_ledger), told(&row.in_log));
            harmless(&text)
        });
        section("latest in quarantine", found.refused.len(), rows.collect());
    }
}

fn posting(row: &PostingDifference, records: Option<&Records>, limit: usize) -> String {
    let text = format!("{}: ledger {}, log {}", key(row), row.in_ledger, row.in_log);
    format!("{}{}", harmless(&text), of_records(records, limit))
}

/// A posting's key, without what it does not have.
fn key(row: &PostingDifference) -> String {
    let posting = &row.posting;
    let mut text = format!(
        "partition {}: {} in {} on {}, recorded {}",
        posting.partition,
        posting.account.as_str(),
        posting.region,
        posting.day,
        posting.recorded
    );
    let value = serde_json::to_value(row).unwrap_or(Value::Null);
    for (name, value) in value["posting"].as_object().into_iter().flatten() {
        let is_told = ["partition", "account", "region", "day", "recorded"].contains(&&**name);
        if !is_told && !value.is_null() {
            text.push_str(&format!(", {name} {}", plain(value)));
        }
    }
    text
}

fn quarantined(row: &QuarantinedDifference, records: Option<&Records>, limit: usize) -> String {
    let sort = &row.sort;
    let home = sort.home_region.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let service = sort.service_region.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let text = format!(
        "partition {}: {} recorded {}, home {home}, service {service}: ledger {}, log {}",
        sort.partition,
        sort.reason.as_str(),
        sort.recorded,
        row.in_ledger,
        row.in_log
    );
    format!("{}{}", harmless(&text), of_records(records, limit))
}

/// The records of the log behind a row, a line each.
fn of_records(records: Option<&Records>, limit: usize) -> String {
    let Some(records) = records else { return String::new() };
    let mut text = String::new();
    if records.count == 0 {
        text.push_str("\n    no record of the log posts to it");
    }
    for record in records.first.iter().take(limit) {
        let event = record.event_id.map_or_else(|| "unreadable".to_owned(), |id| id.to_string());
        let of = match (&record.kiosk_id, record.sequence) {
            (Some(kiosk), Some(sequence)) => format!(", kiosk {kiosk} sequence {sequence}"),
            _ => String::new(),
        };
        let line = format!(
            "partition {} offset {}, event {event}{of}: {:+}",
            record.partition, record.offset, record.amount
        );
        text.push_str(&format!("\n    {}", harmless(&line)));
    }
    if records.count > limit as u64 {
        text.push_str(&format!("\n    … of {} records", number(records.count)));
    }
    text
}

fn kiosk(row: &KioskDifference) -> String {
    let fields: Vec<_> = row.fields.iter().map(field).collect();
    let text = format!("partition {}, {}: {}", row.partition, row.kiosk_id, fields.join("; "));
    harmless(&text)
}

fn field(row: &FieldDiffers) -> String {
    let text =
        format!("{}: ledger {}, log {}", row.field, plain(&row.in_ledger), plain(&row.in_log));
    harmless(&text)
}

/// A value as people read it, long lists cut.
fn plain(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
