//! A topic whose end is not its last record, which only a real Kafka can have: marks of
//! transactions, aborted records, records cut off. Needs `LAJU_TEST_BROKERS`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::read::{Tail, TailRecord, TopicReadError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(20);

/// The offsets read once the topic goes up to `end`: a commit returns before its mark is written,
/// and until then what it commits is not there for readers.
fn read(brokers: &str, topic: &str, end: i64) -> Vec<i64> {
    let begun = Instant::now();
    loop {
        let mut tail = Tail::open(&Connection::to(brokers), topic, PATIENCE).unwrap();
        let mut offsets = Vec::new();
        let each = |record: TailRecord<'_>| {
            offsets.push(record.offset());
            Ok::<_, TopicReadError>(())
        };
        tail.read_to_end(PATIENCE, each).unwrap();
        if tail.end_offsets().eq([end]) {
            return offsets;
        }
        assert!(begun.elapsed() < PATIENCE, "{topic} never goes up to {end}");
    }
}

#[test]
fn the_end_is_reached_behind_marks_aborted_records_and_cuts() {
    let Ok(brokers) = std::env::var("LAJU_TEST_BROKERS") else {
        // The embedded broker has none of them; read/tail/tests.rs of laju-kafka has what it can do.
        return;
    };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &brokers);
    let topic = format!("test-tail-{}", std::process::id());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    runtime.block_on(admin.create_topics(&[new], &options)).unwrap().remove(0).unwrap();

    let producer: BaseProducer = config.clone().set("transactional.id", &topic).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    let write = |count: usize| {
        producer.begin_transaction().unwrap();
        for _ in 0..count {
            producer.send(BaseRecord::<(), [u8]>::to(&topic).payload(b"x")).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    };
    write(3);
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(read(&brokers, &topic, 4), [0, 1, 2]);

    write(2);
    producer.abort_transaction(PATIENCE).unwrap();
    assert_eq!(read(&brokers, &topic, 7), [0, 1, 2]);

    let delete = |offset| {
        let mut until = TopicPartitionList::new();
        until.add_partition_offset(&topic, 0, offset).unwrap();
        runtime.block_on(admin.delete_records(&until, &options)).unwrap();
    };
    delete(Offset::Offset(2));
    assert_eq!(read(&brokers, &topic, 7), [2]);
    delete(Offset::Offset(5));
    assert!(read(&brokers, &topic, 7).is_empty());
    delete(Offset::End);
    assert!(read(&brokers, &topic, 7).is_empty());

    runtime.block_on(admin.delete_topics(&[&topic], &options)).unwrap().remove(0).unwrap();
}
