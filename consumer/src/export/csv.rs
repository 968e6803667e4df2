//! CSV: text with a header (RFC 4180), UTF-8. Nothing is an empty field; instants are RFC 3339 in
//! UTC, days `YYYY-MM-DD`, pseudonyms and bytes hexadecimal.

use std::fmt::Write as _;

use laju_schemas::TimestampMs;

use super::file::{Digested, TableFile, WriteError, Written};
use super::table::{Kind, Table, Value};

pub(super) struct CsvFile {
    writer: ::csv::Writer<Digested>,
    table: &'static Table,
    field: String,
    rows: u64,
}

impl CsvFile {
    /// A file with its header.
    pub(super) fn create(file: Digested, table: &'static Table) -> Result<Self, WriteError> {
        let mut writer = ::csv::WriterBuilder::new()
            .terminator(::csv::Terminator::CRLF)
            .has_headers(false)
            .from_writer(file);
        writer.write_record(table.columns.iter().map(|column| column.name))?;
        Ok(Self { writer, table, field: String::new(), rows: 0 })
    }
}

impl TableFile for CsvFile {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        for (column, value) in self.table.columns.iter().zip(row) {
            self.field.clear();
            let field = match (column.kind, value) {
                (_, Value::Null) if column.nullable => "",
                (Kind::Text | Kind::Symbol, Value::Text(text)) => text,
                (kind, value) => {
                    // Nothing can be wrong with writing to a text.
                    let written = match (kind, *value) {
                        (Kind::Int32 | Kind::Int64 | Kind::Rising, Value::Number(number)) => {
                            write!(self.field, "{number}")
                        }
                        (Kind::Percent, Value::Number(number)) => {
                            write!(self.field, "{}.{:04}", number / 10_000, number % 10_000)
                        }
                        (Kind::Boolean, Value::Boolean(value)) => write!(self.field, "{value}"),
                        (Kind::Date, Value::Date(date)) => write!(self.field, "{date}"),
                        (Kind::Timestamp, Value::Instant(ms)) => {
                            write!(self.field, "{}", TimestampMs(ms))
                        }
                        (Kind::Uuid, Value::Fixed(bytes)) => {
                            write!(self.field, "{}", uuid::Uuid::from_bytes(bytes))
                        }
                        (Kind::Fixed16, Value::Fixed(bytes)) => {
                            self.field.push_str(&hex::encode(bytes));
                            Ok(())
                        }
                        (Kind::Bytes, Value::Bytes(bytes)) => {
                            self.field.push_str(&hex::encode(bytes));
                            Ok(())
                        }
                        _ => Err(std::fmt::Error),
                    };
                    written.map_err(|_| WriteError::value(column, value))?;
                    &self.field
                }
            };
            self.writer.write_field(field)?;
        }
        self.writer.write_record(None::<&[u8]>)?;
        self.rows += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written, WriteError> {
        let file = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(file.finish(self.rows)?)
    }
}
