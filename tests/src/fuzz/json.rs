//! What a kiosk agent may be sent: events as its intake takes them, one, an array or one a line,
//! and what becomes of them when a client gets a field, the JSON or the content type wrong.
//!
//! It knows the names of an event's fields, and none of Laju's types: a wrong client does not
//! either.

use std::fmt;

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::{Map, Value as Json, json};

use super::{Random, bytes};

/// The body of one request, and what the client says that it is.
pub struct Submission {
    /// The `Content-Type`; none if the client gives none.
    pub content_type: Option<&'static str>,
    /// The body, which need not be JSON or text.
    pub body: Vec<u8>,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: \"{}\"", self.content_type, self.body.escape_ascii())
    }
}

const JSON: Option<&str> = Some("application/json");
const LINES: Option<&str> = Some("application/x-ndjson");
const CONTENT_TYPES: [Option<&str>; 10] = [
    None,
    Some(""),
    Some("application/json; charset=utf-8"),
    Some("APPLICATION/JSON"),
    Some("application/x-ndjson;charset=utf-8"),
    Some("application/ndjson"),
    Some("application/x-www-form-urlencoded"),
    Some("text/plain"),
    Some("application/json, application/x-ndjson"),
    Some(";"),
];

const FIELDS: [&str; 9] = [
    "nik",
    "home_region",
    "fact",
    "occurred_at",
    "service_region",
    "outreach_id",
    "idempotency_key",
    "subject", // not a client's to say
    "event_id",
];

/// Texts that are almost something: a NIK, a code, an instant, an id.
const TEXTS: [&str; 22] = [
    "",
    " ",
    "1871010101900001",
    "187101010190000",
    "١٨٧١٠١٠١٠١٩٠٠٠٠١",
    "1871010101900001 ",
    "1871013102900001",
    "18.71",
    "18",
    "ID",
    "99.99",
    "18.71\u{0}",
    "2026-05-03T02:30:00Z",
    "2026-05-03T09:30:00+07:00",
    "2026-05-03",
    "2026-02-30T00:00:00Z",
    "-009999-01-02T00:00:00Z",
    "9999-12-31T23:59:60.999999999Z",
    "2021-12-31T16:59:59.999Z",
    "\u{202e}é字😀",
    "018d4a6e-5c00-7000-8000-000000000001",
    "Activated",
];

/// Numbers that JSON can have and a program may not.
const NUMBERS: [&str; 10] = [
    "0",
    "-0",
    "-1",
    "1.5",
    "1871010101900001",
    "9223372036854775808",
    "1e400",
    "1e-400",
    "123456789012345678901234567890",
    "1E+2",
];

/// A submission: mostly with something wrong in it, at times whole, at times any bytes.
#[must_use]
pub fn submission(random: &mut Random) -> Submission {
    let count = match random.random_range(0..8) {
        0 => 0,
        1..=4 => 1,
        _ => random.random_range(2..6),
    };
    let mut items: Vec<Json> = (0..count).map(|_| event(random)).collect();
    let damage = random.random_range(0..8);
    if damage % 4 < 2 {
        for _ in 0..random.random_range(1..4) {
            if let Some(place) =
                items.len().checked_sub(1).map(|last| random.random_range(0..=last))
            {
                misshape(&mut items[place], random);
            }
        }
    }
    let (mut content_type, mut body) = written(&items, random);
    if damage % 4 == 1 || damage == 2 {
        bytes::damage(&mut body, &[b"[[{\"nik\":null}]]".to_vec()], random);
    }
    if damage == 6 {
        body = outlandish(random);
    }
    if random.random_ratio(1, 8) {
        content_type = CONTENT_TYPES.choose(random).copied().flatten();
    }
    Submission { content_type, body }
}

/// A whole event, as an agent takes it.
#[must_use]
pub fn event(random: &mut Random) -> Json {
    let serial = random.random_range(1..10_000);
    let woman = if random.random() { 40 } else { 0 };
    let nik = format!("187101{:02}0590{serial:04}", woman + random.random_range(1..29));
    let mut event = json!({"nik": nik, "home_region": "18.71", "fact": fact(random)});
    let optional = [
        ("occurred_at", json!("2026-05-03T02:30:00Z")),
        ("service_region", json!("18.71")),
        ("outreach_id", json!("unila-2026-05")),
        ("outreach_id", Json::Null),
        ("idempotency_key", json!(format!("counter-3/2026-05-03/{serial}"))),
    ];
    for (name, value) in optional {
        if random.random() {
            event[name] = value;
        }
    }
    event
}

fn fact(random: &mut Random) -> Json {
    let facts = [
        json!({"Activated": {"channel": "office", "venue": null, "first_time_holder": false}}),
        json!({"Activated": {"channel": "outreach", "venue": "campus", "first_time_holder": true}}),
        json!({"Deactivated": {"reason": "device_lost"}}),
        json!({"Relocated": {"from_region": "18.01"}}),
        json!({"Deferred": {"reason": "no_smartphone"}}),
        json!({"CardRecorded": {"first_time_holder": true}}),
        json!({"CardRequested": {"reason": "lost"}}),
        json!({"CardPrinted": {"reason": "lost"}}),
        json!({"Retracted": {
            "event_id": "018d4a6e-5c00-7000-8000-000000000001", "reason": "wrong_person"}}),
    ];
    facts.choose(random).cloned().unwrap_or_default()
}

/// Anything that JSON can be, of little depth.
fn anything(random: &mut Random) -> Json {
    match random.random_range(0..9) {
        0 => Json::Null,
        1 => Json::Bool(random.random()),
        2 => json!(random.random_range(-2..20_000)),
        3 => json!(random.random::<f64>() * 1e300),
        4 | 5 => json!(TEXTS.choose(random).copied().unwrap_or_default()),
        6 => json!("9".repeat(random.random_range(0..2_000))),
        7 => Json::Array((0..random.random_range(0..3)).map(|_| anything(random)).collect()),
        _ => fact(random),
    }
}

/// Changes one thing somewhere within a value.
fn misshape(value: &mut Json, random: &mut Random) {
    match value {
        Json::Object(map) if !map.is_empty() && random.random_ratio(7, 8) => {
            misshape_object(map, random);
        }
        Json::Array(items) if !items.is_empty() && random.random() => {
            let place = random.random_range(0..items.len());
            misshape(&mut items[place], random);
        }
        Json::String(text) if random.random_ratio(1, 4) => {
            let mut changed = std::mem::take(text).into_bytes();
            bytes::damage(&mut changed, &[], random);
            *text = String::from_utf8_lossy(&changed).into_owned();
        }
        value if random.random_ratio(1, 8) => *value = json!([value.take()]),
        value => *value = anything(random),
    }
}

fn misshape_object(map: &mut Map<String, Json>, random: &mut Random) {
    let names: Vec<String> = map.keys().cloned().collect();
    let name = names.choose(random).cloned().unwrap_or_default();
    match random.random_range(0..8) {
        0 => drop(map.remove(&name)),
        1 => {
            let value = map.remove(&name).unwrap_or_default();
            let mut other = name.into_bytes();
            bytes::damage(&mut other, &[], random);
            map.insert(String::from_utf8_lossy(&other).into_owned(), value);
        }
        2 => {
            let other = FIELDS.choose(random).copied().unwrap_or_default();
            map.insert(other.to_owned(), anything(random));
        }
        3 => {
            let other = names.choose(random).and_then(|other| map.get(other)).cloned();
            map.insert(name, other.unwrap_or_default());
        }
        _ => {
            if let Some(value) = map.get_mut(&name) {
                misshape(value, random);
            }
        }
    }
}

/// Events as a client writes them, in one of the ways, and the content type of that way.
fn written(items: &[Json], random: &mut Random) -> (Option<&'static str>, Vec<u8>) {
    let text = |item: &Json, random: &mut Random| {
        let mut text = item.to_string();
        // Names that stand twice, and numbers that a `Json` cannot hold, are made as text.
        if random.random_ratio(1, 16)
            && let Some(at) = text.find('{')
        {
            let name = FIELDS.choose(random).copied().unwrap_or_default();
            let number = NUMBERS.choose(random).copied().unwrap_or_default();
            let comma = if text[at + 1..].starts_with('}') { "" } else { "," };
            text.insert_str(at + 1, &format!("\"{name}\":{number}{comma}"));
        }
        text
    };
    let mut texts: Vec<String> = items.iter().map(|item| text(item, random)).collect();
    match (&mut texts[..], random.random_range(0..3)) {
        ([one], 0 | 1) => (JSON, std::mem::take(one).into_bytes()),
        (_, 0 | 1) => (JSON, format!("[{}]", texts.join(", ")).into_bytes()),
        _ => {
            let ends = ["\n", "\r\n", "\n\n", " \n", "\r", "\u{feff}\n"];
            let end = if random.random_ratio(3, 4) {
                "\n"
            } else {
                ends.choose(random).copied().unwrap_or_default()
            };
            let mut body = texts.join(end);
            if random.random() {
                body.push_str(end);
            }
            (LINES, body.into_bytes())
        }
    }
}

/// What is no event at all: nesting, emptiness, any bytes.
fn outlandish(random: &mut Random) -> Vec<u8> {
    let depth = random.random_range(0..20_000);
    match random.random_range(0..6) {
        0 => b"[".repeat(depth),
        1 => [b"[".repeat(depth), b"]".repeat(depth)].concat(),
        2 => b"{\"fact\":".repeat(depth),
        3 => b"\n".repeat(depth),
        4 => NUMBERS.choose(random).copied().unwrap_or_default().into(),
        _ => bytes::some_bytes(300, random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::random;

    #[test]
    fn input_of_a_number_is_always_the_same() {
        for number in 0..2_000 {
            let [one, again] = [(); 2].map(|()| format!("{:?}", submission(&mut random(number))));
            assert_eq!(one, again);
        }
    }

    #[test]
    fn a_whole_event_has_a_nik_that_can_be() {
        for number in 0..2_000 {
            let event = event(&mut random(number));
            assert!(laju_producer::nik::parse(event["nik"].as_str().unwrap()).is_ok(), "{event}");
        }
    }

    /// Else a reader would be tried at its first check only, or not at all.
    #[test]
    fn some_are_whole_some_are_json_and_some_are_nothing() {
        let (mut events, mut parsed, mut lines, mut refused) = (0, 0, 0, 0);
        for number in 0..4_000 {
            let submission = submission(&mut random(number));
            match serde_json::from_slice::<Json>(&submission.body) {
                Ok(Json::Object(map)) if map.contains_key("nik") => events += 1,
                Ok(_) => parsed += 1,
                Err(_) if submission.content_type == LINES => lines += 1,
                Err(_) => refused += 1,
            }
        }
        for count in [events, parsed, lines, refused] {
            assert!(count > 400, "{events} events, {parsed} JSON, {lines} lines, {refused} not");
        }
    }
}
