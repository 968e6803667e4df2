//! The demo's years, judged by the oracle: the figures that offices reported come out of the events,
//! and so does everything that the README counts.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::{Date, date};
use laju_consumer::demo::scenario::{
    DemoDay, Expectation, Expected, Measure, PARTITIONS, Part, SEED, Scenario,
};
use laju_consumer::domain::account::Account;
use laju_schemas::codec::Encoder;
use laju_schemas::event::FactKind;
use laju_schemas::{Fact, RegionCode};
use laju_tests::log::LogRecord;
use laju_tests::oracle::{ByDay, Oracle};

static SCENARIO: LazyLock<Scenario> = LazyLock::new(|| Scenario::new(SEED));
static PLAYED: LazyLock<Vec<DemoDay>> = LazyLock::new(|| SCENARIO.days().collect());
static ORACLE: LazyLock<Oracle> = LazyLock::new(|| read(&PLAYED));
static BY_DAY: LazyLock<ByDay> = LazyLock::new(|| ORACLE.by_day(None));

fn read(days: &[DemoDay]) -> Oracle {
    let encoder = Encoder::events(None);
    let mut offsets = [0; PARTITIONS as usize];
    let records = days.iter().flat_map(|day| &day.records).map(|record| {
        let partition = record.partition(PARTITIONS);
        let offset = offsets[partition as usize];
        offsets[partition as usize] += 1;
        let mut value = Vec::new();
        record.encode(&encoder, &mut value).expect("it fits its schema");
        LogRecord {
            partition,
            offset,
            timestamp_ms: record.recorded_at.0,
            key: Some(record.key().0.to_vec()),
            value: Some(value),
        }
    });
    Oracle::read(&records.collect::<Vec<_>>(), PARTITIONS)
}

fn code(text: &str) -> RegionCode {
    RegionCode::parse(text).expect("a code")
}

/// What is posted to an account of a region, with what it is about and its day.
fn postings(
    by_day: &ByDay,
    account: Account,
    region: RegionCode,
) -> impl Iterator<Item = (&str, Date, i64)> {
    let all = by_day.iter().filter(move |((a, r, ..), _)| (*a, *r) == (account, region));
    all.map(|((_, _, detail, day), amount)| (detail.as_str(), *day, *amount))
}

fn sum(by_day: &ByDay, account: Account, region: RegionCode, as_of: Date) -> i64 {
    let until = postings(by_day, account, region).filter(|(_, day, _)| *day <= as_of);
    until.map(|(.., amount)| amount).sum()
}

fn active(by_day: &ByDay, region: RegionCode, as_of: Date) -> i64 {
    let sum = |account| sum(by_day, account, region, as_of);
    sum(Account::Activations) + sum(Account::MovesIn)
        - sum(Account::Deactivations)
        - sum(Account::MovesOut)
}

/// How much of what must come out is decided by events alone, and does.
fn checked(by_day: &ByDay, expectations: &[Expectation]) -> usize {
    let found = |Expectation { region, as_of, measure, .. }: &Expectation| {
        let growth = |part: &Part| {
            let is_of_it = |detail: &str| {
                part.keys.iter().any(|key| match part.by {
                    "venue" => detail.contains(&format!(", venue {key},")),
                    _ => detail.contains(&format!(", {key}, venue ")),
                })
            };
            let new = || {
                let all = postings(by_day, Account::Activations, *region);
                all.filter(|(_, day, _)| *day > part.since && day <= as_of)
            };
            let of_it: i64 =
                new().filter(|(detail, ..)| is_of_it(detail)).map(|(.., amount)| amount).sum();
            (of_it, new().map(|(.., amount)| amount).sum::<i64>())
        };
        match measure {
            measure if *measure == Measure::ACTIVATED => Some(active(by_day, *region, *as_of)),
            measure if *measure == Measure::FIRST_TIME_CARDS => {
                let all = postings(by_day, Account::CardsRecorded, *region);
                let first = all.filter(|(detail, day, _)| *detail == "first true" && day <= as_of);
                Some(first.map(|(.., amount)| amount).sum())
            }
            measure if *measure == Measure::PRINT_QUEUE => {
                Some(sum(by_day, Account::PrintQueue, *region, *as_of))
            }
            Measure::Growth(part) => Some(growth(part).0),
            Measure::GrowthPercent(part) => {
                let (of_it, all) = growth(part);
                Some(of_it * 100 / all)
            }
            _ => None,
        }
    };
    let decided = expectations.iter().filter_map(|one| Some((one, found(one)? as u64)));
    decided
        .inspect(|(one, found)| {
            let fits = match one.expected {
                Expected::Count(count) => *found == count,
                Expected::AtLeast(least) => *found >= least,
                Expected::MoreThan(bound) => *found > bound,
                _ => false,
            };
            assert!(fits, "{found} for {one:?}");
        })
        .count()
}

#[test]
fn the_reported_figures_come_out_of_the_events() {
    assert_eq!(
        checked(&BY_DAY, &SCENARIO.expected()),
        6 + 2 + 5,
        "active figures, cards, growth by outreach"
    );
    let goal = active(&BY_DAY, code("36.04"), date(2024, 12, 31));
    assert!((38_000..40_000).contains(&goal), "near the goal, but not at it: {goal}");
}

#[test]
fn any_seed_gives_the_same_figures_from_other_events() {
    let other = Scenario::new(SEED + 1);
    let days: Vec<_> = other.days().collect();
    assert_ne!(days, *PLAYED);
    assert_eq!(checked(&read(&days).by_day(None), &other.expected()), 6 + 2 + 5);
}

#[test]
fn the_target_of_the_province_takes_the_reported_pace() {
    let march = date(2023, 3, 17);
    let expected = SCENARIO.expected();
    let of_it = expected.iter().filter(|one| one.region == code("19"));
    let people = of_it.clone().find(|one| one.measure == Measure::TARGET_PEOPLE).unwrap();
    let Expected::Count(people) = people.expected else { panic!("a number of people") };
    let regencies = ["19.01", "19.02", "19.03", "19.04", "19.05", "19.06", "19.71"].map(code);
    let active: i64 = regencies.iter().map(|region| active(&BY_DAY, *region, march)).sum();
    let a_month = (people as f64 - active as f64) / 289.0 * 30.436_875;
    assert!((20_900.0..21_100.0).contains(&a_month), "{a_month} a month, {active} are active");
    let asked = of_it.filter(|one| one.measure == Measure::REQUIRED_PER_MONTH);
    assert!(asked.map(|one| &one.expected).eq([&Expected::Thousands(21)]));
}

#[test]
fn the_counts_are_those_that_the_readme_gives() {
    let counts = ORACLE.counts();
    let records = PLAYED.iter().map(|day| day.records.len() as u64).sum::<u64>();
    let refused: u64 = counts.quarantined.values().sum();
    assert_eq!((records, counts.received, refused), (203_446, 203_427, 19));
    assert_eq!(counts.quarantined.len(), 8, "each kind of bad record");
    assert_eq!((counts.repeats, counts.late), (3_466, 6_640));
    let subjects: u64 = (0..PARTITIONS).map(|partition| ORACLE.subjects(partition)).sum();
    assert_eq!(subjects, 179_232);
    let all = |account| -> i64 {
        BY_DAY.iter().filter(|((a, ..), _)| *a == account).map(|(_, amount)| amount).sum()
    };
    assert_eq!((all(Account::MovesIn), all(Account::MovesOut)), (366, 366));
    assert_eq!((all(Account::Deactivations), all(Account::Deferrals)), (1_572, 6_783));
    let elsewhere = BY_DAY.iter().filter(|((account, region, detail, _), _)| {
        *account == Account::Activations && !detail.starts_with(&format!("by {region},"))
    });
    assert_eq!(elsewhere.map(|(_, amount)| amount).sum::<i64>(), 4_624);
    assert_eq!((counts.by_kind[&FactKind::Retracted], counts.retracted), (551, 542));
}

/// What changes a figure in ways that a counter gets wrong happens often enough to be seen.
#[test]
fn retractions_overtake_what_they_retract_and_phones_are_replaced() {
    let mut seen = std::collections::BTreeSet::new();
    let mut early = 0;
    let mut homes = BTreeMap::new();
    let mut again = 0;
    for record in PLAYED.iter().flat_map(|day| &day.records) {
        let event = &record.event;
        if !seen.insert(event.event_id) {
            continue;
        }
        match event.fact {
            Fact::Retracted { event_id, .. } => {
                early += u32::from(!seen.contains(&event_id));
                homes.remove(&event.subject);
            }
            Fact::Activated { .. } => {
                let before = homes.insert(event.subject, event.home_region);
                again += u32::from(before == Some(event.home_region));
            }
            Fact::Deactivated { .. } => drop(homes.remove(&event.subject)),
            _ => {}
        }
    }
    assert!(early >= 10 && again >= 10, "{early} early retractions, {again} activated again");
}

#[test]
fn people_are_served_in_one_of_the_cities_and_counted_in_another() {
    for city in ["18.71", "19.71", "17.71", "36.04"] {
        let mut activations = postings(&BY_DAY, Account::Activations, code(city));
        let here = format!("by {city},");
        assert!(activations.any(|(detail, ..)| !detail.starts_with(&here)), "{city}");
        let any = |account| postings(&BY_DAY, account, code(city)).next().is_some();
        assert!(any(Account::MovesIn) && any(Account::MovesOut), "{city}");
    }
}

#[test]
fn late_events_change_the_figures_of_the_reported_days() {
    let expected = SCENARIO.expected();
    let reported = expected.iter().filter(|one| one.measure == Measure::ACTIVATED);
    for one in reported {
        let then = active(&ORACLE.by_day(Some(one.as_of)), one.region, one.as_of);
        assert_ne!(Expected::Count(then as u64), one.expected, "{} {}", one.region, one.as_of);
    }
}

#[test]
fn what_goes_on_after_the_years_can_all_be_counted() {
    let oracle = read(&SCENARIO.trickle().take(400).collect::<Vec<_>>());
    let counts = oracle.counts();
    assert!(counts.quarantined.is_empty() && counts.late > 0 && counts.repeats > 0);
    let by_day = oracle.by_day(None);
    assert!(by_day.keys().any(|(account, ..)| *account == Account::Deactivations));
}
