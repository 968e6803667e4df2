//! Rows: an event a line, as NDJSON, CSV or a table for people.

use std::io::{self, BufWriter, Write};

use laju_schemas::quarantine::Reason;
use laju_schemas::text::harmless;
use laju_schemas::{EventId, Fact, RawEvent, SubjectId, TimestampMs};
use serde::Serialize;

use super::flat::FlatFact;

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
    pub partition: u32,
    pub offset: i64,
    /// Its timestamp, if it has one.
    pub timestamp: Option<TimestampMs>,
}

/// Why a value is not an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undecodable {
    /// In the contract's words: `undecodable` or `unknown_schema`.
    pub reason: Reason,
    /// The field, and what is wrong with it.
    pub detail: String,
}

/// An event as JSON has it; in CSV its fact's fields stand side by side behind it.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<Fact<&'a str>>,
}

/// What cannot be read, as JSON has it.
#[derive(Serialize)]
struct UndecodableRow<'a> {
    partition: u32,
    offset: i64,
    timestamp: Option<TimestampMs>,
    undecodable: &'a Undecodable,
}

/// Writes rows to `W`.
pub struct RowWriter<W: Write>(Shape<W>);

enum Shape<W: Write> {
    Ndjson(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
    Table(BufWriter<W>),
}

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 64 << 10;

impl<W: Write> RowWriter<W> {
    /// Begins with the header, if the format has one and this is the beginning.
    pub fn new(format: Format, out: W, is_beginning: bool) -> io::Result<Self> {
        let buffered = |out| BufWriter::with_capacity(BUFFER_BYTES, out);
        let mut shape = match format {
            Format::Ndjson => Shape::Ndjson(buffered(out)),
            Format::Csv => {
                let mut builder = csv::WriterBuilder::new();
                let builder = builder.has_headers(false).buffer_capacity(BUFFER_BYTES);
                Shape::Csv(Box::new(builder.from_writer(out)))
            }
            Format::Table => Shape::Table(buffered(out)),
        };
        match &mut shape {
            Shape::Csv(out) if is_beginning => out.write_record(COLUMNS).map_err(of_csv)?,
            Shape::Table(out) if is_beginning => {
                columns(out, ["part", "offset", "recorded", "kind", "home", "served", "kiosk"])?;
                out.write_all(b" sequence  happened                  what\n")?;
            }
            _ => {}
        }
        Ok(Self(shape))
    }

    #[inline]
    pub fn event(&mut self, place: Place, event: &RawEvent<'_>) -> io::Result<()> {
        let Place { partition, offset, timestamp } = place;
        let (occurred_at, kind) = (TimestampMs(event.occurred_at), event.fact.kind().record_name());
        let row = |fact| EventRow {
            partition,
            offset,
            timestamp,
            event_id: event.event_id,
            kiosk_id: event.kiosk_id,
            sequence: event.sequence,
            occurred_at,
            subject: event.subject,
            home_region: event.home_region,
            service_region: event.service_region,
            outreach_id: event.outreach_id,
            kind,
            fact,
        };
        match &mut self.0 {
            Shape::Ndjson(out) => json_line(out, &row(Some(event.fact))),
            Shape::Csv(out) => {
                let undecodable = ["", ""];
                let row = (row(None), FlatFact::of(&event.fact), undecodable);
                out.serialize(row).map_err(of_csv)
            }
            Shape::Table(out) => {
                let texts = [event.home_region, event.service_region, event.kiosk_id].map(harmless);
                place_columns(out, place, kind, texts.each_ref().map(String::as_str))?;
                let (occurred, body) = (occurred_at.to_string(), harmless(&body(&event.fact)));
                write!(out, " {:<9} {occurred:<25} {body}", event.sequence)?;
                if let Some(visit) = event.outreach_id {
                    write!(out, ", visit {}", harmless(visit))?;
                }
                writeln!(out)
            }
        }
    }

    pub fn undecodable(&mut self, place: Place, fault: &Undecodable) -> io::Result<()> {
        let Place { partition, offset, timestamp } = place;
        let (reason, detail) = (fault.reason.as_str(), fault.detail.as_str());
        match &mut self.0 {
            Shape::Ndjson(out) => {
                let row = UndecodableRow { partition, offset, timestamp, undecodable: fault };
                json_line(out, &row)
            }
            Shape::Csv(out) => {
                let of_event = [""; COLUMNS.len() - 5];
                let row = (partition, offset, timestamp, of_event, reason, detail);
                out.serialize(row).map_err(of_csv)
            }
            Shape::Table(out) => {
                place_columns(out, place, "(unreadable)", [""; 3])?;
                writeln!(out, " {:<9} {:<25} {reason}: {}", "", "", harmless(detail))
            }
        }
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Shape::Ndjson(out) | Shape::Table(out) => out.flush(),
            Shape::Csv(out) => out.flush(),
        }
    }
}

fn json_line(out: &mut impl Write, row: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

fn columns(out: &mut impl Write, texts: [&str; 7]) -> io::Result<()> {
    let [partition, offset, recorded, kind, home, service, kiosk] = texts;
    write!(
        out,
        "{partition:>4} {offset:>10}  {recorded:<24}  {kind:<13} {home:<6} {service:<6} {kiosk:<30}"
    )
}

fn place_columns(
    out: &mut impl Write,
    place: Place,
    kind: &str,
    [home, service, kiosk]: [&str; 3],
) -> io::Result<()> {
    let (partition, offset) = (place.partition.to_string(), place.offset.to_string());
    let recorded = place.timestamp.map_or_else(|| "?".to_owned(), |at| at.to_string());
    columns(out, [&partition, &offset, &recorded, kind, home, service, kiosk])
}

/// The fact's own fields, for people.
fn body(fact: &Fact<&str>) -> String {
    let flat = FlatFact::of(fact);
    let symbols = [flat.channel, flat.venue, flat.reason].into_iter().flatten();
    let mut parts: Vec<String> = symbols.map(str::to_owned).collect();
    if flat.first_time_holder == Some(true) {
        parts.push("first".to_owned());
    }
    let from_region = flat.from_region.filter(|region| !region.is_empty());
    parts.extend(from_region.map(|region| format!("from {region}")));
    parts.extend(flat.retracted_event_id.map(|id| format!("takes back {id}")));
    parts.join(", ")
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
