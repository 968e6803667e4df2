//! The fate of every event of generated logs against the oracle: which rule took it out, and
//! that what events are said to have changed adds up to the ledger.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::domain::fate::{Change, Fate, Outcome, fate};
use laju_consumer::projection::partition::PartitionState;
use laju_schemas::known::EventReader;
use laju_schemas::{EventId, RegionCode, RegionIndex, RegionTable, SubjectId};
use laju_tests::fold::fold_record;
use laju_tests::generate::{self, Log};
use laju_tests::oracle::{self, Oracle};
use laju_tests::property;
use proptest::prelude::*;

const STEPS: usize = 60;

fn config() -> ProptestConfig {
    property::config("fate", 320, 20_220_101)
}

/// The fate of each event that counts, by subject and event id.
fn fates(log: &Log, oracle: &Oracle) -> BTreeMap<(SubjectId, EventId), Fate> {
    let mut reader = EventReader::new(&[]).unwrap();
    let mut states: Vec<_> = (0..log.partitions).map(PartitionState::new).collect();
    for record in &log.records {
        fold_record(&mut reader, &mut states[record.partition as usize], log.partitions, record);
    }
    let mut fates = BTreeMap::new();
    for (subject, event_id) in oracle.fates().into_keys() {
        for state in &states {
            let facts = state.fold().subjects().facts(subject);
            let names = state.fold().dictionary().names();
            if let Some(fate) = fate(&facts, names, event_id) {
                let before = fates.insert((subject, event_id), fate);
                assert_eq!(before, None, "a subject is in one partition");
            }
        }
    }
    fates
}

type Sums = BTreeMap<(Account, RegionCode, Date), i64>;

/// What the events are said to have changed.
fn changes<'a>(fates: impl Iterator<Item = &'a Fate>) -> Sums {
    let code = |region: RegionIndex| RegionTable::get().at(region).code;
    let mut sums = Sums::new();
    for fate in fates {
        let Outcome::Counted(effect) = fate.outcome else { continue };
        let account = match effect.change {
            Change::Activation => Account::Activations,
            Change::Deactivation => Account::Deactivations,
            Change::Move { from } => {
                let day = effect.day.date();
                *sums.entry((Account::MovesOut, code(from), day)).or_default() += 1;
                Account::MovesIn
            }
            Change::Deferral => Account::Deferrals,
            Change::CardRecorded => Account::CardsRecorded,
            Change::CardRequested => Account::CardsRequested,
            Change::CardPrinted => Account::CardsPrinted,
            Change::Retraction { .. } | Change::None => continue,
        };
        *sums.entry((account, code(effect.region), effect.day.date())).or_default() += 1;
    }
    sums
}

/// What the ledger should have of the same accounts.
fn posted(oracle: &Oracle) -> Sums {
    let mut sums = Sums::new();
    for ((account, region, _, day), amount) in oracle.by_day(None) {
        let of_no_event = [Account::PrintQueue, Account::VisitActivations, Account::VisitDeferrals];
        if !of_no_event.contains(&account) {
            *sums.entry((account, region, day)).or_default() += amount;
        }
    }
    sums
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_event_has_the_fate_that_the_oracle_gives_it(log in generate::logs(STEPS)) {
        let oracle = Oracle::read(&log.records, log.partitions);
        let fates = fates(&log, &oracle);
        let told: BTreeMap<_, _> = fates
            .iter()
            .map(|(event, fate)| {
                let fate = match fate.outcome {
                    Outcome::Counted(_) => oracle::Fate::Stands,
                    Outcome::Retracted { .. } => oracle::Fate::Retracted,
                    Outcome::Repeat { of } => oracle::Fate::Repeats(of),
                };
                (*event, fate)
            })
            .collect();
        prop_assert_eq!(told, oracle.fates());
        prop_assert_eq!(changes(fates.values()), posted(&oracle));
    }

    #[test]
    fn fates_do_not_depend_on_the_order_of_arrival(
        log in generate::logs(STEPS),
        order in proptest::collection::vec(any::<u16>(), 0..2 * STEPS),
    ) {
        let records = generate::reordered(&log.records, &order);
        let other = Log { partitions: log.partitions, records };
        let outcomes = |log: &Log| -> BTreeMap<_, _> {
            let fates = fates(log, &Oracle::read(&log.records, log.partitions));
            fates.into_iter().map(|(event, fate)| (event, (fate.outcome, fate.other_contents))).collect()
        };
        prop_assert_eq!(outcomes(&log), outcomes(&other));
    }
}

#[test]
fn generated_logs_have_every_fate() {
    let log = generate::seeded(5, 3, 40, 3_000);
    let oracle = Oracle::read(&log.records, log.partitions);
    let fates = oracle.fates();
    let count = |is: fn(&oracle::Fate) -> bool| fates.values().filter(|fate| is(fate)).count();
    assert!(count(|fate| matches!(fate, oracle::Fate::Stands)) > 100);
    assert!(count(|fate| matches!(fate, oracle::Fate::Retracted)) > 10);
    assert!(count(|fate| matches!(fate, oracle::Fate::Repeats(_))) > 10);
}
