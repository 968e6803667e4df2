//! Rows come out the same whatever way the log was cut, in their order, and read back.

use std::collections::BTreeSet;

use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason,
};
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, RegionCode, SubjectId, TimestampMs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::lines::{LedgerDigest, LedgerLine};
use super::*;
use crate::domain::admission::{Admitted, Refusal};
use crate::projection::partition::{PartitionCommit, PartitionState, RecordMark, UnverifiedFields};
use crate::query::fixtures::region;

pub(super) const PARTITION: u32 = 3;

/// What happens to one citizen after the other, from many kiosks whose names are not in the order
/// of their numbers: every account gets something, and something is taken back.
fn fold(commit_every: usize) -> PartitionLedger {
    fold_all_but(None, commit_every)
}

/// The same without one of the 400 records.
pub(super) fn fold_all_but(left_out: Option<u32>, commit_every: usize) -> PartitionLedger {
    let mut part = PartitionLedger::empty(PARTITION);
    commits(left_out, commit_every, |commit| part.add(commit));
    part
}

/// What each so many records add.
pub(super) fn commits(
    left_out: Option<u32>,
    commit_every: usize,
    mut take: impl FnMut(PartitionCommit),
) {
    let mut state = PartitionState::new(PARTITION);
    let start = "2024-02-01T03:00:00Z".parse::<TimestampMs>().unwrap().0;
    for number in 0..400_u32 {
        let citizen = number / 4;
        let moves = (number % 4, citizen % 5) == (2, 0);
        let home = if moves { "18.72" } else { ["18.71", "17.71", "31.71"][citizen as usize % 3] };
        let mut event_id = [7; 16];
        event_id[..4].copy_from_slice(&number.to_be_bytes());
        let fact: Fact<RegionCode> = match (number % 4, citizen % 5) {
            (0, 0) => Fact::CardRecorded { first_time_holder: true },
            (0, 1) => Fact::CardRequested { reason: CardReason::Lost },
            (0, 2) => Fact::CardPrinted { reason: CardReason::Damaged },
            (0, _) => Fact::Deferred { reason: DeferralReason::NoSmartphone },
            (1, _) => {
                Fact::Activated { channel: Channel::Outreach, venue: None, first_time_holder: true }
            }
            (2, 0) => Fact::Relocated { from_region: "18.71".parse().unwrap() },
            (2, 1) => Fact::Deactivated { reason: DeactivationReason::DeviceLost },
            (2, 2) => {
                let mut taken_back = event_id;
                taken_back[..4].copy_from_slice(&(number - 1).to_be_bytes());
                Fact::Retracted {
                    event_id: EventId(taken_back),
                    reason: RetractionReason::WrongPerson,
                }
            }
            _ => {
                Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false }
            }
        };
        let occurred_at = start + i64::from(number) * 3_000_000;
        let kiosk = format!("K-{}", 9 - citizen % 7);
        let outreach = (citizen % 2 == 0).then(|| format!("visit-{}", 9 - citizen % 9));
        let mark = RecordMark {
            offset: i64::from(number) * 2,
            timestamp: occurred_at + 86_400_000 * i64::from(number % 3),
            digest: 0,
        };
        if left_out == Some(number) {
            continue;
        }
        if number % 50 == 49 {
            let claims = UnverifiedFields {
                event_id: EventId(event_id),
                kiosk_id: kiosk,
                sequence: i64::from(number) + 1,
                home_region: home.to_owned(),
                service_region: "18.71".to_owned(),
            };
            let refusal = Refusal::new(Reason::InFuture, "occurred_at: made by hand");
            state.refused(mark, &refusal, (number % 100 == 49).then_some(&claims));
        } else {
            let event = Admitted {
                event_id: EventId(event_id),
                subject: SubjectId([citizen as u8; 16]),
                kiosk: &kiosk,
                sequence: number + 1,
                occurred_at,
                home: region(home),
                service: region("18.71"),
                outreach: outreach.as_deref(),
                fact,
                is_released: false,
            };
            state.counted(mark, &event);
        }
        if (number as usize).is_multiple_of(commit_every) {
            take(state.take_commit().unwrap());
        }
    }
    state.take_commit().into_iter().for_each(take);
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(rows: &[T]) {
    assert!(!rows.is_empty());
    for row in rows {
        let text = serde_json::to_string(row).unwrap();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *row, "{text}");
    }
}

#[test]
fn every_row_is_in_its_order_once_and_reads_back() {
    let part = fold(7);
    let view = &part.view;
    let postings: Vec<_> = postings(&part).collect();
    assert!(postings.is_sorted() && postings.iter().all(|row| row.amount != 0));
    let keys = postings.iter().map(|row| LedgerPosting { amount: 0, ..row.clone() });
    let keys: BTreeSet<_> = keys.collect();
    assert_eq!((keys.len(), posting_count(&part.ledger)), (postings.len(), postings.len() as u64));
    let accounts: BTreeSet<_> = postings.iter().map(|row| row.account).collect();
    assert!(accounts.len() >= 11, "{accounts:?}");
    let kiosks: Vec<_> = kiosks(view).collect();
    assert!(kiosks.is_sorted() && kiosks.len() == 7);
    let quarantined: Vec<_> = quarantined(view).collect();
    assert!(quarantined.is_sorted());
    assert_eq!(quarantined.iter().map(|row| row.count).sum::<u64>(), 8);
    let refused: Vec<_> = refused(view).collect();
    assert_eq!(refused.len(), 8);
    round_trip(&postings);
    round_trip(&kiosks);
    round_trip(&quarantined);
    round_trip(&refused);
    round_trip(&[LedgerTallies::of(view)]);
    let sequences = kiosks.iter().flat_map(|kiosk| &kiosk.received_sequences);
    assert_eq!(sequences.map(|(first, last)| last - first + 1).sum::<u32>(), 392);
    let refused = kiosks.iter().flat_map(|kiosk| &kiosk.refused_sequences);
    assert_eq!(refused.map(|(first, last)| last - first + 1).sum::<u32>(), 4);
}

#[test]
fn rows_do_not_depend_on_how_the_log_was_cut_into_commits() {
    let (small, large) = (fold(7), fold(1_000));
    assert!(small.ledger.as_slices().len() > 1);
    assert!(postings(&small).eq(postings(&large)));
    assert!(kiosks(&small.view).eq(kiosks(&large.view)));
    assert!(quarantined(&small.view).eq(quarantined(&large.view)));
    assert!(refused(&small.view).eq(refused(&large.view)));
    assert_eq!(posting_count(&small.ledger), posting_count(&large.ledger));
}

/// Once published, a digest is computed again by others: what it is made of does not change.
#[test]
fn the_digest_is_of_exactly_the_lines_documented() {
    let part = fold(7);
    let head = LedgerHead {
        cluster_id: "a cluster".to_owned(),
        topic: "a topic".to_owned(),
        topic_id: None,
        partitions: 4,
        fold_version: "1-test".to_owned(),
        partition: PARTITION,
        next_offset: part.view.next_offset,
    };
    let mut text = Vec::new();
    lines::write(&part, head.clone(), |frame| {
        text.extend_from_slice(&frame);
        true
    });
    let mut hash = Sha256::new();
    let framing = [&b"{\"head\""[..], b"{\"refused\"", b"{\"end\""];
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !framing.iter().any(|start| line.starts_with(start)) {
            hash.update(line);
        }
    }
    let digest = LedgerDigest(hash.finalize().into());
    let end = text.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
    let LedgerLine::End(end) = serde_json::from_slice(end).unwrap() else { panic!("no end") };
    assert_eq!((end.digest, LedgerDigest::of(&part)), (digest, digest));
    let count = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(end.lines, count - 1);
    assert_eq!(
        digest.to_string(),
        "a700f1a68e1690cd1d3bc1a5eb5be924addf0ce9dcec58586cad7d1f5cef6b1f"
    );
    // The beginning of each sort of line, as documented.
    let text = String::from_utf8(text).unwrap();
    insta::assert_snapshot!(first_of_each(&text));
    // Another copy of the log: other offsets, other names, the same ledger.
    let mut copy = fold(1_000);
    copy.view.next_offset += 1_000;
    assert_eq!(LedgerDigest::of(&copy), digest);
    let mut other = fold(7);
    other.view.subjects += 1;
    assert_ne!(LedgerDigest::of(&other), digest);
    assert_ne!(LedgerDigest::of_all([digest]), digest);
}

/// The first line of each sort.
fn first_of_each(text: &str) -> String {
    let mut seen = BTreeSet::new();
    let first = text.lines().filter(|line| seen.insert(line.split(':').next()));
    first.collect::<Vec<_>>().join("\n")
}
