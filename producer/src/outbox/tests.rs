//! What an outbox promises, tried on real files. Kills and full disks are in `producer/tests/outbox/`.

mod damage;
#[cfg(target_os = "linux")]
pub(super) mod disk;
mod model;
mod rolled_back;

use std::fs;
use std::path::Path;
use std::time::Duration;

use laju_schemas::event::{Channel, Fact};
use laju_schemas::{
    ActivationEvent, EventId, KioskId, OutreachId, RegionCode, SubjectId, TimestampMs,
};
use redb::ReadableTable;

use super::format::{ACKNOWLEDGED, META, STATE, State, UNSENT};
use super::*;
use laju_kafka::publish::Receipt;
use laju_schemas::codec::Encoder;

fn kiosk() -> KioskId {
    "kiosk-7".parse().unwrap()
}

fn settings() -> OutboxSettings {
    OutboxSettings::default()
}

fn open(path: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(path, &kiosk(), settings())
}

fn event_id(number: u64) -> EventId {
    EventId((0x4100_0000_0000_0000_0000_0000_0000_0000_u128 | u128::from(number)).to_be_bytes())
}

fn draft(number: u64) -> Draft {
    let mut subject = [7; 16];
    subject[..8].copy_from_slice(&number.to_le_bytes());
    Draft {
        entry: Entry {
            event_id: event_id(number),
            occurred_at: TimestampMs(1_700_000_000_000 + number as i64),
            subject: SubjectId(subject),
            home_region: RegionCode::parse("18.71").unwrap(),
            service_region: RegionCode::parse("18.72").unwrap(),
            accepted_at: TimestampMs(1_700_000_500_000 + number as i64),
            key: None,
        },
        outreach_id: number.is_multiple_of(3).then(|| "sma-2".parse::<OutreachId>().unwrap()),
        fact: Fact::Activated {
            channel: Channel::Office,
            venue: None,
            first_time_holder: number.is_multiple_of(2),
        },
    }
}

/// The draft with its entry changed.
fn with_entry(mut draft: Draft, change: impl FnOnce(&mut Entry)) -> Draft {
    change(&mut draft.entry);
    draft
}

fn keyed(number: u64, key: u8, content: u8) -> Draft {
    let key = Some(IdempotencyKey { key: [key; 16], content: [content; 16] });
    with_entry(draft(number), |entry| entry.key = key)
}

fn receipt(offset: u64, timestamp: i64) -> Receipt {
    Receipt {
        partition: 3,
        offset: Some(offset),
        timestamp: Some(TimestampMs(timestamp)),
        by_broker: true,
    }
}

fn acknowledged(offset: u64, timestamp: i64) -> Outcome {
    Outcome::Acknowledged(receipt(offset, timestamp))
}

fn rejected(reason: RejectionReason) -> Outcome {
    Outcome::Rejected(Rejection { reason, detail: "no".to_owned(), at: TimestampMs(5) })
}

/// The bytes that an accepted draft must be sent as.
fn value(draft: &Draft, sequence: u32) -> Vec<u8> {
    let event = ActivationEvent {
        event_id: draft.entry.event_id,
        kiosk_id: kiosk(),
        sequence: i64::from(sequence).try_into().unwrap(),
        occurred_at: draft.entry.occurred_at,
        subject: draft.entry.subject,
        home_region: draft.entry.home_region,
        service_region: draft.entry.service_region,
        outreach_id: draft.outreach_id.clone(),
        fact: draft.fact,
    };
    let mut value = Vec::new();
    Encoder::events(None).event(&event, &mut value).unwrap();
    value
}

#[test]
fn an_outbox_may_lie_beside_what_systems_leave_in_every_folder() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["lost+found", "@eaDir"] {
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    for name in [".DS_Store", "desktop.ini"] {
        fs::write(directory.path().join(name), "theirs").unwrap();
    }
    for _ in 0..2 {
        drop(open(directory.path()).unwrap());
    }
    assert_eq!(fs::read(directory.path().join(".DS_Store")).unwrap(), b"theirs");
}

fn accept(outbox: &Outbox, draft: Draft) -> Result<Accepted, Refusal> {
    outbox.accept(vec![draft]).wait().unwrap().remove(0)
}

fn sequences(outbox: &Outbox) -> Vec<u32> {
    outbox.unsent_after(0, usize::MAX).unwrap().iter().map(|event| event.sequence).collect()
}

/// What a kill would leave: the files as the system has them now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let (from, to) = (file.path(), to.join(file.file_name()));
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn what_is_accepted_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let outbox = open(&path).unwrap();
    let answers = outbox.accept((1..=5).map(draft).collect()).wait().unwrap();
    let given: Vec<_> = answers.iter().map(|a| a.as_ref().unwrap().sequence.get()).collect();
    assert_eq!(given, [1, 2, 3, 4, 5]);
    let before = outbox.counts();
    outbox.close().unwrap();

    let outbox = open(&path).unwrap();
    assert_eq!(outbox.counts(), before);
    let unsent = outbox.unsent_after(0, 100).unwrap();
    assert_eq!(unsent.len(), 5);
    for (event, number) in unsent.iter().zip(1..) {
        assert_eq!(event.sequence, number as u32);
        assert_eq!(event.value, value(&draft(number), number as u32));
    }
    assert_eq!(outbox.unsent_after(2, 2).unwrap(), unsent[2..4]);
    assert_eq!(outbox.unsent_after(u32::MAX, 2).unwrap(), []);
    assert_eq!(accept(&outbox, draft(6)).unwrap().sequence.get(), 6);
}

#[test]
#[cfg(unix)]
fn only_this_user_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox");
    let outbox = open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(outbox);
}

#[test]
fn an_event_goes_from_unsent_to_rejected_and_back_to_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let mut changed = outbox.changed();
    changed.mark_unchanged();
    outbox.accept((1..=4).map(draft).collect()).wait().unwrap().len();
    assert!(changed.has_changed().unwrap());
    let full = outbox.counts();
    assert_eq!(full.oldest_unsent, Some(draft(1).entry.occurred_at));
    assert_eq!(full.latest_accepted_at, Some(draft(4).entry.accepted_at));
    let outcomes = vec![
        (1, rejected(RejectionReason::TooLarge)),
        (2, acknowledged(9, 1_000)),
        (3, rejected(RejectionReason::NotAuthorised)),
    ];
    outbox.settle(outcomes.clone()).wait().unwrap();
    assert_eq!(sequences(&outbox), [4]);
    let counts = outbox.counts();
    assert_eq!((counts.unsent, counts.rejected, counts.acknowledged), (1, 2, 1));
    assert_eq!(counts.oldest_unsent, Some(draft(4).entry.occurred_at));
    let found = outbox.rejected(10).unwrap();
    assert_eq!(found.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 3]);
    let Rejection { reason, detail, .. } = &found[0].rejection;
    assert_eq!((*reason, detail.as_str()), (RejectionReason::TooLarge, "no"));
    let known = outbox.find(event_id(2)).unwrap().unwrap();
    assert_eq!(known.outcome, Some(acknowledged(9, 1_000)));
    assert_eq!((known.sequence, known.entry), (2, draft(2).entry));
    // An outcome that comes twice, or for an event that was never there, changes nothing.
    outbox
        .settle(vec![(2, rejected(RejectionReason::Refused)), (77, outcomes[1].1.clone())])
        .wait()
        .unwrap();
    assert_eq!(outbox.counts(), counts);

    assert_eq!(outbox.retry(Retry::Because(RejectionReason::Refused)).wait().unwrap(), None);
    assert_eq!(outbox.retry(Retry::Event(event_id(2))).wait().unwrap(), None);
    assert_eq!(outbox.retry(Retry::Event(event_id(3))).wait().unwrap(), Some((3, 1)));
    assert_eq!(sequences(&outbox), [3, 4]);
    assert_eq!(outbox.retry(Retry::All).wait().unwrap(), Some((1, 1)));
    let unsent = outbox.unsent_after(0, 9).unwrap();
    assert_eq!(unsent[0].value, value(&draft(1), 1));
    assert_eq!(outbox.find(event_id(1)).unwrap().unwrap().outcome, None);
    outbox.settle([1, 3, 4].map(|s| (s, acknowledged(1, 2_000))).to_vec()).wait().unwrap();
    let counts = outbox.counts();
    assert_eq!((counts.unsent, counts.unsent_bytes, counts.rejected_bytes), (0, 0, 0));
    assert_eq!((counts.acknowledged, counts.oldest_unsent), (4, None));
}

#[test]
fn a_repetition_gets_the_first_answer() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let answers =
        outbox.accept(vec![keyed(1, 1, 1), keyed(2, 1, 1), keyed(3, 1, 2)]).wait().unwrap();
    let first = answers[0].unwrap();
    assert!(!first.repeated);
    assert_eq!(answers[1], Ok(Accepted { repeated: true, ..first }));
    assert_eq!(answers[2], Err(Refusal::KeyReused { event_id: event_id(1) }));
    // Neither used a number.
    assert_eq!(accept(&outbox, draft(4)).unwrap().sequence.get(), 2);
    // The same event again, without a key; another one with its id.
    assert!(accept(&outbox, draft(4)).unwrap().repeated);
    let other = with_entry(draft(5), |entry| entry.event_id = event_id(4));
    assert_eq!(accept(&outbox, other), Err(Refusal::KeyReused { event_id: event_id(4) }));
    outbox.settle(vec![(1, acknowledged(1, 1))]).wait().unwrap();
    outbox.close().unwrap();
    let outbox = open(directory.path()).unwrap();
    assert_eq!(accept(&outbox, keyed(9, 1, 1)), Ok(Accepted { repeated: true, ..first }));
    assert!(matches!(accept(&outbox, keyed(9, 1, 3)), Err(Refusal::KeyReused { .. })));
}

#[test]
fn only_the_brokers_clock_makes_it_forget() {
    let directory = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { remember: Duration::from_millis(1_000), ..settings() };
    let outbox = Outbox::open(directory.path(), &kiosk(), settings.clone()).unwrap();
    outbox.accept((1..=3).map(|n| keyed(n, n as u8, 0)).collect()).wait().unwrap().len();
    outbox.settle(vec![(1, acknowledged(1, 5_000))]).wait().unwrap();
    // A kiosk's clock far ahead forgets nothing.
    let late = with_entry(keyed(4, 4, 0), |entry| {
        (entry.accepted_at, entry.occurred_at) = (TimestampMs(i64::MAX), TimestampMs(i64::MAX));
    });
    accept(&outbox, late).unwrap();
    assert!(accept(&outbox, keyed(9, 1, 0)).unwrap().repeated);
    // Not later than that: remembered to the millisecond.
    outbox.settle(vec![(2, acknowledged(2, 6_000))]).wait().unwrap();
    assert!(outbox.find(event_id(1)).unwrap().is_some());
    outbox.settle(vec![(4, acknowledged(4, 6_001))]).wait().unwrap();
    assert_eq!(outbox.find(event_id(1)).unwrap(), None);
    assert!(outbox.find(event_id(2)).unwrap().is_some());
    // One that waits is never forgotten.
    assert!(outbox.find(event_id(3)).unwrap().is_some());
    // A new event under the forgotten key.
    assert_eq!(accept(&outbox, keyed(9, 1, 7)).unwrap().sequence.get(), 5);
    outbox.close().unwrap();
    let outbox = Outbox::open(directory.path(), &kiosk(), settings).unwrap();
    assert_eq!(outbox.counts().acknowledged, 3);
}

#[test]
fn a_full_outbox_refuses_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { limit_bytes: 1_000, ..settings() };
    let outbox = Outbox::open(directory.path(), &kiosk(), settings).unwrap();
    let answers = outbox.accept((1..=9).map(draft).collect()).wait().unwrap();
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((2..9).contains(&taken), "{taken}");
    assert_eq!(answers[8], Err(Refusal::Full { limit_bytes: 1_000 }));
    assert!(outbox.counts().unsent_bytes <= 1_000);
    // What was rejected takes room as well.
    outbox.settle(vec![(1, rejected(RejectionReason::Refused))]).wait().unwrap();
    assert_eq!(accept(&outbox, draft(10)), Err(Refusal::Full { limit_bytes: 1_000 }));
    outbox.settle(vec![(1, acknowledged(1, 1))]).wait().unwrap();
    assert_eq!(accept(&outbox, draft(10)).unwrap().sequence.get() as usize, taken + 1);
}

/// Writes into the database what the outbox itself never would.
fn tamper(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(path.join("outbox.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn numbers_are_not_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().close().unwrap();
    tamper(directory.path(), |transaction| {
        let state = State {
            generation: 7,
            highest_sequence: u32::MAX - 1,
            acknowledged: u64::from(u32::MAX - 1),
            forgotten: u64::from(u32::MAX - 1),
            ..State::default()
        };
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(STATE, state.to_bytes().as_slice()).unwrap();
    });
    let outbox = open(directory.path()).unwrap();
    let answers = outbox.accept(vec![draft(1), draft(2)]).wait().unwrap();
    assert_eq!(answers[0].unwrap().sequence.get(), u32::MAX);
    assert_eq!(answers[1], Err(Refusal::Numbers));
    outbox.close().unwrap();
    open(directory.path()).unwrap().close().unwrap();
}

#[test]
fn a_row_that_is_gone_or_cannot_be_read_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    outbox.accept((1..=3).map(draft).collect()).wait().unwrap().len();
    outbox.close().unwrap();
    let image = directory.path();

    let gone = tempfile::tempdir().unwrap();
    copy(image, gone.path());
    tamper(gone.path(), |transaction| {
        transaction.open_table(UNSENT).unwrap().remove(2).unwrap();
    });
    let error = open(gone.path()).err().unwrap();
    assert!(matches!(error, OutboxError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("nothing was changed or deleted"), "{error}");

    let swapped = tempfile::tempdir().unwrap();
    copy(image, swapped.path());
    tamper(swapped.path(), |transaction| {
        let mut unsent = transaction.open_table(UNSENT).unwrap();
        let row = unsent.get(3).unwrap().unwrap().value().to_vec();
        unsent.insert(2, row.as_slice()).unwrap();
    });
    let outbox = open(swapped.path()).unwrap();
    assert_eq!(outbox.unsent_after(0, 1).unwrap().len(), 1);
    let error = outbox.unsent_after(0, 2).unwrap_err();
    assert!(matches!(error, OutboxError::Damaged { .. }), "{error}");
    assert!(matches!(outbox.find(event_id(2)), Err(OutboxError::Damaged { .. })));
    // The writer meets it, and stops: nothing is accepted any more.
    let error = outbox.settle(vec![(2, acknowledged(1, 1))]).wait().unwrap_err();
    assert!(matches!(error, OutboxError::Damaged { .. }), "{error}");
    let error = outbox.accept(vec![draft(9)]).wait().unwrap_err();
    assert!(matches!(error, OutboxError::Stopped(_)), "{error}");
    assert!(matches!(outbox.unsent_after(0, 1), Err(OutboxError::Stopped(_))));
    drop(outbox);

    let foreign = tempfile::tempdir().unwrap();
    copy(image, foreign.path());
    tamper(foreign.path(), |transaction| {
        let mut acknowledged = transaction.open_table(ACKNOWLEDGED).unwrap();
        acknowledged.insert(9, [0; 9].as_slice()).unwrap();
    });
    assert!(matches!(open(foreign.path()), Err(OutboxError::Damaged { .. })));
}

#[test]
fn a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let error = open(directory.path()).err().unwrap();
    assert!(matches!(error, OutboxError::InUse { .. }));
    assert!(error.to_string().contains("another agent is running on the outbox"), "{error}");
    accept(&outbox, draft(1)).unwrap();
    drop(outbox);
    assert_eq!(sequences(&open(directory.path()).unwrap()), [1]);
}

#[test]
fn another_kiosks_outbox_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().close().unwrap();
    let other = "kiosk-8".parse().unwrap();
    let refused = || Outbox::open(directory.path(), &other, settings()).err().unwrap();
    let error = refused();
    assert!(matches!(&error, OutboxError::OtherKiosk { found, .. } if found == "kiosk-7"));
    assert!(error.to_string().contains("start with --kiosk-id 'kiosk-7'"), "{error}");
    // By the database alone, too.
    fs::remove_file(directory.path().join("outbox.witness")).unwrap();
    assert!(matches!(refused(), OutboxError::OtherKiosk { .. }));
}

#[test]
fn another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().close().unwrap();
    tamper(directory.path(), |transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        let identity = br#"{"format_version":3,"kiosk_id":"kiosk-7"}"#;
        meta.insert("identity", format::seal(0, identity).as_slice()).unwrap();
    });
    assert!(matches!(open(directory.path()), Err(OutboxError::Format { found: 3, .. })));
}

#[test]
fn a_closed_outbox_says_so_to_its_clones() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let clone = outbox.clone();
    let asked = outbox.accept(vec![draft(1)]);
    outbox.close().unwrap();
    // What was asked before is done.
    assert!(asked.wait().unwrap()[0].is_ok());
    assert!(matches!(clone.accept(vec![draft(2)]).wait(), Err(OutboxError::Closed)));
    assert!(matches!(clone.unsent_after(0, 1), Err(OutboxError::Closed)));
    assert!(matches!(clone.find(event_id(1)), Err(OutboxError::Closed)));
    assert!(matches!(clone.clone().close(), Err(OutboxError::Closed)));
    // The lock is given back although the clone lives.
    assert_eq!(sequences(&open(directory.path()).unwrap()), [1]);
}

#[test]
fn many_clients_get_numbers_without_gap_or_repetition() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let given: Vec<u32> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16_u64)
            .map(|client| {
                let outbox = outbox.clone();
                scope.spawn(move || {
                    let accept = |n| accept(&outbox, draft(client * 1_000 + n)).unwrap();
                    (0..20).map(|n| accept(n).sequence.get()).collect::<Vec<_>>()
                })
            })
            .collect();
        let given = clients.into_iter().map(|client| client.join().unwrap());
        given.inspect(|given| assert!(given.is_sorted())).flatten().collect()
    });
    let mut sorted = given.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=320).collect::<Vec<_>>());
    assert_eq!(sequences(&outbox), sorted);
}

#[tokio::test]
async fn an_answer_can_be_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let mut changed = outbox.changed();
    let pending = outbox.accept(vec![draft(1), draft(2)]);
    assert_eq!(pending.await.unwrap().len(), 2);
    changed.wait_for(|counts| counts.unsent == 2).await.unwrap();
    outbox.settle(vec![(1, acknowledged(1, 1))]).await.unwrap();
    assert_eq!(outbox.counts().acknowledged, 1);
}

#[test]
fn waiting_clients_share_a_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    let commits = outbox.changed();
    // While the first is written, the others queue up behind it.
    let asked: Vec<_> = (1..=2_000).map(|n| outbox.accept(vec![draft(n)])).collect();
    for pending in asked {
        pending.wait().unwrap()[0].unwrap();
    }
    assert_eq!(commits.borrow().unsent, 2_000);
    outbox.close().unwrap();
    let generation = match witness::read(&directory.path().join("outbox.witness")).unwrap() {
        witness::Found::Mark(mark) => mark.generation,
        other => panic!("{other:?}"),
    };
    assert!(generation < 1_000, "2,000 acceptances took {generation} transactions");
}
