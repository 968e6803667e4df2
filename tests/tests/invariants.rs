//! The invariants that the fold alone must keep: I1, I2, I5, I6 and I9, each against logs
//! that hold whatever a kiosk, a producer or a broker can do; and of I3, what needs no kill: that
//! the store gives back what the fold left there.
//!
//! The same cases every time: `PROPTEST_CASES` raises their number, `PROPTEST_RNG_SEED` gives
//! others. What fails is kept in `proptest-regressions/` and tried first from then on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::domain::version::fold_version;
use laju_consumer::projection::snapshot::Snapshot;
use laju_consumer::query::ledger::lines::LedgerDigest;
use laju_schemas::event::FactKind;
use laju_schemas::{
    ActivationEvent, Fact, FormerCode, RegionCode, RegionLevel, RegionTable, TimestampMs,
};
use laju_tests::fold::{Folded, fold_log, fold_log_again, fold_log_reopening};
use laju_tests::generate::{self, Log};
use laju_tests::ledger::{self, Row};
use laju_tests::log::LogRecord;
use laju_tests::oracle::Oracle;
use laju_tests::property;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const STEPS: usize = 60;

fn config() -> ProptestConfig {
    property::config("invariants", 320, 20_220_101)
}

fn fold(log: &Log, cuts: &[Index]) -> Folded {
    fold_records(&log.records, log.partitions, cuts)
}

fn fold_records(records: &[LogRecord], partitions: u32, cuts: &[Index]) -> Folded {
    fold_log(records, partitions, &places(records, cuts))
}

fn places(records: &[LogRecord], cuts: &[Index]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(records.len().max(1))).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..6)
}

/// Every day on which a row is recorded, and none for no end.
fn known_days(rows: &[Row]) -> Vec<Option<Date>> {
    let days: BTreeSet<Date> = rows.iter().map(|row| row.recorded).collect();
    days.into_iter().map(Some).chain([None]).collect()
}

fn known(rows: &[Row], known_at: Option<Date>) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| known_at.is_none_or(|known_at| row.recorded <= known_at))
}

proptest! {
    #![proptest_config(config())]

    /// Any order, duplication and batching of the same facts gives the same balances.
    #[test]
    fn i1_convergence(
        log in generate::logs(STEPS),
        order in vec(any::<u16>(), 0..2 * STEPS),
        (cuts_1, cuts_2) in (cuts(), cuts()),
        asked in vec(generate::asked_day(), 3),
    ) {
        let once = fold(&log, &cuts_1);
        let other = Log {
            partitions: log.partitions,
            records: generate::reordered(&log.records, &order),
        };
        let again = fold(&other, &cuts_2);
        let (rows_once, rows_again) = (ledger::rows(&once), ledger::rows(&again));
        for as_of in asked.into_iter().chain([None]) {
            prop_assert_eq!(
                ledger::balances(&rows_once, as_of, None),
                ledger::balances(&rows_again, as_of, None),
                "as of {:?}", as_of
            );
        }
        let (counts_once, counts_again) = (ledger::counts(&once), ledger::counts(&again));
        prop_assert_eq!(counts_once.standing, counts_again.standing);
        prop_assert_eq!(counts_once.retracted, counts_again.retracted);
        let sequences = |snapshot: &Snapshot| -> BTreeMap<(u32, String), BTreeSet<u32>> {
            let kiosks = ledger::kiosks(snapshot).into_iter();
            kiosks.map(|(kiosk, sent)| (kiosk, sent.sequences)).collect()
        };
        prop_assert_eq!(sequences(&once), sequences(&again));
    }

    /// Of facts that are all recorded on one day the whole ledger is the same in any order, with
    /// both its days.
    #[test]
    fn i1_convergence_of_one_recorded_day(
        mut log in generate::logs(STEPS),
        order in vec(any::<u16>(), 0..2 * STEPS),
        (cuts_1, cuts_2) in (cuts(), cuts()),
    ) {
        let latest = generate::day(7).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        for record in &mut log.records {
            record.timestamp_ms = latest.as_millisecond();
        }
        let other = generate::reordered(&log.records, &order);
        let once = fold(&log, &cuts_1);
        let again = fold_records(&other, log.partitions, &cuts_2);
        prop_assert_eq!(ledger::rows(&once), ledger::rows(&again));
    }

    /// The same log gives the same ledger however it is cut into commits, byte for byte.
    #[test]
    fn i1_commits_leave_no_trace(
        log in generate::logs(STEPS),
        (cuts_1, cuts_2) in (cuts(), cuts()),
    ) {
        let (once, again) = (fold(&log, &cuts_1), fold(&log, &cuts_2));
        prop_assert_eq!(ledger::counts(&once), ledger::counts(&again));
        prop_assert_eq!(once.partitions.len(), again.partitions.len());
        for (one, other) in once.partitions.values().zip(again.partitions.values()) {
            prop_assert_eq!(one.next_offset, other.next_offset);
            prop_assert_eq!(one.recorded_until, other.recorded_until);
            prop_assert_eq!(one.subjects, other.subjects);
            prop_assert_eq!(ledger::remembered(one), ledger::remembered(other));
        }
        for (one, other) in once.ledgers.0.values().zip(again.ledgers.0.values()) {
            prop_assert!(one.ledger_bytes() == other.ledger_bytes());
        }
    }

    /// The node's ledger is what the ledgers of its partitions add up to, whatever numbers its texts
    /// have: however the log is cut into commits, and however its partitions follow each other.
    #[test]
    fn the_ledger_of_a_node_is_the_sum_of_its_partitions(
        log in generate::logs(STEPS),
        order in vec(any::<Index>(), 1..STEPS),
        (cuts_1, cuts_2) in (cuts(), cuts()),
    ) {
        let mut order = order.iter().cycle();
        let mut rest: Vec<Vec<LogRecord>> = (0..log.partitions)
            .map(|n| log.records.iter().rev().filter(|r| r.partition == n).cloned().collect())
            .collect();
        let mut other = Vec::new();
        while other.len() < log.records.len() {
            let partition = order.next().unwrap().index(rest.len());
            other.extend(rest[partition].pop());
            rest.retain(|records| !records.is_empty());
        }
        let once = fold(&log, &cuts_1);
        let again = fold_records(&other, log.partitions, &cuts_2);
        prop_assert_eq!(ledger::rows(&once), ledger::rows_of_partitions(&once.ledgers));
        prop_assert_eq!(ledger::rows(&again), ledger::rows(&once));
    }

    /// The ledger equals a naive recomputation from all facts, for every `as_of` and `known_at`.
    #[test]
    fn i2_oracle(
        log in generate::logs(STEPS),
        cuts in cuts(),
        as_of in generate::asked_day(),
        known_at in generate::asked_day(),
    ) {
        let snapshot = fold(&log, &cuts);
        let rows = ledger::rows(&snapshot);
        let oracle = Oracle::read(&log.records, log.partitions);
        // Left: ledger, right: oracle.
        prop_assert_eq!(
            ledger::balances(&rows, as_of, known_at),
            oracle.balances(as_of, known_at),
            "as of {:?}, known at {:?}", as_of, known_at
        );
        let recorded: BTreeSet<Date> = oracle.recorded.iter().copied().collect();
        for known_at in recorded.into_iter().map(Some).chain([None]) {
            prop_assert_eq!(
                ledger::by_day(&rows, known_at),
                oracle.by_day(known_at),
                "known at {:?}", known_at
            );
        }
        prop_assert_eq!(ledger::counts(&snapshot), oracle.counts());
        prop_assert_eq!(ledger::kiosks(&snapshot), oracle.kiosks());
        let mut refused = oracle.refused.clone();
        refused.sort_by_key(|refused| refused.partition);
        prop_assert_eq!(ledger::refused(&snapshot), refused);
        for (partition, view) in &snapshot.partitions {
            let of_it = |record: &&LogRecord| record.partition == *partition;
            let last = log.records.iter().rfind(of_it);
            prop_assert_eq!(Some(view.next_offset), last.map(|record| record.offset + 1));
            let subjects = oracle.subjects(*partition);
            prop_assert_eq!(view.subjects, subjects);
        }
    }

    /// Balances as known on a past day never change.
    #[test]
    fn i5_append_only(
        log in generate::logs(STEPS),
        cuts_1 in cuts(),
        cuts_2 in cuts(),
        prefix in any::<Index>(),
    ) {
        let prefix = &log.records[..=prefix.index(log.records.len())];
        let before = fold_records(prefix, log.partitions, &cuts_1);
        let after = fold(&log, &cuts_2);
        let recorded = Oracle::read(prefix, log.partitions).recorded;
        for (partition, part) in &before.ledgers.0 {
            let last = prefix.iter().rposition(|record| record.partition == *partition);
            let last = recorded[last.expect("a partition has a record")];
            // Within its last day the past is still being written.
            let past = |rows: Vec<Row>| -> Vec<Row> {
                rows.into_iter().filter(|row| row.recorded < last).collect()
            };
            prop_assert_eq!(
                past(ledger::partition_rows(part)),
                past(ledger::partition_rows(&after.ledgers.0[partition])),
                "partition {}, known before {}", partition, last
            );
        }
    }

    /// Moves change no national figure; region figures sum to the province's and the nation's.
    #[test]
    fn i6_conservation(log in generate::logs(STEPS), cuts in cuts()) {
        let rows = ledger::rows(&fold(&log, &cuts));
        let oracle = Oracle::read(&log.records, log.partitions);
        let mut moves: BTreeMap<(Date, Date, RegionCode, RegionCode), i64> = BTreeMap::new();
        for row in &rows {
            prop_assert_eq!(row.region.level(), RegionLevel::Regency);
            prop_assert!(RegionTable::get().index_of(row.region).is_some());
            let (from, to, sign) = match row.account {
                Account::MovesOut => (row.region, row.detail.parse().unwrap(), -1),
                Account::MovesIn => (row.detail.parse().unwrap(), row.region, 1),
                _ => continue,
            };
            *moves.entry((row.day, row.recorded, from, to)).or_default() += sign * row.amount;
        }
        // Each move is out and in on the same day, and recorded on the same day.
        prop_assert!(moves.values().all(|difference| *difference == 0), "{:?}", moves);
        for known_at in known_days(&rows) {
            let active: BTreeMap<RegionCode, i64> = active_by_region(&rows, known_at);
            let mut provinces: BTreeMap<RegionCode, i64> = BTreeMap::new();
            for (region, number) in &active {
                *provinces.entry(region.province()).or_default() += number;
            }
            let national: i64 = known(&rows, known_at)
                .map(|row| match row.account {
                    Account::Activations => row.amount,
                    Account::Deactivations => -row.amount,
                    _ => 0,
                })
                .sum();
            prop_assert_eq!(national, active.values().sum::<i64>());
            prop_assert_eq!(national, provinces.values().sum::<i64>());
            prop_assert_eq!(national, oracle.active(known_at).values().sum::<i64>());
        }
    }

    /// The books balance in every region, on every day, as known on any day, and no region is
    /// ever below zero.
    #[test]
    fn i9_books_balance(log in generate::logs(STEPS), cuts in cuts()) {
        let mut rows = ledger::rows(&fold(&log, &cuts));
        rows.sort_by_key(|row| row.day);
        let oracle = Oracle::read(&log.records, log.partitions);
        for known_at in known_days(&rows) {
            let mut active: BTreeMap<RegionCode, i64> = BTreeMap::new();
            let mut balances: BTreeMap<(Account, RegionCode, &str), i64> = BTreeMap::new();
            let known: Vec<&Row> = known(&rows, known_at).collect();
            for of_day in known.chunk_by(|a, b| a.day == b.day) {
                for row in of_day {
                    *active.entry(row.region).or_default() += active_change(row);
                    let key = (row.account, row.region, row.detail.as_str());
                    *balances.entry(key).or_default() += row.amount;
                }
                let day = of_day[0].day;
                prop_assert!(
                    active.values().all(|number| *number >= 0),
                    "as of {}, known at {:?}: {:?}", day, known_at, active
                );
                prop_assert!(
                    balances.values().all(|number| *number >= 0),
                    "as of {}, known at {:?}: {:?}", day, known_at, balances
                );
            }
            active.retain(|_, number| *number > 0);
            prop_assert_eq!(active, oracle.active(known_at), "known at {:?}", known_at);
            let queued: BTreeMap<RegionCode, i64> = balances
                .into_iter()
                .filter(|((account, ..), number)| *account == Account::PrintQueue && *number > 0)
                .map(|((_, region, _), number)| (region, number))
                .collect();
            prop_assert_eq!(queued, oracle.queued(known_at), "known at {:?}", known_at);
        }
    }

    /// The generator's own bytes are those that the contract's encoder writes.
    #[test]
    fn generated_events_are_as_the_encoder_writes_them(log in generate::logs(STEPS)) {
        let encoder = laju_schemas::codec::Encoder::events(None);
        let mut reader = laju_schemas::known::EventReader::new(&[]).unwrap();
        for value in log.records.iter().filter_map(|record| record.value.as_deref()) {
            let Ok(raw) = reader.read(value) else { continue };
            let (Some(fact), Ok(kiosk_id), Ok(sequence), Ok(home_region), Ok(service_region)) = (
                raw.fact.try_map_region(RegionCode::parse),
                raw.kiosk_id.parse(),
                raw.sequence.try_into(),
                raw.home_region.parse(),
                raw.service_region.parse(),
            ) else { continue };
            let Ok(outreach_id) = raw.outreach_id.map(str::parse).transpose() else { continue };
            // A former code is written by others only: what is read of it has today's.
            let from = match raw.fact {
                Fact::Relocated { from_region } => Some(from_region),
                _ => None,
            };
            let codes = [Some(raw.home_region), Some(raw.service_region), from];
            if codes.into_iter().flatten().any(|code| FormerCode::find(code).is_some()) {
                continue;
            }
            let mut written = Vec::new();
            let event = ActivationEvent {
                event_id: raw.event_id,
                kiosk_id,
                sequence,
                occurred_at: TimestampMs(raw.occurred_at),
                subject: raw.subject,
                home_region,
                service_region,
                outreach_id,
                fact,
            };
            encoder.event(&event, &mut written).unwrap();
            prop_assert_eq!(&written, value);
        }
    }
}

proptest! {
    // Each case writes and reads a store several times.
    #![proptest_config(ProptestConfig { cases: config().cases / 16, ..config() })]

    /// A worker that starts again from its store at any commit goes on as if it had never ended.
    #[test]
    fn i3_a_restart_leaves_no_trace(log in generate::logs(STEPS), cuts in cuts()) {
        let directory = tempfile::tempdir().unwrap();
        let cuts = places(&log.records, &cuts);
        let through = fold_log(&log.records, log.partitions, &[]);
        let again =
            fold_log_reopening(&log.records, log.partitions, &cuts, directory.path()).unwrap();
        prop_assert_eq!(ledger::rows(&through), ledger::rows(&again));
        prop_assert_eq!(ledger::counts(&through), ledger::counts(&again));
        prop_assert_eq!(ledger::kiosks(&through), ledger::kiosks(&again));
        prop_assert_eq!(ledger::refused(&through), ledger::refused(&again));
        prop_assert_eq!(through.partitions.len(), again.partitions.len());
        for (one, other) in through.partitions.values().zip(again.partitions.values()) {
            prop_assert_eq!(one.partition, other.partition);
            prop_assert_eq!(one.next_offset, other.next_offset);
            prop_assert_eq!(one.recorded_until, other.recorded_until);
            prop_assert_eq!(one.subjects, other.subjects);
            prop_assert_eq!(ledger::remembered(one), ledger::remembered(other));
        }
        for (one, other) in through.ledgers.0.values().zip(again.ledgers.0.values()) {
            prop_assert!(one.ledger_bytes() == other.ledger_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: config().cases / 16, ..config() })]

    /// A partition that is folded again leaves no trace of what it had posted.
    #[test]
    fn what_is_folded_again_takes_the_place_of_what_was(
        log in generate::logs(STEPS),
        (from, partition) in (any::<Index>(), any::<Index>()),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let again = (
            partition.index(log.partitions as usize) as u32,
            from.index(log.records.len() + 1),
        );
        let through = fold_log(&log.records, log.partitions, &[]);
        let (seen, stored) =
            fold_log_again(&log.records, log.partitions, again, directory.path()).unwrap();
        for folded in [seen, stored] {
            prop_assert_eq!(ledger::rows(&through), ledger::rows(&folded));
            prop_assert_eq!(ledger::counts(&through), ledger::counts(&folded));
            for (one, other) in through.ledgers.0.values().zip(folded.ledgers.0.values()) {
                prop_assert!(one.ledger_bytes() == other.ledger_bytes());
            }
        }
    }
}

fn active_change(row: &Row) -> i64 {
    match row.account {
        Account::Activations | Account::MovesIn => row.amount,
        Account::Deactivations | Account::MovesOut => -row.amount,
        _ => 0,
    }
}

fn active_by_region(rows: &[Row], known_at: Option<Date>) -> BTreeMap<RegionCode, i64> {
    let mut active = BTreeMap::new();
    for row in known(rows, known_at) {
        *active.entry(row.region).or_default() += active_change(row);
    }
    active
}

/// The logs are worth testing with: all that can happen happens in them.
#[test]
fn generated_logs_have_everything() {
    let log = generate::seeded(7, 3, 200, 6_000);
    let oracle = Oracle::read(&log.records, log.partitions);
    let counts = oracle.counts();
    assert!(FactKind::ALL.iter().all(|kind| counts.by_kind[kind] > 100), "{counts:?}");
    let reasons = laju_schemas::quarantine::Reason::ALL;
    let of_ours = &reasons[..reasons.len() - 1];
    assert!(of_ours.iter().all(|reason| counts.quarantined.contains_key(reason)), "{counts:?}");
    assert!(counts.repeats > 100 && counts.retracted > 100 && counts.late > 100, "{counts:?}");
    assert!(counts.received > 10 * counts.quarantined.values().sum::<u64>(), "{counts:?}");
    let balances = oracle.balances(None, None);
    // Nothing of it is released from quarantine: the memos have a test of their own.
    for account in Account::ALL.into_iter().filter(|account| account.memo_of().is_none()) {
        assert!(balances.keys().any(|(of, ..)| *of == account), "{account:?}");
    }
    assert_eq!(log.records, generate::seeded(7, 3, 200, 6_000).records);
}

/// A log with every kind of fact and fault, made once and never again.
const GOLDEN_LOG: &str = include_str!("../golden/log.jsonl");
/// By the revision of the rules: the digest of the ledger that the golden log gives.
const GOLDEN_LEDGERS: [(&str, &str); 1] =
    [("3", "eba1134fe6327cfaa366329e71d286704a7d22e1770ae620ca24d43c0b53ea4a")];

#[derive(serde::Deserialize)]
struct GoldenRecord {
    partition: u32,
    offset: i64,
    timestamp_ms: i64,
    key: Option<String>,
    value: Option<String>,
}

#[test]
fn no_rule_changes_without_its_version() {
    let bytes = |text: Option<String>| text.map(|text| hex::decode(text).unwrap());
    let records = GOLDEN_LOG.lines().map(|line| {
        let record: GoldenRecord = serde_json::from_str(line).unwrap();
        let GoldenRecord { partition, offset, timestamp_ms, key, value } = record;
        LogRecord { partition, offset, timestamp_ms, key: bytes(key), value: bytes(value) }
    });
    let snapshot = fold_records(&records.collect::<Vec<_>>(), 2, &[]);
    let accounts: BTreeSet<_> = ledger::rows(&snapshot).iter().map(|row| row.account).collect();
    let mut told = Account::ALL.into_iter().filter(|account| account.memo_of().is_none());
    assert!(told.all(|account| accounts.contains(&account)), "{accounts:?}");
    let digest = LedgerDigest::of_all(snapshot.ledgers.0.values().map(LedgerDigest::of));

    let version = fold_version(&[], false);
    let (revision, _) = version.split_once('-').unwrap();
    let known = GOLDEN_LEDGERS.iter().find(|(of, _)| *of == revision);
    assert_eq!(
        known.map(|(_, digest)| *digest),
        Some(&*digest.to_string()),
        "the same log folds to another ledger: raise the REVISION of the rules, and add the digest"
    );
}
