//! Figures, printed: `cargo test -p laju-producer --test outbox measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::{draft, event_id, open, taken};

#[test]
#[ignore = "prints figures and takes a minute"]
fn accepting_with_more_and_more_clients() {
    for clients in [1, 8, 64, 256] {
        let directory = tempfile::tempdir().unwrap();
        let outbox = open(directory.path());
        let end = Instant::now() + Duration::from_secs(5);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for client in 0..clients {
                let outbox = &outbox;
                scope.spawn(move || {
                    let mut turn = 0;
                    while Instant::now() < end {
                        let draft = draft(event_id(0, client, turn));
                        taken(outbox.accept(vec![draft]).wait().unwrap());
                        turn += 1;
                    }
                });
            }
        });
        let events = outbox.counts().highest_sequence;
        let rate = f64::from(events) / began.elapsed().as_secs_f64();
        println!("{clients} clients: {events} events, {rate:.0} a second");
    }
}

#[test]
#[ignore = "prints figures and takes a minute"]
fn opening_with_many_events() {
    const EVENTS: u64 = 200_000;
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    let began = Instant::now();
    for batch in 0..EVENTS / 1_000 {
        let drafts = (0..1_000).map(|turn| draft(event_id(0, 0, batch * 1_000 + turn)));
        assert_eq!(outbox.accept(drafts.collect()).wait().unwrap().len(), 1_000);
    }
    println!("{EVENTS} events in batches of 1,000: {:?}", began.elapsed());
    let accounted = outbox.counts().unsent_bytes;
    outbox.close().unwrap();
    let bytes = std::fs::metadata(directory.path().join("outbox.redb")).unwrap().len();
    println!("file: {bytes} bytes; accounted: {accounted} bytes");
    let began = Instant::now();
    let outbox = open(directory.path());
    println!("opened in {:?}", began.elapsed());
    let began = Instant::now();
    let (mut after, mut read) = (0, 0);
    loop {
        let unsent = outbox.unsent_after(after, 1_000).unwrap();
        let Some(last) = unsent.last() else { break };
        after = last.sequence;
        read += unsent.len();
    }
    println!("{read} read in {:?}", began.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
}
