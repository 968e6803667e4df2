//! Damaged, cut and deleted files: everything is there, or the opening is refused.

use std::fs;
use std::path::Path;

use super::*;

const DATABASE: &str = "outbox.redb";
const WITNESS: &str = "outbox.witness";

fn some(number: u64) -> Draft {
    if number.is_multiple_of(2) { keyed(number, number as u8, 1) } else { draft(number) }
}

/// Fifty events in every state, with and without keys, in many transactions.
fn fill(outbox: &Outbox) {
    for chunk in 0..10 {
        let drafts = (1..=5).map(|n| some(chunk * 5 + n));
        outbox.accept(drafts.collect()).wait().unwrap().len();
    }
    outbox.settle((1..=10).map(|n| (n, acknowledged(n.into(), 1_000))).collect()).wait().unwrap();
    outbox
        .settle((11..=15).map(|n| (n, rejected(RejectionReason::Refused))).collect())
        .wait()
        .unwrap();
    outbox.settle((16..=20).map(|n| (n, acknowledged(n.into(), 2_000))).collect()).wait().unwrap();
}

/// Everything that [`fill`] put in is there.
fn check(outbox: &Outbox, context: &str) {
    let unsent = outbox.unsent_after(0, 1_000).unwrap();
    assert_eq!(unsent.len(), 30, "{context}");
    for event in unsent {
        let draft = some(event.sequence.into());
        assert_eq!(event.value, value(&draft, event.sequence), "{context}");
        assert_eq!(event.entry, draft.entry, "{context}");
    }
    let rejected: Vec<_> = outbox.rejected(1_000).unwrap().iter().map(|e| e.sequence).collect();
    assert_eq!(rejected, [11, 12, 13, 14, 15], "{context}");
    for number in 1..=50_u32 {
        let known = outbox.find(event_id(number.into())).unwrap();
        let known = known.unwrap_or_else(|| panic!("{context}: event {number} is gone"));
        assert_eq!(known.sequence, number, "{context}");
        let is_acknowledged = matches!(known.outcome, Some(Outcome::Acknowledged(_)));
        assert_eq!(is_acknowledged, number <= 10 || (16..=20).contains(&number), "{context}");
    }
    let counts = outbox.counts();
    assert_eq!((counts.highest_sequence, counts.acknowledged), (50, 15), "{context}");
}

/// Opens a damaged outbox. Says whether it opened.
fn whole_or_refused(path: &Path, context: &str) -> bool {
    match open(path) {
        Ok(outbox) => {
            check(&outbox, context);
            // Whatever was damaged, the numbers go on where they were.
            assert_eq!(accept(&outbox, draft(51)).unwrap().sequence.get(), 51, "{context}");
            outbox.close().unwrap_or_else(|error| panic!("{context}: {error}"));
            true
        }
        Err(OutboxError::Damaged { .. }) => false,
        Err(error) => panic!("{context}: {error:?}"),
    }
}

/// The outbox of [`fill`], closed or as a kill leaves it.
fn image(path: &Path, closed: bool) {
    let original = tempfile::tempdir().unwrap();
    let outbox = open(original.path()).unwrap();
    fill(&outbox);
    if closed {
        outbox.close().unwrap();
        copy(original.path(), path);
    } else {
        copy(original.path(), path);
        outbox.close().unwrap();
    }
}

/// Positions worth damaging: the whole header, and a sample of the pages that are in use.
fn positions(bytes: &[u8]) -> Vec<usize> {
    let used: Vec<usize> = (0..bytes.len())
        .step_by(4_096)
        .filter(|&page| bytes[page..(page + 4_096).min(bytes.len())].iter().any(|&byte| byte != 0))
        .collect();
    // Always the same ones: a step that shares no factor with the size of a page.
    let sample = (0..250).map(|turn| used[turn % used.len()] + turn * 1_237 % 4_096);
    let live = sample.filter(|&at| at < bytes.len());
    let nonzero = (512..bytes.len()).filter(|&at| bytes[at] != 0);
    let count = nonzero.clone().count();
    let nonzero = nonzero.step_by((count / 250).max(1));
    (0..320).step_by(2).chain(live).chain(nonzero).collect()
}

fn every_flipped_bit_is_noticed_or_harmless(closed: bool) {
    let intact = tempfile::tempdir().unwrap();
    image(intact.path(), closed);
    let bytes = fs::read(intact.path().join(DATABASE)).unwrap();
    let damaged = tempfile::tempdir().unwrap();
    let (mut refused, mut opened) = (0, 0);
    for (turn, at) in positions(&bytes).into_iter().enumerate() {
        copy(intact.path(), damaged.path());
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (turn % 8);
        fs::write(damaged.path().join(DATABASE), &bytes).unwrap();
        let context = format!("closed: {closed}, byte {at}, bit {}", turn % 8);
        if whole_or_refused(damaged.path(), &context) { opened += 1 } else { refused += 1 }
    }
    // Some bytes matter and some do not, or this tries nothing.
    assert!(refused > 50 && opened > 10, "{refused} refused, {opened} opened");
}

#[test]
fn a_flipped_bit_after_closing_never_loses_an_event() {
    every_flipped_bit_is_noticed_or_harmless(true);
}

#[test]
fn a_flipped_bit_after_a_kill_never_loses_an_event() {
    every_flipped_bit_is_noticed_or_harmless(false);
}

#[test]
fn a_flipped_bit_of_the_witness_is_noticed() {
    let intact = tempfile::tempdir().unwrap();
    image(intact.path(), true);
    let bytes = fs::read(intact.path().join(WITNESS)).unwrap();
    let damaged = tempfile::tempdir().unwrap();
    for at in 0..bytes.len() {
        copy(intact.path(), damaged.path());
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(damaged.path().join(WITNESS), &bytes).unwrap();
        assert!(!whole_or_refused(damaged.path(), &format!("witness byte {at}")));
    }
}

#[test]
fn a_file_cut_short_never_loses_an_event() {
    for closed in [true, false] {
        let intact = tempfile::tempdir().unwrap();
        image(intact.path(), closed);
        for (name, least_refused) in [(DATABASE, 12), (WITNESS, 8)] {
            let length = fs::metadata(intact.path().join(name)).unwrap().len();
            let lengths = [0, 1, 9, 64, 127, 320, 512, 4_095, 4_096, 8_192, 20_000, 65_536]
                .into_iter()
                .chain([2, 3, 4, 8].map(|part| length / part))
                .chain([length - 4_096.min(length), length - 512.min(length), length - 1])
                .filter(|&cut| cut < length);
            let mut refused = 0;
            for cut in lengths {
                let damaged = tempfile::tempdir().unwrap();
                copy(intact.path(), damaged.path());
                let file = fs::File::options().write(true).open(damaged.path().join(name));
                file.unwrap().set_len(cut).unwrap();
                let context = format!("closed: {closed}, {name} cut to {cut} of {length}");
                refused += u32::from(!whole_or_refused(damaged.path(), &context));
            }
            assert!(refused >= least_refused, "{name}: {refused} refused");
        }
    }
}

#[test]
fn a_deleted_file_is_missed() {
    for name in [DATABASE, WITNESS] {
        let directory = tempfile::tempdir().unwrap();
        image(directory.path(), true);
        fs::remove_file(directory.path().join(name)).unwrap();
        assert!(!whole_or_refused(directory.path(), name));
        // It stays refused: nothing was made in its place.
        assert!(!whole_or_refused(directory.path(), name));
        assert!(!directory.path().join(name).exists());
    }
}

#[test]
fn an_older_database_under_a_newer_witness_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    accept(&outbox, draft(1)).unwrap();
    copy(directory.path(), older.path());
    accept(&outbox, draft(2)).unwrap();
    outbox.close().unwrap();
    fs::copy(older.path().join(DATABASE), directory.path().join(DATABASE)).unwrap();
    let error = open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("fallen back to an older state"), "{error}");
    // The other way round is what a power failure leaves.
    outbox_of_two(&older);
}

fn outbox_of_two(older: &tempfile::TempDir) {
    let newer = tempfile::tempdir().unwrap();
    let outbox = open(newer.path()).unwrap();
    accept(&outbox, draft(1)).unwrap();
    accept(&outbox, draft(2)).unwrap();
    outbox.close().unwrap();
    fs::copy(older.path().join(WITNESS), newer.path().join(WITNESS)).unwrap();
    assert_eq!(sequences(&open(newer.path()).unwrap()), [1, 2]);
}

#[test]
fn a_kill_while_it_is_made_leaves_nothing_in_the_way() {
    let made = tempfile::tempdir().unwrap();
    open(made.path()).unwrap().close().unwrap();
    let database = fs::read(made.path().join(DATABASE)).unwrap();
    let witness = fs::read(made.path().join(WITNESS)).unwrap();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    // In the order in which the files come into being.
    let stages: [&[(&str, Vec<u8>)]; 6] = [
        &[("outbox.lock", Vec::new())],
        &[("outbox.redb.new", Vec::new())],
        &[("outbox.redb.new", half(&database))],
        &[(DATABASE, database.clone())],
        &[(DATABASE, database.clone()), ("outbox.witness.new", half(&witness))],
        &[(DATABASE, database.clone()), (WITNESS, witness.clone())],
    ];
    for (number, files) in stages.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in *files {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        let outbox = open(directory.path()).unwrap_or_else(|e| panic!("stage {number}: {e}"));
        assert_eq!(accept(&outbox, draft(1)).unwrap().sequence.get(), 1);
        outbox.close().unwrap();
        assert_eq!(sequences(&open(directory.path()).unwrap()), [1]);
    }
}

#[test]
fn a_file_that_is_no_outboxs_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(DATABASE);
    for foreign in [&b"a letter to the mayor"[..], b""] {
        fs::write(&path, foreign).unwrap();
        let error = open(directory.path()).err().unwrap();
        assert!(matches!(error, OutboxError::Foreign { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), foreign);
    }
    // Another program's redb.
    fs::remove_file(&path).unwrap();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("theirs");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = open(directory.path()).err().unwrap();
    assert!(matches!(error, OutboxError::Foreign { .. }), "{error:?}");
}
