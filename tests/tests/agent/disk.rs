//! A disk that is really full, as who runs a kiosk sees it.

use laju_tests::broker::TestBroker;
use laju_tests::disk::{Mounted, fill_up};
use laju_tests::process::{Process, command, run, wait_until};
use serde_json::Value;

use crate::KIOSK;
use crate::kiosk::{Client, Kiosk, NDJSON, lines, no_broker};

fn health(address: &str, language: &str) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let request = agent.get(format!("http://{address}/healthz"));
    let mut answer = request.header("accept-language", language).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

#[test]
fn a_full_disk_is_said_by_health_and_status_until_there_is_room_and_shipping_goes_on() {
    let mut kiosk = Kiosk::new(no_broker()).with(&["--drain", "0"]);
    let disk = kiosk.folder().join("disk");
    let Some(_mounted) = Mounted::at(&disk, 8) else { return };
    let outbox = disk.join("outbox");
    let start = |kiosk: &Kiosk| {
        let mut process = Process::start(kiosk.command_on(&outbox, "127.0.0.1:0"));
        let client = Client::of(&mut process);
        (process, client)
    };
    let (process, client) = start(&kiosk);
    assert_eq!(health(&client.address, "en").0, 200);
    client.send_lines(&lines(0..500));
    let ballast = disk.join("ballast");
    fill_up(&ballast);
    let mut from = 500;
    let refused = loop {
        let (status, answer) = client.post("/v1/events", NDJSON, &lines(from..from + 500));
        if status != 202 || answer["refused"] != 0 {
            break status;
        }
        from += 500;
        assert!(from < 100_000, "the disk does not become full");
    };
    assert_eq!(refused, 507);
    for (language, words) in [("en", "no events are taken"), ("id", "tidak diterima")] {
        let (status, problem) = health(&client.address, language);
        assert_eq!((status, &problem["status"]), (507, &Value::from(507)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let status = client.status();
    assert_eq!(status["disk_full"], true, "{status}");
    let agent = format!("http://{}", client.address);
    let said = run(command(KIOSK, &["status", "--agent", &agent]));
    assert_eq!(said.status.code(), Some(3), "{said:?}");
    assert!(said.stdout.contains("the disk is full: no events are taken"), "{said:?}");
    assert!(process.stop().status.success());

    let broker = TestBroker::start(3);
    kiosk.connection = broker.connection();
    let (process, client) = start(&kiosk);
    client.drain();
    // As soon as others make room, without a new start.
    std::fs::remove_file(&ballast).unwrap();
    wait_until("events are taken again", || health(&client.address, "en").0 == 200);
    client.send_lines(&lines(from..from + 100));
    client.drain();
    assert!(process.stop().status.success());
    println!("{from} events on a disk of 8 MiB that others had filled, all of them shipped");
}
