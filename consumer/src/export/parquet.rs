//! Parquet: a typed column for each column, compressed with zstd, texts that repeat and numbers
//! that rise encoded as such. Rows are held in columns until there are enough for a group.
//!
//! The same rows in the same groups give the same bytes: there is no clock in a file.
//!
//! UUIDs are text, as they are in CSV and Avro: Spark refuses a file that has Parquet's own type
//! for them. That costs 3 to 5 bytes for each, compressed.

use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{KeyValue, SortingColumn};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use hashbrown::HashMap;

use super::file::{Digested, Metadata, TableFile, WriteError, Written};
use super::table::{Column, Kind, Table, Value};

/// Rows of a group: few enough to be held in memory for a few files at once.
pub(super) const GROUP_ROWS: usize = 100_000;
/// What made the file, in the form that readers parse. Not the program's version: the same rows
/// are to give the same bytes with the next one, too.
const CREATED_BY: &str = "laju-export version 1 (build 1)";
const ZSTD_LEVEL: i32 = 3;

pub(super) struct ParquetFile {
    writer: SerializedFileWriter<Digested>,
    table: &'static Table,
    columns: Vec<Held>,
    held: usize,
    rows: u64,
}

/// The schema of a table's files, as Parquet's own text has it.
pub(super) fn schema(table: &Table) -> String {
    let mut text = format!("message {} {{\n", table.name);
    for column in table.columns {
        let presence = if column.nullable { "optional" } else { "required" };
        let (physical, logical) = types(column.kind);
        let name = column.name;
        text.push_str(&format!("  {presence} {physical} {name}{logical};\n"));
    }
    text.push('}');
    text
}

const fn types(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Text | Kind::Symbol | Kind::Uuid => ("byte_array", " (STRING)"),
        Kind::Int32 => ("int32", ""),
        Kind::Int64 | Kind::Rising => ("int64", ""),
        Kind::Boolean => ("boolean", ""),
        Kind::Date => ("int32", " (DATE)"),
        Kind::Timestamp => ("int64", " (TIMESTAMP(MILLIS,true))"),
        Kind::Fixed16 => ("fixed_len_byte_array(16)", ""),
        Kind::Bytes => ("byte_array", ""),
        Kind::Percent => ("int32", " (DECIMAL(9,4))"),
    }
}

fn properties(table: &Table, metadata: &Metadata) -> Result<WriterProperties, ParquetError> {
    let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let sorted = table.sorted_by.iter().filter_map(|name| table.place(name));
    let sorted = sorted.map(|place| SortingColumn {
        column_idx: i32::try_from(place).unwrap_or(i32::MAX),
        descending: false,
        nulls_first: true,
    });
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_key_value_metadata(Some(pairs.collect()))
        .set_sorting_columns(Some(sorted.collect()));
    for column in table.columns {
        let path = ColumnPath::from(column.name);
        match column.kind {
            Kind::Rising | Kind::Timestamp => {
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            Kind::Text | Kind::Uuid | Kind::Fixed16 | Kind::Bytes => {
                properties = properties.set_column_dictionary_enabled(path, false);
            }
            _ => {}
        }
    }
    Ok(properties.build())
}

impl ParquetFile {
    pub(super) fn create(
        file: Digested,
        table: &'static Table,
        metadata: &Metadata,
    ) -> Result<Self, WriteError> {
        let schema = Arc::new(parse_message_type(&schema(table))?);
        let properties = Arc::new(properties(table, metadata)?);
        let writer = SerializedFileWriter::new(file, schema, properties)?;
        let columns = table.columns.iter().map(Held::new).collect();
        Ok(Self { writer, table, columns, held: 0, rows: 0 })
    }
}

impl TableFile for ParquetFile {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        for ((column, held), value) in self.table.columns.iter().zip(&mut self.columns).zip(row) {
            if !held.push(column, value) {
                return Err(WriteError::value(column, value));
            }
        }
        self.held += 1;
        self.rows += 1;
        if self.held >= GROUP_ROWS { self.release() } else { Ok(()) }
    }

    fn held(&self) -> usize {
        self.held
    }

    fn release(&mut self) -> Result<(), WriteError> {
        if self.held == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let mut columns = self.columns.iter_mut();
        while let Some(mut writer) = group.next_column()? {
            let Some(held) = columns.next() else { break };
            held.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        self.held = 0;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written, WriteError> {
        self.release()?;
        let rows = self.rows;
        Ok(self.writer.into_inner()?.finish(rows)?)
    }
}

/// The values of one column that are held in memory.
struct Held {
    /// For a column that may have nothing: 1 for a value, 0 for none.
    levels: Option<Vec<i16>>,
    values: Values,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Boolean(Vec<bool>),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>, Vec<usize>),
    Symbols(Vec<u32>, Symbols),
}

/// Texts by number, each once.
#[derive(Default)]
struct Symbols {
    numbers: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    texts: Vec<ByteArray>,
}

impl Symbols {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(ByteArray::from(text));
        self.numbers.insert(text.into(), number);
        number
    }
}

impl Held {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Symbol => Values::Symbols(Vec::new(), Symbols::default()),
            Kind::Text | Kind::Bytes | Kind::Uuid => Values::Bytes(Vec::new(), Vec::new()),
            Kind::Int32 | Kind::Date | Kind::Percent => Values::Int32(Vec::new()),
            Kind::Int64 | Kind::Rising | Kind::Timestamp => Values::Int64(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Fixed16 => Values::Fixed(Vec::new()),
        };
        Self { levels: column.nullable.then(Vec::new), values }
    }

    /// Takes a value; false if the column is not of its kind.
    fn push(&mut self, column: &Column, value: &Value<'_>) -> bool {
        if let Some(levels) = &mut self.levels {
            let there = !matches!(value, Value::Null);
            levels.push(there.into());
            if !there {
                return true;
            }
        }
        match (&mut self.values, *value) {
            (Values::Symbols(numbers, symbols), Value::Text(text)) => {
                numbers.push(symbols.number(text));
            }
            (Values::Bytes(bytes, ends), Value::Text(text)) if column.kind == Kind::Text => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (Values::Bytes(bytes, ends), Value::Bytes(value)) if column.kind == Kind::Bytes => {
                bytes.extend_from_slice(value);
                ends.push(bytes.len());
            }
            (Values::Bytes(bytes, ends), Value::Fixed(value)) if column.kind == Kind::Uuid => {
                let mut text = uuid::Uuid::encode_buffer();
                let text = uuid::Uuid::from_bytes(value).hyphenated().encode_lower(&mut text);
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (Values::Int32(numbers), Value::Date(date)) if column.kind == Kind::Date => {
                numbers.push(Value::days_since_1970(date));
            }
            (Values::Int32(numbers), Value::Number(number)) if column.kind != Kind::Date => {
                match i32::try_from(number) {
                    Ok(number) => numbers.push(number),
                    Err(_) => return false,
                }
            }
            (Values::Int64(numbers), Value::Instant(ms)) if column.kind == Kind::Timestamp => {
                numbers.push(ms);
            }
            (Values::Int64(numbers), Value::Number(number)) if column.kind != Kind::Timestamp => {
                numbers.push(number);
            }
            (Values::Boolean(values), Value::Boolean(value)) => values.push(value),
            (Values::Fixed(bytes), Value::Fixed(value)) => bytes.extend_from_slice(&value),
            _ => return false,
        }
        true
    }

    /// Writes what is held as a column of a group, and holds nothing any more.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.values {
            Values::Int32(values) => {
                writer.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Int64(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Boolean(values) => {
                writer.typed::<BoolType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Fixed(bytes) => {
                let all = ByteArray::from(std::mem::take(bytes));
                let each = (0..all.len() / 16).map(|at| all.slice(at * 16, 16).into());
                let values: Vec<FixedLenByteArray> = each.collect();
                writer.typed::<FixedLenByteArrayType>().write_batch(&values, levels, None)?;
            }
            Values::Bytes(bytes, ends) => {
                let all = ByteArray::from(std::mem::take(bytes));
                let mut from = 0;
                let each = ends.drain(..).map(|end| {
                    let value = all.slice(from, end - from);
                    from = end;
                    value
                });
                let values: Vec<ByteArray> = each.collect();
                writer.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
            }
            Values::Symbols(numbers, symbols) => {
                let texts = numbers.drain(..).map(|number| symbols.texts[number as usize].clone());
                let values: Vec<ByteArray> = texts.collect();
                writer.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
                *symbols = Symbols::default();
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}
