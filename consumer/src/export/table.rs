//! What a dataset looks like: its columns with type, unit and meaning. Parquet's schema, CSV's
//! header, Avro's schema, the manifest and the analysts' page all come from these descriptions, so
//! that none of them can say anything else than the others.

use serde::Serialize;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of which every row may have another.
    Text,
    /// Text of which many rows have the same: codes, names of kinds, ids of kiosks and visits.
    Symbol,
    Int32,
    Int64,
    /// A number of 64 bits that mostly rises from row to row.
    Rising,
    Boolean,
    Date,
    /// An instant in UTC, to the millisecond.
    Timestamp,
    Uuid,
    /// Sixteen bytes that are no UUID: a pseudonym.
    Fixed16,
    Bytes,
    /// A share in percent with four decimal places.
    Percent,
}

impl Kind {
    /// Its name on the analysts' page and in the manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text | Self::Symbol => "text",
            Self::Int32 => "int32",
            Self::Int64 | Self::Rising => "int64",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Fixed16 => "16 bytes",
            Self::Bytes => "bytes",
            Self::Percent => "decimal(9,4)",
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, in snake_case.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may have nothing there.
    pub nullable: bool,
    /// In what it counts, or what its values are names of.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// The columns of a table: `name: Kind, "unit", "meaning";`, with `or null` where a row may have
/// nothing there.
macro_rules! columns {
    (@nullable) => { false };
    (@nullable null) => { true };
    ($($name:ident: $kind:ident $(or $null:ident)?, $unit:literal, $meaning:literal;)*) => {
        &[$($crate::export::table::Column {
            name: stringify!($name),
            kind: $crate::export::table::Kind::$kind,
            nullable: columns!(@nullable $($null)?),
            unit: $unit,
            meaning: $meaning,
        }),*]
    };
}
pub(super) use columns;

/// One dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, which is its folder's.
    pub name: &'static str,
    /// The version of its columns: rises with every change that is more than a new column.
    pub version: u32,
    /// One sentence on what a row is.
    pub row: &'static str,
    /// The columns by which its rows are sorted within a file.
    pub sorted_by: &'static [&'static str],
    /// Whether its files lie in a folder for each month of `recorded`.
    pub by_month: bool,
    /// The columns, in their order.
    pub columns: &'static [Column],
}

impl Table {
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// A column as the manifest describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    nullable: bool,
    unit: &'static str,
    meaning: &'static str,
}

impl From<&Column> for Described {
    fn from(column: &Column) -> Self {
        let Column { name, kind, nullable, unit, meaning } = *column;
        Self { name, kind: kind.as_str(), nullable, unit, meaning }
    }
}

/// One value of a row. Which of them a column takes is said by its [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    /// Of [`Kind::Text`] and [`Kind::Symbol`].
    Text(&'a str),
    /// Of the numbers; of [`Kind::Percent`] in ten-thousandths of a percent.
    Number(i64),
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::Date`].
    Date(jiff::civil::Date),
    /// Of [`Kind::Timestamp`]: milliseconds since 1970.
    Instant(i64),
    /// Of [`Kind::Uuid`] and [`Kind::Fixed16`].
    Fixed([u8; 16]),
    /// Of [`Kind::Bytes`].
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    pub fn number(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }

    pub fn boolean(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Boolean)
    }

    pub fn fixed(value: Option<[u8; 16]>) -> Self {
        value.map_or(Self::Null, Self::Fixed)
    }

    pub fn instant(ms: Option<i64>) -> Self {
        ms.map_or(Self::Null, Self::Instant)
    }

    /// Days since 1970-01-01 of a date.
    pub fn days_since_1970(date: jiff::civil::Date) -> i32 {
        (date - jiff::civil::date(1970, 1, 1)).get_days()
    }
}
