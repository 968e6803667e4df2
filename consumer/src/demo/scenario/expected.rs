//! The denominators and targets that the demo publishes, and the figures that must come out of
//! the pipeline, both derived from the reported figures. The arithmetic here is its own, so that
//! it can judge the pipeline's.

use jiff::civil::{Date, date};
use laju_schemas::reference::{Basis, Percent, ReferenceKind};
use laju_schemas::{ReferenceFigure, ReferenceId, RegionCode, TimestampMs};
use laju_simulation::Random;

use super::calendar::{HOUR_MS, day, start_ms};
use super::measure::{Measure, Part};
use super::offices;
use super::reported::{Case, Cases};

/// What must be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Count(u64),
    AtLeast(u64),
    MoreThan(u64),
    /// A percentage as decimal text; `25` and `25.00` are the same one.
    Percent(String),
    /// So many thousand, rounded as the press does.
    Thousands(u64),
    Text(String),
    /// Nothing (`null`).
    Nothing,
}

/// A figure that must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The region asked about.
    pub region: RegionCode,
    /// The day asked about; no `known_at`.
    pub as_of: Date,
    /// What is asked.
    pub measure: Measure,
    /// What must be answered.
    pub expected: Expected,
}

/// The nation's target for 2023, of wajib KTP; 19.71 and 17.71 have the same of recorded KTP-el.
const NATIONAL_PERCENT: u64 = 25;

/// A share in percent with two places, rounded half up.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = (u128::from(part) * 20_000 + u128::from(whole)) / (u128::from(whole) * 2);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn share(percent: u64, of: u64) -> u64 {
    (of * percent).div_ceil(100)
}

/// What the reports say or imply, under the names of this file.
struct Reports {
    wajib_1871: u64,
    recorded_1971: u64,
    /// Not stated: its 25 % are.
    recorded_1771: u64,
    percent_1771_in_2024: u64,
    goal_3604: u64,
    /// Not stated: the pace is that its 25 % take.
    wajib_19: u64,
}

impl Reports {
    fn read(cases: &Cases) -> Self {
        let denominator = |id: &str| cases.get(id).denominator.unwrap_or_default();
        Self {
            wajib_1871: denominator("bandar-lampung-2023"),
            recorded_1971: denominator("pangkal-pinang-2023-03"),
            recorded_1771: denominator("bengkulu-2023") * 100 / NATIONAL_PERCENT,
            percent_1771_in_2024: cases.get("bengkulu-2024").value.into(),
            goal_3604: cases.get("serang-2024-goal").value.into(),
            wajib_19: wajib_19(cases),
        }
    }
}

/// The wajib KTP of province 19 of whom the nation's share is reached at the end of 2023, if as many
/// a month as reported are activated from the day of the report on.
fn wajib_19(cases: &Cases) -> u64 {
    let pace = cases.get("babel-pace-2023");
    let days = (date(2023, 12, 31) - pace.as_of).get_days().unsigned_abs();
    // A mean month has 30.436875 days.
    let to_go = (u64::from(pace.value) * u64::from(days) * 1_000_000).div_ceil(30_436_875);
    let offices = offices::all(cases);
    let of_it = offices.iter().filter(|office| office.region.is_within(pace.region));
    let active: u64 = of_it.map(|office| office.about(day(pace.as_of))).sum();
    (to_go + active) * 100 / NATIONAL_PERCENT
}

/// By how much a goal goes on after the last one that was reported.
const GOAL_STEP: u64 = 5_000;

/// Denominators and targets, with the timestamps of their records, in order.
pub(super) fn reference(cases: &Cases) -> Vec<(i64, ReferenceFigure)> {
    let reports = Reports::read(cases);
    let mut random = Random::new(0);
    let mut figures = Vec::new();
    let mut publish = |on: Date,
                       region: RegionCode,
                       figure: (ReferenceKind, Basis, u64),
                       valid: (Date, Option<Date>),
                       source: String| {
        let (kind, basis, number) = figure;
        let is_share = kind == ReferenceKind::Target && basis != Basis::Absolute;
        let at = start_ms(day(on)) + 9 * HOUR_MS;
        let percent = Percent::from_ten_thousandths(number as i64 * 10_000);
        figures.push((
            at,
            ReferenceFigure {
                reference_id: ReferenceId(random.event_id(TimestampMs(at)).0),
                region,
                kind,
                basis,
                value: (!is_share).then_some(number),
                percent: percent.filter(|_| is_share),
                valid_from: valid.0,
                valid_to: valid.1,
                source,
                issued_by: "laju demo".to_owned(),
            },
        ));
    };
    use Basis::{Absolute, RecordedKtp, WajibKtp};
    use ReferenceKind::{Denominator, Target};
    let in_2023 = (date(2023, 1, 1), Some(date(2023, 12, 31)));
    let from_2023 = (date(2023, 1, 1), None);
    let quoted = |case: &Case| format!("press report as of {}: {}", case.as_of, case.note);

    let case = cases.get("bandar-lampung-2023");
    let national = (Target, WajibKtp, NATIONAL_PERCENT);
    publish(date(2023, 1, 2), RegionCode::NATION, national, in_2023, quoted(case));
    let pangkal_pinang = cases.get("pangkal-pinang-2023-03");
    let bengkulu = cases.get("bengkulu-2023");
    for (case, recorded) in
        [(bengkulu, reports.recorded_1771), (pangkal_pinang, reports.recorded_1971)]
    {
        let source = format!("{} (derived)", quoted(case));
        let on = date(2023, 1, 9);
        publish(on, case.region, (Denominator, RecordedKtp, recorded), from_2023, source);
        let own = (Target, RecordedKtp, NATIONAL_PERCENT);
        publish(on, case.region, own, in_2023, quoted(case));
    }
    let wajib = (Denominator, WajibKtp, reports.wajib_1871);
    publish(date(2023, 1, 16), case.region, wajib, from_2023, quoted(case));
    let pace = cases.get("babel-pace-2023");
    let source = format!(
        "{} (derived: so many of whom {NATIONAL_PERCENT} % take {} a month from that day to the end of 2023)",
        quoted(pace),
        pace.value
    );
    let wajib = (Denominator, WajibKtp, reports.wajib_19);
    publish(date(2023, 3, 20), pace.region, wajib, from_2023, source);

    let raised = cases.get("bengkulu-2024");
    let figure = (Target, RecordedKtp, reports.percent_1771_in_2024);
    // The report names no end, and no later target is known.
    publish(date(2024, 1, 4), raised.region, figure, (date(2024, 1, 1), None), quoted(raised));
    let goal = cases.get("serang-2024-goal");
    let in_2024 = (date(2024, 1, 1), Some(goal.as_of));
    let figure = (Target, Absolute, reports.goal_3604);
    publish(date(2024, 1, 8), goal.region, figure, in_2024, quoted(goal));

    // So that whoever watches the calendar go on sees a pace against a target: nobody reported it.
    let from_2025 = (date(2025, 1, 1), None);
    let shown = |what: &str| format!("for demonstration, reported by nobody: {what}");
    let percent = reports.percent_1771_in_2024;
    for (on, basis) in [(30, WajibKtp), (31, RecordedKtp)] {
        let source = shown("the percentage of Bengkulu's target of 2024, for everybody");
        publish(
            date(2024, 12, on),
            RegionCode::NATION,
            (Target, basis, percent),
            from_2025,
            source,
        );
    }
    let figure = (Target, Absolute, reports.goal_3604 + GOAL_STEP);
    let source = shown("the goal of 2024 and 5,000 more");
    publish(date(2024, 12, 31), goal.region, figure, from_2025, source);
    figures
}

/// Every figure that must come out.
pub(super) fn expectations(cases: &Cases) -> Vec<Expectation> {
    let reports = Reports::read(cases);
    let mut all = Vec::new();
    let mut expect = |case: &Case, measure: Measure, expected: Expected| {
        let (region, as_of) = (case.region, case.as_of);
        all.push(Expectation { region, as_of, measure, expected });
    };
    let count = |number: u64| Expected::Count(number);
    let text = |text: &str| Expected::Text(text.to_owned());
    let mut target = |case: &Case, basis: Basis, percent_of: (u64, u64), from: Option<&str>| {
        let (share_percent, denominator) = percent_of;
        let people = share(share_percent, denominator);
        expect(case, Measure::TARGET_KIND, text("percent"));
        expect(case, Measure::TARGET_BASIS, text(basis.as_str()));
        expect(case, Measure::TARGET_PERCENT, Expected::Percent(share_percent.to_string()));
        expect(case, Measure::TARGET_PEOPLE, count(people));
        expect(case, Measure::TARGET_INHERITED_FROM, from.map_or(Expected::Nothing, text));
    };
    let wajib = (NATIONAL_PERCENT, reports.wajib_1871);
    let recorded_1971 = (NATIONAL_PERCENT, reports.recorded_1971);
    let recorded_1771 = (NATIONAL_PERCENT, reports.recorded_1771);
    let raised_1771 = (reports.percent_1771_in_2024, reports.recorded_1771);

    let lampung = cases.get("bandar-lampung-2023");
    target(lampung, Basis::WajibKtp, wajib, Some("ID"));
    let march = cases.get("pangkal-pinang-2023-03");
    target(march, Basis::RecordedKtp, recorded_1971, None);
    let bengkulu = cases.get("bengkulu-2023");
    target(bengkulu, Basis::RecordedKtp, recorded_1771, None);
    let raised = cases.get("bengkulu-2024");
    let new_year = Case { as_of: date(2024, 1, 1), ..raised.clone() };
    for case in [&new_year, raised] {
        target(case, Basis::RecordedKtp, raised_1771, None);
    }
    let pace = cases.get("babel-pace-2023");
    target(pace, Basis::WajibKtp, (NATIONAL_PERCENT, reports.wajib_19), Some("ID"));
    let thousands = u64::from(pace.value) / 1_000;
    expect(pace, Measure::REQUIRED_PER_MONTH, Expected::Thousands(thousands));

    for (case, basis, (share, denominator)) in [
        (lampung, Basis::WajibKtp, wajib),
        (march, Basis::RecordedKtp, recorded_1971),
        (bengkulu, Basis::RecordedKtp, recorded_1771),
    ] {
        let active = u64::from(case.value);
        expect(case, Measure::ACTIVATED, count(active));
        expect(case, Measure::Denominator(basis), count(denominator));
        let coverage = Expected::Percent(percent(active, denominator));
        expect(case, Measure::CoveragePercent(basis), coverage);
        // Of the exact share, which need not be a whole number of people.
        let attainment = Expected::Percent(percent(active * 100, denominator * share));
        expect(case, Measure::ATTAINMENT_PERCENT, attainment);
    }

    let february = cases.get("pangkal-pinang-2023-02");
    expect(february, Measure::ACTIVATED, count(february.value.into()));
    let part = |by, keys: &[&'static str]| Part { since: february.as_of, by, keys: keys.to_vec() };
    let most = |part| (Measure::GrowthPercent(part), Expected::MoreThan(50));
    let some = |venue| (Measure::Growth(part("venue", &[venue])), Expected::AtLeast(1));
    for (measure, expected) in [
        most(part("channel", &["outreach"])),
        some("school"),
        some("government"),
        some("private"),
        most(part("venue", &["government", "private", "school"])),
    ] {
        expect(march, measure, expected);
    }

    let recordings = cases.get("bengkulu-2023-first-time");
    expect(recordings, Measure::FIRST_TIME_CARDS, count(recordings.value.into()));
    expect(recordings, Measure::PRINT_QUEUE, Expected::AtLeast(1));

    for id in ["serang-2024-01", "serang-2024-08"] {
        let case = cases.get(id);
        let active = u64::from(case.value);
        expect(case, Measure::ACTIVATED, count(active));
        expect(case, Measure::TARGET_KIND, text("absolute"));
        expect(case, Measure::TARGET_BASIS, text(Basis::Absolute.as_str()));
        expect(case, Measure::TARGET_PERCENT, Expected::Nothing);
        expect(case, Measure::TARGET_PEOPLE, count(reports.goal_3604));
        expect(case, Measure::TARGET_INHERITED_FROM, Expected::Nothing);
        let attainment = Expected::Percent(percent(active, reports.goal_3604));
        expect(case, Measure::ATTAINMENT_PERCENT, attainment);
        let goal = cases.get("serang-2024-goal");
        expect(case, Measure::TARGET_VALID_TO, text(&goal.as_of.to_string()));
    }
    all
}
