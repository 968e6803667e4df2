//! A schema may change only so that everyone can still read everyone: today's programs what was
//! ever written (`golden/vN`), and the programs of those days what is written today. A version of
//! a schema comes with its golden bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use laju_schemas::known::{
    ACTIVATION_EVENT, ACTIVATION_EVENT_AVSC, KIOSK_STATUS, KIOSK_STATUS_AVSC, LOG_COPY,
    LOG_COPY_AVSC, OwnSchema, QUARANTINE_DECISION, QUARANTINE_DECISION_AVSC, QUOTED_FIGURE,
    QUOTED_FIGURE_AVSC, REFERENCE_FIGURE, REFERENCE_FIGURE_AVSC, compatible,
};
use serde_json::{Value as Json, json};

/// Each schema of today, by the name of its file.
const CURRENT: [(&str, &str, &LazyLock<OwnSchema>); 6] = [
    ("activation_event", ACTIVATION_EVENT_AVSC, &ACTIVATION_EVENT),
    ("kiosk_status", KIOSK_STATUS_AVSC, &KIOSK_STATUS),
    ("log_copy", LOG_COPY_AVSC, &LOG_COPY),
    ("quarantine_decision", QUARANTINE_DECISION_AVSC, &QUARANTINE_DECISION),
    ("quoted_figure", QUOTED_FIGURE_AVSC, &QUOTED_FIGURE),
    ("reference_figure", REFERENCE_FIGURE_AVSC, &REFERENCE_FIGURE),
];

/// The frozen copies of a schema, by version.
fn frozen(name: &str) -> BTreeMap<u32, String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut versions = BTreeMap::new();
    for entry in std::fs::read_dir(&golden).expect("golden/") {
        let path = entry.expect("an entry of golden/").path();
        let folder = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = folder.strip_prefix('v').and_then(|number| number.parse().ok());
        if let (Some(number), Ok(avsc)) =
            (number, std::fs::read_to_string(path.join(name).with_extension("avsc")))
        {
            versions.insert(number, avsc);
        }
    }
    versions
}

/// Where two schemas part, in either direction.
fn fully_compatible(one: &str, other: &str) -> Result<(), String> {
    compatible(one, other).map_err(|e| format!("the new reading the old: {e}"))?;
    compatible(other, one).map_err(|e| format!("the old reading the new: {e}"))
}

fn judged(one: &str, other: &str) -> Option<Compatibility> {
    let parse = |avsc| Schema::parse_str(avsc).expect("a schema");
    SchemaCompatibility::mutual_read(&parse(one), &parse(other)).ok()
}

fn without_docs(json: &mut Json) {
    match json {
        Json::Object(map) => {
            map.remove("doc");
            map.values_mut().for_each(without_docs);
        }
        Json::Array(items) => items.iter_mut().for_each(without_docs),
        _ => {}
    }
}

#[test]
fn todays_schemas_are_fully_compatible_with_every_frozen_one() {
    for (name, current, _) in CURRENT {
        let frozen = frozen(name);
        assert!(!frozen.is_empty(), "{name} has no frozen version");
        for (version, avsc) in frozen {
            if let Err(why) = fully_compatible(current, &avsc) {
                panic!("{name} is not compatible with golden/v{version}: {why}");
            }
            assert_eq!(judged(current, &avsc), Some(Compatibility::Full), "{name} v{version}");
        }
    }
}

#[test]
fn what_was_written_with_any_frozen_schema_is_read_without_a_registry() {
    for (name, _, own) in CURRENT {
        let mut former = frozen(name);
        former.pop_last();
        let former: Vec<_> = former.into_values().collect();
        assert_eq!(own.former, former, "the former schemas of {name}");
    }
}

#[test]
fn todays_schemas_are_the_latest_frozen_ones() {
    for (name, current, _) in CURRENT {
        let (version, latest) = frozen(name).pop_last().expect("a frozen version");
        let mut both = [current, &latest].map(|avsc| serde_json::from_str(avsc).expect("JSON"));
        both.iter_mut().for_each(without_docs);
        let [current, latest]: [Json; 2] = both;
        assert_eq!(
            current, latest,
            "{name} has changed since golden/v{version}: freeze it as the next version, with golden bytes"
        );
    }
}

/// Each incompatible change is found, and in the direction in which it hurts.
#[test]
fn incompatible_changes_are_found() {
    fn change(avsc: &str, pointer: &str, change: impl FnOnce(&mut Json)) -> String {
        let mut schema: Json = serde_json::from_str(avsc).expect("JSON");
        change(schema.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")));
        schema.to_string()
    }
    let changed =
        |pointer: &str, by: &dyn Fn(&mut Json)| change(ACTIVATION_EVENT_AVSC, pointer, by);
    let push = |json: &mut Json, new: Json| json.as_array_mut().expect("an array").push(new);
    let remove =
        |json: &mut Json, at: usize| drop(json.as_array_mut().expect("an array").remove(at));
    // /fields/8 is the fact, whose first branch is Activated.
    let old = "the old reading the new: ";
    let new = "the new reading the old: ";
    let cases: [(&str, String, &str, &str); 9] = [
        ("removed field", changed("/fields", &|f| remove(f, 5)), old, "home_region is missing"),
        (
            "new field without default",
            changed("/fields", &|f| push(f, json!({"name": "operator", "type": "string"}))),
            new,
            "operator is missing",
        ),
        (
            "new field without default inside a fact",
            changed("/fields/8/type/0/fields", &|f| {
                push(f, json!({"name": "operator", "type": ["null", "string"]}));
            }),
            new,
            "fact.Activated.operator is missing",
        ),
        (
            "new kind of fact",
            changed("/fields/8/type", &|branches| {
                push(branches, json!({"type": "record", "name": "Blessed", "fields": []}));
            }),
            old,
            "can be a Blessed",
        ),
        (
            "renamed fact",
            changed("/fields/8/type/1/name", &|name| *name = json!("Switched")),
            new,
            "can be a Deactivated",
        ),
        (
            "new branch of a nullable field",
            changed("/fields/7/type", &|branches| push(branches, json!("long"))),
            old,
            "outreach_id can be a long",
        ),
        ("changed type", changed("/fields/2/type", &|t| *t = json!("string")), new, "sequence"),
        ("narrowed type", changed("/fields/2/type", &|t| *t = json!("int")), new, "sequence"),
        (
            "microseconds",
            changed("/fields/3/type/logicalType", &|t| *t = json!("timestamp-micros")),
            new,
            "occurred_at",
        ),
    ];
    for (what, schema, direction, place) in cases {
        let why = fully_compatible(&schema, ACTIVATION_EVENT_AVSC).expect_err(what);
        assert!(why.starts_with(direction) && why.contains(place), "{what}: {why}");
    }

    let symbols = "/fields/8/type/0/fields/0/type";
    let without_default = |avsc: &str| {
        change(avsc, symbols, |channel| {
            channel.as_object_mut().expect("an enum").remove("default");
        })
    };
    let fewer = changed(&format!("{symbols}/symbols"), &|symbols| remove(symbols, 0));
    assert_eq!(fully_compatible(&fewer, ACTIVATION_EVENT_AVSC), Ok(()));
    let why = fully_compatible(&without_default(&fewer), ACTIVATION_EVENT_AVSC);
    assert!(why.expect_err("a symbol nobody takes").contains("channel can be office"));
    let more = changed(&format!("{symbols}/symbols"), &|symbols| push(symbols, json!("drone")));
    assert_eq!(fully_compatible(&more, ACTIVATION_EVENT_AVSC), Ok(()));
    let old = without_default(ACTIVATION_EVENT_AVSC);
    assert!(fully_compatible(&more, &old).expect_err("a new symbol").contains("drone"));

    let scale = change(REFERENCE_FIGURE_AVSC, "/fields/5/type/1/scale", |n| *n = json!(2));
    assert!(
        fully_compatible(&scale, REFERENCE_FIGURE_AVSC).expect_err("a scale").contains("percent")
    );
}

/// What apache-avro's own check finds too, so that neither is trusted alone.
#[test]
fn apache_avro_agrees_where_it_looks() {
    let mut removed: Json = serde_json::from_str(KIOSK_STATUS_AVSC).expect("JSON");
    removed["fields"].as_array_mut().expect("fields").remove(2);
    assert!(judged(&removed.to_string(), KIOSK_STATUS_AVSC).is_none());
    assert!(fully_compatible(&removed.to_string(), KIOSK_STATUS_AVSC).is_err());

    let mut added: Json = serde_json::from_str(KIOSK_STATUS_AVSC).expect("JSON");
    let fields = added["fields"].as_array_mut().expect("fields");
    fields.push(json!({"name": "site", "type": ["null", "string"], "default": null}));
    fields.push(json!({"name": "battery", "type": "long", "default": -1}));
    fields.push(json!({"name": "model", "type": "string", "default": "unknown model"}));
    assert!(judged(&added.to_string(), KIOSK_STATUS_AVSC).is_some());
    assert_eq!(fully_compatible(&added.to_string(), KIOSK_STATUS_AVSC), Ok(()));
}
