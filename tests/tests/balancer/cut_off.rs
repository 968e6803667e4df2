//! A node that hangs, and nodes that are cut off from Kafka.

use std::sync::atomic::Ordering;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_tests::asking::Met;
use laju_tests::balancer::NODES;
use laju_tests::events::activations;
use laju_tests::process::{Process, wait_until};
use laju_tests::proxy::{Damage, Proxy};
use nix::sys::signal::Signal;

use crate::{PARTITIONS, Place, while_asking};

#[test]
fn what_a_node_that_hangs_was_asked_another_one_answers() {
    let Some(place) = Place::start() else { return };
    place.broker.publish(&activations(0..100, PARTITIONS));
    let nodes = [0, 1].map(|number| place.node(number, NODES[number]));
    let met = Met::default();
    while_asking(&place, &met, || {
        for (round, node) in (1..).zip([0, 1, 0, 1]) {
            nodes[node].signal(Signal::SIGSTOP);
            wait_until("the balancer leaves it alone", || !place.balancer.is_up(node));
            place.broker.publish(&activations(round * 100..(round + 1) * 100, PARTITIONS));
            let all = u64::from(round + 1) * 100;
            wait_until("the other tells all", || met.latest.load(Ordering::Acquire) == all);
            nodes[node].signal(Signal::SIGCONT);
            wait_until("the balancer has it", || place.balancer.is_up(node));
        }
    });
    met.assert_all_answered();
    // Not when its patience with an answer is over, but as soon as the node is left alone.
    assert!(met.said().longest < Duration::from_secs(20), "{:?}", met.said().longest);
}

#[test]
fn a_node_cut_off_from_kafka_is_left_alone_until_it_has_caught_up_and_both_answer_what_they_know() {
    let Some(place) = Place::start() else { return };
    place.broker.publish(&activations(0..100, PARTITIONS));
    let direct = place.broker.connection();
    let proxies = [0, 1].map(|_| Proxy::before(&direct.brokers));
    let mut nodes = [0, 1].map(|number| {
        let through = Connection { brokers: proxies[number].address(), ..direct.clone() };
        let mut command = place.command(&through, number, &place.store(NODES[number]));
        // What is withheld from a client it waits for so long, and then asks by a new connection, by
        // which the broker is heard of: much longer than the lag. It is longer as well than the embedded
        // broker lets a member of a group wait, which it does not bear to be asked for again meanwhile.
        command.args(["--max-lag", "3s", "--kafka-property", "socket.timeout.ms=12000"]);
        place.start_node(number, command)
    });
    let ids = nodes.each_ref().map(Process::id);
    let met = Met::default();
    let told = |all: u64| {
        wait_until("all is told", || met.latest.load(Ordering::Acquire) == all);
    };
    while_asking(&place, &met, || {
        proxies[1].set(Damage::Withhold);
        place.broker.publish(&activations(100..200, PARTITIONS));
        wait_until("the balancer leaves it alone", || !place.balancer.is_up(1));
        let (status, ready) = nodes[1].get("/readyz");
        assert_eq!(status, 503, "{ready}");
        assert!(ready["waiting_for"].to_string().contains("behind its end"), "{ready}");
        assert!(place.balancer.is_up(0));
        told(200);
        proxies[1].set(Damage::None);
        wait_until("the balancer has it", || place.balancer.is_up(1));
        // Of everything, the other one being away.
        nodes[0].signal(Signal::SIGSTOP);
        place.broker.publish(&activations(200..300, PARTITIONS));
        told(300);
        nodes[0].signal(Signal::SIGCONT);
        wait_until("the balancer has it", || place.balancer.is_up(0));
        nodes[0].wait_folded(300);

        // With nobody left who is ready, those are asked who know something.
        let before = met.answers.load(Ordering::Acquire);
        proxies.iter().for_each(|proxy| proxy.set(Damage::Withhold));
        place.broker.publish(&activations(300..400, PARTITIONS));
        wait_until("nobody is ready", || [0, 1].iter().all(|node| !place.balancer.is_up(*node)));
        let after = met.answers.load(Ordering::Acquire);
        assert!(after > before);
        wait_until("they answer", || met.answers.load(Ordering::Acquire) > after + 100);
        assert_eq!(met.latest.load(Ordering::Acquire), 300);
        proxies.iter().for_each(|proxy| proxy.set(Damage::None));
        told(400);
    });
    met.assert_all_answered();
    assert_eq!(
        nodes.each_mut().map(|node| (node.id(), node.is_running())),
        ids.map(|id| (id, true))
    );
}
