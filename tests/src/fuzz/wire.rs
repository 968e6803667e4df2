//! Values of the topics, damaged: the golden bytes of every kind of record, and events of later
//! schemas, behind either framing.

use std::fmt;

use laju_schemas::framing::Framing;
use laju_schemas::known::{
    ACTIVATION_EVENT, ACTIVATION_EVENT_AVSC, ACTIVATION_EVENT_GOLDEN, EventReader, KIOSK_STATUS,
    REFERENCE_FIGURE,
};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::{Value as Json, json};

use super::{Random, bytes};
use crate::events::{later_schema, later_value};

/// The id under which a reader knows its topic's own schema.
pub const OWN_ID: u32 = 7;
/// The id of [`later_schema`], which has further fields and symbols everywhere.
pub const LATER_ID: u32 = 8;
/// The id of [`nested_schema`].
pub const NESTED_ID: u32 = 9;

const GOLDEN: [&str; 3] = [
    ACTIVATION_EVENT_GOLDEN,
    include_str!("../../../schemas/golden/v1/reference_figure.jsonl"),
    include_str!("../../../schemas/golden/v2/kiosk_status.jsonl"),
];

/// The events topic's schema with a further field of many types, nested in each other.
///
/// # Panics
/// Never: our own schema is JSON.
#[must_use]
pub fn nested_schema() -> String {
    let mut schema: Json = serde_json::from_str(ACTIVATION_EVENT_AVSC).expect("JSON");
    let kind = json!({"type": "record", "name": "Added", "fields": [
        {"name": "flags", "type": {"type": "array", "items": "boolean"}},
        {"name": "texts", "type":
            {"type": "map", "values": {"type": "array", "items": ["null", "string", "double"]}}},
        {"name": "again", "type": ["null", "Added"]},
        {"name": "nothings", "type": {"type": "array", "items": "null"}}
    ]});
    let fields = schema["fields"].as_array_mut().expect("a record has fields");
    fields.push(json!({"name": "added", "type": kind}));
    schema.to_string()
}

/// A value of that field: flags, texts under a name, itself once more with nothing in it.
const NESTED: &[u8] = &[
    4, 1, 0, 0, // two flags
    2, 2, b'x', 4, 0, 2, 4, b'h', b'i', 0, 0, // "x": null and "hi"
    2, 0, 0, 0, 0, // again: no flags, no texts, not again, no nothings
    4, 0, // two nothings
];

/// A value, shown so that it can be put into a test.
pub struct Value(pub Vec<u8>);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Avro bytes and the framing that they may stand behind.
struct Kind {
    framings: Vec<Framing>,
    payloads: Vec<Vec<u8>>,
}

/// Makes damaged values.
pub struct Values(Vec<Kind>);

impl Values {
    /// Reads the golden bytes.
    ///
    /// # Panics
    /// If they are not what they should be.
    #[must_use]
    pub fn new() -> Self {
        let own =
            [ACTIVATION_EVENT.fingerprint, REFERENCE_FIGURE.fingerprint, KIOSK_STATUS.fingerprint];
        let golden = |(lines, fingerprint)| Kind {
            framings: vec![Framing::SingleObject(fingerprint), Framing::Confluent(OWN_ID)],
            payloads: payloads(lines),
        };
        let mut kinds: Vec<Kind> = GOLDEN.into_iter().zip(own).map(golden).collect();
        let mut reader = EventReader::new(&[]).expect("our own schema");
        let later = |payload: &Vec<u8>| {
            let mut value = Vec::new();
            Framing::Confluent(OWN_ID).write(&mut value);
            value.extend_from_slice(payload);
            reader.book.learn(OWN_ID, Some(ACTIVATION_EVENT_AVSC));
            let event = reader.read(&value).expect("a golden event");
            let framing = Framing::Confluent(LATER_ID);
            let later = later_value(&event, framing);
            Framing::split(&later).expect("framed").1.to_vec()
        };
        let events = &kinds[0].payloads;
        let later = Kind {
            framings: vec![Framing::Confluent(LATER_ID)],
            payloads: events.iter().map(later).collect(),
        };
        let nested = Kind {
            framings: vec![Framing::Confluent(NESTED_ID)],
            payloads: events.iter().map(|event| [event, NESTED].concat()).collect(),
        };
        kinds.extend([later, nested]);
        Self(kinds)
    }

    /// The schemas of [`LATER_ID`] and [`NESTED_ID`], which a reader of events has to be told.
    #[must_use]
    pub fn later_schemas() -> [(u32, String); 2] {
        [(LATER_ID, later_schema()), (NESTED_ID, nested_schema())]
    }

    /// A value: mostly a damaged one, at times whole, at times any bytes.
    ///
    /// # Panics
    /// Never: there is golden bytes of each kind.
    #[must_use]
    pub fn value(&self, random: &mut Random) -> Value {
        // Half of all are events of our own schema: they are what a worker reads.
        let place = random.random_range(0..2 * self.0.len()).saturating_sub(self.0.len());
        let kind = &self.0[place];
        let mut payload = kind.payloads.choose(random).expect("golden bytes").clone();
        let framing = kind.framings.choose(random).expect("a framing");
        let mut value = Vec::new();
        match random.random_range(0..16) {
            0 => return Value(bytes::some_bytes(200, random)),
            1 => {
                framing.write(&mut value);
                value.append(&mut payload);
                bytes::damage(&mut value, &kind.payloads, random);
            }
            2 => {
                framing.write(&mut value);
                value.extend(bytes::some_bytes(200, random));
            }
            3 => {
                framing.write(&mut value);
                value.append(&mut payload);
            }
            _ => {
                bytes::damage(&mut payload, &kind.payloads, random);
                framing.write(&mut value);
                value.append(&mut payload);
            }
        }
        Value(value)
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::new()
    }
}

/// The Avro bytes of a golden file's values.
fn payloads(lines: &str) -> Vec<Vec<u8>> {
    let payload = |line| {
        let golden: Json = serde_json::from_str(line).expect("a line of a golden file");
        let hex = golden["single_object"].as_str().expect("hexadecimal");
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("two digits");
        (20..hex.len()).step_by(2).map(byte).collect()
    };
    lines.lines().map(payload).collect()
}
