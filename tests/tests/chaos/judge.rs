//! What has to be so in the end, whatever has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use laju_consumer::domain::account::Account;
use laju_kafka::connection::Connection;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::{HEADER_OFFSET, HEADER_PARTITION};
use laju_tests::asking::{Met, Unanswered};
use laju_tests::broker::TestBroker;
use laju_tests::judge::{Stored, log_of};
use laju_tests::ledger;
use laju_tests::log::LogRecord;
use laju_tests::oracle::Oracle;
use laju_tests::process::wait_until;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

use crate::PARTITIONS;
use crate::health::Health;
use crate::kiosks::Sent;

/// Answers that are checked against the oracle.
const ANSWERS: usize = 40;
/// Questions without an answer that are reported.
const TOLD: usize = 20;
/// Pairs of days that each node's ledger is asked about.
const QUESTIONS: usize = 2;

/// What agents have taken is in the log, and nothing else of theirs; gives how often an event stands
/// there beyond the first time.
pub(crate) fn assert_nothing_is_lost(log: &[LogRecord], sent: &[Sent]) -> u64 {
    let mut reader = EventReader::new(&[]).unwrap();
    let mut in_log = BTreeSet::new();
    let mut copies = 0;
    for record in log {
        let Some(event) = record.value.as_deref().and_then(|value| reader.read(value).ok()) else {
            continue;
        };
        let Some(number) = event.kiosk_id.strip_prefix("kbl-0") else { continue };
        let agent: usize = number.parse().unwrap();
        let is_new = in_log.insert((agent, event.event_id.to_string(), event.sequence as u64));
        copies += u64::from(!is_new);
    }
    let taken: BTreeSet<_> = sent
        .iter()
        .enumerate()
        .flat_map(|(agent, sent)| {
            let taken = sent.taken.lock().unwrap();
            let named: Vec<_> = taken.values().cloned().collect();
            named.into_iter().map(move |(id, sequence)| (agent, id, sequence))
        })
        .collect();
    let lost: Vec<_> = taken.difference(&in_log).collect();
    let strange: Vec<_> = in_log.difference(&taken).collect();
    assert!(
        lost.is_empty() && strange.is_empty(),
        "{} lost, {} that no agent took: {:?} {:?}",
        lost.len(),
        strange.len(),
        lost.first(),
        strange.first()
    );
    copies
}

/// All nodes have the same ledger, byte for byte, and it is what the oracle says of the log; each event
/// counts once.
pub(crate) fn assert_ledgers_are_right(
    connection: &Connection,
    written: &[LogRecord],
    log: &[LogRecord],
    stores: &[PathBuf],
    events: u64,
    random: &mut StdRng,
) {
    let belongs = log_of(connection, &[]);
    let stored: Vec<_> =
        stores.iter().map(|store| Stored::open_copy(store, &belongs).unwrap()).collect();
    let first = &stored[0];
    for other in &stored[1..] {
        assert_eq!(first.positions, other.positions);
        assert!(first.ledger_bytes() == other.ledger_bytes(), "two nodes have different ledgers");
    }
    assert_eq!(first.passed(), log.len() as i64, "all of the log");
    first.assert_stands_behind(written, PARTITIONS);
    first.assert_counts_as(log, PARTITIONS, QUESTIONS, random);
    let rows = ledger::rows(&first.snapshot);
    let activations = rows.iter().filter(|row| row.account == Account::Activations);
    assert_eq!(activations.map(|row| row.amount).sum::<i64>(), events as i64);
}

/// Waits until every record that cannot be counted is in quarantine, and nothing else is there; gives
/// how many there are, and how many copies of them.
pub(crate) fn assert_quarantine_is_whole(broker: &TestBroker, log: &[LogRecord]) -> (usize, usize) {
    let refused: BTreeSet<_> = Oracle::read(log, PARTITIONS)
        .refused
        .into_iter()
        .map(|refused| (i64::from(refused.partition), refused.offset))
        .collect();
    let mut copies = 0;
    wait_until("everything refused is in quarantine", || {
        let quarantine = broker.read_quarantine();
        copies = quarantine.len();
        let number = |name, copy: &laju_tests::broker::TopicRecord| -> i64 {
            copy.header(name).unwrap().parse().unwrap()
        };
        let origins: BTreeSet<_> = quarantine
            .iter()
            .map(|copy| (number(HEADER_PARTITION, copy), number(HEADER_OFFSET, copy)))
            .collect();
        assert!(origins.is_subset(&refused), "something in quarantine could be counted");
        let is_whole = origins == refused;
        if !is_whole {
            std::thread::sleep(Duration::from_millis(500));
        }
        is_whole
    });
    (refused.len(), copies)
}

/// What clients were told was right, and no question failed while a node was healthy: gives how many
/// failed while none was.
pub(crate) fn assert_answers_were_right(
    met: &Met,
    healths: &[Health],
    log: &[LogRecord],
    since: Instant,
    random: &mut StdRng,
) -> usize {
    let said = met.said();
    assert!(said.wrong.is_empty(), "{:#?}", &said.wrong[..said.wrong.len().min(9)]);
    let is_a_fault = |one: &&Unanswered| healths.iter().any(|health| health.was_well(one));
    let failed: Vec<_> = said.unanswered.iter().filter(is_a_fault).collect();
    assert!(
        failed.is_empty(),
        "{} questions failed while a node was healthy: {:#?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    for (at, activated) in said.figures.iter().sample(random, ANSWERS) {
        assert_eq!(*activated, activated_at(log, at), "at {at:?}");
    }
    let (silence, until) = said.longest_silence.expect("there were answers");
    println!(
        "{} questions answered, {} different positions; the longest answer took {} ms, the longest \
         time without any was {} ms, until {:.3} s",
        met.answers.load(Ordering::Acquire),
        said.figures.len(),
        said.longest.as_millis(),
        silence.as_millis(),
        (until - since).as_secs_f64()
    );
    for one in said.unanswered.iter().take(TOLD) {
        println!(
            "not answered, asked after {:.3} s and failed after {:.3} s, for {:?}: {}; beside it the \
             nodes said {:?}",
            (one.begun - since).as_secs_f64(),
            (one.ended - since).as_secs_f64(),
            one.at_least.as_ref().map(ToString::to_string),
            one.what,
            healths.iter().map(|health| health.said_beside(one)).collect::<Vec<_>>()
        );
    }
    said.unanswered.len()
}

/// The activations of the nation by the oracle, of what is before a position.
fn activated_at(log: &[LogRecord], at: &BTreeMap<u32, i64>) -> u64 {
    let next = |partition: u32| at.get(&partition).copied().unwrap_or(0);
    let prefix: Vec<LogRecord> =
        log.iter().filter(|record| record.offset < next(record.partition)).cloned().collect();
    let balances = Oracle::read(&prefix, PARTITIONS).balances(None, None);
    let activations = balances.iter().filter(|((account, ..), _)| *account == Account::Activations);
    activations.map(|(_, amount)| *amount).sum::<i64>() as u64
}
