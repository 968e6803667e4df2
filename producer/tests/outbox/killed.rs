//! A process that accepts and settles events is killed again and again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use laju_producer::outbox::{Outbox, Outcome, Rejection, RejectionReason};
use laju_producer::publish::Receipt;
use laju_schemas::{EventId, TimestampMs};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{child, draft, event_id, is_child, open, taken};

const ROUNDS: u32 = 40;
const CLIENTS: u32 = 4;

/// What is killed: four clients that say what was accepted once it is durable, and a shipper that
/// says what it has settled.
#[test]
#[ignore = "started by the test below, as a process"]
fn accepts_until_it_is_killed() {
    let Some((directory, round)) = is_child() else { return };
    let outbox = open(&directory);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let outbox = &outbox;
            scope.spawn(move || {
                for turn in 0.. {
                    let event_id = event_id(round, client, turn);
                    let accepted = taken(outbox.accept(vec![draft(event_id)]).wait().unwrap());
                    assert!(!accepted.repeated);
                    println!("\naccepted {} {event_id}", accepted.sequence);
                }
            });
        }
        scope.spawn(|| ship(&outbox));
    });
}

/// Acknowledges most, has every seventh rejected, and leaves some behind.
fn ship(outbox: &Outbox) {
    loop {
        let unsent = outbox.unsent_after(0, 40).unwrap();
        if unsent.len() < 20 {
            continue;
        }
        let settled = unsent.into_iter().take(10).map(|event| {
            let outcome = if event.sequence.is_multiple_of(7) {
                Outcome::Rejected(Rejection {
                    reason: RejectionReason::Refused,
                    detail: "as a test".to_owned(),
                    at: TimestampMs(1),
                })
            } else {
                let offset = event.sequence.into();
                Outcome::Acknowledged(Receipt {
                    partition: 1,
                    offset: Some(offset),
                    timestamp: None,
                    by_broker: false,
                })
            };
            (event.sequence, outcome)
        });
        let settled: Vec<_> = settled.collect();
        let last = settled.last().unwrap().0;
        let first = settled[0].0;
        outbox.settle(settled).wait().unwrap();
        println!("\nsettled {first} {last}");
    }
}

#[test]
fn nothing_is_lost_by_kills() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox");
    let mut random = StdRng::seed_from_u64(7);
    let mut accepted: HashMap<u32, EventId> = HashMap::new();
    let mut settled = 0;
    let mut killed_at_work = 0;
    for round in 0..ROUNDS {
        let mut process = child("killed::accepts_until_it_is_killed", &path, round)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        if round % 2 == 0 {
            // At any moment after so many lines.
            let count = random.random_range(1..300);
            said.extend(lines.by_ref().take(count).map(Result::unwrap));
        } else {
            // At any moment of its start: while it makes, checks and opens its files, too.
            std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        said.extend(lines.map_while(Result::ok));
        let before = accepted.len();
        for line in said {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["accepted", sequence, id] if id.len() == 36 => {
                    let twice = accepted.insert(sequence.parse().unwrap(), id.parse().unwrap());
                    assert_eq!(twice, None, "round {round}: {sequence} was given twice");
                }
                // A kill cuts the last line short; the number of a shorter one is smaller.
                ["settled", _, last] => settled = settled.max(last.parse().unwrap_or(0)),
                _ => {}
            }
        }
        killed_at_work += u32::from(accepted.len() > before);

        let outbox = open(&path);
        let counts = outbox.counts();
        for (sequence, event_id) in &accepted {
            let known = outbox.find(*event_id).unwrap();
            let known = known.unwrap_or_else(|| panic!("round {round}: {sequence} is lost"));
            assert_eq!(known.sequence, *sequence, "round {round}");
            let is_behind = known.outcome.is_none() && *sequence <= settled;
            assert!(!is_behind, "round {round}: {sequence} was settled");
        }
        // Every number has its event: none is missing, none was given twice.
        assert!(accepted.keys().max().is_none_or(|&max| max <= counts.highest_sequence));
        let there = counts.unsent + counts.rejected + counts.acknowledged;
        assert_eq!(there, u64::from(counts.highest_sequence), "round {round}");
        let unsent = outbox.unsent_after(0, usize::MAX).unwrap();
        assert_eq!(unsent.len() as u64, counts.unsent);
        outbox.close().unwrap();
    }
    assert!(killed_at_work >= ROUNDS / 2, "killed at work {killed_at_work} times only");
    assert!(accepted.len() > 1_000 && settled > 500, "{} {settled}", accepted.len());
}
