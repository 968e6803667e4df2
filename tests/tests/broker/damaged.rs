//! Records that cannot be had: damaged ones, and ones of a codec that nobody has. The partition
//! stands still and says so, nothing behind them is counted, and it goes on by itself.

use laju_kafka::connection::Connection;
use laju_kafka::publish::{PublishSettings, Publisher, Record};
use laju_schemas::topic::{EVENTS, REFERENCE};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::log::LogRecord;
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use laju_tests::proxy::{Damage, Proxy};

use crate::LAJU;

const PARTITIONS: u32 = 3;

/// Sends each record in a batch of its own, as it is.
fn publish(connection: &Connection, records: &[LogRecord]) {
    let mut plain = connection.clone();
    plain.kafka_properties.push("compression.type=none".parse().unwrap());
    let publisher = Publisher::new(&plain, &PublishSettings::default()).unwrap();
    for record in records {
        let delivery = publisher.publish_record(&Record {
            topic: &connection.topic(&EVENTS),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            partition: Some(record.partition),
            timestamp: None,
            headers: &[],
        });
        delivery.unwrap().wait().unwrap();
    }
}

/// The same connection through the proxy.
fn through(proxy: &Proxy, connection: &Connection) -> Connection {
    Connection { brokers: proxy.address(), ..connection.clone() }
}

/// A record with others before and behind it in its partition.
fn victim(log: &[LogRecord]) -> &LogRecord {
    let in_the_middle = |record: &&LogRecord| {
        let of_it = log.iter().filter(|other| other.partition == record.partition);
        record.offset == 3 && of_it.count() > 6
    };
    log.iter().find(in_the_middle).expect("a partition with some records")
}

fn has(process: &mut Process, line: &str) -> bool {
    let (_, text) = process.try_get("/metrics").unwrap();
    text.lines().any(|known| known == line)
}

#[test]
fn a_partition_whose_records_cannot_be_had_stands_still_and_says_so_until_they_can() {
    let broker = TestBroker::start(PARTITIONS);
    let connection = broker.connection();
    publish(&connection, &activations(0..40, PARTITIONS));
    let log = broker.read_log();
    let victim = victim(&log);
    let value = victim.value.clone().unwrap();
    let topic = connection.topic(&EVENTS);

    for (damage, kind, word) in [
        (Damage::Flip(value.clone()), "damaged", "checksum"),
        (Damage::Codec(value), "codec", "compressed"),
    ] {
        let proxy = Proxy::before(&connection.brokers);
        proxy.set(damage);
        let store = tempfile::tempdir().unwrap();
        let mut process = Process::start(worker(LAJU, &through(&proxy, &connection), store.path()));
        process.wait_for("a partition stands still");
        // All others are folded to their ends, and this one up to the damage.
        wait_until("the others are folded", || {
            let (status, answer) = process.get("/readyz");
            assert_eq!(status, 503, "{answer}");
            let partitions = answer["partitions"].as_array().unwrap();
            partitions.len() == PARTITIONS as usize
                && !answer["troubles"][0].is_null()
                && partitions.iter().all(|row| {
                    let number = row["partition"].as_u64().unwrap();
                    let wanted = if number == u64::from(victim.partition) {
                        victim.offset
                    } else {
                        log.iter().filter(|record| u64::from(record.partition) == number).count()
                            as i64
                    };
                    assert!(row["next_offset"].as_i64().unwrap() <= wanted, "{answer}");
                    row["next_offset"] == wanted
                })
        });
        let (_, answer) = process.get("/readyz");
        let trouble = &answer["partitions"][victim.partition as usize]["trouble"];
        assert_eq!((&trouble["kind"], &trouble["offset"]), (&kind.into(), &victim.offset.into()));
        assert!(trouble["detail"].as_str().unwrap().contains(word), "{trouble}");
        assert!(!trouble["cure"].as_str().unwrap().is_empty());
        assert_eq!(answer["troubles"][0]["topic"].as_str(), Some(&*topic));
        assert_eq!(answer["troubles"].as_array().unwrap().len(), 1, "{answer}");
        let metric = format!(
            "laju_partition_trouble{{topic=\"{topic}\",partition=\"{}\",kind=\"{kind}\"}}",
            victim.partition
        );
        assert!(has(&mut process, &format!("{metric} 1")));
        let log_line = process.log();
        let line = log_line.lines().find(|line| line.contains("a partition stands still")).unwrap();
        for part in [&*topic, &format!("offset={}", victim.offset), kind, word] {
            assert!(line.contains(part), "it does not say '{part}': {line}");
        }

        proxy.set(Damage::None);
        process.wait_ready();
        assert!(has(&mut process, &format!("{metric} 0")));
        assert!(process.log().contains("trouble is over"));
        let (_, answer) = process.get("/v1/regions/18.71/progress");
        assert_eq!(answer["activated"], 40, "{answer}");
        assert!(process.stop().status.success());
    }
}

#[test]
fn a_command_that_reads_what_cannot_be_had_ends_with_its_place_and_a_cure() {
    let broker = TestBroker::start(PARTITIONS);
    let connection = broker.connection();
    publish(&connection, &activations(0..40, PARTITIONS));
    let log = broker.read_log();
    let victim = victim(&log);
    let proxy = Proxy::before(&connection.brokers);
    proxy.set(Damage::Flip(victim.value.clone().unwrap()));
    let mut replay = command(LAJU, &["replay"]);
    connect(&mut replay, &through(&proxy, &connection));
    let ended = run(replay);
    assert!(!ended.status.success(), "{ended:?}");
    let place = format!("partition {} of {}", victim.partition, connection.topic(&EVENTS));
    for part in [&*place, &format!("offset {}", victim.offset), "damaged", "replicas"] {
        assert!(ended.stderr.contains(part), "it does not say '{part}': {}", ended.stderr);
    }
    // Nothing behind it was handed over for the next.
    let rows = ended
        .stdout
        .lines()
        .filter(|line| line.contains(&format!("\"partition\":{},", victim.partition)));
    assert!(rows.count() <= victim.offset as usize);
}

#[test]
fn a_damaged_reference_figure_is_said_and_waited_for() {
    let broker = TestBroker::start(PARTITIONS);
    let connection = broker.connection();
    let mut add = command(
        LAJU,
        &[
            "reference",
            "add",
            "--region",
            "18.71",
            "--kind",
            "denominator",
            "--basis",
            "wajib_ktp",
            "--value",
            "767000",
            "--valid-from",
            "2023-01-01",
            "--source",
            "a source with a mark",
            "--issued-by",
            "tests",
        ],
    );
    let mut plain = connection.clone();
    plain.kafka_properties.push("compression.type=none".parse().unwrap());
    connect(&mut add, &plain);
    let ended = run(add);
    assert!(ended.status.success(), "{ended:?}");

    let proxy = Proxy::before(&connection.brokers);
    proxy.set(Damage::Flip(b"a source with a mark".to_vec()));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &through(&proxy, &connection), store.path()));
    process.wait_for("a partition stands still");
    wait_until("it is shown", || !process.get("/readyz").1["troubles"][0].is_null());
    let (status, answer) = process.get("/readyz");
    assert_eq!(status, 503, "{answer}");
    let trouble = &answer["troubles"][0];
    assert_eq!(trouble["topic"].as_str(), Some(&*connection.topic(&REFERENCE)), "{answer}");
    assert_eq!((&trouble["kind"], &trouble["offset"]), (&"damaged".into(), &0.into()));
    proxy.set(Damage::None);
    process.wait_ready();
    let (_, answer) = process.get("/v1/regions/18.71/progress");
    assert_eq!(answer["denominators"][0]["value"], 767_000, "{answer}");
    let (_, answer) = process.get("/readyz");
    assert_eq!(answer["troubles"].as_array().unwrap().len(), 0, "{answer}");
    assert!(process.stop().status.success());
}
