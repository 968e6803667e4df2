//! Lets the faults of a plan happen: to nodes, brokers, agents, leases and the registry beside each other.

use std::time::{Duration, Instant};

use laju_tests::broker::TestBroker;
use laju_tests::disk::fill_up;
use laju_tests::kafka::OwnKafka;
use laju_tests::process::{PATIENCE, Process};
use laju_tests::registry::TestRegistry;
use nix::sys::signal::Signal;

use crate::BROKERS;
use crate::kiosks::Agent;
use crate::nodes::{Node, Notes, slow_down};
use crate::plan::{Fault, Kind, Victim};

/// How long leases and the registry are left alone between two faults of theirs.
const BETWEEN: Duration = Duration::from_secs(10);

/// Since when, so that a fault's time can be told.
#[derive(Clone, Copy)]
pub(crate) struct Since(pub(crate) Instant);

impl Since {
    fn tell(self, fault: &Fault) {
        println!("{:8.3} s  {fault}", self.0.elapsed().as_secs_f64());
    }
}

/// To nodes: those of a round at the same time, and all are well before the next.
pub(crate) fn to_nodes(rounds: &[Vec<Fault>], nodes: &mut [Node<'_>], notes: &Notes, since: Since) {
    for round in rounds {
        if notes.has_failed() {
            return;
        }
        nodes.iter_mut().for_each(Node::wait_up);
        std::thread::scope(|scope| {
            for (number, node) in nodes.iter_mut().enumerate() {
                let is_its = |fault: &&Fault| fault.victim == Victim::Node(number);
                let Some(fault) = round.iter().find(is_its) else { continue };
                scope.spawn(move || {
                    std::thread::sleep(fault.after);
                    since.tell(fault);
                    node.suffer(fault);
                });
            }
        });
    }
}

/// To brokers: one after the other, with all copies in sync before the next.
pub(crate) fn to_brokers(
    faults: &[Fault],
    kafka: &OwnKafka,
    broker: &TestBroker,
    notes: &Notes,
    since: Since,
) {
    for fault in faults {
        wait_in_sync(broker, notes);
        std::thread::sleep(fault.after);
        if notes.has_failed() {
            return;
        }
        let Victim::Broker(number) = fault.victim else { continue };
        since.tell(fault);
        match fault.kind {
            Kind::Killed => {
                kafka.kill_broker(number);
                std::thread::sleep(fault.lasts);
                kafka.start_broker_again(number);
            }
            Kind::Slow => {
                let until = Instant::now() + fault.lasts;
                while Instant::now() < until {
                    kafka.pause_broker(number);
                    std::thread::sleep(Duration::from_millis(50));
                    kafka.resume_broker(number);
                }
            }
            _ => {
                kafka.pause_broker(number);
                std::thread::sleep(fault.lasts);
                kafka.resume_broker(number);
            }
        }
    }
    wait_in_sync(broker, notes);
}

fn wait_in_sync(broker: &TestBroker, notes: &Notes) {
    let deadline = Instant::now() + PATIENCE;
    while !broker.is_in_sync() {
        if Instant::now() > deadline {
            return notes.fail(format!("the {BROKERS} brokers' copies do not get in sync"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// To agents, one after the other.
pub(crate) fn to_agents(faults: &[Fault], agents: &mut [Agent<'_>], notes: &Notes, since: Since) {
    for fault in faults {
        std::thread::sleep(fault.after);
        if notes.has_failed() {
            return;
        }
        let Victim::Agent(number) = fault.victim else { continue };
        let agent = &mut agents[number];
        if !agent.process.is_running() {
            return notes.fail(format!("agent {number} ended by itself: {}", agent.process.log()));
        }
        since.tell(fault);
        match fault.kind {
            Kind::Killed => {
                agent.process.kill_now();
                while agent.process.is_running() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                std::thread::sleep(fault.lasts);
                agent.start_again();
            }
            Kind::Slow => slow_down(&agent.process, fault.lasts),
            Kind::SlowDisk => agent.slow_disk(fault.lasts),
            Kind::DiskFull => {
                if let Some(ballast) = agent.ballast() {
                    fill_up(&ballast);
                    std::thread::sleep(fault.lasts);
                    std::fs::remove_file(&ballast).unwrap();
                }
            }
            _ => hang(&agent.process, fault.lasts),
        }
    }
}

/// To the leases of a group: another member gets a share of them, and then goes.
pub(crate) fn to_leases(
    faults: &[Fault],
    broker: &TestBroker,
    group: &str,
    notes: &Notes,
    since: Since,
) {
    for fault in faults {
        // Between two of them the nodes have them all, for a while.
        std::thread::sleep(BETWEEN + fault.after);
        if notes.has_failed() {
            return;
        }
        since.tell(fault);
        if !broker.join_for(group, fault.lasts, PATIENCE) {
            println!("it got no lease in time");
        }
    }
}

/// To the registry: it is away for a while, whatever is asked.
pub(crate) fn to_registry(faults: &[Fault], registry: &TestRegistry, notes: &Notes, since: Since) {
    for fault in faults {
        std::thread::sleep(BETWEEN + fault.after);
        if notes.has_failed() {
            return;
        }
        since.tell(fault);
        registry.take_away();
        std::thread::sleep(fault.lasts);
        registry.bring_back();
    }
}

fn hang(process: &Process, lasts: Duration) {
    process.signal(Signal::SIGSTOP);
    std::thread::sleep(lasts);
    process.signal(Signal::SIGCONT);
}
