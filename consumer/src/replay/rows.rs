//! Rows: an event a line, as NDJSON, CSV or a table for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, RawEvent, SubjectId, TimestampMs};
use serde::Serialize;

use super::decode::Undecodable;
use laju_schemas::text::harmless;

/// How rows look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated values, a header first.
    Csv,
    /// Columns for people.
    Table,
}

/// The columns of CSV, in order.
pub const COLUMNS: [&str; 20] = [
    "partition",
    "offset",
    "timestamp",
    "event_id",
    "kiosk_id",
    "sequence",
    "occurred_at",
    "subject",
    "home_region",
    "service_region",
    "outreach_id",
    "kind",
    "channel",
    "venue",
    "first_time_holder",
    "reason",
    "from_region",
    "retracted_event_id",
    "undecodable_reason",
    "undecodable_detail",
];

/// Where a record stands, and when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, if it has one.
    pub timestamp: Option<TimestampMs>,
}

/// An event as JSON has it.
#[derive(Serialize)]
struct EventRow<'a> {
    partition: u32,
    offset: i64,
    timestamp: Option<TimestampMs>,
    event_id: EventId,
    kiosk_id: &'a str,
    sequence: i64,
    occurred_at: TimestampMs,
    subject: SubjectId,
    home_region: &'a str,
    service_region: &'a str,
    outreach_id: Option<&'a str>,
    kind: &'static str,
    fact: Fact<&'a str>,
}

/// What cannot be read, as JSON has it.
#[derive(Serialize)]
struct UndecodableRow<'a> {
    partition: u32,
    offset: i64,
    timestamp: Option<TimestampMs>,
    undecodable: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    reason: Reason,
    detail: &'a str,
}

/// Writes rows to `W`.
pub struct RowWriter<W: Write>(Shape<W>);

enum Shape<W: Write> {
    Ndjson { out: W, line: Vec<u8> },
    Csv { out: Box<csv::Writer<W>>, field: String },
    Table { out: W, line: String },
}

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 64 << 10;

impl<W: Write> RowWriter<W> {
    /// Begins with the header, if the format has one and this is the beginning.
    pub fn new(format: Format, out: W, is_beginning: bool) -> io::Result<Self> {
        let mut shape = match format {
            Format::Ndjson => Shape::Ndjson { out, line: Vec::with_capacity(2 * BUFFER_BYTES) },
            Format::Csv => {
                let mut builder = csv::WriterBuilder::new();
                let writer = builder.buffer_capacity(BUFFER_BYTES).from_writer(out);
                Shape::Csv { out: Box::new(writer), field: String::new() }
            }
            Format::Table => Shape::Table { out, line: String::with_capacity(2 * BUFFER_BYTES) },
        };
        if is_beginning {
            match &mut shape {
                Shape::Ndjson { .. } => {}
                Shape::Csv { out, .. } => out.write_record(COLUMNS).map_err(of_csv)?,
                Shape::Table { line, .. } => {
                    columns(
                        line,
                        ["part", "offset", "recorded", "kind", "home", "served", "kiosk"],
                    );
                    line.push_str(" sequence  happened                  what\n");
                }
            }
        }
        Ok(Self(shape))
    }

    /// Writes an event.
    #[inline]
    pub fn event(&mut self, place: Place, event: &RawEvent<'_>) -> io::Result<()> {
        match &mut self.0 {
            Shape::Ndjson { out, line } => {
                let Place { partition, offset, timestamp } = place;
                let row = EventRow {
                    partition,
                    offset,
                    timestamp,
                    event_id: event.event_id,
                    kiosk_id: event.kiosk_id,
                    sequence: event.sequence,
                    occurred_at: TimestampMs(event.occurred_at),
                    subject: event.subject,
                    home_region: event.home_region,
                    service_region: event.service_region,
                    outreach_id: event.outreach_id,
                    kind: event.fact.kind().record_name(),
                    fact: event.fact,
                };
                json_line(out, line, &row)
            }
            Shape::Csv { out, field } => csv_event(out, field, place, event).map_err(of_csv),
            Shape::Table { out, line } => {
                let home = harmless(event.home_region);
                let service = harmless(event.service_region);
                let kiosk = harmless(event.kiosk_id);
                let kind = event.fact.kind().record_name();
                place_columns(line, place, kind, [&home, &service, &kiosk]);
                let occurred = TimestampMs(event.occurred_at).to_string();
                let _ = write!(line, " {:<9} {occurred:<25} ", event.sequence);
                line.push_str(&harmless(&body(&event.fact)));
                if let Some(visit) = event.outreach_id {
                    let _ = write!(line, ", visit {}", harmless(visit));
                }
                end_line(out, line)
            }
        }
    }

    /// Writes that a record cannot be read.
    pub fn undecodable(&mut self, place: Place, fault: &Undecodable) -> io::Result<()> {
        let (reason, detail) = (fault.reason, fault.detail.as_str());
        match &mut self.0 {
            Shape::Ndjson { out, line } => {
                let Place { partition, offset, timestamp } = place;
                let undecodable = Fault { reason, detail };
                let row = UndecodableRow { partition, offset, timestamp, undecodable };
                json_line(out, line, &row)
            }
            Shape::Csv { out, field } => csv_place(out, field, place)
                .and_then(|()| (3..COLUMNS.len() - 2).try_for_each(|_| out.write_field("")))
                .and_then(|()| out.write_field(reason.as_str()))
                .and_then(|()| out.write_field(detail))
                .and_then(|()| out.write_record(None::<&[u8]>))
                .map_err(of_csv),
            Shape::Table { out, line } => {
                place_columns(line, place, "(unreadable)", ["", "", ""]);
                let _ = write!(line, " {:<9} {:<25} {reason}: {}", "", "", harmless(detail));
                end_line(out, line)
            }
        }
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Shape::Ndjson { out, line } => {
                out.write_all(line)?;
                line.clear();
                out.flush()
            }
            Shape::Csv { out, .. } => out.flush(),
            Shape::Table { out, line } => {
                out.write_all(line.as_bytes())?;
                line.clear();
                out.flush()
            }
        }
    }
}

/// Adds a line to those gathered, and writes them once they are many.
fn json_line<W: Write>(out: &mut W, lines: &mut Vec<u8>, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, row)?;
    lines.push(b'\n');
    if lines.len() >= BUFFER_BYTES {
        out.write_all(lines)?;
        lines.clear();
    }
    Ok(())
}

fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// A field of whatever can be shown, without a new text for each.
fn shown<W: Write>(
    out: &mut csv::Writer<W>,
    field: &mut String,
    value: impl std::fmt::Display,
) -> csv::Result<()> {
    field.clear();
    let _ = write!(field, "{value}");
    out.write_field(field)
}

fn csv_place<W: Write>(
    out: &mut csv::Writer<W>,
    field: &mut String,
    place: Place,
) -> csv::Result<()> {
    shown(out, field, place.partition)?;
    shown(out, field, place.offset)?;
    match place.timestamp {
        Some(timestamp) => shown(out, field, timestamp),
        None => out.write_field(""),
    }
}

fn csv_event<W: Write>(
    out: &mut csv::Writer<W>,
    field: &mut String,
    place: Place,
    event: &RawEvent<'_>,
) -> csv::Result<()> {
    csv_place(out, field, place)?;
    shown(out, field, event.event_id)?;
    out.write_field(event.kiosk_id)?;
    shown(out, field, event.sequence)?;
    shown(out, field, TimestampMs(event.occurred_at))?;
    shown(out, field, event.subject)?;
    out.write_field(event.home_region)?;
    out.write_field(event.service_region)?;
    out.write_field(event.outreach_id.unwrap_or_default())?;
    out.write_field(event.fact.kind().record_name())?;
    let flat = Flat::of(&event.fact);
    for text in [flat.channel, flat.venue, flat.first_time_holder, flat.reason, flat.from_region] {
        out.write_field(text)?;
    }
    match flat.retracted {
        Some(id) => shown(out, field, id)?,
        None => out.write_field("")?,
    }
    out.write_field("")?;
    out.write_field("")?;
    out.write_record(None::<&[u8]>)
}

/// The fields of all kinds of fact side by side; empty where the kind has no such field.
#[derive(Default)]
struct Flat<'a> {
    channel: &'a str,
    venue: &'a str,
    first_time_holder: &'a str,
    reason: &'a str,
    from_region: &'a str,
    retracted: Option<EventId>,
}

impl<'a> Flat<'a> {
    fn of(fact: &Fact<&'a str>) -> Self {
        let yes_or_no = |yes| if yes { "true" } else { "false" };
        let reason = |reason: &'static str| Self { reason, ..Self::default() };
        match *fact {
            Fact::Activated { channel, venue, first_time_holder } => Self {
                channel: channel.as_str(),
                venue: venue.map_or("", |venue| venue.as_str()),
                first_time_holder: yes_or_no(first_time_holder),
                ..Self::default()
            },
            Fact::Deactivated { reason: why } => reason(why.as_str()),
            Fact::Relocated { from_region } => Self { from_region, ..Self::default() },
            Fact::Deferred { reason: why } => reason(why.as_str()),
            Fact::CardRecorded { first_time_holder } => {
                Self { first_time_holder: yes_or_no(first_time_holder), ..Self::default() }
            }
            Fact::CardRequested { reason: why } | Fact::CardPrinted { reason: why } => {
                reason(why.as_str())
            }
            Fact::Retracted { event_id, reason: why } => {
                Self { retracted: Some(event_id), ..reason(why.as_str()) }
            }
        }
    }
}

fn columns(line: &mut String, texts: [&str; 7]) {
    let [partition, offset, recorded, kind, home, service, kiosk] = texts;
    let _ = write!(
        line,
        "{partition:>4} {offset:>10}  {recorded:<24}  {kind:<13} {home:<6} {service:<6} {kiosk:<30}"
    );
}

fn place_columns(line: &mut String, place: Place, kind: &str, [home, service, kiosk]: [&str; 3]) {
    let (partition, offset) = (place.partition.to_string(), place.offset.to_string());
    let recorded = place.timestamp.map_or_else(|| "?".to_owned(), |at| at.to_string());
    columns(line, [&partition, &offset, &recorded, kind, home, service, kiosk]);
}

/// The fact's own fields, for people.
fn body(fact: &Fact<&str>) -> String {
    let flat = Flat::of(fact);
    let mut parts: Vec<String> = [flat.channel, flat.venue, flat.reason]
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| (*text).to_owned())
        .collect();
    if flat.first_time_holder == "true" {
        parts.push("first".to_owned());
    }
    if !flat.from_region.is_empty() {
        parts.push(format!("from {}", flat.from_region));
    }
    parts.extend(flat.retracted.map(|id| format!("takes back {id}")));
    parts.join(", ")
}

/// Ends a line of a table: people want to see it soon, but not one by one.
fn end_line<W: Write>(out: &mut W, lines: &mut String) -> io::Result<()> {
    lines.push('\n');
    if lines.len() >= BUFFER_BYTES {
        out.write_all(lines.as_bytes())?;
        lines.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use laju_schemas::event::{CardReason, Channel, RetractionReason, Venue};

    use super::*;

    fn written(format: Format, is_beginning: bool) -> String {
        let event = |fact| RawEvent {
            event_id: EventId([1; 16]),
            kiosk_id: "kbl,\"01\"",
            sequence: 7,
            occurred_at: 1_700_000_000_000,
            subject: SubjectId([2; 16]),
            home_region: "18.71",
            service_region: "31.71",
            outreach_id: None,
            fact,
        };
        let facts = [
            Fact::Activated {
                channel: Channel::Outreach,
                venue: Some(Venue::School),
                first_time_holder: true,
            },
            Fact::Relocated { from_region: "11.71" },
            Fact::CardPrinted { reason: CardReason::Lost },
            Fact::Retracted { event_id: EventId([9; 16]), reason: RetractionReason::Test },
        ];
        let mut bytes = Vec::new();
        let mut rows = RowWriter::new(format, &mut bytes, is_beginning).unwrap();
        for (offset, fact) in (120..).zip(facts) {
            let timestamp = (offset != 121).then_some(TimestampMs(1_700_000_001_500));
            let event =
                RawEvent { outreach_id: (offset == 120).then_some("visit 1"), ..event(fact) };
            rows.event(Place { partition: 3, offset, timestamp }, &event).unwrap();
        }
        let fault = Undecodable {
            reason: Reason::Undecodable,
            detail: "home_region: \u{1b}[2J not UTF-8".to_owned(),
        };
        let timestamp = Some(TimestampMs(1_700_000_002_000));
        rows.undecodable(Place { partition: 3, offset: 130, timestamp }, &fault).unwrap();
        rows.flush().unwrap();
        drop(rows);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ndjson_has_the_fact_as_the_contract_has_it() {
        insta::assert_snapshot!(written(Format::Ndjson, true));
        assert_eq!(written(Format::Ndjson, true), written(Format::Ndjson, false));
    }

    #[test]
    fn csv_has_a_header_once_and_every_field_in_its_column() {
        let text = written(Format::Csv, true);
        insta::assert_snapshot!(text);
        assert!(text.ends_with(&written(Format::Csv, false)));
        assert!(!written(Format::Csv, false).contains("partition"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 5);
        assert_eq!(&rows[0][4], "kbl,\"01\"");
    }

    #[test]
    fn a_table_steers_no_terminal() {
        let text = written(Format::Table, true);
        insta::assert_snapshot!(text);
        assert!(!text.contains('\u{1b}'));
    }
}
