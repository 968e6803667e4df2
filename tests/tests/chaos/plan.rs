//! Which faults happen, drawn from a seed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9`; it is started again.
    Killed,
    /// SIGSTOP; it goes on after a while.
    Hangs,
    /// It hangs again and again for moments, as on a machine that is too slow for it.
    Slow,
    /// Its disk takes long for what is written, and longer to confirm it.
    SlowDisk,
    /// Others have filled its disk; after a while there is room.
    DiskFull,
    /// Others have filled its disk and it is killed; it is started before there is room.
    KilledOnFullDisk,
    /// Killed, and its store is gone.
    MadeAnew,
    /// Somebody else gets a share of them, and does nothing with it.
    TakenAway,
    /// It answers that it cannot.
    Away,
}

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Node(usize),
    Broker(u16),
    Agent(usize),
    Leases,
    Registry,
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) victim: Victim,
    pub(crate) kind: Kind,
    /// How long it lasts, until it is mended.
    pub(crate) lasts: Duration,
    /// How long nothing happens before it.
    pub(crate) after: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} for {} ms", self.victim, self.kind, self.lasts.as_millis())
    }
}

/// All faults of a run: five sorts that happen beside each other, each in its own order.
#[derive(Default)]
pub(crate) struct Plan {
    /// Of one node or two at the same time: one is left alone, and all are well before the next.
    pub(crate) nodes: Vec<Vec<Fault>>,
    /// Of one broker at a time, with all copies in sync before the next.
    pub(crate) brokers: Vec<Fault>,
    /// Of one agent at a time.
    pub(crate) agents: Vec<Fault>,
    /// Of the leases.
    pub(crate) leases: Vec<Fault>,
    /// Of the schema registry.
    pub(crate) registry: Vec<Fault>,
}

impl Plan {
    /// So many faults to so many nodes, brokers and agents.
    pub(crate) fn draw(
        seed: u64,
        faults: usize,
        nodes: usize,
        brokers: u16,
        agents: usize,
    ) -> Self {
        let random = |sort: u64| StdRng::seed_from_u64(seed.wrapping_mul(5).wrapping_add(sort));
        let [of_brokers, of_agents, of_leases, of_registry] =
            [15, 20, 5, 5].map(|percent| faults * percent / 100);
        let mut plan = Self::default();
        let mut drawn = random(0);
        let mut left = faults - of_brokers - of_agents - of_leases - of_registry;
        while left > 0 {
            let count = drawn.random_range(1..nodes).min(left);
            let victims = (0..nodes).sample(&mut drawn, count);
            let kinds = [
                Kind::Killed,
                Kind::Killed,
                Kind::Hangs,
                Kind::Hangs,
                Kind::Slow,
                Kind::SlowDisk,
                Kind::DiskFull,
                Kind::KilledOnFullDisk,
                Kind::MadeAnew,
            ];
            let round =
                victims.into_iter().map(|node| fault(&mut drawn, Victim::Node(node), &kinds));
            plan.nodes.push(round.collect());
            left -= count;
        }
        let mut drawn = random(1);
        for _ in 0..of_brokers {
            let victim = Victim::Broker(drawn.random_range(1..=brokers));
            plan.brokers.push(fault(&mut drawn, victim, &[Kind::Killed, Kind::Hangs, Kind::Slow]));
        }
        let mut drawn = random(2);
        for _ in 0..of_agents {
            let victim = Victim::Agent(drawn.random_range(0..agents));
            let kinds = [
                Kind::Killed,
                Kind::Killed,
                Kind::Hangs,
                Kind::Slow,
                Kind::SlowDisk,
                Kind::DiskFull,
            ];
            plan.agents.push(fault(&mut drawn, victim, &kinds));
        }
        let mut drawn = random(3);
        for _ in 0..of_leases {
            plan.leases.push(fault(&mut drawn, Victim::Leases, &[Kind::TakenAway]));
        }
        let mut drawn = random(4);
        for _ in 0..of_registry {
            plan.registry.push(fault(&mut drawn, Victim::Registry, &[Kind::Away]));
        }
        plan
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> BTreeMap<(&'static str, Kind), usize> {
        let mut counts = BTreeMap::new();
        let all = self.nodes.iter().flatten().chain(&self.brokers).chain(&self.agents);
        let all = all.chain(&self.leases).chain(&self.registry);
        for fault in all {
            let victim = match fault.victim {
                Victim::Node(_) => "node",
                Victim::Broker(_) => "broker",
                Victim::Agent(_) => "agent",
                Victim::Leases => "leases",
                Victim::Registry => "registry",
            };
            *counts.entry((victim, fault.kind)).or_default() += 1;
        }
        counts
    }
}

fn fault(random: &mut StdRng, victim: Victim, kinds: &[Kind]) -> Fault {
    // Most are over before anybody notices, some last longer than the balancer's patience.
    let longest = if random.random_ratio(1, 4) { 6_000 } else { 1_200 };
    Fault {
        victim,
        kind: *kinds.choose(random).expect("there are kinds"),
        lasts: Duration::from_millis(random.random_range(50..longest)),
        after: Duration::from_millis(random.random_range(0..800)),
    }
}
