//! Why a figure changed, on generated logs against the oracle: the parts add up to the difference
//! of what the oracle says of the two days, account by account, and each part's postings add up to
//! the part.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::query::answer::{Axis, Change, PartKind};
use laju_consumer::query::change::change;
use laju_consumer::query::missing::KioskBook;
use laju_consumer::query::view::{ReferenceView, Statuses, View};
use laju_schemas::event::DeactivationReason;
use laju_schemas::{RegionCode, TimestampMs};
use laju_tests::fold::fold_log;
use laju_tests::generate;
use laju_tests::oracle::{Balances, Oracle};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

fn config() -> ProptestConfig {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/change.txt");
    let given = ProptestConfig::default();
    ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { 160 },
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(20_240_802),
            fixed => fixed,
        },
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..given
    }
}

fn view(log: &generate::Log) -> View {
    let snapshot = fold_log(&log.records, log.partitions, &[log.records.len() / 2]);
    let gaps = KioskBook::default().gaps(&snapshot, &Statuses::default());
    View {
        cluster_id: "a cluster".into(),
        fold_version: "a version".into(),
        snapshot: Arc::new(snapshot),
        reference: Arc::new(ReferenceView::default()),
        statuses: Arc::default(),
        gaps: Arc::new(gaps),
        desk: None,
        now: TimestampMs(0),
        today: generate::day(14),
    }
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
            let answer = change(&view, region, axis, (from, to), fixed).unwrap();
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
            let answer = change(&view, RegionCode::NATION, axis, (from, to), fixed).unwrap();
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
}
