//! Reference figures from a CSV file: the whole file is checked before anything is made of it,
//! and every line that is wrong is named with its column and the reason.
//!
//! Columns are separated by commas; or by semicolons where the header's are, as spreadsheets write
//! them where decimals have a comma. Then `27,5` is a percentage, and `767.000` a number of people
//! with a point at every third digit.

use std::collections::BTreeMap;

use laju_kafka::text;
use laju_schemas::reference::{Basis, Percent, ReferenceError, ReferenceKind};
use laju_schemas::{FormerCode, ReferenceFigure, ReferenceId};

use super::{field, names};

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
pub struct Line {
    /// The line, counted from 1; the header is on the first.
    pub line: u64,
    /// The figure.
    pub figure: ReferenceFigure,
    /// What the person who imports it should know of it, though it is good.
    pub notes: Vec<String>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line, counted from 1.
    pub line: u64,
    /// The column; empty if it is the line as a whole.
    pub column: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Reads a file: all of its figures, or everything that is wrong with it.
///
/// `issued_by` stands where the file does not say who issued a figure; `new_id` gives each its id.
///
/// # Errors
/// Every line that is wrong; nothing of the file may be published then.
pub fn read(
    file: &[u8],
    issued_by: Option<&str>,
    mut new_id: impl FnMut() -> ReferenceId,
) -> Result<Vec<Line>, Vec<BadLine>> {
    // Spreadsheets put a byte order mark before the text.
    let file = text::begin(file).map_err(|error| {
        vec![BadLine { line: 1, column: String::new(), reason: error.to_string() }]
    })?;
    let first_line = file.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let style = if first_line.contains(&b';') { Style::Semicolons } else { Style::Commas };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(style.delimiter())
        .from_reader(file);
    let places = header(&mut reader)?;
    let width = places.len();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<_, u64> = BTreeMap::new();
    let mut counter = LineCounter { file, at: 0, line: 1 };
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = counter.line_of(error.position());
                bad.push(BadLine { line, column: String::new(), reason: of_csv(&error) });
                continue;
            }
        };
        let line = counter.line_of(row.position());
        if row.len() != width {
            let reason = format!(
                "it has {} fields, the header has {width}; a text with a {} must stand in \
                 double quotes",
                row.len(),
                style.separator()
            );
            bad.push(BadLine { line, column: String::new(), reason });
            continue;
        }
        let get = |name: &str| {
            places.iter().position(|column| column == name).and_then(|at| row.get(at)).unwrap_or("")
        };
        match figure(&get, style, issued_by, &mut new_id) {
            Err(wrong) => bad.extend(wrong.into_iter().map(|(column, reason)| BadLine {
                line,
                column: column.to_owned(),
                reason,
            })),
            Ok(figure) => {
                let key = (figure.region, figure.kind, figure.basis, figure.valid_from);
                if let Some(first) = seen.get(&key) {
                    let reason = format!(
                        "the same region, kind, basis and valid_from as line {first}, which it \
                         would replace"
                    );
                    bad.push(BadLine { line, column: String::new(), reason });
                } else {
                    seen.insert(key, line);
                    let notes = notes(get("region"), &figure);
                    good.push(Line { line, figure, notes });
                }
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
    const fn delimiter(self) -> u8 {
        match self {
            Self::Commas => b',',
            Self::Semicolons => b';',
        }
    }

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
    let row = match reader.headers() {
        Ok(row) => row.iter().map(str::to_owned).collect::<Vec<_>>(),
        Err(error) => return Err(vec![wrong("", of_csv(&error))]),
    };
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

type Wrong = Vec<(&'static str, String)>;

fn figure<'a>(
    get: &dyn Fn(&str) -> &'a str,
    style: Style,
    issued_by: Option<&str>,
    new_id: &mut dyn FnMut() -> ReferenceId,
) -> Result<ReferenceFigure, Wrong> {
    let mut wrong = Wrong::new();
    let mut note = |column, reason| wrong.push((column, reason));
    let region = field::region(get("region")).map_err(|e| note("region", e)).ok();
    if let (Some(region), false) = (region, get("name").is_empty()) {
        names::check(get("name"), region).unwrap_or_else(|e| note("name", e));
    }
    let kind = field::kind(get("kind")).map_err(|e| note("kind", e)).ok();
    let basis = field::basis(get("basis")).map_err(|e| note("basis", e)).ok();
    let value =
        optional(get("value"), |text| style.people(text)).map_err(|e| note("value", e)).ok();
    let percent =
        optional(get("percent"), |text| style.percent(text)).map_err(|e| note("percent", e)).ok();
    let from = field::date(get("valid_from")).map_err(|e| note("valid_from", e)).ok();
    let to = optional(get("valid_to"), field::date).map_err(|e| note("valid_to", e)).ok();
    let issued_by = match (get("issued_by"), issued_by) {
        ("", Some(default)) => default,
        (own, _) => own,
    };
    if let (Some(None), Some(None)) = (value, percent) {
        let reason = "neither value nor percent; to withdraw a figure use `laju reference add \
                      --withdraw`";
        note("value", reason.to_owned());
    }
    let (Some(region), Some(kind), Some(basis), Some(value), Some(percent), Some(from), Some(to)) =
        (region, kind, basis, value, percent, from, to)
    else {
        return Err(wrong);
    };
    let figure = ReferenceFigure {
        reference_id: new_id(),
        region,
        kind,
        basis,
        value,
        percent,
        valid_from: from,
        valid_to: to,
        source: get("source").to_owned(),
        issued_by: issued_by.to_owned(),
    };
    if let Err(error) = figure.check_new() {
        wrong.push((column_of(&error, &figure), error.to_string()));
    }
    if wrong.is_empty() { Ok(figure) } else { Err(wrong) }
}

fn optional<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "region,kind,basis,value,percent,valid_from,valid_to,source,issued_by\n";

    fn read_text(text: &str) -> Result<Vec<Line>, Vec<BadLine>> {
        read(text.as_bytes(), Some("me"), || ReferenceId([7; 16]))
    }

    fn wrong(row: &str) -> Vec<(u64, String)> {
        let bad = read_text(&format!("{HEADER}{row}\n")).unwrap_err();
        bad.into_iter().map(|b| (b.line, b.column)).collect()
    }

    #[test]
    fn the_example_is_good() {
        let file = include_bytes!("../../../data/reference-example.csv");
        let lines = read(file, None, || ReferenceId([7; 16])).unwrap();
        assert!(lines.len() >= 5);
        assert!(lines.iter().any(|l| l.figure.kind == ReferenceKind::Target));
    }

    #[test]
    fn a_line_becomes_a_figure_whatever_the_order_of_the_columns() {
        let text = "\u{feff}valid_from,source,region,kind,basis,percent\r\n\
                    2023-01-01,\"letter 1, page 2\", 11.10 ,target,wajib_ktp,25.5\r\n";
        let lines = read_text(text).unwrap();
        assert_eq!(lines.len(), 1);
        let Line { line, figure, notes } = &lines[0];
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!((*line, figure.region.to_string().as_str()), (2, "11.10"));
        assert_eq!((figure.value, figure.percent), (None, Some("25.5".parse().unwrap())));
        assert_eq!((figure.source.as_str(), figure.issued_by.as_str()), ("letter 1, page 2", "me"));
    }

    #[test]
    fn every_wrong_field_is_named_with_its_line_and_column() {
        let cases = [
            ("11.1,denominator,wajib_ktp,5,,2023-01-01,,s,i", "region"),
            ("18.99,denominator,wajib_ktp,5,,2023-01-01,,s,i", "region"),
            ("18.71,share,wajib_ktp,5,,2023-01-01,,s,i", "kind"),
            ("18.71,unknown,wajib_ktp,5,,2023-01-01,,s,i", "kind"),
            ("18.71,denominator,ktp,5,,2023-01-01,,s,i", "basis"),
            ("18.71,denominator,absolute,5,,2023-01-01,,s,i", "basis"),
            ("18.71,denominator,wajib_ktp,767.000,,2023-01-01,,s,i", "value"),
            ("18.71,denominator,wajib_ktp,-5,,2023-01-01,,s,i", "value"),
            ("18.71,denominator,wajib_ktp,2000000000,,2023-01-01,,s,i", "value"),
            ("18.71,denominator,wajib_ktp,,,2023-01-01,,s,i", "value"),
            ("18.71,target,wajib_ktp,5,,2023-01-01,,s,i", "value"),
            ("18.71,denominator,wajib_ktp,,25,2023-01-01,,s,i", "percent"),
            ("18.71,target,absolute,,25,2023-01-01,,s,i", "percent"),
            ("18.71,target,wajib_ktp,,25%,2023-01-01,,s,i", "percent"),
            ("18.71,target,wajib_ktp,,25,01/02/2023,,s,i", "valid_from"),
            ("18.71,target,wajib_ktp,,25,2023-02-30,,s,i", "valid_from"),
            ("18.71,target,wajib_ktp,,25,2023-02-01,2023-01-01,s,i", "valid_to"),
            ("18.71,target,wajib_ktp,,25,2023-02-01,,,i", "source"),
            ("18.71,target,wajib_ktp,,25,2023-02-01,", ""),
        ];
        for (row, column) in cases {
            assert_eq!(wrong(row), [(2, column.to_owned())], "{row}");
        }
        assert_eq!(wrong("99,x,,,,,,s,i").len(), 5);
    }

    #[test]
    fn one_bad_line_spoils_the_file_and_all_bad_lines_are_told() {
        let good = "18.71,denominator,wajib_ktp,5,,2023-01-01,,s,i\n";
        let bad = "18.72,denominator,wajib_ktp,x,,2023-01-01,,s,i\n";
        let bad = read_text(&format!("{HEADER}{good}{bad}\"two\nlines\"\n{good}")).unwrap_err();
        let lines: Vec<_> = bad.iter().map(|b| b.line).collect();
        assert_eq!(lines, [3, 4, 6]);
        assert!(bad[2].reason.contains("line 2"), "{}", bad[2].reason);
    }

    #[test]
    fn lines_are_counted_as_editors_do() {
        let bad = "18.72,denominator,wajib_ktp,x,,2023-01-01,,s,i";
        for end in ["\n", "\r\n", "\r"] {
            let text = [HEADER.trim(), bad, "", "", bad, bad].join(end);
            let lines: Vec<_> = read_text(&text).unwrap_err().iter().map(|b| b.line).collect();
            assert_eq!(lines, [2, 5, 6], "{end:?}");
        }
    }

    #[test]
    fn a_wrong_header_is_told_before_any_line() {
        let of = |text: &str| {
            let bad = read_text(text).unwrap_err();
            bad.into_iter().map(|b| (b.line, b.column)).collect::<Vec<_>>()
        };
        let named = |column: &str| vec![(1, column.to_owned())];
        assert_eq!(of("region\tkind\tbasis\n"), named(""));
        assert_eq!(of(&format!("note,{HEADER}")), named("note"));
        assert_eq!(
            of(&HEADER.replace("source", "region").replace("issued_by", "source")),
            named("region")
        );
        assert_eq!(of(&HEADER.replace(",source", "")), named("source"));
        assert_eq!(of("").len(), 5);
    }

    #[test]
    fn semicolons_go_with_decimal_commas_as_the_header_says() {
        let header = HEADER.replace(',', ";");
        let read_one = |row: &str| read_text(&format!("\u{feff}{header}{row}\r\n"));
        let figure = |row: &str| read_one(row).unwrap().remove(0).figure;
        let target = figure("18.71;target;wajib_ktp;;27,5;2023-01-01;;letter 1, page 2;me");
        assert_eq!(target.percent, "27.5".parse().ok());
        assert_eq!(target.source, "letter 1, page 2");
        let target = figure("18.71;target;wajib_ktp;;27.5;2023-01-01;;s;me");
        assert_eq!(target.percent, "27.5".parse().ok());
        for value in ["767000", "767.000"] {
            let row = format!("18.71;denominator;wajib_ktp;{value};;2023-01-01;;s;me");
            assert_eq!(figure(&row).value, Some(767_000));
        }
        let million = figure("18.71;denominator;wajib_ktp;1.274.000;;2023-01-01;;s;me");
        assert_eq!(million.value, Some(1_274_000));

        let wrong = |row: &str| {
            let mut bad = read_one(row).unwrap_err();
            assert_eq!(bad.len(), 1, "{bad:?}");
            bad.remove(0)
        };
        for (row, column) in [
            ("18.71;target;wajib_ktp;;27.500;2023-01-01;;s;me", "percent"),
            ("18.71;target;wajib_ktp;;1.127,5;2023-01-01;;s;me", "percent"),
            ("18.71;denominator;wajib_ktp;767.00;;2023-01-01;;s;me", "value"),
            ("18.71;denominator;wajib_ktp;767,0;;2023-01-01;;s;me", "value"),
            ("18.71;denominator;wajib_ktp;0.767;;2023-01-01;;s;me", "value"),
            ("18.71;denominator;wajib_ktp;001.274;;2023-01-01;;s;me", "value"),
            ("18.71;denominator;wajib_ktp;000.000;;2023-01-01;;s;me", "value"),
            ("18,71;denominator;wajib_ktp;767;;2023-01-01;;s;me", "region"),
        ] {
            assert_eq!(wrong(row).column, column, "{row}");
        }
        assert!(wrong("18.71;target").reason.contains("semicolon"));
        assert_eq!(
            super::tests::wrong("18.71,target,wajib_ktp,,\"27,5\",2023-01-01,,s,i").len(),
            1
        );
    }

    #[test]
    fn a_name_is_held_against_the_code_and_may_be_left_out() {
        let header = "region,name,kind,basis,value,valid_from,source,issued_by\n";
        let rest = "denominator,recorded_ktp,1274,2024-01-01,BPS,Desk\n";
        let read_one = |start: &str| read_text(&format!("{header}{start},{rest}"));
        assert!(read_one("12.71,KOTA MEDAN").is_ok() && read_one("12.71,").is_ok());
        let bad = read_one("12.75,MEDAN").unwrap_err();
        assert_eq!((bad[0].line, bad[0].column.as_str()), (2, "name"));
        assert!(bad[0].reason.contains("Kota Medan (12.71)"), "{bad:?}");
    }

    #[test]
    fn what_is_good_but_strange_is_noted() {
        let rows = "91.01,denominator,wajib_ktp,5,,2023-01-01,,s,i\n\
                    12.75,denominator,wajib_ktp,5,,2023-01-01,,\"BPS, MEDAN\",i\n";
        let lines = read_text(&format!("{HEADER}{rows}")).unwrap();
        assert_eq!(lines[0].figure.region.to_string(), "93.01");
        assert!(lines[0].notes[0].contains("93.01 now"), "{:?}", lines[0].notes);
        assert!(lines[1].notes[0].contains("Kota Medan (12.71)"), "{:?}", lines[1].notes);
    }

    #[test]
    fn a_lost_zero_is_named_and_not_guessed() {
        let bad = read_text(&format!("{HEADER}11.1,denominator,wajib_ktp,5,,2023-01-01,,s,i\n"));
        let reason = &bad.unwrap_err()[0].reason;
        assert!(reason.contains("did a spreadsheet drop a zero: 11.10?"), "{reason}");
    }

    #[test]
    fn a_file_in_utf_16_is_named_as_that() {
        let file: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bad = read(&file, None, || ReferenceId([7; 16])).unwrap_err();
        assert!(bad[0].reason.contains("UTF-16"), "{bad:?}");
    }

    #[test]
    fn a_file_in_another_encoding_is_told_how_to_save_it() {
        let mut file = HEADER.as_bytes().to_vec();
        file.extend_from_slice(b"18.71,denominator,wajib_ktp,5,,2023-01-01,,caf\xe9,i\n");
        let bad = read(&file, None, || ReferenceId([7; 16])).unwrap_err();
        assert_eq!(bad.len(), 1);
        assert!(bad[0].reason.contains("UTF-8") && bad[0].line == 2, "{bad:?}");
    }
}
