//! Bad input: each kind has a clear answer, and nothing is lost. On the embedded broker, and by
//! the same code on the real Kafka that `LAJU_TEST_BROKERS` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod records;
mod schemas;
mod settings;
mod stores;

use std::path::Path;

use laju_consumer::projection::store::Log;
use laju_tests::broker::TestBroker;
use laju_tests::judge::{Stored, log_of};
use laju_tests::process::{Ended, Process, run, worker};

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PARTITIONS: u32 = 3;

/// What a worker of this broker takes its log for.
fn log(broker: &TestBroker) -> Log {
    log_of(&broker.connection(), &[])
}

/// Starts a worker, which has to stop by itself.
fn refused(broker: &TestBroker, store: &Path, words: &[&str]) -> Ended {
    let ended = run(worker(LAJU, &broker.connection(), store));
    ended.assert_refused(words);
    ended
}

/// Lets a worker fold everything and stop, and opens a copy of what it leaves.
fn fold_all(broker: &TestBroker, store: &Path, schemas: &[&Path]) -> Stored {
    let mut command = worker(LAJU, &broker.connection(), store);
    for schema in schemas {
        command.arg("--schema").arg(schema);
    }
    let mut process = Process::start(command);
    process.wait_ready();
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    let texts: Vec<String> =
        schemas.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    Stored::open_copy(store, &log_of(&broker.connection(), &texts)).unwrap()
}

/// How many events count and how many are quarantined.
fn counted(stored: &Stored) -> (u64, u64) {
    let views = stored.snapshot.partitions.values();
    views.fold((0, 0), |(received, quarantined), view| {
        (received + view.tallies.received, quarantined + view.tallies.quarantined)
    })
}
