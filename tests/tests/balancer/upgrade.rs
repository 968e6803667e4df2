//! From one version of the rules to another and back, one node after the other, while kiosks send and
//! clients ask.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use laju_consumer::projection::partition::Position;
use laju_consumer::projection::store::Log;
use laju_tests::agent::{Client, lines};
use laju_tests::asking::{Met, Over};
use laju_tests::balancer::NODES;
use laju_tests::events::later_schema;
use laju_tests::judge::{Stored, log_of};
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use serde_json::Value;

use crate::{KIOSK, LAJU, PARTITIONS, Place, while_asking};

/// The programme's key of this test.
const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";

/// What a store of the old rules holds.
fn held(store: &Path, log: &Log) -> (String, BTreeMap<u32, Position>, BTreeMap<u32, Vec<u8>>) {
    let stored = Stored::open_copy(store, log).unwrap();
    (stored.node_id.clone(), stored.positions.clone(), stored.ledger_bytes())
}

/// What a node says of its rules.
fn fold_version(node: &mut Process) -> String {
    node.get("/readyz").1["fold_version"].as_str().unwrap().to_owned()
}

/// An agent, and what it was sent.
struct Kiosk {
    _agent: Process,
    client: Client,
    sent: AtomicU32,
}

impl Kiosk {
    fn start(place: &Place) -> Self {
        let key = place.store("key");
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let id = ["run", "--kiosk-id", "kbl-01", "--service-region", "18.71"];
        let mut agent = command(KIOSK, &id);
        agent.args(["--listen", "127.0.0.1:0"]).arg("--outbox").arg(place.store("outbox"));
        agent.arg("--key-file").arg(key);
        connect(&mut agent, &place.broker.connection());
        let mut agent = Process::start(agent);
        let client = Client::of(&mut agent);
        Self { _agent: agent, client, sent: AtomicU32::new(0) }
    }

    fn send(&self, count: u32) {
        let first = self.sent.fetch_add(count, Ordering::AcqRel);
        self.client.send_lines(&lines(first..first + count));
    }
}

#[test]
fn an_upgrade_and_a_downgrade_between_two_versions_of_the_rules_lose_no_question() {
    let Some(place) = Place::start() else { return };
    let schema = place.store("later.avsc");
    std::fs::write(&schema, later_schema()).unwrap();
    let connection = place.broker.connection();
    let log = log_of(&connection, &[]);
    let kiosk = Kiosk::start(&place);
    kiosk.send(200);
    kiosk.client.drain();
    let old = |number: usize| place.node(number, NODES[number]);
    let store_of_new = |number: usize| place.store(&format!("{}-new", NODES[number]));
    let new = |number: usize| {
        let mut command = place.command(&connection, number, &store_of_new(number));
        command.arg("--schema").arg(&schema);
        place.start_node(number, command)
    };
    let mut nodes = [0, 1].map(old);
    let of_old = fold_version(&mut nodes[0]);

    // The new version folds beside the old one first, and is checked against it.
    for number in [0, 1] {
        let mut shadow = worker(LAJU, &connection, &store_of_new(number));
        shadow.arg("--schema").arg(&schema);
        let mut shadow = Process::start(shadow);
        shadow.wait_ready();
        assert_ne!(fold_version(&mut shadow), of_old);
        let [a, b] =
            [&mut nodes[number], &mut shadow].map(|node| format!("http://{}", node.address()));
        let ended = run(command(LAJU, &["diff", &a, &b, "--json"]));
        assert!(ended.status.success(), "{ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["verdict"], "identical", "{report}");
        assert_ne!(report["fold_version_a"], report["fold_version_b"]);
        assert!(report["postings"].as_u64() > Some(0), "{report}");
        assert!(shadow.stop().status.success());
    }

    let met = Met::default();
    let is_over = AtomicBool::new(false);
    while_asking(&place, &met, || {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    kiosk.send(5);
                }
            });
            let _over = Over(&is_over);
            for number in [0, 1] {
                nodes[number].ask_to_stop();
                wait_until("it has gone", || !nodes[number].is_running());
                // A store of other rules is not touched.
                let store = place.store(NODES[number]);
                let before = held(&store, &log);
                let mut strange = worker(LAJU, &connection, &store);
                strange.arg("--schema").arg(&schema);
                run(strange).assert_refused(&["fold version", "--store another directory"]);
                assert!(held(&store, &log) == before, "the old store was touched");
                nodes[number] = new(number);
                assert_ne!(fold_version(&mut nodes[number]), of_old);
            }
            for number in [0, 1] {
                nodes[number].ask_to_stop();
                wait_until("it has gone", || !nodes[number].is_running());
                nodes[number] = old(number);
                assert_eq!(fold_version(&mut nodes[number]), of_old);
            }
        });
        kiosk.client.drain();
        let all = u64::from(kiosk.sent.load(Ordering::Acquire));
        wait_until("all is told", || met.latest.load(Ordering::Acquire) == all);
    });
    met.assert_all_answered();
    let mut ledgers = nodes.into_iter().zip(NODES).map(|(mut node, name)| {
        node.wait_folded(place.broker.read_log().len() as u64);
        assert!(node.stop().status.success());
        Stored::open_copy(&place.store(name), &log).unwrap().ledger_bytes()
    });
    let (first, second) = (ledgers.next().unwrap(), ledgers.next().unwrap());
    assert_eq!(first.len(), PARTITIONS as usize);
    assert!(first == second, "two nodes have different ledgers");
}
