use super::*;
use crate::backup::check::check_files;
use crate::backup::manifest::{Manifest, TopicPart};
use crate::backup::record::tests::encoded;
use crate::backup::segment::SegmentReader;
use crate::files::PART;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

const TOPIC: &str = "ikd.events.v1";

/// A file with records at these offsets and values, ended at an offset.
fn written(root: &Path, records: &[(i64, Vec<u8>)], next: i64) -> Segment {
    std::fs::create_dir_all(root.join(TOPIC)).unwrap();
    let mut packer = Packer::new().unwrap();
    let mut writer = SegmentWriter::begin(root, TOPIC, 3, 5).unwrap();
    for (offset, value) in records {
        writer.block.extend(encoded(*offset, Some(value)));
        writer.appended(*offset, &mut packer).unwrap();
    }
    writer.finish(next, &mut packer).unwrap()
}

/// Values that cannot be packed well, so that there are several blocks.
fn many() -> Vec<(i64, Vec<u8>)> {
    let value = |seed: i64| Sha256::digest(seed.to_be_bytes()).repeat(40);
    (7..1_000).filter(|offset| offset % 100 != 0).map(|offset| (offset, value(offset))).collect()
}

fn manifest(segment: Segment) -> Manifest {
    let mut manifest = Manifest::begin("c".to_owned());
    let (name, segments, config) = (TOPIC.to_owned(), vec![segment], BTreeMap::new());
    let part = TopicPart { name, topic_id: None, partitions: 4, config, segments };
    manifest.topics.insert(TOPIC.to_owned(), part);
    manifest
}

fn faults(root: &Path, segment: &Segment) -> Vec<BackupError> {
    let manifest = manifest(segment.clone());
    check_files(root, manifest.segments(), &AtomicBool::new(false), &mut |_, _| {}).unwrap()
}

#[test]
fn records_come_back_as_they_were_and_gaps_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let records = many();
    let segment = written(directory.path(), &records, 1_002);
    assert_eq!((segment.from, segment.next, segment.records), (5, 1_002, records.len() as u64));
    assert_eq!(segment.gaps[..2], [(5, 7), (100, 101)]);
    assert_eq!(*segment.gaps.last().unwrap(), (1_000, 1_002));
    let mut reader = SegmentReader::open(directory.path(), TOPIC, &segment).unwrap();
    let mut blocks = std::collections::BTreeSet::new();
    for (offset, value) in &records {
        let kept = reader.next().unwrap().unwrap();
        assert_eq!((kept.offset, kept.value), (*offset, Some(&value[..])));
        assert_eq!(kept.headers().len(), 2);
        blocks.insert(reader.block_at);
    }
    assert_eq!(reader.next().unwrap(), None);
    assert!(blocks.len() > 2, "{blocks:?}");
    let mut reader = SegmentReader::open(directory.path(), TOPIC, &segment).unwrap();
    reader.pass_to_last_block().unwrap();
    let (mut last, mut in_block) = (None, 0);
    while let Some(kept) = reader.next().unwrap() {
        (last, in_block) = (Some((kept.offset, kept.encoded())), in_block + 1);
        assert_eq!(Some(&reader.block_at), blocks.last());
    }
    let (offset, value) = records.last().unwrap();
    assert_eq!(last, Some((*offset, encoded(*offset, Some(value)))));
    assert!(in_block < records.len() / 2, "{in_block}");
    assert!(faults(directory.path(), &segment).is_empty());
    assert!(!directory.path().join(format!("{}{PART}", segment.file)).exists());
}

#[test]
fn a_flipped_byte_is_found_wherever_it_stands_and_told_with_file_and_place() {
    let directory = tempfile::tempdir().unwrap();
    let segment = written(directory.path(), &many(), 1_002);
    let path = directory.path().join(&segment.file);
    let whole = std::fs::read(&path).unwrap();
    let mut told = 0;
    for place in (0..whole.len()).step_by(997).chain([0, whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        match &faults(directory.path(), &segment)[..] {
            [BackupError::Damaged { path: named, at, offset, .. }] => {
                assert_eq!(*named, path);
                assert!(*at <= place as u64 && *offset < 1_000, "{place}: {at}, {offset}");
                told += usize::from(*at > 0);
            }
            // What no reader needs, as the topic's name in the head.
            [BackupError::Changed { path: named, .. }] => assert_eq!(*named, path),
            other => panic!("byte {place}: {other:?}"),
        }
    }
    assert!(told > 30, "{told} with their blocks");
    for length in [0, 3, 700, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(faults(directory.path(), &segment).len(), 1, "cut at {length}");
    }
    std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert_eq!(faults(directory.path(), &segment).len(), 1);
    std::fs::remove_file(&path).unwrap();
    let gone = faults(directory.path(), &segment);
    assert!(matches!(&gone[..], [BackupError::Io { .. }]), "{gone:?}");
    std::fs::write(&path, &whole).unwrap();
    assert!(faults(directory.path(), &segment).is_empty());
}
