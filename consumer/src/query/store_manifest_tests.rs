//! The form in which a store goes to another node, byte by byte.

use std::io::{Cursor, ErrorKind};

use super::store_manifest::*;
use crate::projection::format::{FORMAT_VERSION, seal};
use crate::projection::store::seed_tests::{Made, log};

/// Two frames: of a payload of five bytes, and of one of none.
const GOLDEN: &[u8] = b"\x09\0\0\0\x86\xa6\x10\x36hello\x04\0\0\0\0\0\0\0";

#[test]
fn frames_are_these_bytes() {
    let mut bytes = Vec::new();
    frame(&seal(b"hello"), &mut bytes);
    frame(&seal(b""), &mut bytes);
    assert_eq!(bytes, GOLDEN);
    let mut stream = Cursor::new(GOLDEN);
    assert_eq!(read_frame(&mut stream).unwrap().unwrap().value(), seal(b"hello"));
    assert_eq!(read_frame(&mut stream).unwrap().unwrap().value(), seal(b""));
    assert_eq!(read_frame(&mut stream).unwrap(), None);
}

#[test]
fn a_frame_that_is_cut_or_changed_anywhere_is_none() {
    let whole = &GOLDEN[..13];
    for end in 1..whole.len() {
        let error = read_frame(&mut Cursor::new(&whole[..end])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}");
    }
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = GOLDEN.to_vec();
            changed[place] ^= 1 << bit;
            assert!(read_frame(&mut Cursor::new(changed)).is_err(), "{place}, {bit}");
        }
    }
    let huge = [&u32::MAX.to_le_bytes()[..], &[0; 64]].concat();
    let error = read_frame(&mut Cursor::new(huge)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "and no memory is taken for it");
}

#[test]
fn a_manifest_says_what_a_store_is_and_its_rows_are_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let mut made = Made::new(directory.path(), "the origin");
    made.fold(200);
    let manifest = StoreManifest::of(&made.store.reader()).unwrap();
    let log = log();
    assert_eq!(
        (manifest.format_version, &manifest.fold_version, &manifest.cluster_id, &manifest.topic),
        (FORMAT_VERSION, &log.fold_version, &log.cluster_id, &log.topic)
    );
    assert_eq!((&manifest.topic_id, &*manifest.node_id), (&log.topic_id, "the origin"));
    let rows = made.rows();
    assert_eq!(manifest.partitions.len(), rows.len());
    for (number, (partition, row)) in (0..).zip(manifest.partitions.iter().zip(&rows)) {
        assert_eq!((partition.partition, partition.next_offset), (number, 100));
        let chunks = partition.chunks;
        let counts = [chunks.dictionary, chunks.facts, chunks.kiosks, chunks.quarantine];
        assert_eq!(counts, row.chains.map(|chain| chain.count));
        assert_eq!(partition.position().as_ref(), Some(row));
        for place in 0..partition.row.len() {
            let mut changed = partition.clone();
            let byte = if changed.row.as_bytes()[place] == b'A' { "B" } else { "A" };
            changed.row.replace_range(place..=place, byte);
            assert_eq!(changed.position(), None, "{place}");
        }
    }
    let json = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<StoreManifest>(&json).unwrap(), manifest);
}
