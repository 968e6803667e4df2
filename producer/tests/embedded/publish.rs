//! Publishing, on the embedded broker.

use std::time::{Duration, Instant};

use crate::support::{Broker, CannedRegistry, PARTITIONS, event, nobody};
use laju_producer::connection::Connection;
use laju_producer::publish::{
    BulkPublisher, DeliveryError, PublishError, PublishSettings, Publisher, Record,
};
use laju_schemas::framing::Framing;
use laju_schemas::known::{ACTIVATION_EVENT, EventReader};
use laju_schemas::partition::partition_for;
use laju_schemas::reference::{Basis, ReferenceKind, ReferenceReader};
use laju_schemas::status::StatusReader;
use laju_schemas::{KioskStatus, ReferenceFigure, ReferenceId, TimestampMs};
use rdkafka::Message;
use rdkafka::message::Headers;

const EVENTS: &str = "ikd.events.v1";

fn publisher(broker: &Broker) -> Publisher {
    Publisher::new(&broker.connection, &PublishSettings::default()).unwrap()
}

#[test]
fn an_event_is_confirmed_where_the_contract_wants_it() {
    let broker = Broker::start();
    let publisher = publisher(&broker);
    let deliveries: Vec<_> = (1..=40).map(|n| (n, publisher.publish(&event(n)).unwrap())).collect();
    let mut receipts = Vec::new();
    for (number, delivery) in deliveries {
        let receipt = delivery.wait().unwrap();
        assert_eq!(receipt.partition, partition_for(&[number; 16], PARTITIONS));
        receipts.push((receipt.partition, receipt.offset.unwrap(), number));
    }

    let records = broker.read_all(EVENTS);
    assert_eq!(records.len(), 40);
    let mut reader = EventReader::new(&[]).unwrap();
    for record in records {
        let place = (record.partition() as u32, record.offset() as u64);
        let number = receipts.iter().find(|(p, o, _)| (*p, *o) == place).unwrap().2;
        assert_eq!(record.key(), Some(&[number; 16][..]));
        let read = reader.read(record.payload().unwrap()).unwrap();
        assert_eq!((read.subject.0, read.kiosk_id), ([number; 16], "kiosk-1"));
    }
}

#[test]
fn a_delivery_can_be_awaited() {
    let broker = Broker::start();
    let publisher = publisher(&broker);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let receipt = runtime.block_on(publisher.publish(&event(1)).unwrap()).unwrap();
    assert_eq!(receipt.offset, Some(0));
}

#[test]
fn figures_statuses_and_raw_records_reach_their_topics() {
    let broker = Broker::start();
    let publisher = publisher(&broker);
    let figure = ReferenceFigure {
        reference_id: ReferenceId([1; 16]),
        region: "18.71".parse().unwrap(),
        kind: ReferenceKind::Denominator,
        basis: Basis::WajibKtp,
        value: Some(767_000),
        percent: None,
        valid_from: "2023-01-01".parse().unwrap(),
        valid_to: None,
        source: "test".to_owned(),
        issued_by: "test".to_owned(),
    };
    publisher.publish_reference(&figure).unwrap().wait().unwrap();
    let records = broker.read_all("ikd.reference.v1");
    assert_eq!(records[0].key(), Some(&b"18.71"[..]));
    let reader = ReferenceReader::new().unwrap();
    assert_eq!(reader.read(records[0].payload().unwrap()).unwrap(), figure);

    let status = KioskStatus {
        kiosk_id: "kiosk-1".parse().unwrap(),
        service_region: "18.71".parse().unwrap(),
        highest_sequence: 3,
        unsent: 1,
        oldest_unsent: None,
        clock_offset_ms: None,
        agent_version: "0.1.0".to_owned(),
        sent_at: TimestampMs(1_700_000_000_000),
        retired: false,
        key_id: None,
    };
    publisher.publish_status(&status).unwrap().wait().unwrap();
    let records = broker.read_all("ikd.kiosk-status.v1");
    assert_eq!(records[0].key(), Some(&b"kiosk-1"[..]));
    let reader = StatusReader::new().unwrap();
    assert_eq!(reader.read(records[0].payload().unwrap()).unwrap(), status);

    let record = Record {
        topic: EVENTS,
        key: Some(b"k"),
        value: Some(b"not an event"),
        partition: Some(3),
        timestamp: Some(TimestampMs(1_672_531_200_000)),
        headers: &[("laju-reason", b"undecodable")],
    };
    let receipt = publisher.publish_record(&record).unwrap().wait().unwrap();
    assert_eq!(receipt.partition, 3);
    let records = broker.read_all(EVENTS);
    assert_eq!(records[0].timestamp().to_millis(), Some(1_672_531_200_000));
    let headers = records[0].headers().unwrap();
    assert_eq!(headers.get(0).value, Some(&b"undecodable"[..]));
}

#[test]
fn more_than_a_mebibyte_is_refused_by_name() {
    let broker = Broker::start();
    let publisher = publisher(&broker);
    let value = vec![0; 1 << 20];
    let record =
        Record { topic: EVENTS, key: Some(&[0; 16]), value: Some(&value), ..Record::default() };
    let error = publisher.publish_record(&record).unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { limit: 1_048_576, .. }), "{error}");
    assert!(error.to_string().contains(EVENTS), "{error}");

    // The largest that is not refused does arrive.
    let record = Record { value: Some(&value[..(1 << 20) - 16 - 128]), ..record };
    publisher.publish_record(&record).unwrap().wait().unwrap();
}

#[test]
fn a_full_queue_makes_the_caller_wait_and_drops_nothing() {
    let broker = Broker::start();
    let settings = PublishSettings { queue_messages: 10, ..PublishSettings::bulk() };
    let publisher = BulkPublisher::new(&broker.connection, &settings).unwrap();
    for number in 0..500_u32 {
        let key = number.to_be_bytes();
        let record =
            Record { topic: EVENTS, key: Some(&key), value: Some(&key), ..Record::default() };
        publisher.publish(&record).unwrap();
    }
    assert_eq!(publisher.flush(Duration::from_secs(20)), 0);
    let counts = publisher.counts();
    assert_eq!((counts.delivered, counts.failed), (500, 0));
    assert_eq!(broker.read_all(EVENTS).len(), 500);
}

#[test]
fn without_a_broker_the_delivery_fails_in_time_and_says_why() {
    let settings = PublishSettings {
        delivery_timeout: Duration::from_millis(500),
        ..PublishSettings::default()
    };
    let publisher = Publisher::new(&Connection::to(nobody()), &settings).unwrap();
    let began = Instant::now();
    let error = publisher.publish(&event(1)).unwrap().wait().unwrap_err();
    assert!(matches!(&error, DeliveryError::TimedOut(Some(why)) if why.contains("refused")));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_dropped_publisher_answers_every_delivery() {
    let publisher = Publisher::new(&Connection::to(nobody()), &PublishSettings::default()).unwrap();
    let delivery = publisher.publish(&event(1)).unwrap();
    drop(publisher);
    assert_eq!(delivery.wait(), Err(DeliveryError::Closed));
}

#[test]
fn with_a_registry_the_value_carries_its_id() {
    let registry = CannedRegistry::start(|_, _| (200, r#"{"id":4711}"#));
    let mut broker = Broker::start();
    broker.connection.registry = Some(registry.url.clone());
    let publisher = publisher(&broker);
    publisher.publish(&event(1)).unwrap().wait().unwrap();
    publisher.publish(&event(2)).unwrap().wait().unwrap();
    assert_eq!(*registry.asked.lock().unwrap(), ["POST /subjects/ikd.events.v1-value"]);
    for record in broker.read_all(EVENTS) {
        let (framing, _) = Framing::split(record.payload().unwrap()).unwrap();
        assert_eq!(framing, Framing::Confluent(4711));
    }
}

#[test]
fn a_wrong_registry_is_an_error_before_anything_is_sent() {
    let mut broker = Broker::start();
    broker.connection.registry = Some(format!("http://{}", nobody()));
    let error = publisher(&broker).publish(&event(1)).unwrap_err();
    assert!(matches!(error, PublishError::Registry(_)), "{error}");

    let page = CannedRegistry::start(|_, _| (404, "not here"));
    broker.connection.registry = Some(page.url);
    let error = publisher(&broker).publish(&event(1)).unwrap_err();
    assert!(error.to_string().contains("schema registry"), "{error}");
    assert!(broker.read_all(EVENTS).is_empty());
}

#[test]
fn without_a_registry_the_value_carries_the_fingerprint() {
    let broker = Broker::start();
    publisher(&broker).publish(&event(1)).unwrap().wait().unwrap();
    let records = broker.read_all(EVENTS);
    let (framing, _) = Framing::split(records[0].payload().unwrap()).unwrap();
    assert_eq!(framing, Framing::SingleObject(ACTIVATION_EVENT.fingerprint));
}
