//! Records in transactions, committed and aborted: what leaves offsets without a record.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use laju_kafka::publish::exact::{ExactError, ExactPublisher, ExactRecord, FILLER};
use laju_schemas::topic::{ALL, EVENTS, KIOSK_STATUS, REFERENCE, Topic};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::log::LogRecord;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::{PARTITIONS, answer, assert_same, backup, restore};

const PATIENCE: Duration = Duration::from_secs(60);

/// Who writes in transactions to a real Kafka.
pub(crate) struct Transactions {
    producer: BaseProducer,
    broker_topic: String,
}

impl Transactions {
    /// To a topic of a broker; none on the embedded one.
    pub(crate) fn to(broker: &TestBroker, topic: &Topic) -> Option<Self> {
        let broker_topic = broker.connection().topic(topic);
        let config = broker.connection().client_config().unwrap();
        let producer: BaseProducer = config
            .clone()
            .set("transactional.id", format!("test.{broker_topic}"))
            .set("compression.type", "zstd")
            .create()
            .unwrap();
        broker.is_real().then(|| {
            producer.init_transactions(PATIENCE).unwrap();
            Self { producer, broker_topic }
        })
    }

    /// Writes these in one transaction.
    pub(crate) fn write(&self, records: &[LogRecord], is_committed: bool) {
        self.producer.begin_transaction().unwrap();
        for record in records {
            let mut sent = BaseRecord::<[u8], [u8]>::to(&self.broker_topic);
            sent = sent.partition(record.partition as i32);
            sent.key = record.key.as_deref();
            sent.payload = record.value.as_deref();
            self.producer.send(sent).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
        match is_committed {
            true => self.producer.commit_transaction(PATIENCE).unwrap(),
            false => self.producer.abort_transaction(PATIENCE).unwrap(),
        }
    }
}

/// Whatever gaps there are, between, before and behind the records of whichever topic, offsets are the
/// same in the copy.
#[test]
fn offsets_without_a_record_stay_without_one() {
    let original = TestBroker::start(PARTITIONS);
    let mut random = StdRng::seed_from_u64(7);
    for topic in [EVENTS, KIOSK_STATUS, REFERENCE] {
        let Some(transactions) = Transactions::to(&original, &topic) else { return };
        let partitions = if topic.partitioned { PARTITIONS } else { 1 };
        let mut next = 0;
        // It begins and ends with something aborted.
        for round in 0..30 {
            let count = random.random_range(1..6);
            let mut records = activations(next..next + count, partitions);
            next += count;
            if !topic.partitioned {
                records.iter_mut().for_each(|record| record.partition = 0);
            }
            transactions.write(&records, round > 0 && round < 29 && random.random_bool(0.6));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    answer(backup(&original.connection(), directory.path(), &["--json"]));
    // None of the topics is there; then all are there and empty.
    for copy in [TestBroker::bare(PARTITIONS), TestBroker::start(PARTITIONS)] {
        let said = answer(restore(&copy.connection(), directory.path()));
        assert_eq!(said["is_configured"], true);
        assert_same(&original, &copy);
        for topic in ALL {
            let config = copy.config(&topic);
            for (key, value) in topic.config() {
                assert_eq!(config[key], value, "{key} of {}", topic.name);
            }
        }
    }
}

#[test]
fn a_record_that_the_broker_gives_its_own_time_is_noticed() {
    let broker = TestBroker::start(PARTITIONS);
    if !broker.is_real() {
        return;
    }
    let connection = broker.connection();
    let publisher = ExactPublisher::open(&connection, &connection.topic(&EVENTS)).unwrap();
    let (key, value) = (Some(&b"key"[..]), Some(&b"value"[..]));
    let timestamp = Some(1_700_000_000_000);
    let record = ExactRecord { partition: 1, offset: 0, timestamp, key, value, headers: &[] };
    let stop = AtomicBool::new(false);
    publisher.append(&record, &stop).unwrap();
    let error = publisher.settle(&stop).unwrap_err();
    assert!(matches!(error, ExactError::Restamped { partition: 1, offset: 0, .. }), "{error}");
}

/// A restore that is killed in its first transaction leaves records at offset 0 that nobody sees until
/// the brokers give the transaction up.
#[test]
fn a_restore_that_was_killed_in_its_first_transaction_goes_on() {
    let original = TestBroker::start(PARTITIONS);
    let Some(transactions) = Transactions::to(&original, &REFERENCE) else { return };
    let mut records = activations(0..10, 1);
    transactions.write(&records, false);
    records.truncate(2);
    original.publish(&activations(20..40, PARTITIONS));
    transactions.write(&records, true);
    let directory = tempfile::tempdir().unwrap();
    answer(backup(&original.connection(), directory.path(), &["--json"]));

    let copy = TestBroker::start(PARTITIONS);
    let connection = copy.connection();
    let topic = connection.topic(&REFERENCE);
    let id = format!("{}laju-restore.{}.0", connection.topic_prefix, REFERENCE.name);
    let killed: BaseProducer =
        connection.client_config().unwrap().set("transactional.id", id).create().unwrap();
    killed.init_transactions(PATIENCE).unwrap();
    killed.begin_transaction().unwrap();
    let filler = BaseRecord::<[u8], [u8]>::to(&topic).partition(0).key(FILLER);
    killed.send(filler).map_err(|(error, _)| error).unwrap();
    killed.flush(PATIENCE).unwrap();
    let said = answer(restore(&connection, directory.path()));
    assert_eq!(said["went_on"], true);
    assert_same(&original, &copy);
}
