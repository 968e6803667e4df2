//! The outbox under `kill -9` and on a full disk, in processes of their own: this program starts
//! itself again as the child that is killed or that may write no further.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod full;
mod killed;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use laju_producer::outbox::{Accepted, Draft, Entry, Outbox, OutboxSettings, Refusal};
use laju_schemas::event::{Channel, Fact};
use laju_schemas::{EventId, KioskId, RegionCode, SubjectId, TimestampMs};

/// Where a child's outbox lies; set for children only.
const DIRECTORY: &str = "LAJU_TEST_OUTBOX";
/// What tells a child's events from those of the children before it.
const ROUND: &str = "LAJU_TEST_ROUND";

fn kiosk() -> KioskId {
    "kiosk-7".parse().unwrap()
}

fn open(path: &Path) -> Outbox {
    Outbox::open(path, &kiosk(), OutboxSettings::default()).unwrap()
}

fn draft(event_id: EventId) -> Draft {
    Draft {
        entry: Entry {
            event_id,
            occurred_at: TimestampMs(1_700_000_000_000),
            subject: SubjectId(event_id.0),
            home_region: RegionCode::parse("18.71").unwrap(),
            service_region: RegionCode::parse("18.71").unwrap(),
            accepted_at: TimestampMs(1_700_000_000_000),
            key: None,
        },
        outreach_id: None,
        fact: Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
    }
}

/// An id that no other round, client or turn has.
fn event_id(round: u32, client: u32, turn: u64) -> EventId {
    let number = u128::from(round) << 96 | u128::from(client) << 64 | u128::from(turn);
    // As random as digests and ids are: in no order.
    EventId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes())
}

fn taken(answers: Vec<Result<Accepted, Refusal>>) -> Accepted {
    answers[0].unwrap()
}

/// The directory and the round, in a child.
fn is_child() -> Option<(PathBuf, u32)> {
    let directory = env::var_os(DIRECTORY)?.into();
    Some((directory, env::var(ROUND).unwrap().parse().unwrap()))
}

/// This program again, running one test as a child.
fn child(test: &str, directory: &Path, round: u32) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null());
    command
}
