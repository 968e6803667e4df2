//! What a later version may put into new fields, of any type and depth, is passed over; and
//! whatever the bytes say, a reader neither hangs, nor takes memory for what they only claim, nor
//! takes a cut value for a whole one.

use laju_schemas::ActivationEvent;
use laju_schemas::framing::Framing;
use laju_schemas::known::{ACTIVATION_EVENT_AVSC, ACTIVATION_EVENT_GOLDEN, EventReader, ReadError};
use serde_json::{Value as Json, json};

use crate::common::checked;
use crate::evolved::{field, fields, long, schema, write};

const ID: u32 = 7;

fn event() -> Json {
    let line = ACTIVATION_EVENT_GOLDEN.lines().nth(10);
    serde_json::from_str::<Json>(line.expect("a line")).expect("JSON")["value"].clone()
}

/// Our schema with a new field of a type, at the end of the envelope.
fn with_field(kind: Json, sample: Json) -> Json {
    let mut schema = schema(ACTIVATION_EVENT_AVSC);
    let field = json!({"name": "added", "type": kind, "sample": sample});
    fields(&mut schema, "ActivationEvent").push(field);
    schema
}

fn reader(schema: &Json) -> EventReader {
    let mut reader = EventReader::new(&[]).expect("our schema");
    reader.book.learn(ID, Some(&schema.to_string()));
    reader
}

fn read(reader: &mut EventReader, payload: &[u8]) -> Result<ActivationEvent, ReadError> {
    let mut value = Vec::new();
    Framing::Confluent(ID).write(&mut value);
    value.extend_from_slice(payload);
    reader.read(&value).map(|event| checked(&event))
}

/// Every type, nested, with a sample of it.
fn rich() -> (Json, Json) {
    let kind = json!({"type": "record", "name": "Added", "fields": [
        {"name": "flags", "type": {"type": "array", "items": "boolean"}},
        {"name": "by_name", "type": {"type": "map", "values": {"type": "array", "items": ["null", "string", "double"]}}},
        {"name": "again", "type": ["null", "Added"]},
        {"name": "why", "type": {"type": "enum", "name": "Why", "symbols": ["a", "b"]}},
        {"name": "also", "type": "Why"},
        {"name": "of_ours", "type": "Channel"},
        {"name": "id", "type": {"type": "fixed", "name": "OtherId", "size": 16, "logicalType": "uuid"}},
        {"name": "until", "type": {"type": "int", "logicalType": "date"}},
        {"name": "nothing", "type": "null"},
        {"name": "nothings", "type": {"type": "array", "items": "null"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}}
    ]});
    let inner = json!({
        "flags": [], "by_name": {}, "again": null, "why": "a", "also": "b", "of_ours": "office",
        "id": "018d4a6e-5c00-7000-8000-000000000001", "until": 19_000, "nothings": [null, null],
        "amount": "ab"
    });
    let mut outer = inner.clone();
    outer["flags"] = json!([true, false, true]);
    outer["by_name"] = json!({"x": [null, "teks"], "y": [], "z": ["é"]});
    outer["again"] = json!({"Added": inner});
    (kind, outer)
}

#[test]
fn nested_data_in_new_fields_is_passed_over() {
    let (kind, sample) = rich();
    for kind in [kind.clone(), json!(["null", kind]), json!({"type": "array", "items": kind})] {
        let sample = if kind["type"] == "array" { json!([sample, sample]) } else { sample.clone() };
        let schema = with_field(kind, sample);
        let read = read(&mut reader(&schema), &write(&schema, &event())).unwrap();
        assert_eq!(read, serde_json::from_value(event()).unwrap());
    }
}

/// apache-avro takes a text, a boolean or a union behind the end of the bytes for null, so that
/// an event cut before a new last field would pass.
#[test]
fn a_cut_or_extended_event_of_another_schema_is_refused() {
    let last_fields = [
        rich(),
        (json!(["null", "string"]), json!("catatan")),
        (json!("string"), json!("catatan")),
        (json!("boolean"), json!(true)),
        (json!(["null", "boolean"]), json!(true)),
    ];
    for (kind, sample) in last_fields {
        let schema = with_field(kind, sample);
        let mut reader = reader(&schema);
        let mut payload = write(&schema, &event());
        for length in 0..payload.len() {
            assert!(read(&mut reader, &payload[..length]).is_err(), "{length} {schema}");
        }
        assert!(read(&mut reader, &payload).is_ok());
        payload.push(0);
        assert!(read(&mut reader, &payload).is_err());
    }
}

/// An event and, behind it, the bytes of the field that was added.
fn with_bytes(kind: Json, bytes: &[u8]) -> Result<ActivationEvent, ReadError> {
    let payload = write(&schema(ACTIVATION_EVENT_AVSC), &event());
    read(&mut reader(&with_field(kind, Json::Null)), &[&payload, bytes].concat())
}

#[test]
fn data_nested_without_end_is_refused() {
    let list = json!({"type": "record", "name": "List", "fields": [
        {"name": "next", "type": ["null", "List"]}]});
    let nested = |depth: usize| [vec![2; depth], vec![0]].concat();
    assert!(with_bytes(list.clone(), &nested(50)).is_ok());
    assert!(with_bytes(list, &nested(1 << 20)).is_err());

    let arrays = json!({"type": "record", "name": "Tree", "fields": [
        {"name": "children", "type": {"type": "array", "items": "Tree"}}]});
    assert!(with_bytes(arrays, &vec![2; 1 << 20]).is_err());

    let itself = json!({"type": "record", "name": "Itself", "fields": [
        {"name": "inner", "type": "Itself"}]});
    assert!(with_bytes(itself, &[]).is_err());
}

#[test]
fn lengths_that_are_only_claimed_cost_nothing() {
    let items = |items: &str| json!({"type": "array", "items": items});
    let claimed = |count: i64| [long(count), vec![0]].concat();
    // Items without bytes may be as many as they like; it takes no time to pass over them.
    assert!(with_bytes(items("null"), &claimed(i64::MAX)).is_ok());
    let block = [long(i64::MIN), long(0), vec![0]].concat();
    assert!(with_bytes(items("null"), &block).is_ok());
    assert!(with_bytes(items("long"), &claimed(i64::MAX)).is_err());
    for kind in [json!("string"), json!("bytes"), json!({"type": "map", "values": "null"})] {
        for length in [i64::MAX, i64::MIN, -1, 1 << 40, 2] {
            assert!(with_bytes(kind.clone(), &claimed(length)).is_err(), "{kind} {length}");
        }
    }
}

#[test]
fn a_block_is_as_long_as_it_says() {
    let longs = json!({"type": "array", "items": "long"});
    let block = |size: i64| [long(-2), long(size), vec![2, 4], vec![0]].concat();
    assert!(with_bytes(longs.clone(), &block(2)).is_ok());
    let idle_byte = [long(-2), long(3), vec![2, 4, 6], vec![0]].concat();
    assert!(with_bytes(longs.clone(), &idle_byte).is_err());
    for size in [0, 1, 3, 4, -2, i64::MAX] {
        assert!(with_bytes(longs.clone(), &block(size)).is_err(), "{size}");
    }
}

#[test]
fn a_new_field_inside_every_fact_may_be_nested_too() {
    let (kind, sample) = rich();
    let mut later = with_field(json!("null"), Json::Null);
    fields(&mut later, "Activated").push(json!({"name": "added", "type": kind, "sample": sample}));
    field(&mut later, "ActivationEvent", "sequence")["type"] = json!("int");
    let read = read(&mut reader(&later), &write(&later, &event())).unwrap();
    assert_eq!(read, serde_json::from_value(event()).unwrap());
}
