//! Reads the ledger of a snapshot in the oracle's terms: codes and texts for numbers, dates for
//! days. It adds up cells and resolves names, and knows no rule of the fold.

use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::domain::admission::clamp_timestamp;
use laju_consumer::domain::cell::{Cell, Detail};
use laju_consumer::domain::day::Day;
use laju_consumer::domain::dictionary::Names;
use laju_consumer::projection::partition_ledger::{PartitionLedger, PartitionLedgers};
use laju_consumer::projection::partition_view::PartitionView;
use laju_consumer::projection::quarantine::{QuarantineKey, QuarantineTally};
use laju_consumer::projection::runs::Runs;
use laju_consumer::projection::snapshot::Snapshot;
use laju_schemas::event::FactKind;
use laju_schemas::{EventId, RegionCode, RegionIndex, RegionTable};

use crate::oracle::{Balances, ByDay, Counts, Kiosk, Refused};
use crate::text;

/// A ledger row: an amount with both its days.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// What is counted.
    pub account: Account,
    /// Where.
    pub region: RegionCode,
    /// What else.
    pub detail: String,
    /// When it happened.
    pub day: Date,
    /// When it was recorded.
    pub recorded: Date,
    /// How many.
    pub amount: i64,
}

/// The rows of a ledger, sorted, each once.
fn rows_of(ledger: &Runs, names: &Names) -> Vec<Row> {
    let row = |cell: &Cell| Row {
        account: cell.key.account(),
        region: code(cell.key.region()),
        detail: detail_text(cell.key.detail(), names),
        day: cell.key.day().date(),
        recorded: cell.key.recorded().date(),
        amount: cell.amount.into(),
    };
    added_up(ledger.all().map(row).collect())
}

/// The rows of a partition's own ledger, sorted, each once.
#[must_use]
pub fn partition_rows(part: &PartitionLedger) -> Vec<Row> {
    rows_of(&part.ledger, &part.view.names)
}

/// The rows of all partitions together, sorted, each once.
#[must_use]
pub fn rows(snapshot: &Snapshot) -> Vec<Row> {
    rows_of(&snapshot.ledger, &snapshot.names)
}

/// The same, added up from the partitions' own ledgers.
#[must_use]
pub fn rows_of_partitions(ledgers: &PartitionLedgers) -> Vec<Row> {
    let parts = ledgers.0.values();
    added_up(parts.flat_map(partition_rows).collect())
}

fn added_up(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows.dedup_by(|row, kept| {
        let key = |row: &Row| (row.account, row.region, row.day, row.recorded);
        let same = key(row) == key(kept) && row.detail == kept.detail;
        if same {
            kept.amount += row.amount;
        }
        same
    });
    rows.retain(|row| row.amount != 0);
    rows
}

/// What is added on each day, as known on a day (inclusive; none is without an end).
#[must_use]
pub fn by_day(rows: &[Row], known_at: Option<Date>) -> ByDay {
    let mut by_day = ByDay::new();
    for row in rows {
        if known_at.is_none_or(|known_at| row.recorded <= known_at) {
            let key = (row.account, row.region, row.detail.clone(), row.day);
            *by_day.entry(key).or_default() += row.amount;
        }
    }
    by_day.retain(|_, amount| *amount != 0);
    by_day
}

/// The balances as of a day, as known on a day (each inclusive; none is without an end).
#[must_use]
pub fn balances(rows: &[Row], as_of: Option<Date>, known_at: Option<Date>) -> Balances {
    let mut balances = Balances::new();
    for row in rows {
        if as_of.is_none_or(|as_of| row.day <= as_of)
            && known_at.is_none_or(|known_at| row.recorded <= known_at)
        {
            let key = (row.account, row.region, row.detail.clone());
            *balances.entry(key).or_default() += row.amount;
        }
    }
    balances.retain(|_, amount| *amount != 0);
    balances
}

/// The counts of all partitions.
#[must_use]
pub fn counts(snapshot: &Snapshot) -> Counts {
    let mut counts = Counts::default();
    for view in snapshot.partitions.values() {
        let tallies = &view.tallies;
        counts.received += tallies.received;
        counts.standing += tallies.standing;
        counts.retracted += tallies.retracted;
        counts.repeats += tallies.repeats();
        counts.late += tallies.late;
        for (kind, number) in FactKind::ALL.into_iter().zip(tallies.by_kind) {
            if number > 0 {
                *counts.by_kind.entry(kind).or_default() += number;
            }
        }
        for (key, number) in &view.quarantine.counts {
            *counts.quarantined.entry(key.reason).or_default() += number;
        }
    }
    counts
}

/// What could not be counted, by partition, in the order of the log: the latest of each.
///
/// # Panics
/// If the counts are not those of the records, while all of these are still kept.
#[must_use]
pub fn refused(snapshot: &Snapshot) -> Vec<Refused> {
    let mut refused = Vec::new();
    for view in snapshot.partitions.values() {
        let QuarantineTally { counts, latest, .. } = &*view.quarantine;
        let mut counted: BTreeMap<QuarantineKey, u64> = BTreeMap::new();
        for record in latest {
            *counted.entry(record.key).or_default() += 1;
            refused.push(Refused {
                partition: view.partition,
                offset: record.offset,
                own_timestamp: clamp_timestamp(record.timestamp),
                reason: record.key.reason,
                recorded: record.key.recorded.date(),
                home: record.key.home.map(code),
                service: record.key.service.map(code),
                origin: record.origin.clone(),
            });
        }
        assert!(latest.len() == QuarantineTally::LATEST || counted == *counts);
    }
    refused
}

/// What each kiosk has sent, by partition and kiosk.
#[must_use]
pub fn kiosks(snapshot: &Snapshot) -> BTreeMap<(u32, String), Kiosk> {
    let mut kiosks = BTreeMap::new();
    for view in snapshot.partitions.values() {
        for (number, activity) in (0..).zip(view.kiosks.iter()) {
            let served = view.served.of(number);
            let kiosk = Kiosk {
                sequences: (view.received.of(number) | view.refused.of(number)).iter().collect(),
                days: view.days.of(number).iter().map(|day| Day(day as u16).date()).collect(),
                facts: activity.facts,
                received: activity.received,
                last_heard: activity.last_heard,
                service: activity.service.map(code),
                served: served.iter().map(|index| code(RegionIndex(index as u16))).collect(),
            };
            kiosks.insert((view.partition, view.names.kiosk(number).to_owned()), kiosk);
        }
    }
    kiosks
}

/// What is remembered of the last days of a partition, each in the order of the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The day of recording, sequence and context of each fact.
    pub facts: Vec<(Day, u32, u32)>,
    /// The day of recording and event id of each refused record that decodes.
    pub refused: Vec<(Day, EventId)>,
}

/// What is remembered of the last days of a partition.
#[must_use]
pub fn remembered(view: &PartitionView) -> Remembered {
    let facts = view.recent.by_day().map(|(day, fact)| (day, fact.sequence, fact.context));
    let refused = view.recent_refused.by_day().map(|(day, refused)| (day, refused.event_id));
    Remembered { facts: facts.collect(), refused: refused.collect() }
}

fn code(index: RegionIndex) -> RegionCode {
    RegionTable::get().at(index).code
}

fn detail_text(detail: Detail, names: &Names) -> String {
    match detail {
        Detail::Activation { service, channel, venue, outreach, first_time_holder } => {
            let outreach = names.outreach(outreach);
            text::activation(code(service), channel, venue, outreach, first_time_holder)
        }
        Detail::Deactivation(reason) => text::deactivation(reason),
        Detail::Move(other) => text::moved(code(other)),
        Detail::Deferral { reason, service, outreach } => {
            text::deferral(reason, code(service), names.outreach(outreach))
        }
        Detail::Recorded(first) => text::recorded(first),
        Detail::Card(reason) => text::card(reason),
        Detail::Queue => text::queue(),
        Detail::Visit { visit, hour } => {
            let (kiosk, outreach) = names.visit(visit);
            text::visit(names.outreach(outreach).unwrap_or("none"), names.kiosk(kiosk), hour)
        }
    }
}
