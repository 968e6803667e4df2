//! The scenario, judged by a replay of its own and by the broker's limits.

mod replay;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::{Date, date};
use laju_schemas::known::EventReader;
use laju_schemas::reference::{Basis, ReferenceKind};

use super::*;
use replay::{Account, Books, Replay};

static SCENARIO: LazyLock<Scenario> = LazyLock::new(|| Scenario::new(SEED));
static PLAYED: LazyLock<Vec<DemoDay>> = LazyLock::new(|| SCENARIO.days().collect());
static REPLAY: LazyLock<Replay> = LazyLock::new(|| Replay::of(PLAYED.iter()));
static BOOKS: LazyLock<Books> = LazyLock::new(|| REPLAY.books());

fn partition_of(record: &DemoRecord) -> u32 {
    record.partition.unwrap_or_else(|| partition_for(&record.key, PARTITIONS))
}

/// The measures that events alone decide.
fn check_against(books: &Books, expectation: &Expectation) -> bool {
    let (region, as_of) = (expectation.region.to_string(), expectation.as_of);
    let growth = |since: Date, by: Breakdown, keys: &std::collections::BTreeSet<&str>| {
        let new: Vec<_> = books
            .postings(Account::Activations)
            .filter(|p| p.region == region && p.day > since && p.day <= as_of)
            .collect();
        let has = new.iter().filter(|p| {
            keys.contains(match by {
                Breakdown::Channel => p.channel.as_str(),
                Breakdown::Venue => p.venue.as_str(),
            })
        });
        (has.count() as u64, new.len() as u64)
    };
    let found = match &expectation.measure {
        Measure::Activated => books.active(&region, as_of) as u64,
        Measure::FirstTimeCardRecordings => books.first_time_recordings(&region, as_of),
        Measure::PrintQueue => books.print_queue(&region, as_of),
        Measure::Growth { since, by, keys } => growth(*since, *by, keys).0,
        Measure::GrowthPercent { since, by, keys } => {
            let (part, whole) = growth(*since, *by, keys);
            part * 100 / whole
        }
        _ => return false,
    };
    let fits = match expectation.expected {
        Expected::Count(count) => found == count,
        Expected::AtLeast(least) => found >= least,
        Expected::MoreThan(bound) => found > bound,
        _ => false,
    };
    assert!(fits, "{found} for {expectation:?}");
    true
}

#[test]
fn the_reported_figures_come_out_of_the_events() {
    let expected = SCENARIO.expected();
    let checked = expected.iter().filter(|one| check_against(&BOOKS, one)).count();
    assert_eq!(checked, 6 + 2 + 5, "active figures, cards, growth by outreach");
    let end = date(2024, 12, 31);
    let goal = BOOKS.active("36.04", end);
    assert!((38_000..40_000).contains(&goal), "near the goal, but not at it: {goal}");
}

#[test]
fn the_target_of_the_province_takes_the_reported_pace() {
    let march = date(2023, 3, 17);
    let expected = SCENARIO.expected();
    let of_it = expected.iter().filter(|one| one.region.to_string() == "19");
    let people = of_it.clone().find(|one| one.measure == Measure::TargetPeople).unwrap();
    let Expected::Count(people) = people.expected else { panic!("a number of people") };
    let regencies = ["19.01", "19.02", "19.03", "19.04", "19.05", "19.06", "19.71"];
    let active: i64 = regencies.iter().map(|region| BOOKS.active(region, march)).sum();
    let a_month = (people as f64 - active as f64) / 289.0 * 30.436_875;
    assert!((20_900.0..21_100.0).contains(&a_month), "{a_month} a month, {active} are active");
    let asked = of_it.filter(|one| one.measure == Measure::RequiredPerMonth);
    assert!(asked.map(|one| &one.expected).eq([&Expected::Thousands(21)]));
}

#[test]
fn any_seed_gives_the_same_figures_from_other_events() {
    let other = Scenario::new(SEED + 1);
    let days: Vec<_> = other.days().collect();
    assert_ne!(days, *PLAYED);
    let books = Replay::of(days.iter()).books();
    assert!(other.expected().iter().filter(|one| check_against(&books, one)).count() > 10);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let mut checksum = crc32fast::Hasher::new();
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        checksum.update(&record.key);
        checksum.update(&record.value);
        checksum.update(&record.timestamp_ms.to_le_bytes());
    }
    // Changes with the plan, never by itself: update it when the plan is changed on purpose.
    assert_eq!(format!("{:08x}", checksum.finalize()), "e651d18a");
}

#[test]
fn the_counts_are_those_of_the_records() {
    let counts = SCENARIO.counts();
    let (replay, books) = (&*REPLAY, &*BOOKS);
    assert_eq!(counts.records, PLAYED.iter().map(|day| day.records.len() as u64).sum::<u64>());
    assert_eq!(counts.quarantined, replay.quarantined);
    let refused: u64 = counts.quarantined.values().sum();
    assert_eq!(counts.records, counts.events + counts.repeats + refused);
    assert_eq!(counts.events, books.standing + books.retracted);
    assert_eq!(counts.repeats, replay.received - books.standing - books.retracted);
    assert_eq!(counts.late, replay.late);
    assert_eq!((counts.retractions, books.retracted), (books.retractions, books.retractions));
    assert_eq!(counts.early_retractions, replay.early_retractions);
    let posted = |account| books.postings(account).count() as u64;
    assert_eq!(counts.moves, posted(Account::MovesIn));
    assert_eq!(counts.moves, posted(Account::MovesOut));
    assert_eq!(counts.deactivations, posted(Account::Deactivations));
    assert_eq!(counts.activated_again, books.activated_again);
    assert!(books.activated_elsewhere <= counts.cross_region);
    for number in [
        counts.repeats,
        counts.late,
        counts.retractions,
        counts.early_retractions,
        counts.moves,
        counts.cross_region,
        counts.deactivations,
        counts.activated_again,
    ] {
        assert!(number >= 10, "too few to be seen: {counts:?}");
    }
    assert_eq!(counts.quarantined.len(), 8, "each kind of bad record");
}

#[test]
fn people_are_served_in_one_of_the_cities_and_counted_in_another() {
    let cities = ["18.71", "19.71", "17.71", "36.04"];
    for city in cities {
        let served_elsewhere = BOOKS
            .postings(Account::Activations)
            .filter(|posting| posting.region == city && posting.elsewhere)
            .count();
        assert!(served_elsewhere > 0, "{city}");
        let of_city = |account| BOOKS.postings(account).any(|posting| posting.region == city);
        assert!(of_city(Account::MovesIn) && of_city(Account::MovesOut), "{city}");
    }
}

#[test]
fn late_events_change_the_figures_of_the_reported_days() {
    let mut expected = SCENARIO.expected();
    expected.retain(|one| one.measure == Measure::Activated);
    expected.sort_by_key(|one| one.as_of);
    let (mut replay, mut played) = (Replay::default(), 0);
    for one in expected {
        let end = PLAYED.partition_point(|day| day.date <= one.as_of);
        replay.play(&PLAYED[played..end]);
        played = end;
        let region = one.region.to_string();
        let then = replay.books().active(&region, one.as_of);
        assert_ne!(Expected::Count(then as u64), one.expected, "{region} {}", one.as_of);
    }
}

#[test]
fn everything_fits_the_embedded_broker() {
    const MIB: usize = 1 << 20;
    // The header of a batch and what a record has beside key and value, at the most.
    const BATCH: usize = 61;
    const RECORD: usize = 21;
    let mut bytes = vec![0; PARTITIONS as usize];
    let mut records = vec![0; PARTITIONS as usize];
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        let partition = partition_of(record) as usize;
        bytes[partition] += record.key.len() + record.value.len() + RECORD;
        records[partition] += 1;
    }
    let (most_bytes, most_records) = (bytes.iter().max().unwrap(), records.iter().max().unwrap());
    println!("at most {most_bytes} bytes and {most_records} records in a partition");
    assert!(*most_bytes < 7 * MIB / 2, "{most_bytes}");
    // Even if every record came in a batch of its own.
    assert!(*most_records < 50_000 && most_bytes + BATCH * most_records < 9 * MIB / 2);
}

#[test]
fn records_come_in_the_order_of_the_calendar() {
    assert_eq!(PLAYED.len(), 1096);
    let mut clock = i64::MIN;
    for (place, day) in PLAYED.iter().enumerate() {
        assert_eq!(day.date, date_of(place as u16));
        for record in &day.records {
            assert!(record.timestamp_ms >= clock);
            clock = record.timestamp_ms;
            assert_eq!(date_of(calendar::day_of_ms(clock)), day.date);
        }
    }
    let first = PLAYED.iter().find(|day| !day.records.is_empty()).unwrap();
    assert!((date(2022, 6, 20)..date(2022, 7, 1)).contains(&first.date), "{}", first.date);
    assert_eq!(PLAYED[0].date, date(2022, 1, 1));
    assert_eq!(PLAYED[1095].date, date(2024, 12, 31));
}

#[test]
fn only_the_losing_kiosk_leaves_a_gap() {
    let statuses = SCENARIO.statuses();
    assert_eq!(statuses.len(), REPLAY.sequences.len());
    for status in statuses {
        let received = &REPLAY.sequences[status.kiosk_id.as_str()];
        let highest = i64::from(status.highest_sequence);
        assert_eq!(received.last(), Some(&highest), "{}", status.kiosk_id);
        let missing = highest as u64 - received.len() as u64;
        let is_losing = status.kiosk_id.as_str() == LOSING_KIOSK;
        assert_eq!(missing, if is_losing { LOST_EVENTS } else { 0 }, "{}", status.kiosk_id);
    }
    let mut reader = EventReader::new(&[]).unwrap();
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        if let Ok(event) = reader.read(&record.value)
            && event.kiosk_id == LOSING_KIOSK
        {
            assert!(event.home_region.starts_with("19.0"), "{event:?}");
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
    use Measure::*;
    for (region, as_of, measure, text) in [
        ("18.71", end_2023, Activated, "90000"),
        ("18.71", end_2023, Denominator(Basis::WajibKtp), "767000"),
        ("18.71", end_2023, CoveragePercent(Basis::WajibKtp), "11.73"),
        ("18.71", end_2023, TargetPercent, "25"),
        ("18.71", end_2023, TargetPeople, "191750"),
        ("18.71", end_2023, AttainmentPercent, "46.94"),
        ("18.71", end_2023, TargetInheritedFrom, "ID"),
        ("19.71", date(2023, 2, 28), Activated, "566"),
        ("19.71", march, Activated, "1400"),
        ("19.71", march, CoveragePercent(Basis::RecordedKtp), "1.25"),
        ("19.71", march, TargetPeople, "28000"),
        ("19.71", march, AttainmentPercent, "5.00"),
        ("19.71", march, TargetInheritedFrom, "Nothing"),
        ("17.71", end_2023, Activated, "1053"),
        ("17.71", end_2023, Denominator(Basis::RecordedKtp), "108000"),
        ("17.71", end_2023, TargetPercent, "25"),
        ("17.71", end_2023, TargetPeople, "27000"),
        ("17.71", end_2023, AttainmentPercent, "3.90"),
        ("17.71", end_2023, FirstTimeCardRecordings, "7347"),
        ("17.71", date(2024, 1, 1), TargetPercent, "30"),
        ("17.71", date(2024, 1, 1), TargetPeople, "32400"),
        ("17.71", end_2024, TargetPeople, "32400"),
        ("36.04", date(2024, 1, 1), Activated, "31000"),
        ("36.04", date(2024, 1, 1), AttainmentPercent, "77.50"),
        ("36.04", august, Activated, "36000"),
        ("36.04", august, TargetKind, "absolute"),
        ("36.04", august, TargetPeople, "40000"),
        ("36.04", august, AttainmentPercent, "90.00"),
        ("36.04", august, TargetValidTo, "2024-12-31"),
    ] {
        assert_eq!(found(region, as_of, measure.clone()), text, "{region} {as_of} {measure:?}");
    }
}

#[test]
fn the_reference_figures_are_whole_and_in_order() {
    let reference = SCENARIO.reference();
    assert_eq!(reference, SCENARIO.reference());
    assert!(reference.is_sorted_by_key(|(at, _)| *at));
    let ids: std::collections::BTreeSet<_> =
        reference.iter().map(|(_, f)| f.reference_id).collect();
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
    let mut clock = PLAYED.iter().flat_map(|day| &day.records).next_back().unwrap().timestamp_ms;
    for (place, day) in days.iter().enumerate() {
        assert_eq!(day.date, date_of(1096 + place as u16));
        assert!((1..30).contains(&day.records.len()), "{}", day.records.len());
        for record in &day.records {
            assert!(record.timestamp_ms >= clock && record.partition.is_none());
            clock = record.timestamp_ms;
            assert_eq!(date_of(calendar::day_of_ms(clock)), day.date);
        }
    }
    let replay = Replay::of(&days);
    assert!(replay.quarantined.is_empty() && replay.late > 0);
    assert!(replay.books().postings(Account::Deactivations).count() > 0);
    let announced: BTreeMap<String, u32> = SCENARIO
        .statuses()
        .into_iter()
        .map(|status| (status.kiosk_id.to_string(), status.highest_sequence))
        .collect();
    for (kiosk, received) in &replay.sequences {
        assert_eq!(received.first(), Some(&(i64::from(announced[kiosk]) + 1)), "{kiosk}");
    }
}

#[test]
fn every_kiosk_reports_every_evening_what_it_has_numbered_and_not_sent() {
    let mut trickle = SCENARIO.trickle();
    let mut days: Vec<_> = trickle.by_ref().take(400).collect();
    while trickle.statuses().iter().all(|status| status.unsent == 0) {
        days.extend(trickle.next());
    }
    let statuses = trickle.statuses();
    let sequences = Replay::of(&days).sequences;
    assert_eq!(statuses.len(), SCENARIO.statuses().len());
    let today = days.last().unwrap().date;
    for status in statuses {
        assert_eq!(date_of(calendar::day_of_ms(status.sent_at.0)), today);
        let id = status.kiosk_id.as_str();
        let received = sequences.get(id).and_then(|received| received.last());
        let announced = i64::from(status.highest_sequence);
        let unsent = i64::try_from(status.unsent).unwrap();
        assert!(received.is_none_or(|received| announced - received == unsent), "{id}");
        assert_eq!(status.oldest_unsent.is_some(), status.unsent > 0, "{id}");
    }
}
