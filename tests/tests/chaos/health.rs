//! Whether a node was healthy while a question was under way: each is asked for its readiness all the
//! while, beside the balancer.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_schemas::position::Position;
use laju_tests::asking::Unanswered;
use serde_json::Value;

/// How often a node is asked.
const EVERY: Duration = Duration::from_millis(100);
/// A node that says nothing for so long is not healthy.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long a node has to be healthy before the balancer has to know it: two of its looks.
const KNOWN: Duration = Duration::from_secs(1);

/// What a node said of itself.
struct Look {
    begun: Instant,
    ended: Instant,
    /// How far it had folded each partition, if it was ready; else what it said instead.
    ready_at: Result<BTreeMap<u32, i64>, String>,
}

/// What one node said of itself over time.
#[derive(Default)]
pub(crate) struct Health(Mutex<Vec<Look>>);

impl Health {
    /// Asks until it is over.
    pub(crate) fn watch(&self, address: &str, over: &AtomicBool) {
        let url = format!("http://{address}/readyz");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        while !over.load(Ordering::Acquire) {
            let begun = Instant::now();
            let said = agent.get(&url).call().and_then(|mut answer| {
                Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
            });
            let ready_at = match said {
                Ok((200, text)) => Ok(positions(&text)),
                Ok((status, text)) => {
                    let said: Value = serde_json::from_str(&text).unwrap_or_default();
                    Err(format!("{status}: {} {}", said["waiting_for"], said["troubles"]))
                }
                Err(error) => Err(error.to_string()),
            };
            self.0.lock().unwrap().push(Look { begun, ended: Instant::now(), ready_at });
            std::thread::sleep(EVERY);
        }
    }

    /// Whether it was ready from a while before the question was asked until it failed, and had what
    /// that was to rest on a while before it failed: each look that touches this time says so, and
    /// there is no gap in them.
    pub(crate) fn was_well(&self, question: &Unanswered) -> bool {
        let from = question.begun - KNOWN;
        let looks = self.0.lock().unwrap();
        let mut touching = looks
            .iter()
            .filter(|look| look.ended >= from && look.begun <= question.ended + EVERY)
            .peekable();
        let has_all = |at: &BTreeMap<u32, i64>, wanted: &Position| {
            wanted.events.iter().all(|(partition, next)| at.get(partition) >= Some(next))
        };
        let first = touching.peek().map(|look| look.begun);
        let mut had_all = question.at_least.is_none();
        let was_ready = touching.all(|look| {
            let Ok(at) = &look.ready_at else { return false };
            let wanted =
                question.at_least.as_ref().filter(|_| look.ended + KNOWN <= question.ended);
            had_all |= wanted.is_some_and(|wanted| has_all(at, wanted));
            true
        });
        first.is_some_and(|first| first <= from + EVERY * 2) && was_ready && had_all
    }

    /// What it said while a question was under way.
    pub(crate) fn said_beside(&self, question: &Unanswered) -> Vec<String> {
        let from = question.begun - KNOWN;
        let looks = self.0.lock().unwrap();
        let beside = looks.iter().filter(|look| look.ended >= from && look.begun <= question.ended);
        let mut said: Vec<_> = beside
            .map(|look| match &look.ready_at {
                Ok(at) => format!("ready with {} records", at.values().sum::<i64>()),
                Err(what) => what.clone(),
            })
            .collect();
        said.dedup();
        said
    }
}

fn positions(ready: &str) -> BTreeMap<u32, i64> {
    let ready: Value = serde_json::from_str(ready).unwrap();
    let partitions = ready["partitions"].as_array().unwrap().iter();
    partitions
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            (number("partition") as u32, number("next_offset"))
        })
        .collect()
}
