//! What can befall an outbox and the disk under it: the agent goes on with everything, or says
//! what is wrong and does not start.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use laju_tests::broker::TestBroker;
use laju_tests::judge::copy_tree;
use laju_tests::process::{Ended, Process, run, with_files_up_to};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::kiosk::{Client, JSON, Kiosk, NDJSON, activation, lines, logged, no_broker};

const DATABASE: &str = "outbox.redb";
const WITNESS: &str = "outbox.witness";

/// That the agent did not start: its own decision, in words, and before it listened.
fn assert_refused(ended: &Ended, words: &[&str]) {
    ended.assert_refused(words);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("listening"), "{ended:?}");
}

fn event_ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect()
}

/// One thing that is done to an outbox's files.
#[derive(Debug)]
enum Damage {
    Gone(&'static str),
    Empty(&'static str),
    Cut(&'static str, f64),
    Overwritten(&'static str, f64, usize),
    Older,
}

impl Damage {
    fn all(random: &mut StdRng) -> Vec<Self> {
        let mut all = vec![Self::Older];
        for file in [DATABASE, WITNESS] {
            all.extend([Self::Gone(file), Self::Empty(file)]);
        }
        for file in [DATABASE, DATABASE, DATABASE, WITNESS] {
            all.push(Self::Cut(file, random.random()));
        }
        for _ in 0..16 {
            all.push(Self::Overwritten(DATABASE, random.random(), random.random_range(1..5_000)));
        }
        all.extend((0..4).map(|_| Self::Overwritten(WITNESS, random.random(), 1)));
        all
    }

    /// Does it. `older` is the outbox as it was before.
    fn apply(&self, outbox: &Path, older: &Path, random: &mut StdRng) {
        let change = |file: &str, change: &mut dyn FnMut(&mut Vec<u8>)| {
            let path = outbox.join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
        };
        match *self {
            Self::Gone(file) => std::fs::remove_file(outbox.join(file)).unwrap(),
            Self::Empty(file) => change(file, &mut Vec::clear),
            Self::Cut(file, share) => change(file, &mut |bytes| {
                bytes.truncate((bytes.len() as f64 * share) as usize);
            }),
            Self::Overwritten(file, share, count) => change(file, &mut |bytes| {
                let place = (bytes.len() as f64 * share) as usize;
                for byte in bytes.iter_mut().skip(place).take(count) {
                    *byte ^= random.random_range(1..=255);
                }
            }),
            Self::Older => {
                std::fs::copy(older.join(DATABASE), outbox.join(DATABASE)).unwrap();
            }
        }
    }
}

#[test]
fn a_damaged_outbox_opens_with_everything_or_says_that_it_is_damaged() {
    let mut random = StdRng::seed_from_u64(5);
    let kiosk = Kiosk::new(no_broker());
    let older = kiosk.folder().join("older");
    let (process, client) = kiosk.start();
    let mut ids = event_ids(&client.send_lines(&lines(0..300)));
    drop(process.kill());
    copy_tree(&kiosk.outbox(), &older);
    let (process, client) = kiosk.start();
    ids.extend(event_ids(&client.send_lines(&lines(300..600))));
    drop(process.kill());

    let (mut opened, mut refused) = (0, 0);
    for damage in Damage::all(&mut random) {
        let outbox = kiosk.folder().join("damaged");
        drop(std::fs::remove_dir_all(&outbox));
        copy_tree(&kiosk.outbox(), &outbox);
        damage.apply(&outbox, &older, &mut random);
        let mut process = Process::start(kiosk.command_on(&outbox, "127.0.0.1:0"));
        if process.listens() {
            let client = Client::of(&mut process);
            let status = client.status();
            let figures = ["highest_sequence", "unsent"].map(|name| &status[name]);
            assert_eq!(figures, [600, 600], "{damage:?}: {status}");
            for id in &ids {
                let (status, fate) = client.get(&format!("/v1/events/{id}"));
                assert_eq!((status, &fate["state"]), (200, &json!("unsent")), "{damage:?}");
            }
            opened += 1;
        } else {
            let ended = process.wait();
            assert_refused(&ended, &[outbox.to_str().unwrap()]);
            let says = ["is damaged", "is not an outbox's"];
            assert!(says.iter().any(|words| ended.stderr.contains(words)), "{damage:?}: {ended:?}");
            refused += 1;
        }
    }
    println!("{opened} opened with everything, {refused} refused");
    assert!(refused >= 8, "{refused}");

    // What was not damaged is still there.
    let (process, client) = kiosk.start();
    assert_eq!(client.status()["unsent"], 600);
    drop(process);
}

#[test]
fn a_second_agent_on_an_outbox_or_a_port_is_refused_and_disturbs_nobody() {
    let kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    client.send(&activation(1));
    assert_refused(&run(kiosk.command()), &["another agent", kiosk.outbox().to_str().unwrap()]);
    let other = kiosk.folder().join("other");
    let ended = run(kiosk.command_on(&other, &client.address));
    assert_refused(&ended, &["cannot listen", &client.address]);
    assert!(!other.exists(), "an outbox was made for an agent that never ran");
    client.send(&activation(2));
    assert_eq!(client.status()["unsent"], 2);
    drop(process);
}

#[test]
fn an_outbox_is_its_kiosks_for_ever() {
    let kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    client.send(&activation(1));
    drop(process.kill());
    let mut command = kiosk.command();
    command.env("LAJU_KIOSK_ID", "not looked at");
    let args: Vec<String> =
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args = args.iter().map(|arg| if arg == "kbl-01" { "kbl-02" } else { arg.as_str() });
    let args: Vec<&str> = args.collect();
    let ended = run(laju_tests::process::command(crate::KIOSK, &args));
    assert_refused(&ended, &["belongs to the kiosk 'kbl-01'", "kbl-02"]);
}

#[test]
fn a_bad_setting_stops_the_agent_before_anything_binds_or_is_made() {
    let kiosk = Kiosk::new(no_broker());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let key = kiosk.key_file();
    let refuse = |change: &dyn Fn(&mut Vec<String>), words: &[&str]| {
        let command = kiosk.command_on(&kiosk.outbox(), &address);
        let mut args: Vec<String> =
            command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        change(&mut args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = run(laju_tests::process::command(crate::KIOSK, &args));
        ended.assert_refused(words);
        assert!(!ended.stderr.contains("cannot listen"), "it has listened: {}", ended.stderr);
        assert!(!kiosk.outbox().exists(), "nothing is made");
    };
    let set = |option: &'static str, value: &'static str| {
        move |args: &mut Vec<String>| {
            let place = args.iter().position(|arg| arg == option);
            match place {
                Some(place) => value.clone_into(&mut args[place + 1]),
                None => args.extend([option.to_owned(), value.to_owned()]),
            }
        }
    };
    refuse(&set("--service-region", "18.99"), &["service_region", "18.99"]);
    refuse(&set("--service-region", "18"), &["service_region", "18"]);
    refuse(&set("--kiosk-id", ""), &["--kiosk-id"]);
    refuse(&set("--kiosk-id", "1871010101900001"), &["--kiosk-id", "NIK"]);
    refuse(&set("--listen", "0.0.0.0:8470"), &["--listen", "loopback", "NIK"]);
    refuse(&set("--listen", "192.168.0.2:8470"), &["--listen", "loopback"]);
    refuse(&set("--allow-origin", "localhost"), &["--allow-origin", "http://localhost:3000"]);
    refuse(&set("--laju", "laju.example"), &["--laju", "http://"]);
    refuse(&set("--brokers", "nowhere"), &["nowhere", "HOST:PORT"]);
    refuse(&set("--kafka-property", "acks=0"), &["acks", "cannot be set"]);
    refuse(&set("--outbox-limit", "0"), &["--outbox-limit"]);
    refuse(&set("--key-file", "/no/such"), &["/no/such"]);

    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    refuse(&|_| {}, &["may be read or changed by others", "640", "chmod 600"]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&key, "00112233").unwrap();
    refuse(&|_| {}, &[key.to_str().unwrap(), "64"]);
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let broker = TestBroker::start(3);
    let mut kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    client.send(&activation(0));
    assert!(process.stop().status.success());
    let size = std::fs::metadata(kiosk.outbox().join(DATABASE)).unwrap().len();

    // There is room for some more, and then there is none.
    let mut process = Process::start(with_files_up_to(size.div_ceil(512) + 512, &kiosk.command()));
    let client = Client::of(&mut process);
    let (mut next, mut accepted, mut full) = (1, 1, 0);
    while full < 5 {
        assert!(accepted < 50_000, "the disk is never full");
        let (status, answer) = client.post("/v1/events", NDJSON, &lines(next..next + 100));
        next += 100;
        match status {
            202 => accepted += answer["accepted"].as_u64().unwrap(),
            507 => {
                assert!(answer["detail"].as_str().unwrap().contains("no room"), "{answer}");
                full += 1;
            }
            // It was reopened between the two.
            503 => {}
            _ => panic!("{status}: {answer}"),
        }
    }
    // A single event fits at times where a hundred do not.
    let (status, answer) = client.post("/v1/events", JSON, &activation(next).to_string());
    match status {
        202 => accepted += 1,
        _ => assert_eq!(status, 507, "{answer}"),
    }
    assert!(process.is_running());
    assert!(accepted > 100, "nothing was accepted after the limit was set");
    drop(process.kill());

    // With room again, it goes on where it was.
    kiosk.connection = broker.connection();
    let (process, client) = kiosk.start();
    assert_eq!(client.status()["highest_sequence"], accepted);
    assert_eq!(client.send(&activation(next + 1))["sequence"], accepted + 1);
    client.drain();
    assert!(process.stop().status.success());
    let log = logged(&broker);
    let sequences: std::collections::BTreeSet<u64> = log.iter().map(|(_, n, _)| *n).collect();
    assert!(sequences.into_iter().eq(1..=accepted + 1));
    println!("{accepted} events were accepted before the disk was full");
}

#[test]
fn a_full_outbox_refuses_what_is_too_much_and_takes_more_when_kafka_has_some() {
    let broker = TestBroker::start(3);
    let mut kiosk = Kiosk::new(no_broker()).with(&["--outbox-limit", "1"]);
    let (process, client) = kiosk.start();
    let mut accepted = 0;
    let (status, answer) = loop {
        let from = accepted as u32;
        let (status, answer) = client.post("/v1/events", NDJSON, &lines(from..from + 1_000));
        accepted += answer["accepted"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        if answer["refused"] != 0 {
            break (status, answer);
        }
    };
    // Of a batch, as many are taken as there is room for.
    assert!(status == 202 || answer["accepted"] == 0, "{status}");
    let last = answer["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["status"], 507, "{last}");
    assert!(last["detail"].as_str().unwrap().contains("1048576 bytes"), "{last}");
    assert_eq!(client.post("/v1/events", JSON, &activation(1).to_string()).0, 507);
    let status = client.status();
    assert_eq!(status["unsent"], accepted);
    assert!(status["attention"].to_string().contains("% full"), "{status}");
    drop(process.kill());
    kiosk.connection = broker.connection();
    let (process, client) = kiosk.start();
    client.drain();
    assert_eq!(client.send(&activation(accepted as u32))["sequence"], accepted + 1);
    client.drain();
    assert!(process.stop().status.success());
    let sequences: std::collections::BTreeSet<u64> =
        logged(&broker).iter().map(|(_, n, _)| *n).collect();
    assert!(sequences.into_iter().eq(1..=accepted + 1));
}

/// A client that says nothing of its body's length and then hangs, as one on a bad connection to
/// its own source would.
#[test]
fn bodies_that_stall_hold_up_nobody() {
    let kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    let stalled = || {
        let mut connection = TcpStream::connect(&client.address).unwrap();
        let head = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
                    Content-Type: application/x-ndjson\r\n\r\n";
        connection.write_all(format!("{head}1\r\n{{\r\n").as_bytes()).unwrap();
        connection
    };
    let began = Instant::now();
    let mut connections = [stalled(), stalled(), stalled()];
    client.send(&activation(1));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for connection in &mut connections {
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    drop(process);
}
