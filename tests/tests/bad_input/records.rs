//! Records that cannot be counted: each goes to quarantine with its reason, and the good ones
//! around it are counted.

use std::collections::BTreeMap;

use laju_kafka::publish::{PublishError, PublishSettings, Publisher, Record};
use laju_schemas::Fact;
use laju_schemas::framing::Framing;
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::{HEADER_DETAIL, HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON};
use laju_schemas::quarantine::{HEADER_TRUNCATED, Reason};
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::EVENTS;
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::{activation, activations, now_ms, record, subject, with_value};
use laju_tests::log::LogRecord;
use laju_tests::wire;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::{LAJU, PARTITIONS, counted, fold_all, log};
use laju_tests::process::{Process, worker};

const HOUR_MS: i64 = 3_600_000;
const PROGRAMME_START_MS: i64 = 1_640_970_000_000;

/// Each bad record, with the reason and a word of the explanation.
fn bad_records() -> Vec<(&'static str, LogRecord, Reason, &'static str)> {
    let mut number = 10_000;
    let mut next = || {
        number += 1;
        activation(number)
    };
    let value = |event: &RawEvent<'_>, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        with_value(event, PARTITIONS, change(wire::single_object(event)))
    };
    let of = |event: RawEvent<'_>| record(&event, PARTITIONS);
    let (mut no_value, mut no_key, mut wrong_key, mut elsewhere) =
        (of(next()), of(next()), of(next()), of(next()));
    no_value.value = None;
    no_key.key = None;
    let other = subject(77).0;
    wrong_key.key = Some(other.to_vec());
    wrong_key.partition = partition_for(&other, PARTITIONS);
    elsewhere.partition = (elsewhere.partition + 1) % PARTITIONS;
    let mut noise = vec![0; (1 << 20) + 1];
    // Not to be compressed below what the topic takes.
    StdRng::seed_from_u64(1).fill_bytes(&mut noise);
    let confluent = |event: RawEvent<'_>| {
        with_value(&event, PARTITIONS, wire::framed(&event, Framing::Confluent(7)))
    };
    let stranger = |event: RawEvent<'_>| {
        with_value(&event, PARTITIONS, wire::framed(&event, Framing::SingleObject(7)))
    };
    let cases = [
        ("no value", no_value, Reason::Undecodable, "empty"),
        ("an empty value", value(&next(), &|_| Vec::new()), Reason::Undecodable, "empty"),
        ("truncated Avro", value(&next(), &|v| v[..v.len() - 3].to_vec()), Reason::Undecodable, ""),
        ("trailing bytes", value(&next(), &|v| [v, vec![0]].concat()), Reason::Undecodable, ""),
        ("JSON", value(&next(), &|_| b"{}".to_vec()), Reason::UnknownSchema, "framing"),
        ("an unknown fingerprint", stranger(next()), Reason::UnknownSchema, "fingerprint"),
        ("an unknown schema id", confluent(next()), Reason::UnknownSchema, "id 7"),
        ("no key", no_key, Reason::WrongKey, "key"),
        ("a wrong key", wrong_key, Reason::WrongKey, "subject"),
        ("a wrong partition", elsewhere, Reason::WrongPartition, "murmur2_random"),
        (
            "an unknown region",
            of(RawEvent { home_region: "18.99", ..next() }),
            Reason::UnknownRegion,
            "home_region: '18.99'",
        ),
        (
            "a province as home",
            of(RawEvent { home_region: "18", ..next() }),
            Reason::UnknownRegion,
            "home_region: '18'",
        ),
        (
            "the nation as service region",
            of(RawEvent { service_region: "ID", ..next() }),
            Reason::UnknownRegion,
            "service_region",
        ),
        ("sequence 0", of(RawEvent { sequence: 0, ..next() }), Reason::SequenceOutOfRange, ""),
        ("sequence -1", of(RawEvent { sequence: -1, ..next() }), Reason::SequenceOutOfRange, ""),
        (
            "sequence 2^32",
            of(RawEvent { sequence: 1 << 32, ..next() }),
            Reason::SequenceOutOfRange,
            "",
        ),
        (
            "a day before the programme",
            of(RawEvent { occurred_at: PROGRAMME_START_MS - 24 * HOUR_MS, ..next() }),
            Reason::BeforeProgramme,
            "occurred_at",
        ),
        (
            "30 h in the future",
            of(RawEvent { occurred_at: now_ms() + 30 * HOUR_MS, ..next() }),
            Reason::InFuture,
            "24 h",
        ),
        (
            "a kiosk without a name",
            of(RawEvent { kiosk_id: "", ..next() }),
            Reason::MalformedField,
            "kiosk_id",
        ),
        (
            "a move from nowhere",
            of(RawEvent { fact: Fact::Relocated { from_region: "?" }, ..next() }),
            Reason::MalformedField,
            "from_region",
        ),
        ("above 1 MiB", value(&next(), &|_| noise.clone()), Reason::TooLarge, "1048577 bytes"),
    ];
    cases.into()
}

#[test]
fn what_cannot_be_counted_is_in_quarantine_with_its_reason_and_the_rest_counts() {
    let topics = Topics { max_event_bytes: 3 << 20, ..Topics::of(PARTITIONS) };
    let broker = TestBroker::with(topics);
    let store = tempfile::tempdir().unwrap();
    broker.publish(&activations(0..50, PARTITIONS));
    let mut expected = BTreeMap::new();
    let headers: &[(&str, &[u8])] = &[("trace", b"1"), ("trace", b"\xff\x00"), ("nothing", b"")];
    let bad = bad_records();
    for (case, record, reason, word) in &bad {
        let receipt = broker.send(record, headers).unwrap().wait().unwrap();
        let offset = receipt.offset.unwrap();
        let origin = (receipt.partition, offset as i64);
        expected.insert(origin, (case, record, reason, word));
        broker.publish(&activations(50 + offset as u32..51, PARTITIONS));
    }
    broker.publish(&activations(50..100, PARTITIONS));

    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let copies = broker.wait_quarantine(bad.len());
    let stored = process.stop();
    assert!(stored.status.success(), "{stored:?}");
    let stored = laju_tests::judge::Stored::open_copy(store.path(), &log(&broker)).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    stored.assert_is_the_fold_of(&broker.read_log(), PARTITIONS, 4, &mut random);
    assert_eq!(counted(&stored).1, bad.len() as u64);

    assert_eq!(copies.len(), bad.len());
    for copy in copies {
        let number = |name| copy.header(name).unwrap().parse::<i64>().unwrap();
        let origin = (number(HEADER_PARTITION) as u32, number(HEADER_OFFSET));
        let (case, record, reason, word) = expected.remove(&origin).expect("each once");
        assert_eq!(copy.header(HEADER_REASON), Some(reason.as_str()), "{case}");
        let detail = copy.header(HEADER_DETAIL).unwrap();
        assert!(!detail.is_empty() && detail.contains(word), "{case}: {detail}");
        assert_eq!(copy.record.key, record.key, "{case}");
        assert!(copy.record.value == record.value, "{case}: not as it was");
        assert_eq!(copy.header(HEADER_TRUNCATED), None, "{case}");
        let own = &copy.headers[copy.headers.len() - headers.len()..];
        for ((name, value), (own_name, own_value)) in headers.iter().zip(own) {
            assert_eq!((*name, Some(*value)), (own_name.as_str(), own_value.as_deref()), "{case}");
        }
    }
    assert!(expected.is_empty(), "{expected:?}");
}

#[test]
fn a_value_above_1_mib_is_refused_by_name_at_the_producer() {
    let broker = TestBroker::start(PARTITIONS);
    let publisher = Publisher::new(&broker.connection(), &PublishSettings::default()).unwrap();
    let topic = broker.connection().topic(&EVENTS);
    let value = vec![0; (1 << 20) + 1];
    let key = subject(1).0;
    let record =
        Record { topic: &topic, key: Some(&key), value: Some(&value), ..Record::default() };
    let error = publisher.publish_record(&record).unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("1048576") && text.contains(&topic), "{text}");
    assert!(broker.read_log().is_empty());
}

#[test]
fn a_header_that_is_not_text_does_not_stop_a_partition() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    broker.publish(&activations(0..10, PARTITIONS));
    let bad = record(&RawEvent { sequence: 0, ..activation(10) }, PARTITIONS);
    broker.publish_with_raw_header(&bad, c"na\xffme", b"value");
    broker.publish(&activations(11..20, PARTITIONS));
    let stored = fold_all(&broker, store.path(), &[]);
    assert_eq!(counted(&stored), (19, 1));
}
