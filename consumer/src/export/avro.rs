//! Avro object container files, compressed with deflate, which every Avro library reads.
//!
//! The rows are flat records with the same columns as in the other formats, and not the contract's
//! events: the contract has no place for partition, offset and day of recording, without which
//! nobody can ask what was known on a day. Who wants the events as the kiosks sent them takes
//! `laju replay`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use apache_avro::types::Value as AvroValue;
use apache_avro::{Codec, DeflateSettings, Schema, Writer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::file::{Digested, Metadata, TableFile, WriteError, Written};
use super::table::{Column, Kind, Table, Value};

/// Bytes of a block before it is compressed.
const BLOCK_BYTES: usize = 256 << 10;

pub(super) struct AvroFile {
    writer: Writer<'static, Digested>,
    table: &'static Table,
    rows: u64,
}

/// The schema of a table's rows, as JSON with the fields in their order.
pub(super) fn schema(table: &Table) -> String {
    // Written by hand: a map would put `fields` first and `name` last.
    let fields: Vec<String> = table.columns.iter().map(field).collect();
    format!(
        "{{\"type\":\"record\",\"name\":{},\"namespace\":\"id.ikd.export\",\"doc\":{},\"fields\":[{}]}}",
        json!(record_name(table)),
        json!(table.row),
        fields.join(",")
    )
}

/// `kiosks` is `Kiosks`.
fn record_name(table: &Table) -> String {
    let mut name = table.name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

fn field(column: &Column) -> String {
    let kind = match column.kind {
        Kind::Text | Kind::Symbol => json!("string"),
        Kind::Int32 => json!("int"),
        Kind::Int64 | Kind::Rising => json!("long"),
        Kind::Boolean => json!("boolean"),
        Kind::Date => json!({"type": "int", "logicalType": "date"}),
        Kind::Timestamp => json!({"type": "long", "logicalType": "timestamp-millis"}),
        Kind::Uuid => json!({"type": "string", "logicalType": "uuid"}),
        Kind::Fixed16 => {
            json!({"type": "fixed", "name": format!("{}_bytes", column.name), "size": 16})
        }
        Kind::Bytes => json!("bytes"),
        Kind::Percent => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4})
        }
    };
    let kind = if column.nullable { json!(["null", kind]) } else { kind };
    let doc = format!("{} ({})", column.meaning, column.unit);
    format!("{{\"name\":{},\"doc\":{},\"type\":{kind}}}", json!(column.name), json!(doc))
}

impl AvroFile {
    pub(super) fn create(
        mut file: Digested,
        table: &'static Table,
        metadata: &Metadata,
    ) -> Result<Self, WriteError> {
        let text = schema(table);
        let schema = parsed(table, &text)?;
        let marker = header(&mut file, &text, metadata)?;
        let writer = Writer::builder()
            .schema(schema)
            .writer(file)
            .codec(Codec::Deflate(DeflateSettings::default()))
            .block_size(BLOCK_BYTES)
            .marker(marker)
            .has_header(true)
            .build()?;
        Ok(Self { writer, table, rows: 0 })
    }
}

impl TableFile for AvroFile {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        let mut fields = Vec::with_capacity(row.len());
        for (column, value) in self.table.columns.iter().zip(row) {
            fields.push((column.name.to_owned(), avro(column, value)?));
        }
        self.writer.unvalidated_append_value(AvroValue::Record(fields))?;
        self.rows += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written, WriteError> {
        Ok(self.writer.into_inner()?.finish(self.rows)?)
    }
}

/// A table's schema, parsed once: it lives as long as the program, as the table does.
fn parsed(table: &'static Table, text: &str) -> Result<&'static Schema, WriteError> {
    static PARSED: Mutex<BTreeMap<&str, &Schema>> = Mutex::new(BTreeMap::new());
    let mut parsed = PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(schema) = parsed.get(table.name) {
        return Ok(schema);
    }
    let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(text)?));
    parsed.insert(table.name, schema);
    Ok(schema)
}

/// Writes a container file's header and gives its marker. apache-avro's own has its entries in the
/// order of a hash and a random marker: the same rows would not give the same bytes.
fn header(file: &mut Digested, schema: &str, metadata: &Metadata) -> Result<[u8; 16], WriteError> {
    use std::io::Write as _;
    let mut entries = vec![("avro.codec", "deflate"), ("avro.schema", schema)];
    entries.extend(metadata.iter().map(|(key, value)| (*key, value.as_str())));
    let mut bytes = b"Obj\x01".to_vec();
    long(&mut bytes, entries.len());
    for (key, value) in entries {
        for text in [key, value] {
            long(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    long(&mut bytes, 0);
    let mut marker = [0; 16];
    marker.copy_from_slice(&Sha256::digest(&bytes)[..16]);
    bytes.extend_from_slice(&marker);
    file.write_all(&bytes)?;
    Ok(marker)
}

/// A length as Avro writes its numbers: zigzag, seven bits a byte.
fn long(bytes: &mut Vec<u8>, length: usize) {
    let mut rest = (length as u64) << 1;
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn avro(column: &Column, value: &Value<'_>) -> Result<AvroValue, WriteError> {
    let avro = match (column.kind, *value) {
        (_, Value::Null) if column.nullable => {
            return Ok(AvroValue::Union(0, Box::new(AvroValue::Null)));
        }
        (Kind::Text | Kind::Symbol, Value::Text(text)) => AvroValue::String(text.to_owned()),
        (Kind::Int32, Value::Number(number)) => {
            AvroValue::Int(i32::try_from(number).map_err(|_| WriteError::value(column, value))?)
        }
        (Kind::Int64 | Kind::Rising, Value::Number(number)) => AvroValue::Long(number),
        (Kind::Percent, Value::Number(number)) => {
            let number = i32::try_from(number).map_err(|_| WriteError::value(column, value))?;
            AvroValue::Decimal(apache_avro::Decimal::from(number.to_be_bytes()))
        }
        (Kind::Boolean, Value::Boolean(value)) => AvroValue::Boolean(value),
        (Kind::Date, Value::Date(date)) => AvroValue::Date(Value::days_since_1970(date)),
        (Kind::Timestamp, Value::Instant(ms)) => AvroValue::TimestampMillis(ms),
        (Kind::Uuid, Value::Fixed(bytes)) => AvroValue::Uuid(uuid::Uuid::from_bytes(bytes)),
        (Kind::Fixed16, Value::Fixed(bytes)) => AvroValue::Fixed(16, bytes.to_vec()),
        (Kind::Bytes, Value::Bytes(bytes)) => AvroValue::Bytes(bytes.to_vec()),
        _ => return Err(WriteError::value(column, value)),
    };
    Ok(if column.nullable { AvroValue::Union(1, Box::new(avro)) } else { avro })
}
