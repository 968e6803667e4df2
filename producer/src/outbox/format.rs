//! The rows of the outbox, as bytes. The layout is documented in [`super`].

use laju_schemas::pseudonym::KeyId;
use laju_schemas::{EventId, RegionCode, SubjectId, TimestampMs};
use redb::{ReadableTable, StorageError, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Entry, IdempotencyKey, Outcome, Rejection, RejectionReason};
use laju_kafka::publish::Receipt;

/// The version of this format. A later one is refused, an earlier one is brought up to it.
pub const FORMAT_VERSION: u32 = 2;

pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
pub(super) const UNSENT: TableDefinition<u32, &[u8]> = TableDefinition::new("unsent");
pub(super) const REJECTED: TableDefinition<u32, &[u8]> = TableDefinition::new("set_aside");
pub(super) const ACKNOWLEDGED: TableDefinition<u32, &[u8]> = TableDefinition::new("acknowledged");
pub(super) const EVENTS: TableDefinition<&[u8; 16], u32> = TableDefinition::new("events");
pub(super) const KEYS: TableDefinition<&[u8; 16], u32> = TableDefinition::new("keys");
pub(super) const FORGET: TableDefinition<(i64, u32), ()> = TableDefinition::new("forget");

/// The key of the [`Identity`] in `meta`.
pub(super) const IDENTITY: &str = "identity";
/// The key of the [`State`] in `meta`.
pub(super) const STATE: &str = "state";

/// What a waiting event is accounted with beside the bytes of its row: its entries in `events`
/// and `keys`, and what the B-trees need to hold all three.
pub const ROW_OVERHEAD: u64 = 128;

/// The longest text that is kept of why an event was rejected, in bytes of UTF-8.
pub(super) const MAX_DETAIL_BYTES: usize = 1_000;

/// A row with its checksum in front: the CRC-32 of its sequence number (little endian) and the
/// rest. A row under another's number is as wrong as a damaged one.
pub(super) fn seal(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(payload.len() + 4);
    row.extend_from_slice(&checksum(sequence, payload).to_le_bytes());
    row.extend_from_slice(payload);
    row
}

/// The payload of a row, if its checksum is right.
pub(super) fn unseal(sequence: u32, row: &[u8]) -> Option<&[u8]> {
    let (found, payload) = row.split_first_chunk::<4>()?;
    (checksum(sequence, payload) == u32::from_le_bytes(*found)).then_some(payload)
}

fn checksum(sequence: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Whose outbox it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) format_version: u32,
    pub(super) kiosk_id: String,
    /// Which key its pseudonyms are made with; none before anybody has said so.
    #[serde(default)]
    pub(super) key_id: Option<KeyId>,
}

impl Identity {
    pub(super) fn to_row(&self) -> Vec<u8> {
        seal(0, &serde_json::to_vec(self).expect("a number and texts are JSON"))
    }
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.event_id.0);
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.home_region.to_number().to_le_bytes());
        out.extend_from_slice(&self.service_region.to_number().to_le_bytes());
        out.extend_from_slice(&self.occurred_at.0.to_le_bytes());
        out.extend_from_slice(&self.accepted_at.0.to_le_bytes());
        out.push(u8::from(self.key.is_some()));
        if let Some(IdempotencyKey { key, content }) = &self.key {
            out.extend_from_slice(key);
            out.extend_from_slice(content);
        }
    }

    fn read(at: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            event_id: EventId(at.take()?),
            subject: SubjectId(at.take()?),
            home_region: RegionCode::from_number(at.u16()?)?,
            service_region: RegionCode::from_number(at.u16()?)?,
            occurred_at: TimestampMs(at.i64()?),
            accepted_at: TimestampMs(at.i64()?),
            key: at
                .flag()?
                .then(|| Some(IdempotencyKey { key: at.take()?, content: at.take()? }))
                .map_or(Some(None), |key| key.map(Some))?,
        })
    }
}

/// An event that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnsentRow {
    pub(super) entry: Entry,
    pub(super) value: Vec<u8>,
}

impl UnsentRow {
    pub(super) fn to_bytes(&self, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.value.len() + 96);
        self.entry.write(&mut out);
        out.extend_from_slice(&self.value);
        seal(sequence, &out)
    }

    pub(super) fn from_bytes(sequence: u32, row: &[u8]) -> Option<Self> {
        let mut at = Cursor(unseal(sequence, row)?);
        Some(Self { entry: Entry::read(&mut at)?, value: at.0.to_vec() })
    }
}

/// An event that Kafka rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RejectedRow {
    pub(super) entry: Entry,
    pub(super) rejection: Rejection,
    pub(super) value: Vec<u8>,
}

impl RejectedRow {
    pub(super) fn to_bytes(&self, sequence: u32) -> Vec<u8> {
        let Rejection { reason, detail, at } = &self.rejection;
        let mut out = Vec::with_capacity(self.value.len() + detail.len() + 112);
        self.entry.write(&mut out);
        out.push(*reason as u8);
        out.extend_from_slice(&at.0.to_le_bytes());
        let detail = &detail[..detail.floor_char_boundary(MAX_DETAIL_BYTES)];
        out.extend_from_slice(&(detail.len() as u16).to_le_bytes());
        out.extend_from_slice(detail.as_bytes());
        out.extend_from_slice(&self.value);
        seal(sequence, &out)
    }

    pub(super) fn from_bytes(sequence: u32, row: &[u8]) -> Option<Self> {
        let mut at = Cursor(unseal(sequence, row)?);
        Some(Self {
            entry: Entry::read(&mut at)?,
            rejection: Rejection {
                reason: RejectionReason::ALL.get(usize::from(at.u8()?)).copied()?,
                at: TimestampMs(at.i64()?),
                detail: at.text()?.to_owned(),
            },
            value: at.0.to_vec(),
        })
    }
}

/// An event that Kafka has: what is remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AcknowledgedRow {
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    /// Its place in `forget`: the receipt's timestamp, or what stood in for it.
    pub(super) recorded: i64,
}

impl AcknowledgedRow {
    pub(super) fn to_bytes(self, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.entry.write(&mut out);
        out.extend_from_slice(&self.receipt.partition.to_le_bytes());
        // No offset has the highest number.
        let offset = self.receipt.offset.unwrap_or(u64::MAX);
        out.extend_from_slice(&offset.to_le_bytes());
        write_option(self.receipt.timestamp, &mut out);
        out.push(self.receipt.by_broker.into());
        out.extend_from_slice(&self.recorded.to_le_bytes());
        seal(sequence, &out)
    }

    pub(super) fn from_bytes(sequence: u32, row: &[u8]) -> Option<Self> {
        let mut at = Cursor(unseal(sequence, row)?);
        let row = Self {
            entry: Entry::read(&mut at)?,
            receipt: Receipt {
                partition: at.u32()?,
                offset: Some(at.u64()?).filter(|offset| *offset != u64::MAX),
                timestamp: at.option()?,
                by_broker: at.u8()? == 1,
            },
            recorded: at.i64()?,
        };
        at.0.is_empty().then_some(row)
    }
}

/// An event's row, in whichever table it is.
pub(super) enum Row {
    Unsent(UnsentRow),
    Rejected(RejectedRow),
    Acknowledged(AcknowledgedRow),
}

impl Row {
    /// The row of a number in these tables; `None` if there is none that can be read.
    pub(super) fn find<T: ReadableTable<u32, &'static [u8]>>(
        number: u32,
        [unsent, rejected, acknowledged]: [&T; 3],
    ) -> Result<Option<Self>, StorageError> {
        if let Some(row) = unsent.get(number)? {
            return Ok(UnsentRow::from_bytes(number, row.value()).map(Self::Unsent));
        }
        if let Some(row) = rejected.get(number)? {
            return Ok(RejectedRow::from_bytes(number, row.value()).map(Self::Rejected));
        }
        let row = acknowledged.get(number)?;
        Ok(row.and_then(|row| {
            AcknowledgedRow::from_bytes(number, row.value()).map(Self::Acknowledged)
        }))
    }

    pub(super) fn entry(&self) -> &Entry {
        match self {
            Self::Unsent(row) => &row.entry,
            Self::Rejected(row) => &row.entry,
            Self::Acknowledged(row) => &row.entry,
        }
    }

    /// What became of the event; none while it waits.
    pub(super) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Unsent(_) => None,
            Self::Rejected(row) => Some(Outcome::Rejected(row.rejection)),
            Self::Acknowledged(row) => Some(Outcome::Acknowledged(row.receipt)),
        }
    }
}

/// What the whole outbox comes to: written in every transaction, so that what is lost is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// How many transactions there have been.
    pub(super) generation: u64,
    /// The highest sequence number given.
    pub(super) highest_sequence: u32,
    pub(super) unsent: u64,
    pub(super) unsent_bytes: u64,
    pub(super) rejected: u64,
    pub(super) rejected_bytes: u64,
    /// How many were ever acknowledged, and how many of those are forgotten.
    pub(super) acknowledged: u64,
    pub(super) forgotten: u64,
    /// How many idempotency keys are remembered.
    pub(super) keys: u64,
    /// The newest timestamp of any receipt.
    pub(super) newest_receipt: Option<TimestampMs>,
    /// Of the highest sequence number.
    pub(super) latest_accepted_at: Option<TimestampMs>,
    /// How many numbers were passed over, since they had been given before this outbox was rolled
    /// back, or elsewhere.
    pub(super) passed_over: u64,
}

impl State {
    /// About how many bytes of the database are in use.
    pub(super) fn occupied(&self) -> u64 {
        self.unsent_bytes + self.rejected_bytes + self.forgettable()
    }

    /// About how many of them are of acknowledged events.
    pub(super) fn forgettable(&self) -> u64 {
        (self.acknowledged - self.forgotten) * REMEMBERED_BYTES
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.highest_sequence.to_le_bytes());
        for number in [
            self.unsent,
            self.unsent_bytes,
            self.rejected,
            self.rejected_bytes,
            self.acknowledged,
            self.forgotten,
            self.keys,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        write_option(self.newest_receipt, &mut out);
        write_option(self.latest_accepted_at, &mut out);
        out.extend_from_slice(&self.passed_over.to_le_bytes());
        seal(0, &out)
    }

    pub(super) fn from_bytes(row: &[u8]) -> Option<Self> {
        let mut at = Cursor(unseal(0, row)?);
        let state = Self {
            generation: at.u64()?,
            highest_sequence: at.u32()?,
            unsent: at.u64()?,
            unsent_bytes: at.u64()?,
            rejected: at.u64()?,
            rejected_bytes: at.u64()?,
            acknowledged: at.u64()?,
            forgotten: at.u64()?,
            keys: at.u64()?,
            newest_receipt: at.option()?,
            latest_accepted_at: at.option()?,
            // Format 1 knew nothing of it.
            passed_over: if at.0.is_empty() { 0 } else { at.u64()? },
        };
        at.0.is_empty().then_some(state)
    }
}

/// About what a remembered event takes, its entries elsewhere included.
const REMEMBERED_BYTES: u64 = 100 + ROW_OVERHEAD;

/// What a row of so many bytes is accounted with.
pub(super) fn accounted(row: &[u8]) -> u64 {
    row.len() as u64 + ROW_OVERHEAD
}

fn write_option(instant: Option<TimestampMs>, out: &mut Vec<u8>) {
    out.push(u8::from(instant.is_some()));
    out.extend_from_slice(&instant.map_or(0, |instant| instant.0).to_le_bytes());
}

/// Reads rows back; `None` wherever the bytes cannot be what was written.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn option(&mut self) -> Option<Option<TimestampMs>> {
        let there = self.flag()?;
        let instant = TimestampMs(self.i64()?);
        Some(there.then_some(instant))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.u16()?.into();
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(bytes).ok()
    }
}
