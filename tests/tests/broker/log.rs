//! Which log it is: a topic that is deleted and made again under a running worker, or given
//! partitions. Only a real Kafka deletes topics.

use std::time::{Duration, Instant};

use laju_kafka::read::{Order, Range, RangeReader, Tail, TopicReadError};
use laju_kafka::topic_id::topic_id;
use laju_schemas::topic::{EVENTS, REFERENCE};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::judge::{Stored, log_of};
use laju_tests::log::LogRecord;
use laju_tests::process::{Process, run, worker};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::LAJU;

const PARTITIONS: u32 = 3;
const ANSWER: Duration = Duration::from_secs(20);

#[test]
fn a_log_made_again_under_a_running_worker_ends_it_and_nothing_of_the_other_is_kept() {
    // The other log's records come at once, and when the worker has had time to look.
    for (round, pause_ms) in [0, 30, 150, 500].into_iter().enumerate() {
        let broker = TestBroker::start(PARTITIONS);
        if !broker.is_real() {
            return;
        }
        broker.publish(&activations(0..300, PARTITIONS));
        let (log, records) = (log_of(&broker.connection(), &[]), broker.read_log());
        let store = tempfile::tempdir().unwrap();
        let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
        process.wait_ready();
        let begun = Instant::now();
        broker.make_again(&EVENTS, PARTITIONS);
        assert!(begun.elapsed() < Duration::from_secs(5), "made again at once");
        std::thread::sleep(Duration::from_millis(pause_ms));
        // More of them than there were, so that nothing is out of range.
        broker.publish(&activations(1_000..4_000, PARTITIONS));
        let ended = process.wait();
        let is = topic_id(&broker.connection(), &log.topic, ANSWER).unwrap().unwrap();
        let was = log.topic_id.clone().unwrap();
        assert_ne!(was, is);
        ended.assert_refused(&["deleted and made again", &was, &is, "--rebuild"]);
        let stored = Stored::open_copy(store.path(), &log).unwrap();
        let mut random = StdRng::seed_from_u64(round as u64);
        stored.assert_is_the_fold_of(&records, PARTITIONS, 2, &mut random);
        let folded: i64 = stored.positions.values().map(|position| position.next_offset).sum();
        assert_eq!(folded, 300, "all of the one log and nothing of the other");
        // The next start says so as well.
        let again = run(worker(LAJU, &broker.connection(), store.path()));
        again.assert_refused(&["deleted and made again", &was, &is]);
    }
}

#[test]
fn a_record_stamped_far_in_the_future_is_said_with_partition_and_offset() {
    let broker = TestBroker::start(PARTITIONS);
    if broker.is_real() {
        // Its topics have LogAppendTime: a record's timestamp is the broker's.
        return;
    }
    let mut records = activations(0..30, PARTITIONS);
    // 2099-01-01.
    records[20].timestamp_ms = 4_070_908_800_000;
    broker.publish(&records);
    let is_far = |record: &&LogRecord| record.timestamp_ms == 4_070_908_800_000;
    let log = broker.read_log();
    let far = log.iter().find(is_far).unwrap();
    let store = tempfile::tempdir().unwrap();
    // As it reads it, and from the store at the next start.
    for _ in 0..2 {
        let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
        process.wait_ready();
        process.wait_for("stamped far in the future");
        let said = process.log();
        let line = said.lines().find(|line| line.contains("stamped far")).unwrap();
        let at = [format!("partition={}", far.partition), format!("offset={}", far.offset)];
        assert!(at.iter().all(|words| line.contains(words)), "{line}");
        let (_, metrics) = process.try_get("/metrics").unwrap();
        let gauge = format!("laju_recorded_ahead_seconds{{partition=\"{}\"}} ", far.partition);
        let seconds = metrics.lines().find_map(|line| line.strip_prefix(&gauge)).unwrap();
        assert!(seconds.parse::<f64>().unwrap() > 86_400.0, "{seconds}");
        let (status, ready) = process.get("/readyz");
        let ahead = &ready["partitions"][far.partition as usize]["recorded_ahead"];
        assert_eq!((status, &ahead["offset"]), (200, &far.offset.into()), "{ready}");
        assert!(process.stop().status.success());
    }
}

#[test]
fn partitions_that_are_added_end_a_running_worker_within_ten_seconds() {
    let broker = TestBroker::start(PARTITIONS);
    if !broker.is_real() {
        return;
    }
    broker.publish(&activations(0..30, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let begun = Instant::now();
    broker.add_partitions(&EVENTS, 2 * PARTITIONS);
    // Not ready before it ends, with the reason.
    let trouble = loop {
        let (status, ready) = process.get("/readyz");
        if status == 503 {
            break ready["partitions"][0]["trouble"].clone();
        }
    };
    assert_eq!(trouble["kind"], "partitions_added", "{trouble}");
    assert!(trouble["cure"].as_str().unwrap().contains("laju replay --to-topic"), "{trouble}");
    let ended = process.wait();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let words = ["had 3 partitions", "it has 6", "Keys now belong elsewhere", "laju replay"];
    ended.assert_refused(&words);
    // Neither is a store rebuilt from such a log.
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--rebuild");
    run(command).assert_refused(&["had 3 partitions", "it has 6", "leaves the store as it is"]);
}

#[test]
fn a_topic_made_again_under_its_readers_is_noticed_by_them() {
    let broker = TestBroker::start(PARTITIONS);
    if !broker.is_real() {
        return;
    }
    let connection = broker.connection();
    let (reference, events) = (connection.topic(&REFERENCE), connection.topic(&EVENTS));
    let mut tail = Tail::open(&connection, &reference, ANSWER).unwrap();
    let ranges = (0..PARTITIONS).map(|p| (p, Range { from: 0, to: Range::ENDLESS })).collect();
    let mut reader = RangeReader::open(&connection, &events, &ranges, Order::Together).unwrap();
    let was = [&reference, &events].map(|topic| topic_id(&connection, topic, ANSWER).unwrap());
    broker.make_again(&REFERENCE, 1);
    broker.make_again(&EVENTS, PARTITIONS);
    let deadline = Instant::now() + Duration::from_secs(10);
    let wait = Duration::from_millis(50);
    let said = loop {
        assert!(Instant::now() < deadline, "the tail does not notice");
        match tail.poll(wait, |_| {}) {
            Ok(_) => {}
            Err(error @ TopicReadError::Changed { .. }) => break error.to_string(),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(said.contains(was[0].as_deref().unwrap()), "{said}");
    let said = loop {
        assert!(Instant::now() < deadline, "the reader does not notice");
        match reader.poll(wait, |_| Ok::<_, TopicReadError>(std::ops::ControlFlow::Continue(()))) {
            Ok(_) => {}
            Err(error @ TopicReadError::Changed { .. }) => break error.to_string(),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(said.contains(was[1].as_deref().unwrap()), "{said}");
}
