//! What a partition's ledger says otherwise than another of the same partition: a worker's against
//! the one folded again from the log. Rows are compared by their keys, whatever their order.

use std::cmp::Ordering;

use laju_schemas::EventId;
use roaring::RoaringBitmap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::lines::{LedgerLine, LinesError};
use super::{
    LedgerKiosk, LedgerPosting, LedgerQuarantined, LedgerRefused, LedgerTallies, kiosks, postings,
    quarantined, refused,
};
use crate::projection::partition_ledger::PartitionLedger;

/// All rows of a partition's ledger, in no order that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Its counts; none where the ledger does not say.
    pub tallies: Option<LedgerTallies>,
    /// Its postings, each key once.
    pub postings: Vec<LedgerPosting>,
    /// Its kiosks.
    pub kiosks: Vec<LedgerKiosk>,
    /// How many of which sort could not be counted.
    pub quarantined: Vec<LedgerQuarantined>,
    /// The latest of them.
    pub refused: Vec<LedgerRefused>,
}

impl Rows {
    /// Those of a state.
    #[must_use]
    pub fn of(part: &PartitionLedger) -> Self {
        let view = &part.view;
        Self {
            tallies: Some(LedgerTallies::of(view)),
            postings: postings(part).collect(),
            kiosks: kiosks(view).collect(),
            quarantined: quarantined(view).collect(),
            refused: refused(view).collect(),
        }
    }

    /// Those of a ledger that was received whole.
    ///
    /// # Errors
    /// If a line is none of a ledger's.
    pub fn read(
        lines: impl IntoIterator<Item = Result<LedgerLine, LinesError>>,
    ) -> Result<Self, LinesError> {
        let mut rows = Self::default();
        for line in lines {
            match line? {
                LedgerLine::Head(_) | LedgerLine::End(_) => {}
                LedgerLine::Tallies(row) => rows.tallies = Some(row),
                LedgerLine::Posting(row) => rows.postings.push(row),
                LedgerLine::Kiosk(row) => rows.kiosks.push(row),
                LedgerLine::Quarantined(row) => rows.quarantined.push(row),
                LedgerLine::Refused(row) => rows.refused.push(row),
            }
        }
        Ok(rows)
    }
}

/// A posting whose amount differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PostingDifference {
    /// What is posted; its amount is 0 here.
    #[serde(serialize_with = "without_amount")]
    pub posting: LedgerPosting,
    /// The amount in the ledger; 0 where it has no such posting.
    pub in_ledger: i64,
    /// The amount that the log gives; 0 where it gives no such posting.
    pub in_log: i64,
}

/// A sort of records that could not be counted, whose number differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantinedDifference {
    /// Which sort; its count is 0 here.
    #[serde(serialize_with = "without_count")]
    pub sort: LedgerQuarantined,
    /// How many the ledger has.
    pub in_ledger: u64,
    /// How many the log has.
    pub in_log: u64,
}

/// A count or a kiosk's field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDiffers {
    /// Its name in the row.
    pub field: String,
    /// What the ledger says; null where it says nothing.
    pub in_ledger: Value,
    /// What the log gives.
    pub in_log: Value,
}

/// A partition's count that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TallyDifference {
    /// The partition.
    pub partition: u32,
    /// The count.
    #[serde(flatten)]
    pub count: FieldDiffers,
}

/// A kiosk of which the ledger says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KioskDifference {
    /// The partition.
    pub partition: u32,
    /// The kiosk.
    pub kiosk_id: String,
    /// Every field that differs.
    pub fields: Vec<FieldDiffers>,
    /// Sequences of events that count by the log and not in the ledger: ranges, each from its first
    /// to its last.
    pub missing: Vec<(u32, u32)>,
    /// Those that count in the ledger and not by the log.
    pub extra: Vec<(u32, u32)>,
    /// Sequences of records that cannot be counted by the log, of which the ledger does not know.
    pub missing_refused: Vec<(u32, u32)>,
    /// Those of which the log does not know.
    pub extra_refused: Vec<(u32, u32)>,
}

/// One of the latest records that could not be counted, told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedDifference {
    /// As the ledger has it.
    pub in_ledger: Option<LedgerRefused>,
    /// As the log has it.
    pub in_log: Option<LedgerRefused>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Counts.
    pub tallies: Vec<TallyDifference>,
    /// Postings.
    pub postings: Vec<PostingDifference>,
    /// Kiosks.
    pub kiosks: Vec<KioskDifference>,
    /// Numbers of records that could not be counted.
    pub quarantined: Vec<QuarantinedDifference>,
    /// The latest of them.
    pub refused: Vec<RefusedDifference>,
}

impl Differences {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many rows differ.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tallies.len()
            + self.postings.len()
            + self.kiosks.len()
            + self.quarantined.len()
            + self.refused.len()
    }

    /// Adds those of another partition.
    pub fn append(&mut self, mut other: Self) {
        self.tallies.append(&mut other.tallies);
        self.postings.append(&mut other.postings);
        self.kiosks.append(&mut other.kiosks);
        self.quarantined.append(&mut other.quarantined);
        self.refused.append(&mut other.refused);
    }
}

/// Whether offsets are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// Both are of the same log.
    Compared,
    /// One is of a copy, in which records stand elsewhere.
    LeftOut,
}

/// All that a partition's ledger says otherwise than what the log gives.
#[must_use]
pub fn compare(partition: u32, ledger: Rows, log: Rows, offsets: Offsets) -> Differences {
    let mut found = Differences {
        refused: compare_refused(ledger.refused, log.refused, offsets),
        ..Differences::default()
    };
    for count in fields(&json(&ledger.tallies), &json(&log.tallies)) {
        found.tallies.push(TallyDifference { partition, count });
    }
    join(ledger.postings, log.postings, by_key, |ledger, log| {
        let amount = |row: &Option<LedgerPosting>| row.as_ref().map_or(0, |row| row.amount);
        let (in_ledger, in_log) = (amount(&ledger), amount(&log));
        let Some(posting) = ledger.or(log) else { return };
        if in_ledger != in_log {
            let posting = LedgerPosting { amount: 0, ..posting };
            found.postings.push(PostingDifference { posting, in_ledger, in_log });
        }
    });
    let by_sort = |a: &LedgerQuarantined, b: &LedgerQuarantined| {
        let key = |row: &LedgerQuarantined| LedgerQuarantined { count: 0, ..row.clone() };
        key(a).cmp(&key(b))
    };
    join(ledger.quarantined, log.quarantined, by_sort, |ledger, log| {
        let count = |row: &Option<LedgerQuarantined>| row.as_ref().map_or(0, |row| row.count);
        let (in_ledger, in_log) = (count(&ledger), count(&log));
        let Some(sort) = ledger.or(log) else { return };
        if in_ledger != in_log {
            let sort = LedgerQuarantined { count: 0, ..sort };
            found.quarantined.push(QuarantinedDifference { sort, in_ledger, in_log });
        }
    });
    let by_id = |a: &LedgerKiosk, b: &LedgerKiosk| a.kiosk_id.cmp(&b.kiosk_id);
    join(ledger.kiosks, log.kiosks, by_id, |ledger, log| {
        if ledger != log {
            found.kiosks.extend(compare_kiosk(partition, ledger.as_ref(), log.as_ref()));
        }
    });
    found
}

/// How the latest records that could not be counted are reported differently: beside the digest,
/// which does not cover them.
#[must_use]
pub fn compare_refused(
    mut ledger: Vec<LedgerRefused>,
    mut log: Vec<LedgerRefused>,
    offsets: Offsets,
) -> Vec<RefusedDifference> {
    if offsets == Offsets::LeftOut {
        // What is compared is what stands in both: then neither says where.
        ledger.iter_mut().chain(&mut log).for_each(|row| row.offset = 0);
    }
    let mut found = Vec::new();
    let place = |row: &LedgerRefused| -> (i64, Option<EventId>) { (row.offset, row.event_id) };
    let order = |a: &LedgerRefused, b: &LedgerRefused| match offsets {
        Offsets::Compared => place(a).cmp(&place(b)),
        Offsets::LeftOut => a.cmp(b),
    };
    join(ledger, log, order, |in_ledger, in_log| {
        if in_ledger != in_log {
            found.push(RefusedDifference { in_ledger, in_log });
        }
    });
    found
}

/// The order of the rows without their amounts.
fn by_key(a: &LedgerPosting, b: &LedgerPosting) -> Ordering {
    let key = |row: &LedgerPosting| LedgerPosting { amount: 0, ..row.clone() };
    let (a_first, b_first) =
        ((a.account, a.region, a.day, a.recorded), (b.account, b.region, b.day, b.recorded));
    // Most are distinguished by these, which cost nothing.
    a_first.cmp(&b_first).then_with(|| key(a).cmp(&key(b)))
}

/// Goes through two lists of rows by their keys, and hands over what stands in either.
fn join<T>(
    mut ledger: Vec<T>,
    mut log: Vec<T>,
    order: impl Fn(&T, &T) -> Ordering,
    mut each: impl FnMut(Option<T>, Option<T>),
) {
    ledger.sort_by(&order);
    log.sort_by(&order);
    let (mut ledger, mut log) = (ledger.into_iter().peekable(), log.into_iter().peekable());
    loop {
        let next = match (ledger.peek(), log.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order(a, b),
        };
        let of_ledger = if next.is_le() { ledger.next() } else { None };
        let of_log = if next.is_ge() { log.next() } else { None };
        each(of_ledger, of_log);
    }
}

fn compare_kiosk(
    partition: u32,
    ledger: Option<&LedgerKiosk>,
    log: Option<&LedgerKiosk>,
) -> Option<KioskDifference> {
    let kiosk_id = ledger.or(log)?.kiosk_id.clone();
    let received = |row: Option<&LedgerKiosk>| set(row.map(|row| &row.received_sequences));
    let refused = |row: Option<&LedgerKiosk>| set(row.map(|row| &row.refused_sequences));
    Some(KioskDifference {
        partition,
        kiosk_id,
        fields: fields(&json(&ledger), &json(&log)),
        missing: super::rows::ranges(&(received(log) - received(ledger))),
        extra: super::rows::ranges(&(received(ledger) - received(log))),
        missing_refused: super::rows::ranges(&(refused(log) - refused(ledger))),
        extra_refused: super::rows::ranges(&(refused(ledger) - refused(log))),
    })
}

fn set(ranges: Option<&Vec<(u32, u32)>>) -> RoaringBitmap {
    let mut set = RoaringBitmap::new();
    for (first, last) in ranges.into_iter().flatten() {
        set.insert_range(*first..=*last);
    }
    set
}

fn json<T: Serialize>(row: &T) -> Value {
    serde_json::to_value(row).unwrap_or(Value::Null)
}

/// The fields of two rows that differ, those of an object within them by both names.
fn fields(ledger: &Value, log: &Value) -> Vec<FieldDiffers> {
    let mut names: Vec<&String> =
        [ledger, log].into_iter().filter_map(Value::as_object).flat_map(|row| row.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| *name != "partition" && *name != "kiosk_id") {
        let (a, b) = (&ledger[name], &log[name]);
        if a.is_object() && b.is_object() {
            for mut inner in fields(a, b) {
                inner.field = format!("{name}.{}", inner.field);
                found.push(inner);
            }
        } else if a != b {
            let (in_ledger, in_log) = (a.clone(), b.clone());
            found.push(FieldDiffers { field: name.clone(), in_ledger, in_log });
        }
    }
    found
}

fn without_amount<S: Serializer>(row: &LedgerPosting, serializer: S) -> Result<S::Ok, S::Error> {
    without("amount", row, serializer)
}

fn without_count<S: Serializer>(row: &LedgerQuarantined, serializer: S) -> Result<S::Ok, S::Error> {
    without("count", row, serializer)
}

fn without<S: Serializer>(
    name: &str,
    row: &impl Serialize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut value = json(row);
    if let Some(members) = value.as_object_mut() {
        members.remove(name);
    }
    value.serialize(serializer)
}
