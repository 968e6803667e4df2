//! `laju reference list`: which figures apply, or everything that was recorded.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::civil::Date;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::learning::LearningReader;
use laju_kafka::read::Tail;
use laju_kafka::terminal::Tamed;
use laju_schemas::{ReferenceFigure, RegionCode, RegionTable, TimestampMs, Zone};
use serde_json::{Value, json};

use super::field;
use super::topic::reference_topic;
use crate::cli::args::region;
use crate::cli::tables::number;
use crate::domain::day::Day;
use crate::domain::reference::{Denominator, Listed, ReferenceBook, Standing, Target};
use crate::ingest::follow::reference::{self, Unreadable};

/// Show which figures apply, or all that were ever recorded.
#[derive(Clone, Debug, Args)]
pub(super) struct ListArgs {
    /// One region's figures alone, and what it has by sum or inheritance.
    #[arg(long, value_name = "CODE", value_parser = region)]
    pub region: Option<RegionCode>,

    /// The day that is asked about [default: today in Asia/Jakarta].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub as_of: Option<Date>,

    /// As it was known at the end of this day [default: all that is recorded].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub known_at: Option<Date>,

    /// Every record, with what became of it, and not only those that apply.
    #[arg(long)]
    pub all: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

/// What was asked, and what was found.
struct Answer<'a> {
    region: Option<RegionCode>,
    as_of: Date,
    known_at: Option<Date>,
    all: bool,
    records: Vec<Listed<'a>>,
    denominators: Vec<Denominator>,
    target: Option<Target>,
    unreadable: Vec<Unreadable>,
    next_offset: i64,
}

impl ListArgs {
    /// Reads the reference topic to its end and shows what it holds.
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let as_of = self.as_of.unwrap_or_else(|| Day::of_instant(now.0, Zone::Wib).date());
        let known_at = self.known_at.map(|date| {
            let began = Day(0);
            Day::of_date(date).with_context(|| {
                format!("nothing was known on {date}: the programme began on {began}")
            })
        });
        let known_at = known_at.transpose()?;
        let (book, unreadable) = self.read()?;
        let mut records = book.list(as_of, known_at);
        records.retain(|listed| {
            self.region.is_none_or(|region| listed.record.figure.region == region)
                && (self.all || listed.standing == Standing::Current)
        });
        let answer = Answer {
            region: self.region,
            as_of,
            known_at: self.known_at,
            all: self.all,
            records,
            denominators: self
                .region
                .map_or_else(Vec::new, |region| book.denominators(region, as_of, known_at)),
            target: self.region.and_then(|region| book.target(region, as_of, known_at)),
            unreadable,
            next_offset: book.next_offset(),
        };
        answer.write(self.json, out)?;
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self) -> anyhow::Result<(ReferenceBook, Vec<Unreadable>)> {
        let topic = reference_topic(&self.connection, Operation::Read)?;
        let mut tail = Tail::open(&self.connection, &topic, ASK_PATIENCE)?;
        let mut reader = LearningReader::once(self.connection.registry_client()?)?;
        let (mut book, mut unreadable) = (ReferenceBook::default(), Vec::new());
        tail.read_to_end(ASK_PATIENCE, |record| {
            unreadable.extend(reference::add(&mut reader, &record, &mut book)?);
            anyhow::Ok(())
        })?;
        Ok((book, unreadable))
    }
}

impl Answer<'_> {
    /// What people put into a figure's texts is not handed on to a terminal as it is.
    fn write(&self, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
        if json {
            return writeln!(out, "{:#}", self.to_json());
        }
        self.show(&mut Tamed::new(out))
    }

    fn to_json(&self) -> Value {
        let records = self.records.iter().map(|Listed { record, standing }| {
            json!({
                "offset": record.offset,
                "recorded": record.recorded.date(),
                "standing": standing.as_str(),
                "figure": record.figure,
            })
        });
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable.map(|u| json!({"offset": u.offset, "reason": u.reason}));
        let mut json = json!({
            "as_of": self.as_of,
            "known_at": self.known_at,
            "records": records.collect::<Value>(),
            "unreadable": unreadable.collect::<Value>(),
            "next_offset": self.next_offset,
        });
        if let Some(region) = self.region {
            json["region"] = json!({"code": region, "name": name(region)});
            json["denominators"] = self.denominators.iter().map(denominator_json).collect();
            json["target"] = self.target.as_ref().map_or(Value::Null, target_json);
        }
        json
    }

    fn show(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let known = self.known_at.map(|day| format!(", as known on {day}")).unwrap_or_default();
        if let Some(region) = self.region {
            writeln!(out, "{region} {} on {}{known}", name(region), self.as_of)?;
            for d in &self.denominators {
                let (basis, people) = (d.basis, number(d.value));
                writeln!(out, "  {basis}: {people} since {} ({})", d.valid_from, d.source)?;
            }
            if self.denominators.is_empty() {
                writeln!(out, "  no denominator: shares cannot be told")?;
            }
            match &self.target {
                Some(target) => writeln!(out, "  {}", told(target))?,
                None => writeln!(out, "  no target")?,
            }
            writeln!(out)?;
        } else {
            writeln!(out, "On {}{known}", self.as_of)?;
        }
        if self.records.is_empty() {
            let own = if self.region.is_some() { " of its own" } else { "" };
            let what = if self.all { "recorded" } else { "in force; --all shows every record" };
            writeln!(out, "No figure{own} is {what}.")?;
        } else {
            writeln!(out, "{}", self.table())?;
        }
        for Unreadable { offset, reason } in &self.unreadable {
            writeln!(out, "The record at offset {offset} is no figure: {reason}")?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic);
        let mut header =
            vec!["region", "name", "kind", "basis", "amount", "from", "to", "recorded", "source"];
        if self.all {
            header.push("standing");
        }
        table.set_header(header);
        for Listed { record, standing } in &self.records {
            let f = &record.figure;
            let mut row = vec![
                f.region.to_string(),
                name(f.region).to_owned(),
                f.kind.to_string(),
                f.basis.to_string(),
                amount(f),
                f.valid_from.to_string(),
                f.valid_to.map(|day| day.to_string()).unwrap_or_default(),
                record.recorded.to_string(),
                f.source.clone(),
            ];
            if self.all {
                row.push(standing.as_str().replace('_', " "));
            }
            table.add_row(row);
        }
        if let Some(column) = table.column_mut(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn name(region: RegionCode) -> &'static str {
    RegionTable::get().name_of(region).unwrap_or("no such region")
}

fn amount(figure: &ReferenceFigure) -> String {
    match (figure.value, figure.percent) {
        (Some(people), _) => number(people),
        (None, Some(percent)) => format!("{percent} %"),
        (None, None) => String::new(),
    }
}

fn told(target: &Target) -> String {
    let of = match target.percent {
        Some(percent) => format!(", {percent} % of {}", target.basis),
        None => String::new(),
    };
    let until = target.valid_to.map(|day| format!(" until {day}")).unwrap_or_default();
    let from = match target.inherited_from {
        Some(region) => format!("; inherited from {region} {}", name(region)),
        None => String::new(),
    };
    let (people, since, source) = (number(target.people), target.valid_from, &target.source);
    format!("target: {people} people{of} since {since}{until} ({source}{from})")
}

fn denominator_json(d: &Denominator) -> Value {
    json!({
        "basis": d.basis,
        "value": d.value,
        "valid_from": d.valid_from,
        "source": d.source,
        "reference_id": d.reference_id,
    })
}

fn target_json(target: &Target) -> Value {
    json!({
        "kind": target.kind.as_str(),
        "percent": target.percent,
        "basis": target.basis,
        "people": target.people,
        "valid_from": target.valid_from,
        "valid_to": target.valid_to,
        "source": target.source,
        "reference_id": target.reference_id,
        "inherited_from": target.inherited_from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_says_steers_no_terminal() {
        let text = "letter\u{1b}[2J\u{9b}31m \u{202e}of";
        let figure = ReferenceFigure {
            reference_id: laju_schemas::ReferenceId([1; 16]),
            region: "18.71".parse().unwrap(),
            kind: laju_schemas::reference::ReferenceKind::Denominator,
            basis: laju_schemas::reference::Basis::WajibKtp,
            value: Some(767_000),
            percent: None,
            valid_from: jiff::civil::date(2023, 1, 1),
            valid_to: None,
            source: text.to_owned(),
            issued_by: text.to_owned(),
        };
        let mut book = ReferenceBook::default();
        let recorded = Day::of_date(figure.valid_from).unwrap();
        let region = figure.region;
        book.add(crate::domain::reference::RecordedFigure { offset: 0, recorded, figure });
        let as_of = jiff::civil::date(2023, 6, 1);
        let answer = Answer {
            region: Some(region),
            as_of,
            known_at: None,
            all: true,
            records: book.list(as_of, None),
            denominators: book.denominators(region, as_of, None),
            target: None,
            unreadable: vec![Unreadable { offset: 1, reason: text.to_owned() }],
            next_offset: 2,
        };
        let mut out = Vec::new();
        answer.write(false, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.contains("letter\u{fffd}[2J\u{fffd}31m"), "{shown}");
        let steering = |c: char| c != '\n' && laju_schemas::text::steers(c);
        assert!(!shown.contains(steering), "{shown:?}");
    }
}
