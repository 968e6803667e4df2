//! The digest: the same however rows lie, another whatever else changes. And figures written with
//! a later version of the schema.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::codec::Encoder;
use crate::known::{QUOTED_FIGURE_AVSC, ReadError};

const GOLDEN: &str = include_str!("../../golden/v1/quoted_figure.jsonl");

fn golden() -> Vec<QuotedFigure> {
    let value = |line| serde_json::from_str::<Value>(line).unwrap()["value"].clone();
    GOLDEN.lines().map(|line| serde_json::from_value(value(line)).unwrap()).collect()
}

/// A figure with something in every field.
fn full() -> QuotedFigure {
    golden().into_iter().find(|figure| figure.content.denominators.len() == 2).unwrap()
}

/// The places of all plain values in some JSON.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, &format!("{at}/{k}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| leaves(v, &format!("{at}/{i}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Other values that a field may come to have: those of which one is of its type will do.
fn others(value: &Value) -> Vec<Value> {
    let days = json!("2020-02-02");
    let code = json!("11.01");
    let id = json!("00000000-0000-4000-8000-000000000000");
    match value {
        Value::Number(n) => vec![json!(n.as_i64().unwrap() + 1)],
        Value::Null => vec![days, json!("1.00"), id, json!(7), code, json!("2020-01-01T00:00:00Z")],
        Value::String(text) => vec![
            days,
            code,
            id,
            json!("1.00"),
            json!("2020-01-01T00:00:00Z"),
            json!("unknown"),
            json!("error"),
            json!(format!("{text} ")),
        ],
        other => panic!("{other}"),
    }
}

/// Every field of the content, changed alone, changes the digest; none of those beside it does.
#[test]
fn any_changed_field_of_the_content_changes_the_digest_and_no_other_does() {
    let figure = full();
    let json = serde_json::to_value(&figure.content).unwrap();
    let mut places = Vec::new();
    leaves(&json, "", &mut places);
    assert!(places.len() > 50, "{places:?}");
    for place in places {
        let changed = others(json.pointer(&place).unwrap()).into_iter().find_map(|other| {
            let mut changed = json.clone();
            *changed.pointer_mut(&place).unwrap() = other;
            serde_json::from_value::<FigureContent>(changed).ok().filter(|c| *c != figure.content)
        });
        let changed = changed.unwrap_or_else(|| panic!("nothing else can stand in {place}"));
        assert_ne!(changed.digest(), figure.digest, "{place}");
        let forged = QuotedFigure { content: changed, ..figure.clone() };
        assert!(forged.check().is_err(), "{place}");
    }
    let beside = QuotedFigure {
        bounds: Some(Bounds { lower: 1, upper: 100_000 }),
        missing: None,
        quoted_at: TimestampMs(1),
        quoted_by: Some("x".to_owned()),
        note: Some("y".to_owned()),
        ..figure.clone()
    };
    assert_eq!(beside.check(), Ok(()));
    let other_id = QuotedFigure { figure_id: FigureId([1; 16]), ..figure };
    assert!(matches!(other_id.check(), Err(FigureFault::Id { .. })));
}

#[test]
fn sums_and_forms_are_checked_beside_the_digest() {
    let mut content = full().content;
    content.activations_by_age[0].count += 1;
    let figure = QuotedFigure::new(content, TimestampMs(0));
    assert_eq!(figure.check(), Err(FigureFault::Sum("activations")));
    let mut content = full().content;
    content.moves_in += 1;
    let figure = QuotedFigure::new(content, TimestampMs(0));
    assert_eq!(figure.check(), Err(FigureFault::Sum("activated")));
    let mut content = full().content;
    content.activations_by_age[0].to_days = Some(3);
    let figure = QuotedFigure::new(content, TimestampMs(0));
    assert_eq!(figure.check(), Err(FigureFault::Rows("activations_by_age")));
    let content = FigureContent { form: 2, ..full().content };
    let figure = QuotedFigure::new(content, TimestampMs(0));
    assert_eq!(figure.check(), Err(FigureFault::OtherForm(2)));
}

/// Shares that a forger put there, with a digest that fits them.
#[test]
fn shares_and_bounds_must_follow_from_the_numbers_beside_them() {
    let fault = |change: &dyn Fn(&mut FigureContent)| {
        let mut content = full().content;
        change(&mut content);
        QuotedFigure::new(content, TimestampMs(0)).check()
    };
    let share = |name| Err(FigureFault::Share(name));
    let other = Some(Share::from_hundredths(1));
    assert_eq!(fault(&|_| ()), Ok(()));
    assert_eq!(
        fault(&|content| content.denominators[0].coverage_percent = None),
        share("coverage_percent")
    );
    let of_nobody = |content: &mut FigureContent| {
        let row = content.denominators.iter_mut().find(|row| row.value == 0);
        row.unwrap().coverage_percent = other;
    };
    assert_eq!(fault(&of_nobody), share("coverage_percent"));
    let attained = |content: &mut FigureContent| {
        content.target.as_mut().unwrap().attainment_percent = other;
    };
    assert_eq!(fault(&attained), share("attainment_percent"));
    let fewer = |content: &mut FigureContent| content.target.as_mut().unwrap().people -= 1;
    assert_eq!(fault(&fewer), share("the target's people"));
    // An absolute target of so many people: 90,000 of 191,750.
    let absolute = |content: &mut FigureContent| {
        content.target.as_mut().unwrap().kind = TargetKind::Absolute;
    };
    assert_eq!(fault(&absolute), Ok(()));
    let both = |content: &mut FigureContent| {
        absolute(content);
        attained(content);
    };
    assert_eq!(fault(&both), share("attainment_percent"));
    // Without its denominator a percentage cannot be recomputed, and nothing is guessed.
    let alone = |content: &mut FigureContent| {
        content.denominators.clear();
        attained(content);
    };
    assert_eq!(fault(&alone), Ok(()));

    let activated = full().content.activated;
    for (lower, upper, fits) in [
        (activated, activated, true),
        (activated + 1, activated + 2, false),
        (0, activated - 1, false),
        (activated + 1, activated - 1, false),
    ] {
        let figure = QuotedFigure { bounds: Some(Bounds { lower, upper }), ..full() };
        let bounds = FigureFault::Bounds { activated, lower, upper };
        assert_eq!(figure.check(), if fits { Ok(()) } else { Err(bounds) });
    }
}

/// What a record has beside its content, its digest and its id is what the digest does not cover.
#[test]
fn what_the_digest_does_not_cover_is_listed() {
    let Value::Object(record) = serde_json::to_value(full()).unwrap() else { panic!() };
    let content = serde_json::to_value(full().content).unwrap();
    let mut beside: Vec<_> = record.keys().filter(|name| content.get(name).is_none()).collect();
    beside.retain(|name| !["figure_id", "digest"].contains(&name.as_str()));
    beside.sort_unstable();
    let mut listed = NOT_IN_DIGEST;
    listed.sort_unstable();
    assert_eq!(beside, listed);
}

#[test]
fn an_id_is_a_uuid_of_version_8() {
    for figure in golden() {
        assert_eq!(FigureId::of(figure.digest), figure.figure_id);
        let text = figure.figure_id.to_string();
        assert_eq!(text.as_bytes()[14], b'8', "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
    }
}

#[test]
fn a_later_version_of_the_schema_is_read_also_inside_of_rows() {
    let mut later: Value = serde_json::from_str(QUOTED_FIGURE_AVSC).unwrap();
    let fields = later["fields"].as_array_mut().unwrap();
    let remark = json!({"name": "remark", "type": ["null", "string"], "default": null});
    fields.push(remark.clone());
    let ages = fields.iter_mut().find(|field| field["name"] == "activations_by_age").unwrap();
    ages["type"]["items"]["fields"].as_array_mut().unwrap().push(remark);
    let figure = QuotedFigure::new(
        FigureContent {
            activations_by_age: vec![AgeCount { from_days: 0, to_days: None, count: 3 }],
            ..full().content
        },
        TimestampMs(5),
    );
    let value = Encoder::figures(Some(9)).value(&figure).unwrap();
    // One row of three fields in a block, and behind it the end of the array.
    let row = [2, 0, 0, 6, 0];
    let place = value.windows(5).position(|bytes| bytes == row).unwrap();
    let mut written = value.clone();
    // The same in a block that states its size, with the further field of the row and the record.
    written.splice(place..place + 5, [1, 12, 0, 0, 6, 2, 2, b'x', 0]);
    written.push(0);
    let mut reader = FigureReader::new().unwrap();
    assert!(matches!(reader.read(&written), Err(ReadError::Unlearned(9))));
    reader.learn(9, Some(&later.to_string()));
    assert_eq!(reader.read(&written).unwrap(), figure);
    // More rows than there are bytes for are no reason to wait or to allocate.
    written.splice(place..=place, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    assert!(reader.read(&written).is_err());
    let mut value = value;
    value.splice(place..=place, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    reader.learn(9, Some(QUOTED_FIGURE_AVSC));
    assert!(reader.read(&value).is_err());
}

#[test]
fn an_encoder_of_another_topic_writes_no_figure() {
    assert!(Encoder::figures(None).value(&full()).is_ok());
    assert!(Encoder::reference(None).value(&full()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_order_of_rows_changes_nothing(
        offsets in prop::collection::vec(0_i64..1 << 40, 1..40),
        seed in any::<u64>(),
    ) {
        let mut content = full().content;
        let rows = offsets.iter().zip(0..).map(|(&next_offset, partition)| PartitionEvidence {
            partition,
            next_offset,
            recorded_until: (next_offset % 3 > 0).then_some(TimestampMs(next_offset)),
        });
        content.evidence.partitions = rows.collect();
        let figure = QuotedFigure::new(content.clone(), TimestampMs(0));
        let shuffled = |rows: usize| (seed as usize) % rows;
        let turns = shuffled(content.evidence.partitions.len());
        content.evidence.partitions.rotate_left(turns);
        content.denominators.reverse();
        content.activations_by_age.rotate_left(shuffled(4));
        content.deactivations_by_reason.rotate_left(shuffled(5));
        prop_assert_eq!(content.digest(), figure.digest);
        prop_assert_eq!(QuotedFigure::new(content.clone(), TimestampMs(9)).figure_id, figure.figure_id);
        // Two partitions that change places are another answer.
        let partitions = &mut content.evidence.partitions;
        partitions[0].next_offset += 1;
        prop_assert_ne!(content.digest(), figure.digest);
    }

    #[test]
    fn every_figure_comes_back_in_both_framings(
        numbers in any::<[i64; 6]>(),
        text in ".{0,40}",
        percent in prop::option::of(0_u64..=Share::MAX.hundredths()),
        days in -100_000_i32..100_000,
        id in any::<u32>(),
    ) {
        let mut content = full().content;
        content.activated = numbers[0];
        content.activations_by_age[1].count = numbers[1];
        content.evidence.partitions[0].next_offset = numbers[2];
        content.evidence.cluster_id.clone_from(&text);
        content.denominators[0].coverage_percent = percent.map(Share::from_hundredths);
        content.denominators[0].value = numbers[3].unsigned_abs() >> 1;
        content.as_of = crate::time::date_from_days(days).unwrap();
        let mut figure = QuotedFigure::new(content, TimestampMs(numbers[4]));
        figure.note = Some(text);
        figure.bounds = Some(Bounds { lower: numbers[5], upper: numbers[0] });
        let mut reader = FigureReader::new().unwrap();
        let value = Encoder::figures(None).value(&figure).unwrap();
        prop_assert_eq!(&reader.read(&value).unwrap(), &figure);
        reader.learn(id, Some(QUOTED_FIGURE_AVSC));
        let value = Encoder::figures(Some(id)).value(&figure).unwrap();
        prop_assert_eq!(&reader.read(&value).unwrap(), &figure);
    }
}
