use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

/// Papua Selatan: a province with four regencies.
const PROVINCE: &str = "93";
const REGENCIES: [&str; 4] = ["93.01", "93.02", "93.03", "93.04"];

fn region(text: &str) -> RegionCode {
    text.parse().unwrap()
}

fn figure(code: &str, kind: ReferenceKind, basis: Basis, from: Date) -> ReferenceFigure {
    ReferenceFigure {
        reference_id: ReferenceId([0; 16]),
        region: region(code),
        kind,
        basis,
        value: None,
        percent: None,
        valid_from: from,
        valid_to: None,
        source: "letter 1".to_owned(),
        issued_by: "test".to_owned(),
    }
}

fn people(code: &str, basis: Basis, from: Date, value: u64) -> ReferenceFigure {
    let value = Some(value);
    ReferenceFigure { value, ..figure(code, ReferenceKind::Denominator, basis, from) }
}

fn target(code: &str, basis: Basis, from: Date, amount: &str) -> ReferenceFigure {
    let (value, percent) = match basis {
        Basis::Absolute => (Some(amount.parse().unwrap()), None),
        _ => (None, Some(amount.parse().unwrap())),
    };
    ReferenceFigure { value, percent, ..figure(code, ReferenceKind::Target, basis, from) }
}

/// A book of figures recorded one a day from day 0; their ids begin with their offset.
fn book(figures: impl IntoIterator<Item = ReferenceFigure>) -> ReferenceBook {
    let mut book = ReferenceBook::default();
    for (offset, mut figure) in figures.into_iter().enumerate() {
        figure.reference_id.0[0] = offset as u8;
        book.add(RecordedFigure { offset: offset as i64, recorded: Day(offset as u16), figure });
    }
    book
}

fn id(offset: u8) -> ReferenceId {
    let mut bytes = [0; 16];
    bytes[0] = offset;
    ReferenceId(bytes)
}

const Y23: Date = date(2023, 1, 1);
const Y24: Date = date(2024, 1, 1);

fn wajib(book: &ReferenceBook, code: &str, as_of: Date, known_at: Option<Day>) -> Option<u64> {
    let all = book.denominators(region(code), as_of, known_at);
    all.into_iter().find(|d| d.basis == Basis::WajibKtp).map(|d| d.value)
}

#[test]
fn a_denominator_applies_from_its_first_to_its_last_day() {
    let mut first = people("18.71", Basis::WajibKtp, Y23, 700);
    first.valid_to = Some(date(2023, 6, 30));
    let book = book([first, people("18.71", Basis::WajibKtp, Y24, 800)]);
    let at = |day| wajib(&book, "18.71", day, None);
    assert_eq!(at(date(2022, 12, 31)), None);
    assert_eq!(at(Y23), Some(700));
    assert_eq!(at(date(2023, 6, 30)), Some(700));
    assert_eq!(at(date(2023, 7, 1)), None);
    assert_eq!(at(Y24), Some(800));
}

#[test]
fn the_latest_valid_from_applies_whenever_it_was_recorded() {
    let book = book([
        people("18.71", Basis::WajibKtp, Y24, 800),
        people("18.71", Basis::WajibKtp, Y23, 700),
    ]);
    assert_eq!(wajib(&book, "18.71", date(2024, 5, 1), None), Some(800));
    assert_eq!(wajib(&book, "18.71", date(2023, 5, 1), None), Some(700));
}

#[test]
fn a_later_record_replaces_and_one_without_an_amount_withdraws() {
    let book = book([
        people("18.71", Basis::WajibKtp, Y23, 700),
        people("18.71", Basis::WajibKtp, Y24, 800),
        people("18.71", Basis::WajibKtp, Y24, 810),
        figure("18.71", ReferenceKind::Denominator, Basis::WajibKtp, Y24),
        people("18.71", Basis::WajibKtp, Y24, 820),
    ]);
    let known = |day| wajib(&book, "18.71", Y24, Some(Day(day)));
    assert_eq!([0, 1, 2, 3, 4].map(known), [700, 800, 810, 700, 820].map(Some));
    assert_eq!(wajib(&book, "18.71", Y24, None), Some(820));

    let standings: Vec<_> = book.list(Y24, None).iter().map(|l| l.standing.as_str()).collect();
    assert_eq!(standings, ["superseded", "replaced", "withdrawn", "withdrawal", "current"]);
    let standings: Vec<_> = book.list(Y23, Some(Day(3))).iter().map(|l| l.standing).collect();
    use Standing::{Current, Replaced, Withdrawal, Withdrawn};
    assert_eq!(standings, [Current, Replaced, Withdrawn, Withdrawal]);
}

#[test]
fn a_replacement_that_has_ended_leaves_the_earlier_figure() {
    let mut ended = people("18.71", Basis::WajibKtp, Y24, 800);
    ended.valid_to = Some(Y24);
    let book = book([people("18.71", Basis::WajibKtp, Y23, 700), ended]);
    assert_eq!(wajib(&book, "18.71", Y24, None), Some(800));
    assert_eq!(wajib(&book, "18.71", date(2024, 1, 2), None), Some(700));
    assert_eq!(book.list(date(2024, 1, 2), None)[1].standing, Standing::Ended);
    assert_eq!(book.list(Y23, None)[1].standing, Standing::NotYetValid);
}

#[test]
fn recorded_never_goes_back_not_even_for_a_record_that_could_not_be_read() {
    let mut book = ReferenceBook::default();
    let record = |offset, day, value| RecordedFigure {
        offset,
        recorded: Day(day),
        figure: people("18.71", Basis::WajibKtp, Y23, value),
    };
    book.add(record(0, 5, 700));
    book.skip(1, Day(9));
    book.add(record(2, 3, 710));
    assert_eq!(wajib(&book, "18.71", Y24, Some(Day(8))), Some(700));
    assert_eq!(wajib(&book, "18.71", Y24, Some(Day(9))), Some(710));
    // Read again from an earlier offset.
    book.add(record(0, 5, 700));
    assert_eq!(wajib(&book, "18.71", Y24, None), Some(710));
    assert_eq!(book.next_offset(), 3);
}

#[test]
fn a_province_has_the_sum_only_if_every_regency_has_the_basis() {
    let parts = REGENCIES.map(|code| people(code, Basis::WajibKtp, Y23, 100));
    assert_eq!(wajib(&book(parts[..3].to_vec()), PROVINCE, Y24, None), None);

    let mut book = book(parts);
    let sums = book.denominators(region(PROVINCE), Y24, None);
    assert_eq!(sums.len(), 1);
    assert_eq!((sums[0].value, sums[0].reference_id, sums[0].valid_from), (400, None, Y23));
    assert_eq!(sums[0].source, "sum of 4 regencies and cities: letter 1");
    assert_eq!(wajib(&book, "ID", Y24, None), None);
    assert_eq!(wajib(&book, PROVINCE, Y24, Some(Day(2))), None);

    let own = people(PROVINCE, Basis::WajibKtp, Y24, 450);
    book.add(RecordedFigure { offset: 4, recorded: Day(4), figure: own });
    assert_eq!(wajib(&book, PROVINCE, Y24, None), Some(450));
    assert_eq!(wajib(&book, PROVINCE, Y23, None), Some(400));
}

#[test]
fn the_nation_has_the_sum_of_every_regency() {
    let mut book = ReferenceBook::default();
    for (index, (_, regency)) in RegionTable::get().regencies().enumerate() {
        assert_eq!(wajib(&book, "ID", Y24, None), None);
        let mut figure = people("ID", Basis::WajibKtp, Y23, 2);
        figure.region = regency.code;
        figure.source = format!("letter {}", index % 3);
        book.add(RecordedFigure { offset: index as i64, recorded: Day(0), figure });
    }
    let sum = book.denominators(RegionCode::NATION, Y24, None).remove(0);
    assert_eq!(sum.value, 2 * 514);
    assert_eq!(sum.source, "sum of 514 regencies and cities, 3 sources");
}

#[test]
fn a_share_is_of_the_regions_own_denominator_and_people_are_rounded_up() {
    let book = book([
        people("18.71", Basis::WajibKtp, Y23, 767_001),
        people("18", Basis::WajibKtp, Y23, 6_000_000),
        target("ID", Basis::WajibKtp, Y23, "25"),
        target("ID", Basis::WajibKtp, Y24, "30"),
    ]);
    let found = book.target(region("18.71"), date(2023, 12, 31), None).unwrap();
    assert_eq!(found.exact, (767_001 * 250_000, 1_000_000));
    assert_eq!((found.people, found.kind), (191_751, TargetKind::Percent));
    assert_eq!(found.inherited_from, Some(RegionCode::NATION));
    assert_eq!((found.reference_id, found.percent), (id(2), Some("25".parse().unwrap())));
    assert_eq!(book.target(region("18"), Y24, None).unwrap().people, 1_800_000);
    // The nation has a target, but nothing to take the share of.
    assert_eq!(book.target(RegionCode::NATION, Y24, None), None);
    assert_eq!(book.target(region("18.71"), Y23, Some(Day(1))), None);
}

#[test]
fn ones_own_target_goes_before_the_provinces_and_that_before_the_nations() {
    let all = [
        people("18.71", Basis::WajibKtp, Y23, 1000),
        target("ID", Basis::WajibKtp, Y24, "30"),
        target("18", Basis::WajibKtp, Y23, "20"),
        target("18.71", Basis::Absolute, Y23, "77"),
    ];
    for (records, people, from) in [(2, 300, Some("ID")), (3, 200, Some("18")), (4, 77, None)] {
        let found = book(all[..records].to_vec()).target(region("18.71"), Y24, None).unwrap();
        assert_eq!((found.people, found.inherited_from), (people, from.map(region)));
    }
}

#[test]
fn a_number_of_people_is_not_inherited() {
    let book = book([
        people("18.71", Basis::WajibKtp, Y23, 1000),
        target("18", Basis::WajibKtp, Y23, "20"),
        target("18", Basis::Absolute, Y24, "500000"),
    ]);
    assert_eq!(book.target(region("18.71"), Y24, None).unwrap().people, 200);
    assert_eq!(book.target(region("18"), Y24, None).unwrap().people, 500_000);
}

#[test]
fn where_there_is_no_denominator_the_next_basis_with_a_target_is_tried() {
    let book = book([
        target("ID", Basis::RecordedKtp, Y23, "25"),
        target("ID", Basis::WajibKtp, Y23, "30"),
        people("18.71", Basis::RecordedKtp, Y23, 1000),
        people("18.72", Basis::WajibKtp, Y23, 1000),
        people("18.72", Basis::RecordedKtp, Y23, 1000),
        target("18.73", Basis::WajibKtp, Y23, "40"),
        people("18.73", Basis::RecordedKtp, Y23, 1000),
    ]);
    let of = |code| book.target(region(code), Y24, None);
    assert_eq!(of("18.71").unwrap().people, 250);
    // Among equal days the last recorded.
    assert_eq!(of("18.72").unwrap().people, 300);
    // Its own target has nothing to be a share of, so the nation's is tried.
    assert_eq!(of("18.73").unwrap().people, 250);
    assert_eq!(of("18.74"), None);
}

/// The rules once more, word for word over the whole list of records.
struct Naive(Vec<RecordedFigure>);

impl Naive {
    fn applying(&self, as_of: Date, known_at: Option<Day>) -> Vec<&RecordedFigure> {
        let known: Vec<_> = self
            .0
            .iter()
            .filter(|r| {
                let before = self.0.iter().filter(|b| b.offset <= r.offset);
                let recorded = before.map(|b| b.recorded).max().unwrap();
                known_at.is_none_or(|day| recorded <= day)
            })
            .collect();
        let key = |r: &RecordedFigure| {
            (r.figure.region, r.figure.kind, r.figure.basis, r.figure.valid_from)
        };
        let mut all: Vec<_> = known
            .iter()
            .filter(|r| !known.iter().any(|s| key(s) == key(r) && s.offset > r.offset))
            .filter(|r| r.figure.value.is_some() || r.figure.percent.is_some())
            .filter(|r| r.figure.valid_from <= as_of)
            .filter(|r| r.figure.valid_to.is_none_or(|to| as_of <= to))
            .copied()
            .collect();
        all.sort_by_key(|r| (r.figure.valid_from, r.offset));
        all.reverse();
        all
    }

    fn denominator(all: &[&RecordedFigure], region: RegionCode, basis: Basis) -> Option<u64> {
        let own = all.iter().map(|r| &r.figure).find(|f| {
            f.region == region && f.kind == ReferenceKind::Denominator && f.basis == basis
        });
        if let Some(own) = own {
            return own.value;
        }
        if region.to_string() != PROVINCE {
            return None;
        }
        REGENCIES.iter().map(|code| Self::denominator(all, code.parse().unwrap(), basis)).sum()
    }

    fn target(all: &[&RecordedFigure], region: RegionCode) -> Option<(u8, u64)> {
        for issuer in [region, region.province(), RegionCode::NATION] {
            for record in all {
                let figure = &record.figure;
                if figure.region != issuer || figure.kind != ReferenceKind::Target {
                    continue;
                }
                let id = figure.reference_id.0[0];
                if let Some(value) = figure.value {
                    if issuer == region {
                        return Some((id, value));
                    }
                } else if let Some(of) = Self::denominator(all, region, figure.basis)
                    && all.iter().find(|r| {
                        let f = &r.figure;
                        (f.region, f.kind, f.basis) == (issuer, figure.kind, figure.basis)
                    }) == Some(record)
                {
                    let share = of * u64::from(figure.percent?.ten_thousandths());
                    return Some((id, share.div_ceil(1_000_000)));
                }
            }
        }
        None
    }
}

fn codes() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ID", PROVINCE, "93.01", "93.02", "93.03", "93.04"])
}

fn figures() -> impl Strategy<Value = ReferenceFigure> {
    let kind = prop::sample::select(vec![ReferenceKind::Denominator, ReferenceKind::Target]);
    let amount = prop::option::weighted(0.85, 1u64..9999);
    let to = prop::option::weighted(0.2, 0i64..300);
    (codes(), kind, 0usize..3, amount, 0i64..4, to).prop_map(
        |(code, kind, basis, amount, from, to)| {
            let basis = match kind {
                ReferenceKind::Target => TARGETED[basis],
                _ => COUNTED[basis % 2],
            };
            let from = Y23 + (from * 100).days();
            let mut figure = figure(code, kind, basis, from);
            figure.valid_to = to.map(|days| from + days.days());
            if kind == ReferenceKind::Denominator || basis == Basis::Absolute {
                figure.value = amount;
            } else {
                figure.percent = amount.and_then(|n| Percent::from_ten_thousandths(n as i64 * 100));
            }
            figure
        },
    )
}

proptest! {
    #[test]
    fn the_book_agrees_with_the_rules_word_for_word(
        records in prop::collection::vec((figures(), 0u16..6), 0..60),
        as_of in 0i64..500,
        known_at in prop::option::of(0u16..6),
    ) {
        let mut book = ReferenceBook::default();
        let mut naive = Naive(Vec::new());
        for (offset, (mut figure, day)) in records.into_iter().enumerate() {
            figure.reference_id.0[0] = offset as u8;
            let record = RecordedFigure { offset: offset as i64, recorded: Day(day), figure };
            book.add(record.clone());
            naive.0.push(record);
        }
        let (as_of, known_at) = (Y23 + as_of.days(), known_at.map(Day));
        let all = naive.applying(as_of, known_at);
        for code in REGENCIES.into_iter().chain([PROVINCE, "ID"]).map(region) {
            let found = book.denominators(code, as_of, known_at);
            for basis in COUNTED {
                let value = found.iter().find(|d| d.basis == basis).map(|d| d.value);
                prop_assert_eq!(value, Naive::denominator(&all, code, basis));
            }
            let found = book.target(code, as_of, known_at);
            let found = found.map(|t| (t.reference_id.0[0], t.people));
            prop_assert_eq!(found, Naive::target(&all, code));
        }
        let current = book.list(as_of, known_at);
        let current = current.iter().filter(|l| l.standing == Standing::Current);
        for listed in current {
            prop_assert!(all.iter().any(|r| r.offset == listed.record.offset));
        }
    }
}
