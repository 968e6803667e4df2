use std::sync::mpsc;

use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::*;

const BROKER_TIMEOUT: Duration = Duration::from_secs(20);

struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Broker {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let producer = config_for(&cluster).create().unwrap();
        Self { cluster, producer }
    }

    fn connection(&self) -> Connection {
        Connection::to(self.cluster.bootstrap_servers())
    }

    fn send(&self, topic: &str, partition: i32, values: std::ops::Range<i64>) {
        for value in values {
            let payload = value.to_string();
            let record = BaseRecord::to(topic)
                .partition(partition)
                .key("k")
                .payload(&payload)
                .timestamp(1000 + value);
            self.producer.send(record).unwrap();
        }
        self.producer.flush(BROKER_TIMEOUT).unwrap();
    }
}

fn config_for(cluster: &MockCluster<'static, DefaultProducerContext>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config
}

fn text(record: &TailRecord<'_>) -> String {
    String::from_utf8(record.value().unwrap().to_vec()).unwrap()
}

#[test]
fn everything_there_is_is_handed_over_in_order_and_then_it_returns() {
    let broker = Broker::new();
    broker.cluster.create_topic("t", 2, 1).unwrap();
    broker.send("t", 0, 0..300);
    broker.send("t", 1, 0..3);
    let mut tail = Tail::open(&broker.connection(), "t", BROKER_TIMEOUT).unwrap();
    assert_eq!(tail.end_offsets().collect::<Vec<_>>(), [300, 3]);
    let mut seen = [Vec::new(), Vec::new()];
    tail.read_to_end(BROKER_TIMEOUT, |record| {
        assert_eq!(record.timestamp_ms(), 1000 + record.offset());
        assert_eq!(record.key(), Some(&b"k"[..]));
        seen[record.partition() as usize].push(text(&record));
        Ok::<_, TopicReadError>(())
    })
    .unwrap();
    let numbers = |n: i64| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(seen, [numbers(300), numbers(3)]);
    assert_eq!(tail.next_offsets().collect::<Vec<_>>(), [300, 3]);
}

#[test]
fn an_empty_topic_is_read_at_once() {
    let broker = Broker::new();
    broker.cluster.create_topic("t", 3, 1).unwrap();
    let mut tail = Tail::open(&broker.connection(), "t", BROKER_TIMEOUT).unwrap();
    let nothing = |_: TailRecord<'_>| -> Result<(), TopicReadError> { panic!("there is nothing") };
    tail.read_to_end(Duration::ZERO, nothing).unwrap();
    assert!(tail.has_caught_up());
}

#[test]
fn a_missing_topic_is_an_error_that_says_how_to_make_it_and_is_not_made() {
    let broker = Broker::new();
    for _ in 0..2 {
        let error = Tail::open(&broker.connection(), "t", BROKER_TIMEOUT).err().unwrap();
        assert!(matches!(error, TopicReadError::Missing(_)), "{error}");
        assert!(error.to_string().contains("laju topics create"), "{error}");
    }
}

#[test]
fn a_follower_tells_once_that_it_has_caught_up_goes_on_and_stops() {
    let broker = Broker::new();
    broker.cluster.create_topic("t", 1, 1).unwrap();
    broker.send("t", 0, 0..5);
    let (connection, stop) = (broker.connection(), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut tail = Tail::open(&connection, "t", BROKER_TIMEOUT)?;
            tail.follow(&stop, |tailed| {
                let news = match tailed {
                    Tailed::Record(record) => text(&record),
                    Tailed::CaughtUp => "caught up".to_owned(),
                };
                match sender.send(news) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })
        });
        let next = || receiver.recv_timeout(BROKER_TIMEOUT).unwrap();
        let first: Vec<_> = (0..6).map(|_| next()).collect();
        assert_eq!(first, ["0", "1", "2", "3", "4", "caught up"]);
        broker.send("t", 0, 5..7);
        assert_eq!([next(), next()], ["5", "6"]);
        stop.store(true, Ordering::Relaxed);
        follower.join().unwrap().unwrap();
    });
    assert!(receiver.try_recv().is_err());
}

#[test]
fn a_broker_that_goes_silent_is_told_with_how_far_it_was_read() {
    let broker = Broker::new();
    broker.cluster.create_topic("t", 1, 1).unwrap();
    broker.send("t", 0, 0..5);
    let mut tail = Tail::open(&broker.connection(), "t", BROKER_TIMEOUT).unwrap();
    broker.cluster.broker_down(1).unwrap();
    // What was fetched before it went may still come.
    match tail.read_to_end(Duration::from_millis(300), |_| Ok(())) {
        Ok(()) => assert!(tail.has_caught_up()),
        Err(error) => {
            assert!(matches!(error, TopicReadError::Unfinished { end: 5, .. }), "{error}")
        }
    }
}
