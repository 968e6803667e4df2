//! `laju diff`: two nodes' ledgers compared with each other, or a node's and a store's.
//!
//! Nodes go on folding meanwhile. What was recorded on a day before that of both never changes (I5),
//! so that it is the same wherever each of them is; of a partition at the same offset of both it is
//! everything.

mod sums;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use clap::Args;
use comfy_table::{Cell, CellAlignment, Table, presets};
use laju_kafka::http_client::Trust;
use serde::Serialize;

use self::sums::{AccountDiffers, Part, QuarantinedDiffers, Sums};
use super::claim::{Claim, Ledgers, Side};
use super::output::answer;
use super::stop::{self, INTERRUPTED};
use crate::cli::tables::{harmless, number};
use crate::ingest::recompute::RecomputeError;

/// Exit code where neither can be said.
const CANNOT_BE_COMPARED: u8 = 2;

/// Hold two nodes against each other: a new version against the one that answers, say.
///
/// Each is a worker's address or the directory of a store whose worker is stopped; both are of the same
/// log. Of a partition that both have folded up to the same offset everything is compared; of another
/// one, what was recorded before the day that both have got to, which no further event changes.
///
/// Nodes of the same rules (fold version) have to be identical. Of two versions of the rules it is said
/// region by region which accounts differ, in their sums or in what stands under which day and detail
/// ("moved"), and for which reasons records are in quarantine of one and
/// not of the other. Denominators and targets are not compared: both read them from the same topic.
///
/// Exit code 0: identical; 1: they differ; 2: they cannot be compared; 130: interrupted.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// A worker's address, by http or https, or a store's directory.
    #[arg(value_name = "A")]
    pub a: Side,

    /// The other side of the comparison: an address or a directory, too.
    #[arg(value_name = "B")]
    pub b: Side,

    /// Holds the token that the workers ask for.
    #[arg(long, env = "LAJU_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    #[command(flatten)]
    pub trust: Trust,

    /// How many differing accounts to print at most; --json has all.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub limit: usize,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Identical,
    Differs,
    #[default]
    CannotBeCompared,
}

/// What is said of both.
#[derive(Debug, Default, Serialize)]
struct Report {
    verdict: Verdict,
    /// Why they cannot be compared.
    reason: Option<String>,
    a: String,
    b: String,
    /// The rules of each.
    fold_version_a: Option<String>,
    fold_version_b: Option<String>,
    partitions: Vec<Part>,
    /// Postings compared: of the one that has more.
    postings: u64,
    /// Accounts of regions that differ.
    accounts: Vec<AccountDiffers>,
    /// Reasons for which another number of records could not be counted.
    quarantined: Vec<QuarantinedDiffers>,
}

impl DiffArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let stop = stop::on_signal()?;
        let mut report =
            Report { a: self.a.to_string(), b: self.b.to_string(), ..Report::default() };
        if let Err(error) = self.compare(&mut report, stop.flag()) {
            if matches!(error.downcast_ref(), Some(RecomputeError::Interrupted)) {
                eprintln!("interrupted: nothing is said of them");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            report.reason = Some(format!("{error:#}"));
        }
        answer(out, self.json.then_some(&report), || report.text(self.limit))?;
        Ok(match report.verdict {
            Verdict::Identical => ExitCode::SUCCESS,
            Verdict::Differs => ExitCode::FAILURE,
            Verdict::CannotBeCompared => ExitCode::from(CANNOT_BE_COMPARED),
        })
    }

    fn compare(&self, report: &mut Report, stop: &AtomicBool) -> anyhow::Result<()> {
        let ledgers =
            Ledgers { token_file: &self.token_file, trust: &self.trust, json: self.json, stop };
        let claims = |side: &Side| ledgers.claims(side, &[]).with_context(|| side.to_string());
        let (a, b) = (claims(&self.a)?, claims(&self.b)?);
        let (Some(first), Some(second)) = (a.first(), b.first()) else {
            bail!("one of them has no partitions");
        };
        let rules = (first.head.fold_version.clone(), second.head.fold_version.clone());
        report.fold_version_a = Some(rules.0.clone());
        report.fold_version_b = Some(rules.1.clone());
        if a.len() != b.len() {
            bail!("one has {} partitions and the other {}", a.len(), b.len());
        }
        let mut sums = Sums::default();
        let mut differs = false;
        for (a, b) in a.iter().zip(&b) {
            same_log(a, b)?;
            let (part, postings) = sums.compare(a, b, rules.0 == rules.1)?;
            differs |= part.rows.is_some_and(|rows| rows > 0);
            report.postings += postings;
            report.partitions.push(part);
        }
        (report.accounts, report.quarantined) = sums.differences();
        differs |= !report.accounts.is_empty() || !report.quarantined.is_empty();
        report.verdict = if differs { Verdict::Differs } else { Verdict::Identical };
        Ok(())
    }
}

fn same_log(a: &Claim, b: &Claim) -> anyhow::Result<()> {
    let (a, b) = (&a.head, &b.head);
    for (what, a, b) in [("cluster", &a.cluster_id, &b.cluster_id), ("topic", &a.topic, &b.topic)] {
        if a != b {
            bail!(
                "they are not of the same log: one is of the {what} {}, the other of {}",
                harmless(a),
                harmless(b)
            );
        }
    }
    if let (Some(a), Some(b)) = (&a.topic_id, &b.topic_id)
        && a != b
    {
        bail!("they are not of the same log: the topic was deleted and made again between them");
    }
    if (a.partitions, a.partition) != (b.partitions, b.partition) {
        bail!("they are not of the same partitions: was a worker restarted?");
    }
    Ok(())
}

impl Report {
    /// For people: of the accounts at most so many lines.
    fn text(&self, limit: usize) -> String {
        let mut lines = vec![match self.verdict {
            Verdict::Identical => format!("identical: {}", self.extent()),
            Verdict::Differs => {
                let regions: BTreeSet<_> = self.accounts.iter().map(|row| row.region).collect();
                let accounts = number(self.accounts.len() as u64);
                let regions = number(regions.len() as u64);
                format!(
                    "they differ in {accounts} accounts of {regions} regions: {}",
                    self.extent()
                )
            }
            Verdict::CannotBeCompared => "they cannot be compared".to_owned(),
        }];
        let mut line = |name: &str, text: &str| {
            lines.push(format!("  {name:<9}{}", harmless(text)));
        };
        if let Some(reason) = &self.reason {
            line("because", reason);
        }
        for (name, place, rules) in
            [("A", &self.a, &self.fold_version_a), ("B", &self.b, &self.fold_version_b)]
        {
            let rules = rules.as_ref().map(|rules| format!(", rules {rules}"));
            line(name, &format!("{place}{}", rules.unwrap_or_default()));
        }
        if !self.partitions.is_empty() {
            line("compared", &self.days());
        }
        let rows: u64 = self.partitions.iter().filter_map(|part| part.rows).sum();
        if rows > 0 {
            let of: Vec<_> = self.partitions.iter().filter(|part| part.rows > Some(0)).collect();
            let of: Vec<_> = of.iter().map(|part| part.partition.to_string()).collect();
            line("rows", &format!("{} differ, of partition {}", number(rows), of.join(", ")));
        }
        lines.extend(self.tables(limit));
        lines.join("\n")
    }

    fn extent(&self) -> String {
        let (postings, partitions) = (number(self.postings), self.partitions.len());
        format!("{postings} postings in {partitions} partitions")
    }

    /// What was compared of how many partitions.
    fn days(&self) -> String {
        let whole = self.partitions.iter().filter(|part| part.recorded_before.is_none()).count();
        let first = self.partitions.iter().filter_map(|part| part.recorded_before).min();
        match first {
            None => "everything, at the same offsets".to_owned(),
            Some(day) => format!(
                "everything of {whole} partitions at the same offsets; of {}, what was recorded \
                 before {day} or a later day (--json says which)",
                self.partitions.len() - whole
            ),
        }
    }

    fn tables(&self, limit: usize) -> Vec<String> {
        let mut tables = Vec::new();
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let begin = |header: &[&str]| {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(header.iter().map(Cell::new));
            table
        };
        if !self.accounts.is_empty() {
            let mut table = begin(&["Region", "", "Account", "in A", "in B", "B − A", "moved"]);
            for row in self.accounts.iter().take(limit) {
                table.add_row([
                    Cell::new(row.region),
                    Cell::new(&row.name),
                    Cell::new(row.account),
                    right(number(row.in_a)),
                    right(number(row.in_b)),
                    right(format!("{:+}", row.difference)),
                    right(number(row.moved)),
                ]);
            }
            tables.push(table.to_string());
            if self.accounts.len() > limit {
                let all = number(self.accounts.len() as u64);
                tables.push(format!("… of {all}: --limit shows more, --json all"));
            }
        }
        if !self.quarantined.is_empty() {
            let mut table = begin(&["Could not be counted", "in A", "in B"]);
            for row in &self.quarantined {
                let counts = [right(number(row.in_a)), right(number(row.in_b))];
                table.add_row([Cell::new(row.reason.as_str())].into_iter().chain(counts));
            }
            tables.push(table.to_string());
        }
        tables
    }
}
