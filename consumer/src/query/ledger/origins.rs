//! Which records of the log a difference comes from: each record's own postings, looked up among
//! those that differ, and what it looks like in words.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use laju_schemas::{EventId, RegionCode};
use roaring::RoaringBitmap;
use serde::Serialize;

use super::compare::{Differences, KioskDifference};
use super::{LedgerPosting, LedgerQuarantined};
use crate::domain::account::Account;
use crate::domain::cell::sort_and_add;
use crate::domain::dictionary::KioskRef;
use crate::projection::partition::PartitionCommit;

/// Records that are named of one difference at most; all are counted.
pub const NAMED: usize = 1_000;
/// Sequences that are reported in words of one kiosk at most; all are in its ranges.
const TOLD: u64 = 1_000;
/// Events that are reported in words at most; all are in the kiosks' ranges.
const FINDINGS: usize = 100_000;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordOrigin {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// The event's id, where it can be read.
    pub event_id: Option<EventId>,
    /// The kiosk, where it can be read.
    pub kiosk_id: Option<String>,
    /// The kiosk's own number of it, where it can be read.
    pub sequence: Option<u32>,
    /// What it posted to the key; of what could not be counted, 1.
    pub amount: i64,
}

/// The records behind one difference, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// How many there are.
    pub count: u64,
    /// The first of them: at most [`NAMED`].
    pub first: Vec<RecordOrigin>,
}

impl Records {
    fn add(&mut self, record: RecordOrigin) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(record);
        }
    }
}

/// What a difference looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The log has an event that counts, and the ledger has it not.
    EventMissing,
    /// The ledger has an event that counts, and the log has it not.
    EventExtra,
    /// The log has a record that cannot be counted, and the ledger does not know of it.
    RefusedMissing,
    /// The ledger knows of a record that could not be counted, and the log has it not.
    RefusedExtra,
    /// A kiosk's events are the same, and came otherwise: more or fewer repeats.
    Repeats,
    /// Every kiosk's events are the same, and rows of the ledger are not.
    RowsChanged,
}

/// What it looks like, in words and in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub sign: Sign,
    /// The partition.
    pub partition: u32,
    /// The kiosk, where it is of one.
    pub kiosk_id: Option<String>,
    /// Its own number of the event.
    pub sequence: Option<u32>,
    /// Where the log has it.
    pub offset: Option<i64>,
    /// The event, where the log has it.
    pub event_id: Option<EventId>,
    /// The same in words.
    pub words: String,
}

/// Where the log has an event.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: i64,
    event_id: Option<EventId>,
}

/// Watches the fold of the partitions that differ, record by record.
pub struct Origins {
    postings: HashMap<LedgerPosting, usize>,
    /// What a cell has to be of, to be worth a look at all its names.
    places: HashSet<(Account, RegionCode, Date, Date)>,
    quarantined: HashMap<LedgerQuarantined, usize>,
    missing: HashMap<(u32, String), RoaringBitmap>,
    missing_refused: HashMap<(u32, String), RoaringBitmap>,
    /// Where the log has what is missing: by partition, kiosk, sequence and whether it counts.
    found: HashMap<(u32, String, u32, bool), Place>,
    of_postings: Vec<Records>,
    of_quarantined: Vec<Records>,
}

impl Origins {
    /// What is looked for.
    #[must_use]
    pub fn of(differences: &Differences) -> Self {
        let Differences { postings, quarantined, kiosks, .. } = differences;
        let place = |row: &LedgerPosting| (row.account, row.region, row.day, row.recorded);
        let missing = |ranges: fn(&KioskDifference) -> &Vec<(u32, u32)>| {
            let of = |kiosk: &KioskDifference| {
                let all = ranges(kiosk).iter().flat_map(|(first, last)| *first..=*last);
                // No more of them are reported.
                let set: RoaringBitmap = all.take(TOLD as usize).collect();
                ((kiosk.partition, kiosk.kiosk_id.clone()), set)
            };
            kiosks.iter().map(of).filter(|(_, set)| !set.is_empty()).collect()
        };
        Self {
            postings: postings.iter().map(|row| row.posting.clone()).zip(0..).collect(),
            places: postings.iter().map(|row| place(&row.posting)).collect(),
            quarantined: quarantined.iter().map(|row| row.sort.clone()).zip(0..).collect(),
            missing: missing(|kiosk| &kiosk.missing),
            missing_refused: missing(|kiosk| &kiosk.missing_refused),
            found: HashMap::new(),
            of_postings: vec![Records::default(); postings.len()],
            of_quarantined: vec![Records::default(); quarantined.len()],
        }
    }

    /// Looks at what one record has added.
    pub fn see(&mut self, record: PartitionCommit) {
        let PartitionCommit { partition, position, names, cells, facts, received, .. } = record;
        let offset = position.last.map_or(-1, |last| last.offset);
        let event_id = facts.first().map(|(_, fact)| fact.event_id);
        let (kiosk, sequence) = match received.first() {
            Some(member) => {
                let kiosk = names.kiosk((member >> 32) as KioskRef);
                (Some(kiosk), Some(*member as u32))
            }
            None => (None, None),
        };
        if let (Some(kiosk), Some(sequence)) = (kiosk, sequence) {
            let key = (partition, kiosk.to_owned());
            if self.missing.get(&key).is_some_and(|set| set.contains(sequence)) {
                self.found
                    .entry((partition, key.1, sequence, true))
                    .or_insert(Place { offset, event_id });
            }
        }
        for cell in sort_and_add(cells) {
            let region = laju_schemas::RegionTable::get().at(cell.key.region()).code;
            let (day, recorded) = (cell.key.day().date(), cell.key.recorded().date());
            if !self.places.contains(&(cell.key.account(), region, day, recorded)) {
                continue;
            }
            let row = LedgerPosting { amount: 0, ..LedgerPosting::of(partition, &cell, &names) };
            if let Some(&at) = self.postings.get(&row) {
                self.of_postings[at].add(RecordOrigin {
                    partition,
                    offset,
                    event_id,
                    kiosk_id: kiosk.map(str::to_owned),
                    sequence,
                    amount: cell.amount.into(),
                });
            }
        }
        for refused in record.quarantined {
            let origin = refused.origin;
            if let Some((kiosk, sequence)) = &origin {
                let key = (partition, kiosk.clone());
                if self.missing_refused.get(&key).is_some_and(|set| set.contains(*sequence)) {
                    self.found
                        .entry((partition, key.1, *sequence, false))
                        .or_insert(Place { offset, event_id: refused.event_id });
                }
            }
            let row = LedgerQuarantined::of(partition, &refused.key, 0);
            if let Some(&at) = self.quarantined.get(&row) {
                let (kiosk_id, sequence) = origin.unzip();
                let event_id = refused.event_id;
                self.of_quarantined[at].add(RecordOrigin {
                    partition,
                    offset,
                    event_id,
                    kiosk_id,
                    sequence,
                    amount: 1,
                });
            }
        }
    }

    /// The records behind each posting and each sort of quarantined records that differs, in the
    /// order of the differences, and what it all looks like.
    #[must_use]
    pub fn finish(self, differences: &Differences) -> (Vec<Records>, Vec<Records>, Vec<Finding>) {
        let findings = self.findings(differences);
        (self.of_postings, self.of_quarantined, findings)
    }

    fn findings(&self, differences: &Differences) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut told = HashSet::new();
        for kiosk in &differences.kiosks {
            let before = found.len();
            for (sign, ranges) in [
                (Sign::EventMissing, &kiosk.missing),
                (Sign::EventExtra, &kiosk.extra),
                (Sign::RefusedMissing, &kiosk.missing_refused),
                (Sign::RefusedExtra, &kiosk.extra_refused),
            ] {
                let all = ranges.iter().flat_map(|(first, last)| *first..=*last);
                let told = (TOLD as usize).min(FINDINGS.saturating_sub(found.len()));
                found.extend(all.take(told).map(|seq| self.of_event(sign, kiosk, seq)));
            }
            let is_counted_otherwise = kiosk.fields.iter().any(|row| row.field == "received");
            if found.len() == before && is_counted_otherwise {
                found.push(repeats(kiosk));
            }
            if found.len() > before {
                told.insert(kiosk.partition);
            }
        }
        let changed = (differences.postings.iter().map(|row| row.posting.partition))
            .chain(differences.tallies.iter().map(|row| row.partition))
            .chain(differences.kiosks.iter().map(|row| row.partition))
            .chain(differences.quarantined.iter().map(|row| row.sort.partition));
        for partition in changed {
            // A record of which not even the kiosk can be read is in no kiosk's set.
            if told.insert(partition) {
                found.push(changed_rows(partition, differences));
            }
        }
        found
    }

    fn of_event(&self, sign: Sign, kiosk: &KioskDifference, sequence: u32) -> Finding {
        let (partition, id) = (kiosk.partition, &kiosk.kiosk_id);
        let counts = matches!(sign, Sign::EventMissing | Sign::EventExtra);
        let place = match sign {
            Sign::EventMissing | Sign::RefusedMissing => {
                self.found.get(&(partition, id.clone(), sequence, counts)).copied()
            }
            _ => None,
        };
        let what = match sign {
            Sign::EventMissing => "an event is missing in the ledger",
            Sign::EventExtra => "the ledger has an event that the log has not",
            Sign::RefusedMissing => "a record that cannot be counted is missing in the ledger",
            _ => "the ledger knows of a record that could not be counted, and the log has it not",
        };
        let place_in_words = match place {
            Some(Place { offset, .. }) => format!("partition {partition} offset {offset}"),
            None => format!("partition {partition}"),
        };
        Finding {
            sign,
            partition,
            kiosk_id: Some(id.clone()),
            sequence: Some(sequence),
            offset: place.map(|place| place.offset),
            event_id: place.and_then(|place| place.event_id),
            words: format!("{what}: kiosk {id} sequence {sequence}, {place_in_words}"),
        }
    }
}

fn repeats(kiosk: &KioskDifference) -> Finding {
    let count = kiosk.fields.iter().find(|row| row.field == "received");
    let (ledger, log) = count.map_or((0, 0), |row| {
        (row.in_ledger.as_u64().unwrap_or(0), row.in_log.as_u64().unwrap_or(0))
    });
    let KioskDifference { partition, kiosk_id, .. } = kiosk;
    Finding {
        sign: Sign::Repeats,
        partition: *partition,
        kiosk_id: Some(kiosk_id.clone()),
        sequence: None,
        offset: None,
        event_id: None,
        words: format!(
            "kiosk {kiosk_id} sent {log} records to partition {partition} by the log, and {ledger} \
             by the ledger, under the same sequences: repeats, or two devices of one id"
        ),
    }
}

fn changed_rows(partition: u32, differences: &Differences) -> Finding {
    let is_unread = differences.quarantined.iter().any(|row| row.sort.partition == partition);
    let words = if is_unread {
        format!(
            "partition {partition}: records that cannot be read as events differ, while every \
             kiosk has the same events in both"
        )
    } else {
        format!(
            "partition {partition}: every kiosk has the same events in both, so that rows of the \
             ledger itself were changed, or made by a faulty fold"
        )
    };
    Finding {
        sign: Sign::RowsChanged,
        partition,
        kiosk_id: None,
        sequence: None,
        offset: None,
        event_id: None,
        words,
    }
}
