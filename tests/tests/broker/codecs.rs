//! Every codec that a producer may compress with: whatever one writes, the log is folded, and what
//! this project's own programs write with each of them too.

use std::time::Duration;

use laju_kafka::publish::{Delivery, PublishSettings, Publisher};
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_schemas::topic::EVENTS;
use laju_schemas::{ReferenceFigure, ReferenceId};
use laju_tests::broker::TestBroker;
use laju_tests::events::activation;
use laju_tests::process::{Process, command, connect, run, worker};

use super::registry::typed;
use crate::LAJU;

/// All that Kafka knows, beside none.
const CODECS: [&str; 4] = ["zstd", "gzip", "snappy", "lz4"];
/// Of each codec: enough that it makes a batch smaller.
const EVENTS_EACH: u32 = 50;

#[test]
fn events_and_reference_figures_are_folded_whatever_their_codec() {
    let broker = TestBroker::start(3);
    let open = broker.connection();
    let settings =
        PublishSettings { linger: Duration::from_millis(50), ..PublishSettings::default() };
    for (number, codec) in (0..).zip(CODECS) {
        let mut connection = broker.connection();
        connection.kafka_properties = vec![format!("compression.type={codec}").parse().unwrap()];
        let publisher = Publisher::new(&connection, &settings).unwrap();
        let events = number * EVENTS_EACH..(number + 1) * EVENTS_EACH;
        let sent: Vec<Delivery> =
            events.map(|event| publisher.publish(&typed(&activation(event))).unwrap()).collect();
        for delivery in sent {
            delivery.wait().unwrap();
        }
        let figure = ReferenceFigure {
            reference_id: ReferenceId([number as u8 + 1; 16]),
            region: "18.71".parse().unwrap(),
            kind: ReferenceKind::Denominator,
            basis: Basis::WajibKtp,
            value: Some(1_000 + u64::from(number)),
            percent: None,
            valid_from: format!("2023-0{}-01", number + 1).parse().unwrap(),
            valid_to: None,
            // As good as it gets for a codec.
            source: "letter ".repeat(40),
            issued_by: "tests".to_owned(),
        };
        publisher.publish_reference(&figure).unwrap().wait().unwrap();
    }

    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &open, store.path()));
    process.wait_ready();
    let (_, answer) = process.get("/v1/regions/18.71/progress");
    assert_eq!(answer["activated"], CODECS.len() as u32 * EVENTS_EACH, "{answer}");
    for (number, _) in (0..).zip(CODECS) {
        let path = format!("/v1/regions/18.71/progress?as_of=2023-0{}-15", number + 1);
        let (_, answer) = process.get(&path);
        assert_eq!(answer["denominators"][0]["value"], 1_000 + number, "{answer}");
    }
    assert!(process.stop().status.success());

    // The program that copies writes each of them, and what it has written is read.
    for codec in CODECS {
        let copy = format!("{}.{codec}", open.topic(&EVENTS));
        let mut topic = EVENTS;
        topic.name = match codec {
            "zstd" => "ikd.events.v1.zstd",
            "gzip" => "ikd.events.v1.gzip",
            "snappy" => "ikd.events.v1.snappy",
            _ => "ikd.events.v1.lz4",
        };
        broker.create_topic(&topic, 3, EVENTS.max_message_bytes);
        let mut copying = command(LAJU, &["replay", "--to-topic", &copy, "--new-timestamps"]);
        connect(&mut copying, &open);
        copying.args(["--kafka-property", &format!("compression.type={codec}")]);
        let ended = run(copying);
        assert!(ended.status.success(), "{codec}: {ended:?}");
        let records = broker.read(&topic);
        assert_eq!(records.len() as u32, CODECS.len() as u32 * EVENTS_EACH, "{codec}");
    }
}
