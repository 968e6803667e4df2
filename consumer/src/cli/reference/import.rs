//! `laju reference import`: the figures of a CSV file, all of them or none.

use std::fmt::Write as _;
use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::{ReferenceId, RegionTable, TimestampMs};
use serde_json::{Value, json};

use super::file::{self, BadLine, Line};
use super::topic::reference_topic;
use crate::cli::id::id_at;
use crate::cli::output::{answer, exit_code, styled_bar};

/// Publish the figures of a CSV file, if every line of it is good.
///
/// Columns, in any order: region, name, kind, basis, value, percent, valid_from, valid_to, source,
/// issued_by. The name is checked against the region of the code and may be left out; codes are
/// the ministry's (Kemendagri), not those of the statistics office (BPS). Where the header has
/// semicolons between the columns, percentages have a decimal comma (27,5), and numbers of people
/// may have a point at every third digit. Importing the same file twice does no harm.
#[derive(Clone, Debug, Args)]
pub(super) struct ImportArgs {
    /// The file; - for standard input.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,

    /// Who enters the figures, where the file does not say.
    #[arg(long, env = "USER", value_name = "NAME")]
    pub issued_by: Option<String>,

    /// Check the file, show each line's code, region and value, and publish nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

impl ImportArgs {
    /// Checks the file and publishes its figures; exit code 1 if a line is wrong, and then
    /// nothing is published.
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let new_id = || ReferenceId(id_at(now));
        let lines = match file::read(&self.bytes()?, self.issued_by.as_deref(), new_id) {
            Ok(lines) if !self.dry_run => return self.publish(&lines, out),
            Ok(lines) => lines,
            Err(bad) => {
                let json = self.json.then(|| self.report(0, &[], &bad));
                answer(out, json, || self.faults(&bad))?;
                return Ok(ExitCode::FAILURE);
            }
        };
        let json = self.json.then(|| {
            let mut report = self.report(lines.len(), &[], &[]);
            report["lines"] = lines.iter().map(shown).collect();
            report
        });
        answer(out, json, || {
            let all: String = lines.iter().map(words).collect();
            format!("{all}{}{} good; nothing is published", notes(&lines), figures(lines.len()))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        if self.file.as_os_str() != "-" {
            return std::fs::read(&self.file)
                .with_context(|| format!("cannot read {}", self.file.display()));
        }
        let mut file = Vec::new();
        std::io::stdin().read_to_end(&mut file).context("cannot read standard input")?;
        Ok(file)
    }

    fn report(&self, figures: usize, published: &[Value], errors: &[BadLine]) -> Value {
        json!({
            "ok": errors.is_empty(),
            "dry_run": self.dry_run,
            "figures": figures,
            "published": published,
            "errors": errors,
        })
    }

    fn faults(&self, bad: &[BadLine]) -> String {
        let mut text = String::new();
        for BadLine { line, column, reason } in bad {
            let column = if column.is_empty() { String::new() } else { format!(" {column}:") };
            let _ = writeln!(text, "line {line}:{column} {reason}");
        }
        let wrong = if bad.len() == 1 { "1 fault".into() } else { format!("{} faults", bad.len()) };
        format!("{text}{wrong} in {}; nothing is published", self.file.display())
    }

    fn publish(&self, lines: &[Line], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        reference_topic(&self.connection, Operation::Write)?;
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let template = "{bar:30} {pos}/{len} figures, {eta} to go";
        let bar = styled_bar(template, lines.len() as u64, self.json);
        // All handed over first: they share batches, and keep the order of the file.
        let deliveries: Vec<_> = lines
            .iter()
            .map(|line| publisher.publish_reference(&line.figure))
            .collect::<Result<_, _>>()?;
        let (mut published, mut errors) = (Vec::new(), Vec::new());
        for (line, delivery) in lines.iter().zip(deliveries) {
            match delivery.wait() {
                Ok(receipt) => published.push(json!({
                    "line": line.line,
                    "reference_id": line.figure.reference_id,
                    "region": line.figure.region,
                    "offset": receipt.offset,
                    "notes": line.notes,
                })),
                Err(error) => errors.push(BadLine::whole(line.line, error.to_string())),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let json = self.json.then(|| self.report(lines.len(), &published, &errors));
        answer(out, json, || format!("{}{} published", notes(lines), figures(published.len())))?;
        if let Some(BadLine { line, reason, .. }) = errors.first().filter(|_| !self.json) {
            bail!(
                "{} not confirmed, the first on line {line}: {reason}. Import the file again: \
                 what is published already does no harm",
                figures(errors.len())
            );
        }
        Ok(exit_code(errors.is_empty()))
    }
}

/// A line as a trial run answers it.
fn shown(line: &Line) -> Value {
    let figure = &line.figure;
    json!({
        "line": line.line,
        "region": figure.region,
        "name": RegionTable::get().name_of(figure.region),
        "kind": figure.kind,
        "basis": figure.basis,
        "value": figure.value,
        "percent": figure.percent,
        "valid_from": figure.valid_from,
        "notes": line.notes,
    })
}

/// The same for people: whether the code's region is the one that was meant.
fn words(Line { line, figure, .. }: &Line) -> String {
    let amount = match (figure.value, figure.percent) {
        (Some(value), _) => value.to_string(),
        (None, Some(percent)) => format!("{percent} %"),
        (None, None) => String::new(),
    };
    format!(
        "line {line:<4} {:<6} {:<36} {amount:>12}  {} of {} from {}\n",
        figure.region,
        RegionTable::get().name_of(figure.region).unwrap_or_default(),
        figure.kind,
        figure.basis,
        figure.valid_from,
    )
}

fn notes(lines: &[Line]) -> String {
    let notes = lines.iter().flat_map(|line| line.notes.iter().map(move |note| (line.line, note)));
    notes.map(|(line, note)| format!("note: line {line}: {note}\n")).collect()
}

fn figures(count: usize) -> String {
    if count == 1 { "1 figure".to_owned() } else { format!("{count} figures") }
}
