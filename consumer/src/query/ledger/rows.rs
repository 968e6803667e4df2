//! The rows: what each says, in the contract's names. They sort by their members in order, which is
//! the order in which a ledger is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_schemas::event::{Channel, FactKind, Venue};
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, RegionCode, RegionIndex, RegionTable, TimestampMs};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::domain::day::Day;
use crate::domain::dictionary::Names;
use crate::domain::fold::{KioskActivity, Tallies};
use crate::projection::partition_view::PartitionView;
use crate::projection::quarantine::{QuarantineKey, QuarantinedRecord};

/// What was posted to one key of a partition's ledger, added up. Members that an account does not
/// have are none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPosting {
    /// Its partition of the events topic.
    pub partition: u32,
    /// What is counted.
    #[serde(with = "account_name")]
    pub account: Account,
    /// Where: the home region; of visits the region that served.
    pub region: RegionCode,
    /// The local day on which it happened.
    pub day: Date,
    /// The day, in Asia/Jakarta, on which it was recorded.
    pub recorded: Date,
    /// Of activations and deferrals: whose office served.
    pub service_region: Option<RegionCode>,
    /// Of activations: where it was done.
    pub channel: Option<Channel>,
    /// Of activations: what kind of place.
    pub venue: Option<Venue>,
    /// Of activations, deferrals and visits: the outreach visit.
    pub outreach_id: Option<String>,
    /// Of activations and cards recorded: whether it is their first identity document.
    pub first_time_holder: Option<bool>,
    /// Of deactivations, deferrals and cards requested or printed: why.
    pub reason: Option<Cow<'static, str>>,
    /// Of moves: the other region.
    pub other_region: Option<RegionCode>,
    /// Of visits: the kiosk.
    pub kiosk_id: Option<String>,
    /// Of visits: the local hour where it served, 0 to 23.
    pub hour: Option<u8>,
    /// How many; below zero where more was taken back than posted.
    pub amount: i64,
}

impl LedgerPosting {
    /// A cell of a partition's ledger, its numbers resolved by that partition's names.
    ///
    /// # Panics
    /// If the cell has a number that these names have not.
    #[must_use]
    pub fn of(partition: u32, cell: &Cell, names: &Names) -> Self {
        let mut row = Self {
            partition,
            account: cell.key.account(),
            region: code(cell.key.region()),
            day: cell.key.day().date(),
            recorded: cell.key.recorded().date(),
            service_region: None,
            channel: None,
            venue: None,
            outreach_id: None,
            first_time_holder: None,
            reason: None,
            other_region: None,
            kiosk_id: None,
            hour: None,
            amount: cell.amount.into(),
        };
        match cell.key.detail() {
            Detail::Activation { service, channel, venue, outreach, first_time_holder } => {
                row.service_region = Some(code(service));
                row.channel = Some(channel);
                row.venue = venue;
                row.outreach_id = names.outreach(outreach).map(str::to_owned);
                row.first_time_holder = Some(first_time_holder);
            }
            Detail::Deactivation(reason) => row.reason = Some(reason.as_str().into()),
            Detail::Move(other) => row.other_region = Some(code(other)),
            Detail::Deferral { reason, service, outreach } => {
                row.service_region = Some(code(service));
                row.outreach_id = names.outreach(outreach).map(str::to_owned);
                row.reason = Some(reason.as_str().into());
            }
            Detail::Recorded(first) => row.first_time_holder = Some(first),
            Detail::Card(reason) => row.reason = Some(reason.as_str().into()),
            Detail::Queue => {}
            Detail::Visit { visit, hour } => {
                let (kiosk, outreach) = names.visit(visit);
                row.outreach_id = names.outreach(outreach).map(str::to_owned);
                row.kiosk_id = Some(names.kiosk(kiosk).to_owned());
                row.hour = Some(hour);
            }
        }
        row
    }
}

/// What a kiosk has sent to a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerKiosk {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its id.
    pub kiosk_id: String,
    /// Events received, repeats and quarantined ones that decode included.
    pub received: u64,
    /// Distinct events that count.
    pub facts: u64,
    /// The record timestamp of its latest event.
    pub last_heard: Option<TimestampMs>,
    /// The service region that its latest event named.
    pub service_region: Option<RegionCode>,
    /// Sequences of its events that count: ranges, each from its first to its last.
    pub received_sequences: Vec<(u32, u32)>,
    /// Sequences of its records that could not be counted: ranges, too.
    pub refused_sequences: Vec<(u32, u32)>,
    /// Home regions of the people it has served.
    pub served_regions: Vec<RegionCode>,
    /// Days of recording on which it was heard of: ranges, too.
    pub days_heard: Vec<(Date, Date)>,
}

impl LedgerKiosk {
    /// A kiosk; the sets are of its sequences received and refused, of the regions served (their
    /// index) and of the days on which it was heard of.
    pub(super) fn of(
        partition: u32,
        id: &str,
        activity: &KioskActivity,
        [received, refused, served, days]: [&RoaringBitmap; 4],
    ) -> Self {
        let day = |number: u32| Day(number as u16).date();
        Self {
            partition,
            kiosk_id: id.to_owned(),
            received: activity.received,
            facts: activity.facts,
            last_heard: (activity.last_heard > 0).then_some(TimestampMs(activity.last_heard)),
            service_region: activity.service.map(code),
            received_sequences: ranges(received),
            refused_sequences: ranges(refused),
            served_regions: served.iter().map(|index| code(RegionIndex(index as u16))).collect(),
            days_heard: ranges(days).into_iter().map(|(a, b)| (day(a), day(b))).collect(),
        }
    }
}

/// Records of one sort that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuarantined {
    /// Their partition of the events topic.
    pub partition: u32,
    /// Why they could not be counted.
    pub reason: Reason,
    /// The day on which they were recorded.
    pub recorded: Date,
    /// The home region that they name, if it can be read and is known.
    pub home_region: Option<RegionCode>,
    /// The service region that they name, if it can be read and is known.
    pub service_region: Option<RegionCode>,
    /// How many.
    pub count: u64,
}

impl LedgerQuarantined {
    /// So many records of a sort.
    #[must_use]
    pub fn of(partition: u32, key: &QuarantineKey, count: u64) -> Self {
        Self {
            partition,
            reason: key.reason,
            recorded: key.recorded.date(),
            home_region: key.home.map(code),
            service_region: key.service.map(code),
            count,
        }
    }
}

/// One of the latest records that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRefused {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its own timestamp.
    pub timestamp: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// The day on which it was recorded.
    pub recorded: Date,
    /// The home region that it names, if it can be read and is known.
    pub home_region: Option<RegionCode>,
    /// The service region that it names, if it can be read and is known.
    pub service_region: Option<RegionCode>,
    /// What exactly was wrong.
    pub detail: String,
    /// The event that it says it is, if it can be read.
    pub event_id: Option<EventId>,
    /// The kiosk that it names, if it can be read.
    pub kiosk_id: Option<String>,
    /// The sequence that it names, if it can be read.
    pub sequence: Option<u32>,
}

impl LedgerRefused {
    pub(super) fn of(partition: u32, record: &QuarantinedRecord) -> Self {
        // A producer may have written any number; beyond these there is no date to write it as.
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let timestamp =
            record.timestamp.clamp(first.as_millisecond() + 1, last.as_millisecond() - 1);
        Self {
            partition,
            offset: record.offset,
            timestamp: TimestampMs(timestamp),
            reason: record.key.reason,
            recorded: record.key.recorded.date(),
            home_region: record.key.home.map(code),
            service_region: record.key.service.map(code),
            detail: record.detail.clone(),
            event_id: record.event_id,
            kiosk_id: record.origin.as_ref().map(|(kiosk, _)| kiosk.clone()),
            sequence: record.origin.as_ref().map(|(_, sequence)| *sequence),
        }
    }
}

/// What a partition's ledger was made of, and by which rules: all that is not in its rows and
/// differs between two logs with the same events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// The Kafka cluster's id.
    pub cluster_id: String,
    /// The events topic's full name.
    pub topic: String,
    /// The topic's own id; none if its brokers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// How many partitions it has.
    pub partitions: u32,
    /// The rules by which events were counted.
    pub fold_version: String,
    /// The partition.
    pub partition: u32,
    /// The offset after the last record in the ledger.
    pub next_offset: i64,
}

/// Counts of a partition's records and subjects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerTallies {
    /// The partition.
    pub partition: u32,
    /// The timestamp of the latest record in the ledger, as it counts.
    pub recorded_until: Option<TimestampMs>,
    /// How many subjects there are.
    pub subjects: u64,
    /// Events folded, repeats included.
    pub received: u64,
    /// Facts that stand.
    pub standing: u64,
    /// Distinct facts that were retracted.
    pub retracted: u64,
    /// Events recorded more than 24 hours after they happened, repeats included.
    pub late: u64,
    /// Records that could not be counted.
    pub quarantined: u64,
    /// Events by kind of fact, repeats included.
    pub by_kind: BTreeMap<Cow<'static, str>, u64>,
}

impl LedgerTallies {
    /// A partition's counts.
    #[must_use]
    pub fn of(view: &PartitionView) -> Self {
        let Tallies { received, standing, retracted, late, by_kind, quarantined, .. } =
            view.tallies;
        let names = FactKind::ALL.map(|kind| Cow::Borrowed(kind.record_name()));
        Self {
            partition: view.partition,
            recorded_until: view.recorded_until,
            subjects: view.subjects,
            received,
            standing,
            retracted,
            late,
            quarantined,
            by_kind: names.into_iter().zip(by_kind).collect(),
        }
    }
}

fn code(index: RegionIndex) -> RegionCode {
    RegionTable::get().at(index).code
}

/// A set of numbers as ranges, each from its first to its last.
pub(super) fn ranges(numbers: &RoaringBitmap) -> Vec<(u32, u32)> {
    let mut ranges = Vec::new();
    let mut rest = numbers.iter();
    while let Some(range) = rest.next_range() {
        ranges.push((*range.start(), *range.end()));
    }
    ranges
}

/// Accounts by their names in exports.
mod account_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::domain::account::Account;

    pub(super) fn serialize<S: Serializer>(
        account: &Account,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(account.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Account, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Account::ALL.into_iter().find(|account| account.as_str() == name);
        found.ok_or_else(|| de::Error::custom(format!("there is no account '{name}'")))
    }
}
