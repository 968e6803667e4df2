//! The scenario, judged by what it promises and by the broker's limits. What its events come to is
//! judged by the oracle (`tests/tests/demo.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::civil::{Date, date};
use laju_schemas::KioskId;
use laju_schemas::codec::Encoder;
use laju_schemas::quarantine::Reason;
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_simulation::Trouble;

use super::*;

static SCENARIO: LazyLock<Scenario> = LazyLock::new(|| Scenario::new(SEED));
static PLAYED: LazyLock<Vec<DemoDay>> = LazyLock::new(|| SCENARIO.days().collect());

/// A record's key and value.
fn bytes(record: &SimulatedRecord) -> (Vec<u8>, Vec<u8>) {
    let mut value = Vec::new();
    record.encode(&Encoder::events(None), &mut value).unwrap();
    (record.key().0.to_vec(), value)
}

/// The sequences of each kiosk that reach a worker.
fn sequences(days: &[DemoDay]) -> BTreeMap<KioskId, BTreeSet<u32>> {
    let mut sequences: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in days.iter().flat_map(|day| &day.records) {
        let unread = [Reason::Undecodable, Reason::UnknownSchema, Reason::SequenceOutOfRange];
        if !unread.iter().any(|reason| record.trouble == Some(Trouble::Bad(*reason))) {
            let event = &record.event;
            sequences.entry(event.kiosk_id.clone()).or_default().insert(event.sequence.get());
        }
    }
    sequences
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let mut checksum = crc32fast::Hasher::new();
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        let (key, value) = bytes(record);
        checksum.update(&key);
        checksum.update(&value);
        checksum.update(&record.recorded_at.0.to_le_bytes());
    }
    // Changes with the plan, never by itself: update it when the plan is changed on purpose.
    assert_eq!(format!("{:08x}", checksum.finalize()), "bea0dabe");
}

#[test]
fn everything_fits_the_embedded_broker() {
    const MIB: usize = 1 << 20;
    // The header of a batch and what a record has beside key and value, at the most.
    const BATCH: usize = 61;
    const RECORD: usize = 21;
    let mut held = [(0, 0); PARTITIONS as usize];
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        let (key, value) = bytes(record);
        let (bytes, records) = &mut held[record.partition(PARTITIONS) as usize];
        *bytes += key.len() + value.len() + RECORD;
        *records += 1;
    }
    let most_bytes = held.iter().map(|(bytes, _)| bytes).max().unwrap();
    let most_records = held.iter().map(|(_, records)| records).max().unwrap();
    println!("at most {most_bytes} bytes and {most_records} records in a partition");
    assert!(*most_bytes < 7 * MIB / 2, "{most_bytes}");
    // Even if every record came in a batch of its own.
    assert!(*most_records < 50_000 && most_bytes + BATCH * most_records < 9 * MIB / 2);
}

fn check_calendar(days: &[DemoDay], first: u16) {
    let mut clock = i64::MIN;
    for (day, number) in days.iter().zip(first..) {
        assert_eq!(day.date, date_of(number));
        for record in &day.records {
            assert!(record.recorded_at.0 >= clock);
            clock = record.recorded_at.0;
            assert_eq!(date_of(calendar::day_of_ms(clock)), day.date);
        }
    }
}

#[test]
fn records_come_in_the_order_of_the_calendar() {
    assert_eq!(PLAYED.len(), 1096);
    check_calendar(&PLAYED, 0);
    let first = PLAYED.iter().find(|day| !day.records.is_empty()).unwrap();
    assert!((date(2022, 6, 20)..date(2022, 7, 1)).contains(&first.date), "{}", first.date);
    assert_eq!(PLAYED[0].date, date(2022, 1, 1));
    assert_eq!(PLAYED[1095].date, date(2024, 12, 31));
}

#[test]
fn only_the_losing_kiosk_leaves_a_gap() {
    let (statuses, sequences) = (SCENARIO.statuses(), sequences(&PLAYED));
    assert_eq!(statuses.len(), sequences.len());
    for KioskStatus { kiosk_id, highest_sequence, .. } in statuses {
        let received = &sequences[&kiosk_id];
        assert_eq!(received.last(), Some(&highest_sequence), "{kiosk_id}");
        let missing = u64::from(highest_sequence) - received.len() as u64;
        let is_losing = kiosk_id.as_str() == LOSING_KIOSK;
        assert_eq!(missing, if is_losing { LOST_EVENTS } else { 0 }, "{kiosk_id}");
    }
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        let event = &record.event;
        if event.kiosk_id.as_str() == LOSING_KIOSK {
            assert!(event.home_region.to_string().starts_with("19.0"), "{event:?}");
        }
    }
}

#[test]
fn the_expected_percentages_are_those_of_the_reports() {
    let expected = SCENARIO.expected();
    let found = |region: &str, as_of: Date, measure: Measure| {
        let mut matching = expected.iter().filter(|one| {
            (one.region.to_string().as_str(), one.as_of) == (region, as_of)
                && one.measure == measure
        });
        let one = matching.next().unwrap_or_else(|| panic!("{region} {as_of} {measure:?}"));
        assert_eq!(matching.next(), None);
        match &one.expected {
            Expected::Percent(text) | Expected::Text(text) => text.clone(),
            Expected::Count(count) => count.to_string(),
            other => format!("{other:?}"),
        }
    };
    let (end_2023, end_2024) = (date(2023, 12, 31), date(2024, 12, 31));
    let (march, august) = (date(2023, 3, 17), date(2024, 8, 2));
    use Measure::{CoveragePercent, Denominator};
    for (region, as_of, measure, text) in [
        ("18.71", end_2023, Measure::ACTIVATED, "90000"),
        ("18.71", end_2023, Denominator(Basis::WajibKtp), "767000"),
        ("18.71", end_2023, CoveragePercent(Basis::WajibKtp), "11.73"),
        ("18.71", end_2023, Measure::TARGET_PERCENT, "25"),
        ("18.71", end_2023, Measure::TARGET_PEOPLE, "191750"),
        ("18.71", end_2023, Measure::ATTAINMENT_PERCENT, "46.94"),
        ("18.71", end_2023, Measure::TARGET_INHERITED_FROM, "ID"),
        ("19.71", date(2023, 2, 28), Measure::ACTIVATED, "566"),
        ("19.71", march, Measure::ACTIVATED, "1400"),
        ("19.71", march, CoveragePercent(Basis::RecordedKtp), "1.25"),
        ("19.71", march, Measure::TARGET_PEOPLE, "28000"),
        ("19.71", march, Measure::ATTAINMENT_PERCENT, "5.00"),
        ("19.71", march, Measure::TARGET_INHERITED_FROM, "Nothing"),
        ("17.71", end_2023, Measure::ACTIVATED, "1053"),
        ("17.71", end_2023, Denominator(Basis::RecordedKtp), "108000"),
        ("17.71", end_2023, Measure::TARGET_PERCENT, "25"),
        ("17.71", end_2023, Measure::TARGET_PEOPLE, "27000"),
        ("17.71", end_2023, Measure::ATTAINMENT_PERCENT, "3.90"),
        ("17.71", end_2023, Measure::FIRST_TIME_CARDS, "7347"),
        ("17.71", date(2024, 1, 1), Measure::TARGET_PERCENT, "30"),
        ("17.71", date(2024, 1, 1), Measure::TARGET_PEOPLE, "32400"),
        ("17.71", end_2024, Measure::TARGET_PEOPLE, "32400"),
        ("36.04", date(2024, 1, 1), Measure::ACTIVATED, "31000"),
        ("36.04", date(2024, 1, 1), Measure::ATTAINMENT_PERCENT, "77.50"),
        ("36.04", august, Measure::ACTIVATED, "36000"),
        ("36.04", august, Measure::TARGET_KIND, "absolute"),
        ("36.04", august, Measure::TARGET_PEOPLE, "40000"),
        ("36.04", august, Measure::ATTAINMENT_PERCENT, "90.00"),
        ("36.04", august, Measure::TARGET_VALID_TO, "2024-12-31"),
    ] {
        assert_eq!(found(region, as_of, measure.clone()), text, "{region} {as_of} {measure:?}");
    }
}

#[test]
fn the_reference_figures_are_whole_and_in_order() {
    let reference = SCENARIO.reference();
    assert_eq!(reference, SCENARIO.reference());
    assert!(reference.is_sorted_by_key(|(at, _)| *at));
    let ids: BTreeSet<_> = reference.iter().map(|(_, f)| f.reference_id).collect();
    assert_eq!((ids.len(), reference.len()), (12, 12));
    for (_, figure) in &reference {
        figure.check().unwrap();
        let bytes = Encoder::reference(None).value(figure).unwrap();
        let reader = laju_schemas::reference::ReferenceReader::new().unwrap();
        assert_eq!(reader.read(&bytes).unwrap(), *figure);
    }
    // One target of each region and basis is valid on the days asked about.
    let targets = |region: &str, on: Date| {
        let valid = reference.iter().map(|(_, figure)| figure).filter(|figure| {
            figure.kind == ReferenceKind::Target
                && figure.region.to_string() == region
                && figure.valid_from <= on
                && figure.valid_to.is_none_or(|to| on <= to)
        });
        valid.map(|f| f.percent.map_or_else(String::new, |p| p.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(targets("17.71", date(2023, 12, 31)), ["25"]);
    assert_eq!(targets("17.71", date(2024, 1, 1)), ["30"]);
    assert_eq!(targets("17.71", date(2025, 2, 1)), ["30"]);
    assert_eq!(targets("36.04", date(2024, 1, 1)), [""]);
    // What is shown after the years reported, and says so.
    assert_eq!(targets("36.04", date(2025, 1, 1)), [""]);
    assert_eq!(targets("ID", date(2025, 1, 1)), ["30", "30"]);
    let shown = |figure: &laju_schemas::ReferenceFigure| figure.valid_from == date(2025, 1, 1);
    let sources = reference.iter().filter(|(_, figure)| shown(figure)).map(|(_, f)| &f.source);
    assert!(sources.clone().all(|source| source.contains("reported by nobody")));
    assert_eq!(sources.count(), 3);
    assert_eq!(targets("ID", date(2023, 12, 31)), ["25"]);
    assert!(targets("ID", date(2024, 1, 1)).is_empty());
}

#[test]
fn the_trickle_goes_on_where_the_years_end() {
    let days: Vec<_> = SCENARIO.trickle().take(400).collect();
    assert!(SCENARIO.trickle().take(400).eq(days.iter().cloned()));
    check_calendar(&days, 1096);
    assert!(days.iter().all(|day| (1..30).contains(&day.records.len())));
    for KioskStatus { kiosk_id, highest_sequence, .. } in SCENARIO.statuses() {
        let received = sequences(&days).remove(&kiosk_id).unwrap_or_default();
        assert!(received.first().is_none_or(|first| *first == highest_sequence + 1), "{kiosk_id}");
    }
}

#[test]
fn every_kiosk_reports_every_evening_what_it_has_numbered_and_not_sent() {
    let mut trickle = SCENARIO.trickle();
    let mut days: Vec<_> = trickle.by_ref().take(400).collect();
    while trickle.statuses().iter().all(|status| status.unsent == 0) {
        days.extend(trickle.next());
    }
    let sequences = sequences(&days);
    let before = SCENARIO.statuses();
    let today = days.last().unwrap().date;
    for (before, now) in before.iter().zip(trickle.statuses()) {
        assert_eq!(date_of(calendar::day_of_ms(now.sent_at.0)), today);
        assert_eq!(before.kiosk_id, now.kiosk_id);
        let received = sequences.get(&now.kiosk_id).map_or(0, BTreeSet::len) as u64;
        let numbered = u64::from(now.highest_sequence - before.highest_sequence);
        assert_eq!(received + now.unsent, numbered, "{}", now.kiosk_id);
        assert_eq!(now.oldest_unsent.is_some(), now.unsent > 0, "{}", now.kiosk_id);
    }
}
