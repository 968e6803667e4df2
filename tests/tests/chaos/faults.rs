//! A thousand faults. `LAJU_TEST_FAULTS` says how many instead of a hundred, `LAJU_TEST_SEED` repeats a
//! run's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_tests::agent::Client;
use laju_tests::asking::{Met, Over};
use laju_tests::balancer::{Balancer, NODES};
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::disk::SlowDisks;
use laju_tests::kafka::OwnKafka;
use laju_tests::process::wait_until;
use laju_tests::registry::TestRegistry;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::follower::Follower;
use crate::health::Health;
use crate::kiosks::{Agent, Sent, publish_what_cannot_be_counted};
use crate::lanes::{Since, to_agents, to_brokers, to_leases, to_nodes, to_registry};
use crate::nodes::{Node, Notes, Surroundings};
use crate::plan::Plan;
use crate::{BROKERS, PARTITIONS, judge, kiosks, needed};

const FAULTS: usize = 100;
const AGENTS: usize = 2;
const CLIENTS: usize = 4;
/// How long a client waits before it asks again: the brokers have to do something as well.
const PAUSE: Duration = Duration::from_millis(20);

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
}

#[test]
fn nothing_is_lost_wrong_or_unanswered_whatever_happens_to_nodes_brokers_and_agents() {
    let seed = number("LAJU_TEST_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let count = number("LAJU_TEST_FAULTS").unwrap_or(FAULTS);
    println!("LAJU_TEST_SEED={seed} LAJU_TEST_FAULTS={count} repeats these faults");
    let Some((kafka, haproxy)) = needed(OwnKafka::of) else { return };
    let broker =
        TestBroker::with_at(kafka.address(), Topics { copies: BROKERS, ..Topics::of(PARTITIONS) });
    let plan = Plan::draw(seed, count, NODES.len(), BROKERS, AGENTS);
    let (notes, met) = (Notes::default(), Met::default());
    let balancer = Balancer::start(&haproxy, NODES.len());
    let (registry, disks) = (TestRegistry::start(), SlowDisks::build());
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    let (connection, disks) = (&connection, disks.as_ref());
    let at = Surroundings { connection, balancer: &balancer, disks, notes: &notes };
    let mut agents: Vec<_> = (0..AGENTS).map(|number| Agent::start(number, at)).collect();
    let mut nodes: Vec<_> = (0..NODES.len()).map(|number| Node::start(number, at)).collect();
    let rules = nodes[0].rules();
    let group = format!("{}laju-{rules}", connection.topic_prefix);
    let sent: Vec<_> = (0..AGENTS).map(|_| Sent::default()).collect();
    let healths: Vec<_> = NODES.iter().map(|_| Health::default()).collect();
    let follower = Follower::default();
    let since = Since(Instant::now());
    let (sending_is_over, watching_is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _watching = Over(&watching_is_over);
        for (node, health) in nodes.iter().zip(&healths) {
            let (address, over) = (node.address(), &watching_is_over);
            scope.spawn(move || health.watch(&address, over));
        }
        for _ in 0..CLIENTS {
            scope.spawn(|| met.ask(&balancer.address(), PAUSE));
        }
        scope.spawn(|| follower.follow(&balancer.address(), &met.over));
        let _asking = Over(&met.over);
        std::thread::scope(|scope| {
            let _sending = Over(&sending_is_over);
            for (number, sent) in sent.iter().enumerate() {
                let (address, over) = (agents[number].address(), &sending_is_over);
                scope.spawn(move || sent.send(number, &address, seed, over));
            }
            scope.spawn(|| publish_what_cannot_be_counted(&broker, &sending_is_over));
            std::thread::scope(|scope| {
                scope.spawn(|| to_nodes(&plan.nodes, &mut nodes, &notes, since));
                scope.spawn(|| to_brokers(&plan.brokers, &kafka, &broker, &notes, since));
                scope.spawn(|| to_agents(&plan.agents, &mut agents, &notes, since));
                scope.spawn(|| to_leases(&plan.leases, &broker, &group, &notes, since));
                scope.spawn(|| to_registry(&plan.registry, &registry, &notes, since));
            });
        });
        // Everything is sent, and told by every node.
        for agent in &agents {
            Client::new(agent.address()).drain();
        }
        let events: u64 = sent.iter().map(|sent| sent.taken.lock().unwrap().len() as u64).sum();
        wait_until("all is told", || met.latest.load(Ordering::Acquire) == events);
        wait_until("the stream has told all", || follower.latest() == events);
    });
    let lasted = since.0.elapsed();
    assert_eq!(notes.failures(), Vec::<String>::new());

    let written = broker.read_log();
    let log = kiosks::as_without_registry(&written, connection);
    let mut random = StdRng::seed_from_u64(seed);
    let copies = judge::assert_nothing_is_lost(&log, &sent);
    let (refused, in_quarantine) = judge::assert_quarantine_is_whole(&broker, &log);
    for node in &mut nodes {
        node.wait_folded(log.len() as u64);
        node.stop();
    }
    assert_eq!(notes.failures(), Vec::<String>::new());
    let stores: Vec<_> = nodes.iter().map(Node::store).collect();
    let events: u64 = sent.iter().map(|sent| sent.taken.lock().unwrap().len() as u64).sum();
    judge::assert_ledgers_are_right(connection, &written, &log, &stores, events, &mut random);
    println!("{count} faults in {:.0} s, by kind: {:?}", lasted.as_secs_f64(), plan.counts());
    println!(
        "{events} events, {copies} of them also twice in the log; {refused} records refused, \
         {in_quarantine} copies of them in quarantine; {} requests sent to agents again",
        sent.iter().map(|sent| sent.again.load(Ordering::Relaxed)).sum::<u64>()
    );
    println!(
        "nodes gave up {} times at their start, and ended {} times as their disk was full",
        notes.told("gave up at its start"),
        notes.told("ended as its disk was full")
    );
    println!("programs waited {} times for disks that were slow", notes.waits_for_disks());
    assert!(disks.is_none() || count < FAULTS || notes.waits_for_disks() > 0, "no disk was slow");
    let unanswerable = judge::assert_answers_were_right(&met, &healths, &log, since.0, &mut random);
    println!("{unanswerable} questions had no answer while no node was healthy");
    follower.assert_never_went_back(count as u64);
}
