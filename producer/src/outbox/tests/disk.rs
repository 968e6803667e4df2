//! A disk that is really full, on file systems of a few megabytes, and kills at every step there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::outbox::room::RESERVE_BYTES;
use crate::outbox::writer::disk_full::FORGET_AFTER_IDLE;

/// The steps after which this process ends, in a child; never in others.
static STEPS_LEFT: AtomicI64 = AtomicI64::new(i64::MAX);

/// Called at every step that changes how long the database's file is and what it has on the disk.
pub(in crate::outbox) fn step() {
    if STEPS_LEFT.fetch_sub(1, Ordering::SeqCst) == 0 {
        // As `kill -9` does: nothing is written or closed.
        std::process::abort();
    }
}

/// A small file system that goes when this is dropped.
struct Disk {
    mounted: PathBuf,
    _directory: tempfile::TempDir,
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.mounted).status());
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tmpfs,
    Ext4,
}

/// Makes a file system; none where this may not be done. With `LAJU_TEST_MOUNT` that is a failure.
fn disk(kind: Kind, mib: u64) -> Option<Disk> {
    let directory = tempfile::tempdir().unwrap();
    let mounted = directory.path().join("disk");
    fs::create_dir(&mounted).unwrap();
    let run = |command: &mut Command| {
        command.output().is_ok_and(|output| {
            if !output.status.success() {
                eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            }
            output.status.success()
        })
    };
    let made = match kind {
        Kind::Tmpfs => run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(&mounted)),
        Kind::Ext4 => {
            let image = directory.path().join("image");
            fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
            run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-F"]).arg(&image))
                && run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mounted))
        }
    };
    if !made {
        let demanded = env::var_os("LAJU_TEST_MOUNT").is_some_and(|value| !value.is_empty());
        assert!(!demanded, "LAJU_TEST_MOUNT is set, and no {kind:?} can be mounted");
        eprintln!("NOT TESTED: no {kind:?} can be mounted by this user");
        return None;
    }
    Some(Disk { mounted, _directory: directory })
}

fn accept_some(outbox: &Outbox, from: u64, count: u64) -> Result<(), OutboxError> {
    let answers = outbox.accept((from..from + count).map(draft).collect()).wait()?;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    Ok(())
}

/// Takes events until there is no room, and gives how many there are.
fn fill(outbox: &Outbox) -> u64 {
    loop {
        let given = u64::from(outbox.counts().highest_sequence);
        assert!(given < 1_000_000, "the disk does not become full");
        match accept_some(outbox, given + 1, 500) {
            Ok(()) => {}
            Err(OutboxError::DiskFull { .. }) => return given,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Ships as the agent does, and checks that each event comes once and in order.
fn ship(outbox: &Outbox, up_to: u64) {
    while outbox.counts().acknowledged < up_to {
        let page = outbox.unsent_after(0, 5_000).unwrap();
        let settled: Vec<_> = page
            .iter()
            .map(|event| {
                let n = u64::from(event.sequence);
                assert_eq!(event.entry.event_id, event_id(n));
                (event.sequence, acknowledged(n, 1_700_000_000_000 + n as i64))
            })
            .take((up_to - outbox.counts().acknowledged) as usize)
            .collect();
        outbox.settle(settled).wait().unwrap();
    }
}

/// Waits until events are taken again, which nobody asks for. A disk that others keep busy is looked
/// at seldom.
fn until_taken(outbox: &Outbox) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while outbox.counts().disk_full {
        assert!(Instant::now() < deadline, "events are not taken again");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path.join("outbox.redb")).unwrap().blocks() * 512
}

fn is_got_over(kind: Kind) {
    let Some(disk) = disk(kind, 32) else { return };
    let path = disk.mounted.join("outbox");
    let outbox = open(&path).unwrap();
    let given = fill(&outbox);
    assert!(given > 50_000, "most of the disk is for events: {given}");
    assert!(outbox.counts().disk_full);
    // What others write takes nothing of the reserve: it is there, and no longer than it says.
    let ballast = disk.mounted.join("ballast");
    let mut filled = 0;
    while fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&ballast)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[1; 4096]))
        .is_ok()
    {
        filled += 1;
    }
    eprintln!("{kind:?}: {given} events, {} KiB were left", filled * 4);
    let length = fs::metadata(path.join("outbox.redb")).unwrap().len();
    assert!(allocated(&path) >= length + RESERVE_BYTES, "{} {length}", allocated(&path));

    // A restart changes nothing of that.
    outbox.close().unwrap();
    let outbox = open(&path).unwrap();
    assert_eq!(fill(&outbox), given);
    ship(&outbox, given);
    assert_eq!((outbox.counts().unsent, outbox.counts().acknowledged), (0, given));

    // Taking goes on by itself, with the disk as full as before.
    until_taken(&outbox);
    let more = fill(&outbox);
    assert!(more > given + 5_000, "{more} after {given}");
    ship(&outbox, more);
    until_taken(&outbox);
    outbox.close().unwrap();
    let outbox = open(&path).unwrap();
    assert_eq!(outbox.counts().acknowledged, more);
}

#[test]
fn a_full_tmpfs_is_got_over() {
    is_got_over(Kind::Tmpfs);
}

#[test]
fn a_full_ext4_is_got_over() {
    is_got_over(Kind::Ext4);
}

/// Offline, with a disk that others have filled: events are taken again when they make room.
#[test]
fn room_that_others_make_is_noticed() {
    let Some(disk) = disk(Kind::Tmpfs, 16) else { return };
    let path = disk.mounted.join("outbox");
    let outbox = open(&path).unwrap();
    let ballast = disk.mounted.join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let given = fill(&outbox);
    fs::remove_file(&ballast).unwrap();
    until_taken(&outbox);
    assert!(fill(&outbox) > given + 5_000);
}

/// Fills what a disk has left, as another program does.
fn fill_up(ballast: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    for size in [1 << 16, 4096] {
        while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
    }
}

/// An office's weeks, not a flood: most of it acknowledged, and remembered for a client that asks again.
#[test]
fn a_disk_that_others_fill_costs_a_small_outbox_no_memory_and_it_recovers() {
    for kind in [Kind::Tmpfs, Kind::Ext4] {
        let Some(disk) = disk(kind, 24) else { return };
        let path = disk.mounted.join("outbox");
        let outbox = open(&path).unwrap();
        accept_some(&outbox, 1, 1_800).unwrap();
        ship(&outbox, 900);
        let ballast = disk.mounted.join("ballast");
        fill_up(&ballast);
        // What fits into the database is still taken; then the disk is full.
        let given = fill(&outbox);
        let asked_again = || {
            let again = outbox.accept((1..=900).map(draft).collect()).wait();
            match again {
                Ok(answers) => answers.iter().all(|answer| answer.is_ok_and(|one| one.repeated)),
                Err(OutboxError::DiskFull { .. }) => {
                    (1..=900).all(|n| outbox.find(event_id(n)).unwrap().is_some())
                }
                Err(error) => panic!("{error}"),
            }
        };
        std::thread::sleep(Duration::from_secs(2));
        assert!(outbox.counts().disk_full && asked_again());
        // Shipping makes room enough for some more, though the disk stays full.
        let began = Instant::now();
        ship(&outbox, given);
        until_taken(&outbox);
        assert!(asked_again(), "nothing is forgotten where shipping makes room");
        let more = fill(&outbox);
        eprintln!(
            "{kind:?}: {given} events until full, {} more {:.1?} after they were shipped",
            more - given,
            began.elapsed()
        );
        assert!(more > given);
        // Nothing is left for a reserve, as where a backup was put back: to forget everything
        // would not make room for one.
        outbox.close().unwrap();
        fs::remove_file(&ballast).unwrap();
        let path = disk.mounted.join("restored");
        copy(&disk.mounted.join("outbox"), &path);
        fill_up(&ballast);
        let outbox = open(&path).unwrap();
        std::thread::sleep(2 * FORGET_AFTER_IDLE);
        let found = |n| outbox.find(event_id(n)).unwrap().is_some();
        assert!((1..=given).all(found), "what is forgotten would help nobody");
        fs::remove_file(&ballast).unwrap();
        until_taken(&outbox);
        accept_some(&outbox, more + 1, 500).unwrap();
    }
}

const CHILD: &str = "LAJU_TEST_OUTBOX_DISK";
const STEPS: &str = "LAJU_TEST_OUTBOX_STEPS";
const STRIDE: &str = "LAJU_DISK_KILL_STRIDE";

#[test]
#[ignore = "started by the test below, as a process"]
fn fills_and_ships_until_it_is_killed() {
    let Some(path) = env::var_os(CHILD) else { return };
    let steps: i64 = env::var(STEPS).unwrap().parse().unwrap();
    STEPS_LEFT.store(steps, Ordering::SeqCst);
    let outbox = open(Path::new(&path)).unwrap();
    for _ in 0..2 {
        let given = fill(&outbox);
        println!("\ngiven {given}");
        ship(&outbox, given);
        println!("\nshipped {given}");
        until_taken(&outbox);
    }
    outbox.close().unwrap();
    println!("\nended after {} steps", steps - STEPS_LEFT.load(Ordering::SeqCst));
}

/// One run has some hundred steps and takes seconds; every `stride`th is tried, or as many as
/// `LAJU_DISK_KILL_STRIDE` says (1: each).
fn is_killed_at_every_step(kind: Kind, mib: u64, stride: i64) {
    let stride = env::var(STRIDE).map_or(stride, |stride| stride.parse().unwrap());
    let mut steps = 1;
    let mut kills = 0;
    loop {
        let Some(disk) = disk(kind, mib) else { return };
        let path = disk.mounted.join("outbox");
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "outbox::tests::disk::fills_and_ships_until_it_is_killed"])
            .args(["--nocapture", "--include-ignored"])
            .env(CHILD, &path)
            .env(STEPS, steps.to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let ended = said.lines().find(|line| line.starts_with("ended after"));
        assert!(ended.is_some() || !said.contains("panicked"), "{said}");
        if let Some(ended) = ended {
            eprintln!("{kind:?}: {kills} kills; {ended}");
            assert!(kills > 5, "{kills}");
            return;
        }
        kills += 1;
        let last = |word: &str| {
            let lines = said.lines().rev();
            let number = lines.filter_map(|line| line.strip_prefix(word)).next();
            number.map_or(0, |number| number.trim().parse::<u64>().unwrap())
        };
        // Whatever it was at: all is there, it can be shipped, and events are taken again.
        let outbox = open(&path).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        let counts = outbox.counts();
        assert!(u64::from(counts.highest_sequence) >= last("given "), "after {steps} steps");
        assert!(counts.acknowledged >= last("shipped "), "after {steps} steps");
        let given = fill(&outbox);
        ship(&outbox, given);
        until_taken(&outbox);
        accept_some(&outbox, given + 1, 500).unwrap();
        steps += stride;
    }
}

#[test]
fn a_kill_at_any_step_on_a_full_tmpfs_loses_nothing() {
    is_killed_at_every_step(Kind::Tmpfs, 10, 53);
}

#[test]
fn a_kill_at_any_step_on_a_full_ext4_loses_nothing() {
    is_killed_at_every_step(Kind::Ext4, 16, 73);
}
