//! Reference figures from a CSV file: the whole file is checked before anything is made of it,
//! and every line that is wrong is named with its column and the reason.
//!
//! Columns are separated by commas; or by semicolons where the header's are, as spreadsheets write
//! them where decimals have a comma. Then `27,5` is a percentage, and `767.000` a number of people
//! with a point at every third digit.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use laju_kafka::text;
use laju_schemas::reference::{Basis, Percent, ReferenceError, ReferenceKind};
use laju_schemas::{FormerCode, ReferenceFigure, ReferenceId};
use serde::Serialize;

use super::{field, names};
use crate::cli::args::region;

/// The columns that a file may have; those marked must be there.
const COLUMNS: [(&str, bool); 10] = [
    ("region", true),
    ("name", false),
    ("kind", true),
    ("basis", true),
    ("value", false),
    ("percent", false),
    ("valid_from", true),
    ("valid_to", false),
    ("source", true),
    ("issued_by", false),
];

/// A figure, and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line, counted from 1; the header is on the first.
    pub(super) line: u64,
    /// The figure.
    pub(super) figure: ReferenceFigure,
    /// What the person who imports it should know of it, though it is good.
    pub(super) notes: Vec<String>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct BadLine {
    /// The line, counted from 1.
    pub(super) line: u64,
    /// The column; empty if it is the line as a whole.
    pub(super) column: String,
    /// What is wrong, and what would be right.
    pub(super) reason: String,
}

impl BadLine {
    /// What is wrong with a line as a whole.
    pub(super) fn whole(line: u64, reason: String) -> Self {
        Self { line, column: String::new(), reason }
    }
}

/// Reads a file: all of its figures, or everything that is wrong with it.
///
/// `issued_by` stands where the file does not say who issued a figure; `new_id` gives each its id.
///
/// # Errors
/// Every line that is wrong; nothing of the file may be published then.
pub(super) fn read(
    file: &[u8],
    issued_by: Option<&str>,
    mut new_id: impl FnMut() -> ReferenceId,
) -> Result<Vec<Line>, Vec<BadLine>> {
    // Spreadsheets put a byte order mark before the text.
    let file = text::begin(file).map_err(|error| vec![BadLine::whole(1, error.to_string())])?;
    let first_line = file.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let style = if first_line.contains(&b';') { Style::Semicolons } else { Style::Commas };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(if style == Style::Semicolons { b';' } else { b',' })
        .from_reader(file);
    let columns = header(&mut reader)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut seen = BTreeMap::new();
    let mut counter = LineCounter { file, at: 0, line: 1 };
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = counter.line_of(error.position());
                bad.push(BadLine::whole(line, of_csv(&error)));
                continue;
            }
        };
        let line = counter.line_of(row.position());
        if row.len() != columns.len() {
            let reason = format!(
                "it has {} fields, the header has {}; a text with a {} must stand in double quotes",
                row.len(),
                columns.len(),
                style.separator()
            );
            bad.push(BadLine::whole(line, reason));
            continue;
        }
        let mut row = Row { line, columns: &columns, fields: &row, style, bad: &mut bad };
        let Some(figure) = row.figure(issued_by, &mut new_id) else { continue };
        let notes = notes(row.get("region"), &figure);
        match seen.entry((figure.region, figure.kind, figure.basis, figure.valid_from)) {
            Entry::Vacant(place) => {
                place.insert(line);
                good.push(Line { line, figure, notes });
            }
            Entry::Occupied(first) => {
                let reason = format!(
                    "the same region, kind, basis and valid_from as line {}, which it would replace",
                    first.get()
                );
                bad.push(BadLine::whole(line, reason));
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// What to know of a figure that is good.
fn notes(region: &str, figure: &ReferenceFigure) -> Vec<String> {
    let former = FormerCode::find(region).map(ToString::to_string);
    former.into_iter().chain(names::doubt(&figure.source, figure.region)).collect()
}

/// How a file is written, which its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Columns separated by commas, decimals with a point.
    Commas,
    /// Columns separated by semicolons, decimals with a comma.
    Semicolons,
}

impl Style {
    const fn separator(self) -> &'static str {
        match self {
            Self::Commas => "comma",
            Self::Semicolons => "semicolon",
        }
    }

    /// A number of people; between semicolons also with a point at every third digit. None begins
    /// with a zero then: `0.767` is a number of something else.
    fn people(self, text: &str) -> Result<u64, String> {
        let groups: Vec<_> = text.split('.').collect();
        let is_grouped = groups.len() > 1
            && (1..=3).contains(&groups[0].len())
            && !groups[0].starts_with('0')
            && groups[1..].iter().all(|group| group.len() == 3)
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
        match self {
            Self::Semicolons if is_grouped => field::people(&groups.concat()),
            _ => field::people(text),
        }
    }

    /// A percentage; between semicolons with a decimal comma, or a point that cannot stand for
    /// thousands.
    fn percent(self, text: &str) -> Result<Percent, String> {
        match (self, text.split_once('.')) {
            (Self::Semicolons, Some((_, decimals))) if decimals.len() == 3 => Err(format!(
                "'{text}' may be thousands: in a file with semicolons decimals have a comma"
            )),
            (Self::Semicolons, None) => field::percent(&text.replacen(',', ".", 1))
                .map_err(|error| format!("{error}; decimals have a comma here")),
            _ => field::percent(text),
        }
    }
}

/// Counts lines as editors do. csv's own count is of where the line before ended: behind `\r\n`
/// or an empty line it is too low.
struct LineCounter<'a> {
    file: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line on which the record at a position begins; positions must not go back.
    fn line_of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.and_then(|p| usize::try_from(p.byte()).ok()).unwrap_or(self.at);
        while let Some(&byte) = self.file.get(self.at) {
            if self.at >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            let next = self.file.get(self.at + 1);
            self.line += u64::from(byte == b'\n' || (byte == b'\r' && next != Some(&b'\n')));
            self.at += 1;
        }
        self.line
    }
}

/// The columns in the order of the file, if they are the right ones.
fn header(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<String>, Vec<BadLine>> {
    let wrong =
        |column: &str, reason: String| BadLine { line: 1, column: column.to_owned(), reason };
    let row = reader.headers().map_err(|error| vec![wrong("", of_csv(&error))])?;
    let row: Vec<String> = row.iter().map(str::to_owned).collect();
    let known = || COLUMNS.map(|(name, _)| name).join(",");
    if let [only] = &row[..]
        && only.contains('\t')
    {
        let reason = format!("columns are separated by commas or semicolons: {}", known());
        return Err(vec![wrong("", reason)]);
    }
    let mut bad = Vec::new();
    for (at, name) in row.iter().enumerate() {
        if !COLUMNS.iter().any(|(known, _)| known == name) {
            bad.push(wrong(name, format!("there is no such column; there are {}", known())));
        } else if row[..at].contains(name) {
            bad.push(wrong(name, "the column is there twice".to_owned()));
        }
    }
    for (name, needed) in COLUMNS {
        if needed && !row.iter().any(|column| column == name) {
            bad.push(wrong(name, "the column is missing".to_owned()));
        }
    }
    if bad.is_empty() { Ok(row) } else { Err(bad) }
}

/// A line of as many fields as there are columns.
struct Row<'a> {
    line: u64,
    columns: &'a [String],
    fields: &'a csv::StringRecord,
    style: Style,
    /// What is wrong with the file so far.
    bad: &'a mut Vec<BadLine>,
}

impl<'a> Row<'a> {
    /// A field; empty where the file has no such column.
    fn get(&self, column: &str) -> &'a str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|at| self.fields.get(at)).unwrap_or_default()
    }

    fn wrong(&mut self, column: &str, reason: String) {
        self.bad.push(BadLine { line: self.line, column: column.to_owned(), reason });
    }

    fn read<T>(&mut self, column: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(self.get(column)).map_err(|reason| self.wrong(column, reason)).ok()
    }

    fn optional<T>(
        &mut self,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        if self.get(column).is_empty() { Some(None) } else { self.read(column, read).map(Some) }
    }

    /// The figure, unless something is wrong with it.
    fn figure(
        &mut self,
        issued_by: Option<&str>,
        new_id: &mut dyn FnMut() -> ReferenceId,
    ) -> Option<ReferenceFigure> {
        let (before, style) = (self.bad.len(), self.style);
        let region = self.read("region", region);
        if let (Some(region), false) = (region, self.get("name").is_empty()) {
            self.read("name", |name| names::check(name, region));
        }
        let kind = self.read("kind", field::kind);
        let basis = self.read("basis", field::basis);
        let value = self.optional("value", |text| style.people(text));
        let percent = self.optional("percent", |text| style.percent(text));
        let valid_from = self.read("valid_from", field::date);
        let valid_to = self.optional("valid_to", field::date);
        if let (Some(None), Some(None)) = (value, percent) {
            let reason = "neither value nor percent; to withdraw a figure use `laju reference add \
                          --withdraw`";
            self.wrong("value", reason.to_owned());
        }
        let own = Some(self.get("issued_by")).filter(|own| !own.is_empty());
        let figure = ReferenceFigure {
            region: region?,
            kind: kind?,
            basis: basis?,
            value: value?,
            percent: percent?,
            valid_from: valid_from?,
            valid_to: valid_to?,
            source: self.get("source").to_owned(),
            issued_by: own.or(issued_by).unwrap_or_default().to_owned(),
            reference_id: new_id(),
        };
        if let Err(error) = figure.check_new() {
            self.wrong(column_of(&error, &figure), error.to_string());
        }
        (self.bad.len() == before).then_some(figure)
    }
}

/// The column to look at when fields do not go together.
fn column_of(error: &ReferenceError, figure: &ReferenceFigure) -> &'static str {
    match error {
        ReferenceError::Denominator | ReferenceError::Target => {
            let absolute = figure.basis == Basis::Absolute;
            if figure.kind == ReferenceKind::Denominator && absolute {
                "basis"
            } else if figure.percent.is_some() && (absolute || figure.value.is_none()) {
                "percent"
            } else {
                "value"
            }
        }
        ReferenceError::Unknown => "kind",
        ReferenceError::Validity(..) => "valid_to",
        ReferenceError::Text(column) | ReferenceError::Unfit(column, _) => column,
        ReferenceError::TooMany(_) => "value",
    }
}

fn of_csv(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            "not UTF-8: save the file as CSV in UTF-8 encoding".to_owned()
        }
        _ => "it cannot be read as CSV: see the quotation marks of this line and those before it"
            .to_owned(),
    }
}
