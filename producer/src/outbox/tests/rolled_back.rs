//! Whose outbox it is, and outboxes that have fallen back as a whole.

use laju_schemas::pseudonym::KeyId;

use super::*;

fn key_id(text: &str) -> Option<KeyId> {
    Some(text.parse().unwrap())
}

fn open_with_key(path: &Path, key: &str) -> Result<Outbox, OutboxError> {
    Outbox::open(path, &kiosk(), OutboxSettings { key_id: key_id(key), ..settings() })
}

const KEY: &str = "07c598c15884ead6";
const OTHER: &str = "1111111111111111";

#[test]
fn an_outbox_belongs_to_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open_with_key(directory.path(), KEY).unwrap();
    accept(&outbox, draft(1)).unwrap();
    outbox.close().unwrap();
    let error = open_with_key(directory.path(), OTHER).err().unwrap();
    assert!(matches!(&error, OutboxError::OtherKey { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains(KEY) && said.contains(OTHER) && said.contains("counted again"), "{said}");
    // Nothing of it was changed.
    assert_eq!(sequences(&open_with_key(directory.path(), KEY).unwrap()), [1]);
}

/// The bytes that format 1 had: no key, and a state without the numbers passed over.
fn as_format_1(path: &Path) {
    tamper(path, |transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        let identity = br#"{"format_version":1,"kiosk_id":"kiosk-7"}"#;
        meta.insert("identity", format::seal(0, identity).as_slice()).unwrap();
        let state = meta.get(STATE).unwrap().unwrap().value().to_vec();
        let former = format::seal(0, &state[4..state.len() - 8]);
        meta.insert(STATE, former.as_slice()).unwrap();
    });
    let witness = path.join("outbox.witness");
    let mut bytes = fs::read(&witness).unwrap();
    bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..124]).to_le_bytes();
    bytes[124..].copy_from_slice(&checksum);
    fs::write(&witness, bytes).unwrap();
}

#[test]
fn an_outbox_of_format_1_is_brought_up_and_belongs_to_the_first_key_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    outbox.accept((1..=3).map(draft).collect()).wait().unwrap().len();
    outbox.settle(vec![(1, acknowledged(0, 5))]).wait().unwrap();
    outbox.close().unwrap();
    as_format_1(directory.path());
    fs::write(directory.path().join("outbox.reserve"), [0; 4096]).unwrap();
    let outbox = open_with_key(directory.path(), KEY).unwrap();
    assert_eq!(sequences(&outbox), [2, 3]);
    assert_eq!(accept(&outbox, draft(4)).unwrap().sequence.get(), 4);
    outbox.close().unwrap();
    assert!(!directory.path().join("outbox.reserve").exists(), "its room is in the database now");
    assert!(matches!(open_with_key(directory.path(), OTHER), Err(OutboxError::OtherKey { .. })));
    assert_eq!(sequences(&open_with_key(directory.path(), KEY).unwrap()), [2, 3, 4]);
}

#[test]
fn numbers_passed_over_are_accounted_for_and_never_given() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path()).unwrap();
    accept(&outbox, draft(1)).unwrap();
    assert_eq!(outbox.raise(40).wait().unwrap(), 1);
    assert_eq!(outbox.raise(30).wait().unwrap(), 40, "never back");
    assert_eq!((outbox.counts().highest_sequence, outbox.counts().passed_over), (40, 39));
    assert_eq!(accept(&outbox, draft(2)).unwrap().sequence.get(), 41);
    // As after a kill: what was answered is durable.
    let copied = tempfile::tempdir().unwrap();
    copy(directory.path(), copied.path());
    let outbox = open(copied.path()).unwrap();
    assert_eq!(sequences(&outbox), [1, 41]);
    assert_eq!((outbox.counts().highest_sequence, outbox.counts().passed_over), (41, 39));
}

#[test]
fn a_witness_on_another_volume_notices_an_outbox_that_was_rolled_back() {
    let volumes = tempfile::tempdir().unwrap();
    let (disk, image) = (volumes.path().join("disk"), volumes.path().join("image"));
    let witness = volumes.path().join("stick/kiosk.witness");
    let open = |path: &Path| {
        let settings = OutboxSettings { witness: Some(witness.clone()), ..settings() };
        Outbox::open(path, &kiosk(), settings)
    };
    // Its volume is not there: that is said at once.
    assert!(matches!(open(&disk), Err(OutboxError::Io { .. })));
    fs::create_dir(witness.parent().unwrap()).unwrap();
    let outbox = open(&disk).unwrap();
    assert_eq!(outbox.rolled_back(), None);
    outbox.accept((1..=20).map(draft).collect()).wait().unwrap().len();
    copy(&disk, &image);
    outbox.accept((21..=40).map(draft).collect()).wait().unwrap().len();
    outbox.close().unwrap();
    let outbox = open(&disk).unwrap();
    assert_eq!(outbox.rolled_back(), None, "nothing has happened to it");
    outbox.close().unwrap();

    fs::remove_dir_all(&disk).unwrap();
    copy(&image, &disk);
    let outbox = open(&disk).unwrap();
    let noticed = RolledBack { had_given: 20, were_given: 40 };
    assert_eq!(outbox.rolled_back(), Some(noticed));
    assert_eq!(accept(&outbox, draft(90)).unwrap().sequence.get(), 41);
    outbox.close().unwrap();
    // Noticed once, and dealt with.
    assert_eq!(open(&disk).unwrap().rolled_back(), None);

    let other = "kiosk-8".parse().unwrap();
    let settings = OutboxSettings { witness: Some(witness.clone()), ..settings() };
    let refused = Outbox::open(&volumes.path().join("new"), &other, settings).err().unwrap();
    assert!(matches!(refused, OutboxError::OtherKiosk { .. }), "{refused}");
}

#[test]
fn a_witness_abroad_is_brought_up_as_the_outbox_is_opened() {
    let volumes = tempfile::tempdir().unwrap();
    let (disk, image) = (volumes.path().join("disk"), volumes.path().join("image"));
    let witness = volumes.path().join("kiosk.witness");
    let witnessed = |path: &Path| {
        let settings = OutboxSettings { witness: Some(witness.clone()), ..settings() };
        Outbox::open(path, &kiosk(), settings).unwrap()
    };
    let give = |from, to| {
        let outbox = open(&disk).unwrap();
        outbox.accept((from..=to).map(draft).collect()).wait().unwrap().len();
        outbox.close().unwrap();
    };
    give(1, 5);
    copy(&disk, &image);
    // One that is new, and then one that was away for a while: nothing was taken with either.
    for highest in [20, 30] {
        give(6, highest);
        witnessed(&disk).close().unwrap();
        let restored = volumes.path().join(format!("restored from {highest}"));
        copy(&image, &restored);
        let before = fs::read(&witness).unwrap();
        let noticed = RolledBack { had_given: 5, were_given: highest as u32 };
        assert_eq!(witnessed(&restored).rolled_back(), Some(noticed));
        fs::write(&witness, before).unwrap();
    }
}

/// Where the agent opens it: a thread of tokio's must not wait for another.
#[tokio::test]
async fn an_outbox_that_was_rolled_back_is_opened_on_a_thread_of_tokios() {
    let volumes = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { witness: Some(volumes.path().join("witness")), ..settings() };
    let outbox =
        |name: &str| Outbox::open(&volumes.path().join(name), &kiosk(), settings.clone()).unwrap();
    let given = outbox("first").accept((1..=4).map(draft).collect()).await.unwrap();
    assert_eq!(given.len(), 4);
    let empty = outbox("second");
    assert_eq!(empty.rolled_back(), Some(RolledBack { had_given: 0, were_given: 4 }));
    assert_eq!(empty.counts().passed_over, 4);
}
