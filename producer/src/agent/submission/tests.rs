//! Bodies and events as clients send them, with their mistakes.

use super::body::Items;
use super::*;
use laju_kafka::problem::Language;
use laju_kafka::text::TextError;

const GOOD: &str = r#"{"nik": "1871010101900001", "home_region": "18.71",
    "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}}}"#;

/// The good event with a part of its text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    GOOD.replace(from, to)
}

#[test]
fn every_mistake_is_told_with_its_field() {
    assert!(event(GOOD.as_bytes()).is_ok());
    for (from, to, field, words) in [
        (r#""18.71""#, "18.71", "home_region", "in quotes"),
        (r#""18.71""#, r#""1871""#, "home_region", "18.71"),
        (r#""office""#, r#""ofice""#, "fact.Activated.channel", "sub_district"),
        (r#""office""#, r#""unknown""#, "fact.Activated.channel", "readers"),
        (r#""channel": "office", "#, "", "fact.Activated.channel", "missing"),
        (r#""venue""#, r#""venu""#, "fact.Activated.venu", "no such field"),
        (r#""Activated""#, r#""Activation""#, "fact", "Deactivated"),
        (r#""home_region""#, r#""home""#, "home", "home_region"),
        (r#""home_region": "18.71","#, "", "home_region", "missing"),
        ("1871010101900001", "187101010190000", "nik", "16 digits"),
        (r#""1871010101900001""#, "1871010101900001", "nik", "quotes"),
        ("1871010101900001", "1871017201900001", "nik", "date of birth"),
        ("}}}", "}}} x", "", "behind"),
        ("}}}", "}}", "", "ends before"),
        (r#"{"nik""#, r#"{"occurred_at": "yesterday", "nik""#, "occurred_at", "+07:00"),
        (r#"{"nik""#, r#"{"idempotency_key": "", "nik""#, "idempotency_key", "1 to 200"),
        (r#"{"nik""#, r#"{"outreach_id": "", "nik""#, "outreach_id", "1 to 64"),
    ] {
        let fault = event(with(from, to).as_bytes()).unwrap_err();
        assert_eq!(fault.field, field, "{fault}");
        assert!(fault.detail.to_string().contains(words), "{fault}");
        let (en, id) = (Language::English, Language::Indonesian);
        assert_ne!(fault.detail.to(en), fault.detail.to(id), "{fault}");
    }
    let long = format!("{}{}", " ".repeat(MAX_EVENT_BYTES), GOOD);
    assert!(event(long.as_bytes()).unwrap_err().detail.to_string().contains("at most 16384"));
}

#[test]
fn a_former_code_is_noted_in_each_field_that_may_hold_one() {
    assert_eq!(event(GOOD.as_bytes()).unwrap().note, None);
    let noted = |text: &str| event(text.as_bytes()).unwrap().note.unwrap();
    let home = noted(&with("18.71", "91.01"));
    assert!(home.to_string().contains("it is 93.01 now"), "{home}");
    assert!(home.to(Language::Indonesian).contains("sekarang kodenya 93.01"), "{home:?}");
    let both = noted(&with(r#""18.71""#, r#""91.01", "service_region": "92.01""#));
    assert!(both.to_string().contains("91.01") && both.to_string().contains("92.01"), "{both}");
    let from = r#"{"Relocated": {"from_region": "91.01"}}"#;
    let moved = format!(r#"{{"nik": "1871010101900001", "home_region": "18.71", "fact": {from}}}"#);
    assert_eq!(noted(&moved), home);
    let named = with(r#"{"nik""#, r#"{"outreach_id": "91.01", "nik""#);
    assert_eq!(event(named.as_bytes()).unwrap().note, None);
}

#[test]
fn a_body_may_begin_with_a_byte_order_mark_and_utf_16_is_named() {
    let line = GOOD.replace('\n', " ");
    for (format, body) in [
        (Format::Json, line.clone()),
        (Format::Json, format!("[{line}]")),
        (Format::Ndjson, format!("{line}\r\n{line}\r\n")),
    ] {
        let read_it = |body: &[u8]| read(format, body);
        let all_good = match read_it(format!("\u{feff}{body}").as_bytes()).unwrap() {
            Body::One(one) => one.is_ok(),
            Body::Batch(items) => items.iter().all(Result::is_ok),
        };
        assert!(all_good, "{body}");
        let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read_it(&wide).unwrap_err(), BodyError::Encoding(TextError::Utf16));
    }
    // A byte that is no text is its line's fault alone, and named.
    let mut body = format!("{line}\n").into_bytes();
    body.extend_from_slice(b"{\"outreach_id\": \"caf\xE9\"}\n");
    let Body::Batch(items) = read(Format::Ndjson, &body).unwrap() else { panic!("a batch") };
    assert!(items[0].is_ok());
    let fault = items[1].as_ref().unwrap_err();
    assert!(fault.detail.to_string().contains("byte 21 is not UTF-8"), "{fault}");
}

#[test]
fn a_nik_in_the_wrong_place_is_never_repeated() {
    let nik = "1871010101900001";
    for (from, to) in [
        (r#""18.71""#, format!("\"{nik}\"")),
        (r#""18.71""#, nik.to_owned()),
        (r#""office""#, format!("\"{nik}\"")),
        (r#""home_region""#, format!("\"{nik}\"")),
        (r#""Activated""#, format!("\"{nik}\"")),
        (r#""venue""#, "\"1871-0101.0190 0001\"".to_owned()),
        (r#""venue""#, "\"1871_0101/0190–0001\"".to_owned()),
        (r#"{"nik""#, format!("{{\"occurred_at\": \"{nik}\", \"nik\"")),
        (r#"{"nik""#, format!("{{\"outreach_id\": \"school {nik}\", \"nik\"")),
        (r#""1871010101900001""#, format!("\"{nik}9\"")),
        (r#""1871010101900001""#, nik.to_owned()),
    ] {
        let fault = event(with(from, &to).as_bytes()).unwrap_err();
        let said = format!("{fault} {fault:?}").replace(['-', '.', ' ', '_', '/', '–'], "");
        assert!(!said.contains("187101") && !said.contains("900001"), "{fault:?}");
    }
}

#[test]
fn a_mistake_in_a_batch_is_told_in_its_place() {
    let good = GOOD.replace('\n', " ");
    let bad = good.replace("18.71", "1871");
    let array = format!("[{good}, {bad}, 7, {good}]");
    let lines = format!("{good}\n\n{bad}\r\n7\n{good}");
    for (format, body) in [(Format::Json, array), (Format::Ndjson, lines)] {
        let Body::Batch(items) = read(format, body.as_bytes()).unwrap() else { panic!("a batch") };
        let good: Vec<bool> = items.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false, true]);
    }
    assert!(matches!(read(Format::Json, GOOD.as_bytes()), Ok(Body::One(Ok(_)))));
    for (format, body, error) in [
        (Format::Json, " ", BodyError::Empty),
        (Format::Json, "[]", BodyError::Empty),
        (Format::Ndjson, "\n \n", BodyError::Empty),
        (Format::Ndjson, &"7\n".repeat(MAX_EVENTS + 1), BodyError::TooMany),
        (Format::Json, &format!("[7{}]", ",7".repeat(2 * MAX_EVENTS)), BodyError::TooMany),
    ] {
        assert_eq!(read(format, body.as_bytes()).unwrap_err(), error);
    }
    assert!(matches!(read(Format::Json, b"[{]"), Err(BodyError::Syntax(_))));
    // Of millions of items no more are kept than tell that there are too many.
    let tiny = format!("[7{}]", ",7".repeat(2 * MAX_EVENTS));
    let Items(kept) = serde_json::from_str(&tiny).unwrap();
    assert_eq!(kept.len(), MAX_EVENTS + 1);
}
