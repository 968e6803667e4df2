//! Brokers that are killed or hang, with Kafka's own times and none of this test's: no node ends, and
//! each goes on counting.

use std::time::{Duration, Instant};

use laju_kafka::publish::{Delivery, PublishSettings, Publisher, Record};
use laju_schemas::topic::EVENTS as EVENTS_TOPIC;
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::activations;
use laju_tests::kafka::OwnKafka;
use laju_tests::process::{PATIENCE, Process, wait_until, worker};

use crate::{BROKERS, LAJU, PARTITIONS, needed};

const EVENTS: u32 = 60;
/// It is the cluster's only controller: without it nobody takes over what it leads.
const CONTROLLER: u16 = 1;
/// How far behind a node may be before a balancer leaves it alone, and all of them are.
const MAX_LAG: Duration = Duration::from_secs(30);

#[test]
fn no_node_ends_when_brokers_are_killed_in_turn_or_hang_and_each_goes_on_counting() {
    let Some((kafka, _)) = needed(OwnKafka::with_default_timeouts) else { return };
    let broker =
        TestBroker::with_at(kafka.address(), Topics { copies: BROKERS, ..Topics::of(PARTITIONS) });
    broker.publish(&activations(0..EVENTS, PARTITIONS));
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut nodes = stores.each_ref().map(|store| {
        let mut node = Process::start(worker(LAJU, &broker.connection(), store.path()));
        node.wait_ready();
        node
    });
    let ids = nodes.each_ref().map(Process::id);
    for number in 1..=BROKERS {
        let begun = Instant::now();
        kafka.kill_broker(number);
        let first = u32::from(number) * EVENTS;
        let sent = Sent::send(&broker, first);
        let folded = |nodes: &mut [Process; 2], sent: Sent| {
            sent.wait();
            let all = u64::from(first + EVENTS);
            nodes.iter_mut().for_each(|node| node.wait_folded(all));
        };
        // Of the others, while it is away; of the controller, when it is back.
        if number == CONTROLLER {
            kafka.start_broker_again(number);
            folded(&mut nodes, sent);
        } else {
            folded(&mut nodes, sent);
            kafka.start_broker_again(number);
        }
        println!("broker {number} killed: counted after {:.1} s", begun.elapsed().as_secs_f64());
        wait_until("all copies are in sync", || broker.is_in_sync());
    }
    count_while_a_broker_hangs(&kafka, &broker, &mut nodes);
    for (node, id) in nodes.iter_mut().zip(ids) {
        assert!(node.is_running() && node.id() == id, "{}", node.log());
        assert_eq!(node.get("/readyz").0, 200);
    }
    for node in nodes {
        assert!(node.stop().status.success());
    }
}

/// One that hangs says nothing to those who have asked it, not even that others lead by now.
fn count_while_a_broker_hangs(kafka: &OwnKafka, broker: &TestBroker, nodes: &mut [Process; 2]) {
    // It leads some of the partitions: the others were away after it.
    let leads = |number: u16| broker.leaders().is_some_and(|all| all.contains(&number.into()));
    let number = (CONTROLLER + 1..=BROKERS).find(|number| leads(*number)).expect("one leads");
    let begun = Instant::now();
    kafka.pause_broker(number);
    wait_until("others lead", || broker.leaders().is_some_and(|all| !all.contains(&number.into())));
    let others_lead = begun.elapsed();
    let first = (u32::from(BROKERS) + 1) * EVENTS;
    let sent = Sent::send(broker, first);
    for node in nodes.iter_mut() {
        node.wait_folded(u64::from(first + EVENTS));
        assert!(begun.elapsed() < MAX_LAG, "{}", node.log());
        assert_eq!(node.get("/readyz").0, 200);
    }
    println!(
        "broker {number} hangs: others lead after {:.1} s, counted after {:.1} s",
        others_lead.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    kafka.resume_broker(number);
    sent.wait();
}

/// Events on their way. Their publisher is theirs alone: the test's may ask a broker that hangs.
struct Sent {
    deliveries: Vec<Delivery>,
    _publisher: Publisher,
}

impl Sent {
    fn send(broker: &TestBroker, first: u32) -> Self {
        // A broker is started again within a minute.
        let settings = PublishSettings { delivery_timeout: PATIENCE, ..PublishSettings::default() };
        let publisher = Publisher::new(&broker.connection(), &settings).unwrap();
        let topic = broker.connection().topic(&EVENTS_TOPIC);
        let events = activations(first..first + EVENTS, PARTITIONS);
        let sent = events.iter().map(|event| {
            let (key, value) = (event.key.as_deref(), event.value.as_deref());
            let partition = Some(event.partition);
            let record = Record { topic: &topic, key, value, partition, ..Record::default() };
            publisher.publish_record(&record).expect("room for it")
        });
        Self { deliveries: sent.collect(), _publisher: publisher }
    }

    fn wait(self) {
        for delivery in self.deliveries {
            delivery.wait().expect("confirmed");
        }
    }
}
