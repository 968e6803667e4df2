//! `laju reference add|import|list`: denominators and targets, published and shown.

use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{ArgGroup, Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::reference::{Basis, Percent, ReferenceKind};
use laju_schemas::topic::REFERENCE;
use laju_schemas::{ReferenceFigure, ReferenceId, RegionCode, RegionTable, TimestampMs};
use serde_json::json;

pub mod import;

mod field;
mod list;
mod names;

pub use list::ListArgs;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Denominators and targets: add, import, list.
#[derive(Clone, Debug, Args)]
pub struct ReferenceArgs {
    #[command(subcommand)]
    pub command: ReferenceCommand,
}

/// What to do with reference figures.
#[derive(Clone, Debug, Subcommand)]
pub enum ReferenceCommand {
    /// Publish one figure, or withdraw one.
    Add(AddArgs),
    /// Publish the figures of a CSV file, if every line of it is good.
    Import(ImportArgs),
    /// Show which figures apply, or all that were ever recorded.
    List(ListArgs),
}

/// Publish one figure, or withdraw one.
///
/// A figure with the same region, kind, basis and first day takes the place of the one before it;
/// what was known on past days stays as it was.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("amount").args(["value", "percent", "withdraw"]).required(true))]
pub struct AddArgs {
    /// The region it is of: a regency or city (18.71), a province (18) or the nation (ID).
    #[arg(long, value_name = "CODE", value_parser = field::region)]
    pub region: RegionCode,

    /// What it is.
    #[arg(long, value_parser = PossibleValuesParser::new(["denominator", "target"])
          .try_map(|text| field::kind(&text)))]
    pub kind: ReferenceKind,

    /// What is counted, or what the percentage is of; `absolute` for a target in people.
    #[arg(long, value_parser = PossibleValuesParser::new(["wajib_ktp", "recorded_ktp", "absolute"])
          .try_map(|text| field::basis(&text)))]
    pub basis: Basis,

    /// People: a denominator, or an absolute target.
    #[arg(long, value_name = "PEOPLE", value_parser = field::people)]
    pub value: Option<u64>,

    /// A target as a share of the basis, e.g. 25 or 27.5.
    #[arg(long, value_name = "PERCENT", value_parser = field::percent)]
    pub percent: Option<Percent>,

    /// Withdraw the figure of this region, kind, basis and first day.
    #[arg(long)]
    pub withdraw: bool,

    /// The first day on which it applies.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub valid_from: Date,

    /// The last day on which it applies [default: no end].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub valid_to: Option<Date>,

    /// Where it comes from, as it should be quoted.
    #[arg(long, value_name = "TEXT")]
    pub source: String,

    /// Who enters it.
    #[arg(long, env = "USER", value_name = "NAME")]
    pub issued_by: String,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

/// Publish the figures of a CSV file, if every line of it is good.
///
/// Columns, in any order: region, name, kind, basis, value, percent, valid_from, valid_to, source,
/// issued_by. The name is checked against the region of the code and may be left out; codes are
/// the ministry's (Kemendagri), not those of the statistics office (BPS). Where the header has
/// semicolons between the columns, percentages have a decimal comma (27,5), and numbers of people
/// may have a point at every third digit. Importing the same file twice does no harm.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
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

impl ReferenceArgs {
    /// Runs the command at the instant `now`.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.command {
            ReferenceCommand::Add(args) => args.run(now, out),
            ReferenceCommand::Import(args) => args.run(now, out),
            ReferenceCommand::List(args) => args.run(now, out),
        }
    }
}

impl AddArgs {
    fn figure(&self, reference_id: ReferenceId) -> ReferenceFigure {
        ReferenceFigure {
            reference_id,
            region: self.region,
            kind: self.kind,
            basis: self.basis,
            value: self.value,
            percent: self.percent,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            source: self.source.clone(),
            issued_by: self.issued_by.clone(),
        }
    }

    /// Publishes the figure and waits until it is confirmed.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let figure = self.figure(new_id(now));
        figure.check_new()?;
        reference_topic(&self.connection, Operation::Write)?;
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let receipt = publisher.publish_reference(&figure)?.wait()?;
        if self.json {
            let answer = json!({
                "reference_id": figure.reference_id,
                "offset": receipt.offset,
                "recorded_at": receipt.timestamp,
                "figure": figure,
            });
            writeln!(out, "{answer:#}")?;
        } else {
            let what = if self.withdraw { "withdrawn" } else { "recorded" };
            writeln!(
                out,
                "{what}: {} of {} in {} from {} (id {}, {})",
                figure.kind,
                figure.region,
                figure.basis,
                figure.valid_from,
                figure.reference_id,
                receipt.place()
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ImportArgs {
    /// Checks the file and publishes its figures; exit code 1 if a line is wrong, and then
    /// nothing is published.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let file = self.bytes()?;
        let lines = match import::read(&file, self.issued_by.as_deref(), || new_id(now)) {
            Ok(lines) => lines,
            Err(bad) => {
                self.report_bad(&bad, out)?;
                return Ok(ExitCode::FAILURE);
            }
        };
        if self.dry_run {
            if self.json {
                let shown: Vec<_> = lines.iter().map(shown).collect();
                let answer = json!({
                    "ok": true, "dry_run": true, "figures": lines.len(), "published": [],
                    "errors": [], "lines": shown,
                });
                writeln!(out, "{answer:#}")?;
            } else {
                write_lines(&lines, out)?;
                write_notes(&lines, out)?;
                writeln!(out, "{} good; nothing is published", figures(lines.len()))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        self.publish(&lines, out)
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut file = Vec::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin().read_to_end(&mut file).context("cannot read standard input")?;
        } else {
            file = std::fs::read(&self.file)
                .with_context(|| format!("cannot read {}", self.file.display()))?;
        }
        Ok(file)
    }

    fn report_bad(&self, bad: &[import::BadLine], out: &mut dyn Write) -> std::io::Result<()> {
        if self.json {
            let errors: Vec<_> = bad
                .iter()
                .map(|b| json!({"line": b.line, "column": b.column, "reason": b.reason}))
                .collect();
            let answer = json!({
                "ok": false, "dry_run": self.dry_run, "figures": 0, "published": [],
                "errors": errors,
            });
            return writeln!(out, "{answer:#}");
        }
        for import::BadLine { line, column, reason } in bad {
            let column = if column.is_empty() { String::new() } else { format!(" {column}:") };
            writeln!(out, "line {line}:{column} {reason}")?;
        }
        let wrong = if bad.len() == 1 { "1 fault".into() } else { format!("{} faults", bad.len()) };
        writeln!(out, "{wrong} in {}; nothing is published", self.file.display())
    }

    fn publish(&self, lines: &[import::Line], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        reference_topic(&self.connection, Operation::Write)?;
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let bar = if self.json { ProgressBar::hidden() } else { progress_bar(lines.len()) };
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
                Err(error) => errors.push((line.line, error.to_string())),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if self.json {
            let ok = errors.is_empty();
            let errors: Vec<_> = errors
                .iter()
                .map(|(line, reason)| json!({"line": line, "column": "", "reason": reason}))
                .collect();
            let answer = json!({
                "ok": ok, "dry_run": false, "figures": lines.len(), "published": published,
                "errors": errors,
            });
            writeln!(out, "{answer:#}")?;
            return Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        write_notes(lines, out)?;
        writeln!(out, "{} published", figures(published.len()))?;
        if let Some((line, reason)) = errors.first() {
            bail!(
                "{} not confirmed, the first on line {line}: {reason}. Import the file again: \
                 what is published already does no harm",
                figures(errors.len())
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A line as a trial run answers it.
fn shown(line: &import::Line) -> serde_json::Value {
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

/// What a trial run shows: whether the code's region is the one that was meant.
fn write_lines(lines: &[import::Line], out: &mut dyn Write) -> std::io::Result<()> {
    for line in lines {
        let figure = &line.figure;
        let amount = match (figure.value, figure.percent) {
            (Some(value), _) => value.to_string(),
            (None, Some(percent)) => format!("{percent} %"),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "line {:<4} {:<6} {:<36} {amount:>12}  {} of {} from {}",
            line.line,
            figure.region,
            RegionTable::get().name_of(figure.region).unwrap_or_default(),
            figure.kind,
            figure.basis,
            figure.valid_from,
        )?;
    }
    Ok(())
}

fn write_notes(lines: &[import::Line], out: &mut dyn Write) -> std::io::Result<()> {
    for line in lines {
        for note in &line.notes {
            writeln!(out, "note: line {}: {note}", line.line)?;
        }
    }
    Ok(())
}

fn figures(count: usize) -> String {
    if count == 1 { "1 figure".to_owned() } else { format!("{count} figures") }
}

fn progress_bar(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} figures, {eta} to go")
        .expect("the template is fixed and its keys are indicatif's");
    ProgressBar::new(count as u64).with_style(style)
}

/// A time-ordered id, like those of events.
fn new_id(now: TimestampMs) -> ReferenceId {
    let (seconds, ms) = (now.0.div_euclid(1000), now.0.rem_euclid(1000));
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let instant = uuid::Timestamp::from_unix(uuid::NoContext, seconds, ms as u32 * 1_000_000);
    ReferenceId(uuid::Uuid::new_v7(instant).into_bytes())
}

/// The reference topic's full name, once it is sure that it is there, has one order, and that this
/// user may do this with it.
fn reference_topic(connection: &Connection, operation: Operation) -> anyhow::Result<String> {
    let topic = connection.topic(&REFERENCE);
    connection.require_on(&[(operation, &REFERENCE)], TIMEOUT)?;
    match connection.check(TIMEOUT)?.partitions(&topic) {
        Some(1) => Ok(topic),
        Some(count) => bail!(
            "{topic} has {count} partitions, and a later figure replaces an earlier one only in a \
             topic with one: `laju topics check` says how to mend it"
        ),
        None => bail!(
            "there is no topic {topic}: make it with `laju topics create`, or check \
             --topic-prefix and the user's rights"
        ),
    }
}
