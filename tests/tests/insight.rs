//! What lies behind a figure, on generated logs against the oracle: the parts of a change add up to
//! the difference of what the oracle says of the two days, account by account; and what visits,
//! flows and windows of the pace say is what the oracle says of them.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::query::days::Days;
use laju_consumer::query::explanations::change::{Change, change};
use laju_consumer::query::explanations::parts::{Axis, PartKind};
use laju_consumer::query::figures::flows::{FlowsQuestion, flows};
use laju_consumer::query::figures::outreach::{OutreachQuestion, outreach};
use laju_consumer::query::figures::pace::pace;
use laju_consumer::query::figures::pace_list::pace_list;
use laju_consumer::query::page::LARGEST_PAGE;
use laju_consumer::query::question::Level;
use laju_consumer::query::view::{ReferenceView, View};
use laju_schemas::RegionCode;
use laju_schemas::event::DeactivationReason;
use laju_tests::fold::fold_log;
use laju_tests::generate;
use laju_tests::oracle::{Balances, Oracle};
use laju_tests::property;
use proptest::prelude::*;

fn config() -> ProptestConfig {
    property::config("insight", 160, 20_240_802)
}

fn view(log: &generate::Log) -> View {
    let folded = fold_log(&log.records, log.partitions, &[log.records.len() / 2]);
    let snapshot = folded.snapshot;
    View::alone("a cluster", "a version", snapshot, ReferenceView::default(), generate::day(14))
}

/// What the oracle says of an account of a region on two days.
struct Told(Balances, Balances);

impl Told {
    fn difference(&self, wanted: impl Fn(Account, &str) -> bool, region: RegionCode) -> i64 {
        let sum = |balances: &Balances| -> i64 {
            let of_it = balances.iter().filter(|((account, at, detail), _)| {
                at.is_within(region) && wanted(*account, detail)
            });
            of_it.map(|(_, amount)| amount).sum()
        };
        sum(&self.1) - sum(&self.0)
    }
}

fn of(answer: &Change, kinds: &[PartKind], reason: Option<DeactivationReason>) -> i64 {
    let parts = answer.parts.iter().filter(|part| kinds.contains(&part.part));
    parts.filter(|part| reason.is_none() || part.reason == reason).map(|part| part.count).sum()
}

/// Every part's postings, split by naive means: the differences of what the oracle knew on each
/// day and the day before. Only of one partition are they the ledger's own.
fn naive_parts(
    oracle: &Oracle,
    days: &[Date],
    (from, to): (Date, Date),
    as_of: Option<Date>,
) -> BTreeMap<PartKind, i64> {
    let mut parts: BTreeMap<PartKind, i64> = BTreeMap::new();
    for recorded in days.iter().filter(|day| **day > from && **day <= to) {
        let before = oracle.by_day(Some(recorded.saturating_sub(1.days())));
        let mut added = oracle.by_day(Some(*recorded));
        for (key, amount) in before {
            *added.entry(key).or_default() -= amount;
        }
        for ((account, _, _, day), amount) in added {
            if amount == 0 || as_of.is_some_and(|as_of| day > as_of) {
                continue;
            }
            let back = amount < 0;
            let (kind, sign) = match account {
                Account::Activations if back => (PartKind::ReversedActivations, 1),
                Account::Activations if day > from => (PartKind::NewActivations, 1),
                Account::Activations => (PartKind::LateActivations, 1),
                Account::MovesIn if back => (PartKind::ReversedMovesIn, 1),
                Account::MovesIn => (PartKind::MovesIn, 1),
                Account::MovesOut if back => (PartKind::ReversedMovesOut, -1),
                Account::MovesOut => (PartKind::MovesOut, -1),
                Account::Deactivations if back => (PartKind::ReversedDeactivations, -1),
                Account::Deactivations => (PartKind::Deactivations, -1),
                _ => continue,
            };
            *parts.entry(kind).or_default() += sign * amount;
        }
    }
    parts
}

proptest! {
    #![proptest_config(config())]

    /// The parts add up exactly to the whole, and each is what the oracle says.
    #[test]
    fn the_parts_of_a_change_add_up(
        log in generate::logs(60),
        (a, b) in ((0..=14_i8), (0..=14_i8)),
        fixed in generate::asked_day(),
        by_truth in any::<bool>(),
    ) {
        let (from, to) = (generate::day(a.min(b)), generate::day(a.max(b)));
        let (view, oracle) = (view(&log), Oracle::read(&log.records, log.partitions));
        let axis = if by_truth { Axis::AsOf } else { Axis::KnownAt };
        let told = match axis {
            Axis::KnownAt => {
                Told(oracle.balances(fixed, Some(from)), oracle.balances(fixed, Some(to)))
            }
            Axis::AsOf => {
                Told(oracle.balances(Some(from), fixed), oracle.balances(Some(to), fixed))
            }
        };
        let homes = oracle.active(None).into_keys().flat_map(|home| [home, home.province()]);
        for region in homes.chain([RegionCode::NATION]) {
            let answer = change(&view, region, axis, (from, to), (fixed, false)).unwrap();
            let sum: i64 = answer.parts.iter().map(|part| part.count).sum();
            prop_assert_eq!(sum, answer.change);
            prop_assert_eq!(answer.later.activated - answer.earlier.activated, answer.change);
            let difference = |account: Account| told.difference(|of, _| of == account, region);
            use PartKind::{
                Deactivations, LateActivations, MovesIn, MovesOut, NewActivations,
                ReversedActivations, ReversedDeactivations, ReversedMovesIn, ReversedMovesOut,
            };
            let activations = [NewActivations, LateActivations, ReversedActivations];
            prop_assert_eq!(of(&answer, &activations, None), difference(Account::Activations));
            let moves_in = of(&answer, &[MovesIn, ReversedMovesIn], None);
            prop_assert_eq!(moves_in, difference(Account::MovesIn));
            let moves_out = of(&answer, &[MovesOut, ReversedMovesOut], None);
            prop_assert_eq!(moves_out, -difference(Account::MovesOut));
            for reason in DeactivationReason::ALL {
                let parts = of(&answer, &[Deactivations, ReversedDeactivations], Some(*reason));
                let wanted = |account: Account, detail: &str| {
                    account == Account::Deactivations && detail == reason.as_str()
                };
                prop_assert_eq!(parts, -told.difference(wanted, region));
            }
        }
        if axis == Axis::KnownAt && log.partitions == 1 {
            let answer = change(&view, RegionCode::NATION, axis, (from, to), (fixed, false)).unwrap();
            let mut parts: BTreeMap<PartKind, i64> = BTreeMap::new();
            for part in &answer.parts {
                *parts.entry(part.part).or_default() += part.count;
            }
            let mut days = oracle.recorded.clone();
            days.sort_unstable();
            days.dedup();
            prop_assert_eq!(parts, naive_parts(&oracle, &days, (from, to), fixed));
        }
    }

    /// Each visit, each flow and each window of the pace is what the oracle says.
    #[test]
    fn visits_flows_and_paces_are_the_oracles(
        log in generate::logs(60),
        (as_of, known_at) in (generate::asked_day(), generate::asked_day()),
        (a, b) in ((0..=13_i8), (1..=14_i8)),
    ) {
        let (view, oracle) = (view(&log), Oracle::read(&log.records, log.partitions));
        let days = Days { as_of, known_at, ahead: false };
        let balances = oracle.balances(as_of, known_at);
        let sum = |wanted: &dyn Fn(Account, RegionCode, &str) -> bool| -> i64 {
            let found = balances.iter().filter(|((of, at, detail), _)| wanted(*of, *at, detail));
            found.map(|(_, amount)| amount).sum()
        };

        let all = OutreachQuestion {
            within: RegionCode::NATION, from: None, to: None, limit: None, after: None
        };
        let visits = outreach(&view, &all, &days).unwrap();
        for row in &visits.rows {
            let begins = format!("visit {}, kiosk ", row.outreach_id);
            let ends = format!("by {}, visit {}", row.region.code, row.outreach_id);
            let of = |account: Account| sum(&|of, at, detail| {
                of == account && at == row.region.code && detail.starts_with(&begins)
            });
            prop_assert_eq!(row.activations, of(Account::VisitActivations));
            prop_assert_eq!(row.deferrals, of(Account::VisitDeferrals));
            let reasons: i64 = row.deferral_reasons.iter().map(|reason| reason.count).sum();
            let deferred = sum(&|of, _, detail| of == Account::Deferrals && detail.ends_with(&ends));
            prop_assert_eq!(reasons, deferred);
        }
        let told: i64 = visits.rows.iter().map(|row| row.activations + row.deferrals).sum();
        let is_visit = |of| matches!(of, Account::VisitActivations | Account::VisitDeferrals);
        prop_assert_eq!(told, sum(&|of, _, _| is_visit(of)), "no visit is left out");

        let (limit, after) = (Some(LARGEST_PAGE), None);
        let every = FlowsQuestion { within: RegionCode::NATION, limit, after };
        let matrices = flows(&view, &every, &days).unwrap();
        prop_assert_eq!(&matrices.next, &None);
        for row in &matrices.services {
            let by = format!("by {}, ", row.service_region);
            let served = sum(&|of, at, detail| {
                of == Account::Activations && at == row.home_region && detail.starts_with(&by)
            });
            prop_assert_eq!(row.activations, served);
        }
        for row in &matrices.moves {
            let to = row.to_region.to_string();
            let moved = sum(&|of, at, detail| {
                of == Account::MovesOut && at == row.from_region && detail == to
            });
            prop_assert_eq!(row.moves, moved);
        }
        let served: i64 = matrices.services.iter().map(|row| row.activations).sum();
        prop_assert_eq!(served, sum(&|of, _, _| of == Account::Activations));
        let moved: i64 = matrices.moves.iter().map(|row| row.moves).sum();
        prop_assert_eq!(moved, sum(&|of, _, _| of == Account::MovesOut));

        let (from, to) = (generate::day(a.min(b - 1)), generate::day(b.max(a + 1)));
        let days = Days { as_of: None, known_at, ahead: false };
        let answer = pace(&view, RegionCode::NATION, Some((from, to)), &days).unwrap();
        let active = |day: Date| -> i64 {
            let balances = oracle.balances(Some(day), known_at).into_iter();
            let signed = balances.map(|((account, _, _), amount)| match account {
                Account::Activations | Account::MovesIn => amount,
                Account::Deactivations | Account::MovesOut => -amount,
                _ => 0,
            });
            signed.sum()
        };
        let window = &answer.windows[0];
        prop_assert_eq!((window.activated_from, window.activated_to), (active(from), active(to)));
        prop_assert_eq!(answer.activated, active(to));
    }

    /// How many are active in every region, and by how many they changed, is what the oracle says.
    #[test]
    fn every_regions_pace_is_the_oracles(
        log in generate::logs(60),
        (as_of, known_at) in (generate::asked_day(), generate::asked_day()),
    ) {
        let (view, oracle) = (view(&log), Oracle::read(&log.records, log.partitions));
        let days = Days { as_of, known_at, ahead: false };
        let sum = |balances: &Balances, region: RegionCode| -> i64 {
            let inside = balances.iter().filter(|((_, at, _), _)| at.is_within(region));
            let signed = inside.map(|((account, _, _), amount)| match account {
                Account::Activations | Account::MovesIn => *amount,
                Account::Deactivations | Account::MovesOut => -amount,
                _ => 0,
            });
            signed.sum()
        };
        for level in [Level::Regency, Level::Province] {
            let answer = pace_list(&view, level, RegionCode::NATION, &days).unwrap();
            let later = oracle.balances(Some(answer.as_of), known_at);
            let counted: i64 = answer.rows.iter().map(|row| row.activated).sum();
            prop_assert_eq!(counted, sum(&later, RegionCode::NATION), "no region is left out");
            let earlier: Vec<_> = answer.rows[0].windows.iter().map(|window| {
                oracle.balances(Some(window.from), known_at)
            }).collect();
            for row in &answer.rows {
                let activated = sum(&later, row.region.code);
                prop_assert_eq!(row.activated, activated);
                for (window, earlier) in row.windows.iter().zip(&earlier) {
                    prop_assert_eq!(window.change, activated - sum(earlier, row.region.code));
                }
            }
        }
    }
}
