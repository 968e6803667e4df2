//! Events written with another version of the schema: later, earlier, or in another order. Every
//! kind of fact is read as what it is, with the same values; what cannot be read is refused, with
//! the place named.

#[path = "../common/mod.rs"]
mod common;
mod evolved;
mod nested;

use common::checked;
use evolved::{definition, field, fields, in_order, names_of, schema, write};
use laju_schemas::ActivationEvent;
use laju_schemas::event::FactKind;
use laju_schemas::framing::Framing;
use laju_schemas::known::{
    ACTIVATION_EVENT, ACTIVATION_EVENT_AVSC, ACTIVATION_EVENT_GOLDEN, EventReader, ReadError,
    SchemaError, fingerprint,
};
use serde_json::{Value as Json, json};

const ID: u32 = 2_000_000_007;

/// The values of the golden events whose ids are such as ids have to be by now: every kind of fact,
/// every symbol.
fn events() -> Vec<Json> {
    let lines = ACTIVATION_EVENT_GOLDEN.lines();
    let value = |line| serde_json::from_str::<Json>(line).expect("JSON")["value"].clone();
    lines.map(value).filter(are_ids_of_today).collect()
}

fn are_ids_of_today(value: &Json) -> bool {
    ["kiosk_id", "outreach_id"]
        .iter()
        .all(|name| value[name].as_str().is_none_or(|id| laju_schemas::KioskId::check(id).is_ok()))
}

fn ours() -> Json {
    schema(ACTIVATION_EVENT_AVSC)
}

fn framed(framing: Framing, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    framing.write(&mut out);
    out.extend_from_slice(payload);
    out
}

/// What a reader makes of an event by that schema, known from its text and known by an id.
fn read(schema: &Json, payload: &[u8]) -> Result<ActivationEvent, ReadError> {
    let avsc = schema.to_string();
    let print = fingerprint(&avsc).expect("a schema");
    let mut by_text = EventReader::new(std::slice::from_ref(&avsc)).expect("a readable schema");
    let one = by_text.read(&framed(Framing::SingleObject(print), payload)).map(|e| checked(&e));
    let mut by_id = EventReader::new(&[]).expect("our schema");
    by_id.book.learn(ID, Some(&avsc));
    let other = by_id.read(&framed(Framing::Confluent(ID), payload)).map(|e| checked(&e));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    one
}

/// That events written with that schema are read as the same events.
fn assert_same_events(what: &str, schema: &Json) {
    assert_ne!(
        fingerprint(&schema.to_string()).expect("a schema"),
        ACTIVATION_EVENT.fingerprint,
        "{what}"
    );
    for value in events() {
        let event: ActivationEvent = serde_json::from_value(value.clone()).expect("an event");
        let read = read(schema, &write(schema, &value)).expect(what);
        assert_eq!(read, event, "{what}");
    }
}

fn new_field(name: &str, kind: Json, sample: Json) -> Json {
    json!({"name": name, "type": ["null", kind], "default": null, "sample": sample})
}

fn in_every_record(schema: &mut Json, mut change: impl FnMut(&mut Vec<Json>)) {
    for name in names_of(schema, "record") {
        change(fields(schema, &name));
    }
}

fn with_new_fields() -> Json {
    let mut schema = ours();
    in_every_record(&mut schema, |fields| {
        fields.insert(0, new_field("remark", json!("string"), json!("catatan")));
        fields.push(new_field("attempts", json!("long"), json!(-3)));
        fields.push(new_field("operator", json!("string"), Json::Null));
    });
    schema
}

fn with_new_symbols(first: bool) -> Json {
    let mut schema = ours();
    for name in names_of(&schema, "enum") {
        let symbols = &mut definition(&mut schema, &name).expect("an enum")["symbols"];
        let symbols = symbols.as_array_mut().expect("an array");
        symbols.insert(if first { 0 } else { symbols.len() - 1 }, json!("brand_new"));
    }
    schema
}

fn in_another_order() -> Json {
    let mut schema = ours();
    let branches =
        field(&mut schema, "ActivationEvent", "fact")["type"].as_array_mut().expect("an array");
    branches.reverse();
    for (record, name) in [("ActivationEvent", "outreach_id"), ("Activated", "venue")] {
        let field = field(&mut schema, record, name);
        field["type"].as_array_mut().expect("an array").reverse();
        field.as_object_mut().expect("an object").remove("default");
    }
    in_every_record(&mut schema, |fields| fields.reverse());
    in_order(schema)
}

#[test]
fn the_tests_own_writer_writes_the_golden_bytes() {
    for line in ACTIVATION_EVENT_GOLDEN.lines() {
        let golden: Json = serde_json::from_str(line).unwrap();
        let value = framed(Framing::Confluent(7), &write(&ours(), &golden["value"]));
        assert_eq!(hex::encode(value), golden["confluent"].as_str().unwrap());
    }
}

#[test]
fn later_events_are_read_as_the_same_facts() {
    let kinds = events().into_iter().map(|e| e["fact"].as_object().unwrap().keys().next().cloned());
    let kinds: std::collections::BTreeSet<_> = kinds.flatten().collect();
    assert_eq!(kinds.len(), FactKind::ALL.len());

    assert_same_events("new fields", &with_new_fields());
    assert_same_events("new symbols", &with_new_symbols(false));
    assert_same_events("new symbols in front", &with_new_symbols(true));
    assert_same_events("another order", &in_another_order());

    let mut elsewhere = ours();
    elsewhere["namespace"] = json!("id.ikd.events.v2");
    assert_same_events("another namespace", &elsewhere);

    let mut all = with_new_symbols(true);
    in_every_record(&mut all, |fields| {
        fields.reverse();
        fields.insert(1.min(fields.len()), new_field("remark", json!("string"), json!("catatan")));
    });
    let branches = field(&mut all, "ActivationEvent", "fact")["type"].as_array_mut().unwrap();
    branches.rotate_left(3);
    assert_same_events("everything at once", &in_order(all));
}

/// Two branches with the same fields are distinguished by name, whatever their order: apache-avro
/// takes the first that fits.
#[test]
fn branches_of_the_same_shape_are_told_apart_in_any_order() {
    for turn in 0..FactKind::ALL.len() {
        let mut schema = ours();
        let fact = field(&mut schema, "ActivationEvent", "fact");
        fact["type"].as_array_mut().unwrap().rotate_left(turn);
        let schema = in_order(schema);
        for value in events() {
            let event: ActivationEvent = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(read(&schema, &write(&schema, &value)).unwrap(), event);
        }
    }
}

#[test]
fn a_symbol_of_a_later_version_is_unknown_and_nothing_else_changes() {
    let schema = with_new_symbols(true);
    let mut changed = std::collections::BTreeSet::new();
    for value in events() {
        let kind = value["fact"].as_object().unwrap().keys().next().unwrap().clone();
        for name in ["channel", "venue", "reason"] {
            if value["fact"][&kind][name].is_string() {
                let (mut later, mut now) = (value.clone(), value.clone());
                later["fact"][&kind][name] = json!("brand_new");
                now["fact"][&kind][name] = json!("unknown");
                let expected: ActivationEvent = serde_json::from_value(now).unwrap();
                assert_eq!(read(&schema, &write(&schema, &later)).unwrap(), expected);
                changed.insert((kind.clone(), name));
            }
        }
    }
    assert_eq!(changed.len(), 7, "{changed:?}");
}

#[test]
fn narrower_types_of_other_writers_are_widened() {
    let mut schema = ours();
    field(&mut schema, "ActivationEvent", "sequence")["type"] = json!("int");
    field(&mut schema, "ActivationEvent", "occurred_at")["type"] = json!("long");
    for mut value in events() {
        let sequence = value["sequence"].as_i64().unwrap().min(i64::from(i32::MAX));
        value["sequence"] = json!(sequence);
        let event: ActivationEvent = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(read(&schema, &write(&schema, &value)).unwrap(), event);
    }
    // A number that an int cannot hold was not written with that schema.
    let mut value = events().remove(0);
    value["sequence"] = json!(u32::MAX);
    assert!(matches!(read(&schema, &write(&schema, &value)), Err(ReadError::Decode(_))));

    let mut schema = ours();
    field(&mut schema, "ActivationEvent", "outreach_id")["type"] = json!("string");
    field(&mut schema, "ActivationEvent", "outreach_id").as_object_mut().unwrap().remove("default");
    let mut value = events().remove(0);
    value["outreach_id"] = json!("visit");
    let event: ActivationEvent = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(read(&schema, &write(&schema, &value)).unwrap(), event);
}

#[test]
fn an_older_writer_without_the_nullable_fields_is_read_with_null() {
    let mut schema = ours();
    fields(&mut schema, "ActivationEvent").retain(|field| field["name"] != "outreach_id");
    fields(&mut schema, "Activated").retain(|field| field["name"] != "venue");
    for mut value in events() {
        let payload = write(&schema, &value);
        value["outreach_id"] = Json::Null;
        if let Some(activated) = value["fact"].get_mut("Activated") {
            activated["venue"] = Json::Null;
        }
        let event: ActivationEvent = serde_json::from_value(value).unwrap();
        assert_eq!(read(&schema, &payload).unwrap(), event);
    }
}

#[test]
fn a_schema_that_nobody_knows_is_named() {
    let payload = write(&ours(), &events()[0]);
    let mut reader = EventReader::new(&[]).unwrap();
    let unknown = framed(Framing::SingleObject(0xfeed), &payload);
    match reader.read(&unknown) {
        Err(ReadError::UnknownSchema(why)) => assert!(why.contains("000000000000feed"), "{why}"),
        other => panic!("{other:?}"),
    }
    for unframed in [&b"{\"json\": true}"[..], &[0xC3, 0x02], &[0xC3], &[0, 0, 0, 1], &[1, 0]] {
        assert!(matches!(reader.read(unframed), Err(ReadError::UnknownSchema(_))));
    }
    assert!(matches!(reader.read(&[]), Err(ReadError::Decode(_))));

    let value = framed(Framing::Confluent(ID), &payload);
    assert!(matches!(reader.read(&value), Err(ReadError::Unlearned(ID))));
    reader.book.learn(ID, None);
    assert!(matches!(reader.read(&value), Err(ReadError::UnknownSchema(_))));
    reader.book.learn(ID, Some("{}"));
    match reader.read(&value) {
        Err(ReadError::UnknownSchema(why)) => assert!(why.contains(&ID.to_string()), "{why}"),
        other => panic!("{other:?}"),
    }
    reader.book.learn(ID, Some(ACTIVATION_EVENT_AVSC));
    assert!(reader.read(&value).is_ok());
}

/// Which single-object headers are known is part of the rules of the fold: it must not depend on
/// what a registry was asked.
#[test]
fn a_schema_known_by_an_id_is_not_known_by_its_fingerprint() {
    let later = with_new_fields();
    let payload = write(&later, &events()[0]);
    let print = fingerprint(&later.to_string()).unwrap();
    let mut reader = EventReader::new(&[]).unwrap();
    for id in 0..100 {
        reader.book.learn(id, Some(&later.to_string()));
        assert!(reader.read(&framed(Framing::Confluent(id), &payload)).is_ok());
    }
    let single_object = framed(Framing::SingleObject(print), &payload);
    assert!(matches!(reader.read(&single_object), Err(ReadError::UnknownSchema(_))));
    let former = ACTIVATION_EVENT.former.iter().map(|avsc| fingerprint(avsc).unwrap());
    let mut known: Vec<_> = former.chain([ACTIVATION_EVENT.fingerprint]).collect();
    known.sort_unstable();
    assert_eq!(reader.book.fingerprints(), known);

    let reader = EventReader::new(&[later.to_string(), ACTIVATION_EVENT_AVSC.to_owned()]).unwrap();
    let mut both = [known, vec![print]].concat();
    both.sort_unstable();
    assert_eq!(reader.book.fingerprints(), both);
}

#[test]
fn a_schema_that_cannot_be_read_as_ours_is_refused_with_the_place() {
    fn refused(place: &str, change: impl FnOnce(&mut Json)) {
        let mut schema = ours();
        change(&mut schema);
        match EventReader::new(&[schema.to_string()]).map(drop) {
            Err(SchemaError::Incompatible(why)) => assert!(why.contains(place), "{place}: {why}"),
            other => panic!("{place}: {other:?}"),
        }
    }
    const ROOT: &str = "ActivationEvent";
    refused("ActivationEvent.fact can be a Blessed", |schema| {
        let blessed = json!({"type": "record", "name": "Blessed", "fields": []});
        field(schema, ROOT, "fact")["type"].as_array_mut().unwrap().push(blessed);
    });
    refused("ActivationEvent.home_region is missing", |schema| {
        fields(schema, ROOT).retain(|field| field["name"] != "home_region");
    });
    refused("ActivationEvent.fact.Deferred.reason is missing", |schema| {
        fields(schema, "Deferred").clear();
    });
    refused("ActivationEvent.occurred_at has another type", |schema| {
        field(schema, ROOT, "occurred_at")["type"] = json!("string");
    });
    // The fingerprint leaves logical types out: by it this would be our own schema.
    refused("ActivationEvent.occurred_at has another type: timestampmicros", |schema| {
        field(schema, ROOT, "occurred_at")["type"]["logicalType"] = json!("timestamp-micros");
    });
    refused("ActivationEvent.event_id has another type", |schema| {
        definition(schema, "EventId").unwrap()["size"] = json!(20);
    });
    refused("ActivationEvent.sequence has another type: union", |schema| {
        field(schema, ROOT, "sequence")["type"] = json!(["null", "long"]);
    });
    refused("ActivationEvent.outreach_id can be a long", |schema| {
        field(schema, ROOT, "outreach_id")["type"] = json!(["null", "string", "long"]);
    });
    refused("ActivationEvent is a CitizenEvent", |schema| schema["name"] = json!("CitizenEvent"));
    refused("ActivationEvent.fact can be a Postponed", |schema| {
        definition(schema, "Deferred").unwrap()["name"] = json!("Postponed");
    });
    refused(
        "ActivationEvent.fact.Activated.channel has another type: Way, not Channel",
        |schema| {
            definition(schema, "Channel").unwrap()["name"] = json!("Way");
        },
    );
    let nonsense = EventReader::new(&["{\"type\": \"recrod\"}".to_owned()]).map(drop);
    assert!(matches!(nonsense, Err(SchemaError::Parse(_))));
}
