//! One partition on its way through the log: the fold's state, the position it has reached, and
//! what has changed since the last commit.

use std::sync::Arc;

use laju_schemas::nik::masked;
use laju_schemas::{EventId, KioskId, RawEvent, RegionTable, Sequence, SubjectId};
use serde::{Deserialize, Serialize};

use crate::domain::admission::{Admitted, Refusal, clamp_timestamp};
use crate::domain::cell::Cell;
use crate::domain::day::Day;
use crate::domain::dictionary::{Entry, KioskRef, Names};
use crate::domain::fact::CompactFact;
use crate::domain::fold::{Arrival, Changes, KioskActivity, PartitionFold, Tallies};
use crate::projection::quarantine::{QuarantineKey, QuarantinedRecord};

/// Which record it is, apart from what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMark {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its own timestamp, in milliseconds since 1970.
    pub timestamp: i64,
    /// A digest of its key and value: see [`RecordMark::digest`].
    pub digest: u64,
}

impl RecordMark {
    /// The digest of a record's key and value.
    #[must_use]
    #[inline]
    pub fn digest(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
        use xxhash_rust::xxh3::xxh3_64_with_seed;
        let key = key.map_or(1, |key| xxh3_64_with_seed(key, 2));
        value.map_or(key, |value| xxh3_64_with_seed(value, key))
    }
}

/// What a record that cannot be counted says of itself, where it decodes that far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedFields {
    /// The event's id.
    pub event_id: EventId,
    /// The kiosk's id.
    pub kiosk_id: String,
    /// The kiosk's own number of the event.
    pub sequence: i64,
    /// The home region.
    pub home_region: String,
    /// The service region.
    pub service_region: String,
}

impl From<&RawEvent<'_>> for UnverifiedFields {
    fn from(raw: &RawEvent<'_>) -> Self {
        Self {
            event_id: raw.event_id,
            kiosk_id: raw.kiosk_id.to_owned(),
            sequence: raw.sequence,
            home_region: raw.home_region.to_owned(),
            service_region: raw.service_region.to_owned(),
        }
    }
}

/// How far a partition has been folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The offset of the next record to be folded.
    pub next_offset: i64,
    /// The last record folded. On the next start it is read again and has to be the same.
    pub last: Option<RecordMark>,
    /// The latest timestamp of a record so far, in milliseconds since 1970, as it counts.
    pub recorded_until: Option<i64>,
    /// The offset of the first record with that timestamp. Not kept by manifests.
    #[serde(default)]
    pub recorded_by: Option<i64>,
}

impl Position {
    /// The position behind one more record.
    #[must_use]
    #[inline]
    pub fn after(&self, mark: RecordMark) -> Self {
        let timestamp = clamp_timestamp(mark.timestamp);
        let before = self.recorded_until.filter(|until| *until >= timestamp);
        Self {
            next_offset: mark.offset + 1,
            last: Some(mark),
            recorded_until: Some(before.unwrap_or(timestamp)),
            recorded_by: before.map_or(Some(mark.offset), |_| self.recorded_by),
        }
    }
}

/// What a commit writes, and what readers see after it.
pub struct PartitionCommit {
    /// The partition's number.
    pub partition: u32,
    /// How far it has been folded.
    pub position: Position,
    /// The counts after this commit.
    pub tallies: Tallies,
    /// How many subjects there are after this commit.
    pub subjects: u64,
    /// The texts behind all numbers.
    pub names: Arc<Names>,
    /// Postings, not yet added up.
    pub cells: Vec<Cell>,
    /// New facts, in the order they came.
    pub facts: Vec<(SubjectId, CompactFact)>,
    /// From which of the facts on they came in in this way: rising, the first from 0 on.
    pub arrivals: Vec<(usize, Arrival)>,
    /// New entries of the dictionary.
    pub entries: Vec<Entry>,
    /// Sequences of events that count.
    pub received: Vec<u64>,
    /// Sequences of records that cannot be counted, where they decode.
    pub refused: Vec<u64>,
    /// Home regions served.
    pub served: Vec<u64>,
    /// Kiosks heard of, for each day of recording on which they were, and after them those of which
    /// events were released, without a day; with what is now known of them. Either are sorted.
    pub kiosks: Vec<(KioskRef, Option<Day>, KioskActivity)>,
    /// What could not be counted.
    pub quarantined: Vec<QuarantinedRecord>,
    /// How many records were folded since the commit before.
    pub records: u64,
    /// Whether the partition is folded again from its beginning: this takes the place of everything
    /// that was stored of it.
    pub begins_again: bool,
}

impl PartitionCommit {
    /// Takes in the commit that follows, so that readers are shown both as one. What only a store needs of
    /// it is left out.
    pub fn absorb(&mut self, mut next: Self) {
        if next.begins_again {
            *self = next;
            return;
        }
        let from = self.facts.len();
        let last = self.arrivals.last().map(|(_, arrival)| *arrival);
        let begin = |(place, arrival): &&(usize, _)| *place > 0 || Some(*arrival) != last;
        let arrivals = next.arrivals.iter().filter(begin);
        self.arrivals.extend(arrivals.map(|(place, arrival)| (from + place, *arrival)));
        self.facts.append(&mut next.facts);
        self.received.append(&mut next.received);
        self.refused.append(&mut next.refused);
        self.served.append(&mut next.served);
        // What is known of a kiosk by the later commit stands behind what was known before.
        self.kiosks.append(&mut next.kiosks);
        self.quarantined.append(&mut next.quarantined);
        self.records += next.records;
        self.position = next.position;
        self.tallies = next.tallies;
        self.subjects = next.subjects;
        self.names = next.names;
    }

    /// The new facts, by how they came in, in the order they came.
    pub fn facts_by_arrival(&self) -> impl Iterator<Item = (Arrival, &[(SubjectId, CompactFact)])> {
        self.arrivals.iter().enumerate().map(|(place, &(from, arrival))| {
            let to = self.arrivals.get(place + 1).map_or(self.facts.len(), |(next, _)| *next);
            (arrival, &self.facts[from..to])
        })
    }
}

/// For how many subjects of a partition room is made at most before they are there.
pub(super) const MOST_EXPECTED: u64 = 1 << 24;

/// One partition on its way through the log.
pub struct PartitionState {
    partition: u32,
    fold: PartitionFold,
    position: Position,
    changes: Changes,
    quarantined: Vec<QuarantinedRecord>,
    /// Records folded since the last commit.
    uncommitted: u64,
    /// The partition's end, if it was reached since then.
    end: Option<i64>,
    begins_again: bool,
}

impl PartitionState {
    /// A partition at the beginning of its log.
    #[must_use]
    pub fn new(partition: u32) -> Self {
        Self::restored(partition, PartitionFold::default(), Position::default())
    }

    /// A partition as it was stored.
    #[must_use]
    pub fn restored(partition: u32, fold: PartitionFold, position: Position) -> Self {
        Self {
            partition,
            fold,
            position,
            changes: Changes::default(),
            quarantined: Vec::new(),
            uncommitted: 0,
            end: None,
            begins_again: false,
        }
    }

    /// A partition that is folded again: its first commit takes the place of what was stored of it.
    #[must_use]
    pub fn again(partition: u32) -> Self {
        Self { begins_again: true, ..Self::new(partition) }
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// How far it has been folded, commits outstanding included.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The fold's state.
    #[must_use]
    pub fn fold(&self) -> &PartitionFold {
        &self.fold
    }

    /// Makes room for the subjects of so many records that are still to come: a table that grows by and by
    /// is moved some twenty times. Of a nation's log three of four records are of a new subject.
    pub fn expect(&mut self, records: u64) {
        let subjects = (records / 4 * 3).min(MOST_EXPECTED);
        self.fold.subjects.reserve(subjects as usize);
    }

    /// Tells whose record is to be folded soon. Folding a few is faster after telling of each.
    #[inline]
    pub fn announce(&self, subject: SubjectId) {
        self.fold.subjects().touch(subject);
    }

    /// Folds a record that can be counted. One that was folded before is passed over.
    #[inline]
    pub fn counted(&mut self, mark: RecordMark, event: &Admitted<'_>) {
        if let Some((timestamp, recorded)) = self.advance(mark) {
            self.fold.fold(event, timestamp, recorded, &mut self.changes);
        }
    }

    /// Takes note of a record that cannot be counted. One that was passed before is passed over.
    pub fn refused(
        &mut self,
        mark: RecordMark,
        refusal: &Refusal,
        claims: Option<&UnverifiedFields>,
    ) {
        let Some((timestamp, recorded)) = self.advance(mark) else { return };
        let origin = claims.and_then(|claims| {
            let sequence = Sequence::try_from(claims.sequence).ok()?;
            KioskId::check(&claims.kiosk_id).ok()?;
            Some((claims.kiosk_id.as_str(), sequence.get()))
        });
        self.fold.quarantined(origin, timestamp, recorded, &mut self.changes);
        let region = |code: Option<&String>| RegionTable::get().regency(code?);
        self.quarantined.push(QuarantinedRecord {
            offset: mark.offset,
            timestamp: mark.timestamp,
            key: QuarantineKey {
                reason: refusal.reason,
                recorded,
                home: region(claims.map(|claims| &claims.home_region)),
                service: region(claims.map(|claims| &claims.service_region)),
            },
            detail: refusal.detail.clone(),
            event_id: claims.map(|claims| claims.event_id),
            origin: origin.map(|(kiosk, sequence)| (masked(kiosk).into_owned(), sequence)),
        });
    }

    /// Moves the position behind a record; gives its own timestamp and its day of recording.
    #[inline]
    fn advance(&mut self, mark: RecordMark) -> Option<(i64, Day)> {
        if mark.offset < self.position.next_offset {
            return None;
        }
        let timestamp = clamp_timestamp(mark.timestamp);
        self.position = self.position.after(mark);
        let until = self.position.recorded_until.unwrap_or(timestamp);
        self.uncommitted += 1;
        Some((timestamp, Day::recorded(until)))
    }

    /// Takes note that the partition ends at an offset behind all that was folded.
    pub fn reached_end(&mut self, offset: i64) {
        self.end = Some(offset);
    }

    /// Takes the partition's end, if it was reached since the last time.
    pub fn take_end(&mut self) -> Option<i64> {
        self.end.take()
    }

    /// How many records were folded since the last commit was taken.
    #[must_use]
    pub fn uncommitted(&self) -> u64 {
        self.uncommitted
    }

    /// Takes what has changed since the last time; `None` if nothing has.
    pub fn take_commit(&mut self) -> Option<PartitionCommit> {
        let records = std::mem::take(&mut self.uncommitted);
        if records == 0 {
            return None;
        }
        let mut changes = self.changes.take();
        changes.days.sort_unstable();
        changes.released.sort_unstable();
        changes.released.dedup();
        Some(PartitionCommit {
            partition: self.partition,
            position: self.position,
            tallies: *self.fold.tallies(),
            subjects: self.fold.subjects().len() as u64,
            names: Arc::clone(self.fold.dictionary().names()),
            cells: changes.cells,
            facts: changes.facts,
            entries: changes.entries,
            arrivals: changes.arrivals,
            received: changes.received,
            refused: changes.refused,
            served: changes.served,
            kiosks: changes
                .days
                .into_iter()
                .map(|heard| ((heard >> 32) as KioskRef, Some(Day(heard as u16))))
                .chain(changes.released.into_iter().map(|kiosk| (kiosk, None)))
                .map(|(kiosk, day)| (kiosk, day, self.fold.kiosks()[kiosk as usize]))
                .collect(),
            quarantined: std::mem::take(&mut self.quarantined),
            records,
            begins_again: std::mem::take(&mut self.begins_again),
        })
    }
}
