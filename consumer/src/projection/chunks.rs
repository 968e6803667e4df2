//! What chunks hold: a commit's entries, facts, kiosks and quarantined records as bytes, and back.
//! Facts have a file of their own (`fact_chunk.rs`).

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, RegionCode, RegionIndex, RegionTable};

use super::fact_chunk::FactWriter;
use super::format::Kind;
use super::partition::PartitionCommit;
use super::quarantine::{QuarantineKey, QuarantinedRecord};
use crate::domain::day::Day;
use crate::domain::dictionary::{Context, Dictionary, Entry, Extra, KioskRef, Names};
use crate::domain::fold::KioskActivity;

/// Chunks are cut at about this size: larger values would leave the store's one file.
const CHUNK_BYTES: usize = 3_840;

/// How many entries of each sort of a dictionary have been written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    kiosks: u32,
    outreach: u32,
    visits: u32,
    contexts: u32,
}

impl Written {
    /// All of a dictionary.
    pub(super) fn all_of(names: &Names) -> Self {
        Self {
            kiosks: names.kiosk_count() as u32,
            outreach: names.outreach_count() as u32,
            visits: names.visit_count() as u32,
            contexts: names.context_count() as u32,
        }
    }
}

/// The payloads of the chunks of a commit, each with its kind.
pub(super) fn of_commit(
    commit: &PartitionCommit,
    written: &mut Written,
    mut emit: impl FnMut(Kind, &[u8]),
) {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 1024);
    let mut put = |kind: Kind, chunk: &mut Vec<u8>, last: bool| {
        if chunk.len() >= CHUNK_BYTES || (last && !chunk.is_empty()) {
            emit(kind, chunk);
            chunk.clear();
        }
    };
    for entry in &commit.entries {
        write_entry(*entry, &commit.names, written, &mut chunk);
        put(Kind::Dictionary, &mut chunk, false);
    }
    put(Kind::Dictionary, &mut chunk, true);
    let mut writer = FactWriter::default();
    for (arrival, facts) in commit.facts_by_arrival() {
        for (place, (subject, fact)) in facts.iter().enumerate() {
            writer.add(*subject, fact);
            if writer.len() >= CHUNK_BYTES || place + 1 == facts.len() {
                writer.finish(arrival, &mut chunk);
                put(Kind::Facts, &mut chunk, true);
            }
        }
    }
    for (kiosk, day, activity) in &commit.kiosks {
        chunk.extend_from_slice(&kiosk.to_le_bytes());
        chunk.extend_from_slice(&day.unwrap_or(Day::MAX).0.to_le_bytes());
        chunk.extend_from_slice(&activity.received.to_le_bytes());
        chunk.extend_from_slice(&activity.last_heard.to_le_bytes());
        chunk.extend_from_slice(&region_number(activity.service).to_le_bytes());
        chunk.extend_from_slice(&activity.facts.to_le_bytes());
        put(Kind::Kiosks, &mut chunk, false);
    }
    put(Kind::Kiosks, &mut chunk, true);
    for record in &commit.quarantined {
        write_quarantined(record, &mut chunk);
        put(Kind::Quarantine, &mut chunk, false);
    }
    put(Kind::Quarantine, &mut chunk, true);
}

const NO_REGION: u16 = u16::MAX;

fn region_number(region: Option<RegionIndex>) -> u16 {
    region.map_or(NO_REGION, |region| region.0)
}

fn region_from(number: u16) -> Option<RegionIndex> {
    (number != NO_REGION).then_some(RegionIndex(number))
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write_entry(entry: Entry, names: &Names, written: &mut Written, out: &mut Vec<u8>) {
    match entry {
        Entry::Kiosk => {
            out.push(0);
            write_text(names.kiosk(written.kiosks), out);
            written.kiosks += 1;
        }
        Entry::Outreach => {
            written.outreach += 1;
            out.push(1);
            write_text(names.outreach(written.outreach).unwrap_or_default(), out);
        }
        Entry::Visit => {
            let (kiosk, outreach) = names.visit(written.visits);
            out.push(2);
            out.extend_from_slice(&kiosk.to_le_bytes());
            out.extend_from_slice(&outreach.to_le_bytes());
            written.visits += 1;
        }
        Entry::Context => {
            let context = names.context(written.contexts);
            out.push(3);
            out.extend_from_slice(&context.kiosk.to_le_bytes());
            out.extend_from_slice(&context.service.0.to_le_bytes());
            out.extend_from_slice(&context.outreach.to_le_bytes());
            match context.extra {
                Extra::None => out.push(0),
                Extra::From(region) => {
                    out.push(1);
                    out.extend_from_slice(&region.to_number().to_le_bytes());
                }
                Extra::Retracts(event_id) => {
                    out.push(2);
                    out.extend_from_slice(&event_id.0);
                }
            }
            written.contexts += 1;
        }
    }
}

fn write_quarantined(record: &QuarantinedRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.offset.to_le_bytes());
    out.extend_from_slice(&record.timestamp.to_le_bytes());
    out.push(record.key.reason.index());
    out.extend_from_slice(&record.key.recorded.0.to_le_bytes());
    out.extend_from_slice(&region_number(record.key.home).to_le_bytes());
    out.extend_from_slice(&region_number(record.key.service).to_le_bytes());
    write_text(&record.detail, out);
    out.push(record.event_id.is_some().into());
    out.extend(record.event_id.iter().flat_map(|event_id| event_id.0));
    let (kiosk, sequence) = record.origin.as_ref().map_or(("", 0), |(k, s)| (k.as_str(), *s));
    write_text(kiosk, out);
    out.extend_from_slice(&sequence.to_le_bytes());
}

/// Reads payloads back; `None` wherever the bytes cannot be what was written.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.u16()?.into();
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(bytes).ok()
    }
}

/// Puts back the dictionary entries of a chunk.
pub(super) fn read_entries(payload: &[u8], dictionary: &mut Dictionary) -> Option<()> {
    let mut at = Cursor(payload);
    while !at.0.is_empty() {
        match at.u8()? {
            0 => dictionary.restore_kiosk(at.text()?),
            1 => dictionary.restore_outreach(at.text()?),
            2 => {
                let (kiosk, outreach) = (at.u32()?, at.u32()?);
                let names = dictionary.names();
                let known = (kiosk as usize) < names.kiosk_count()
                    && (1..=names.outreach_count()).contains(&(outreach as usize));
                known.then(|| dictionary.restore_visit(kiosk, outreach))?;
            }
            3 => {
                let kiosk = at.u32()?;
                let service = RegionIndex(at.u16()?);
                let outreach = at.u32()?;
                let extra = match at.u8()? {
                    0 => Extra::None,
                    1 => Extra::From(RegionCode::from_number(at.u16()?)?),
                    2 => Extra::Retracts(EventId(at.take()?)),
                    _ => return None,
                };
                let names = dictionary.names();
                let known = (kiosk as usize) < names.kiosk_count()
                    && usize::from(service.0) < RegionTable::get().len()
                    && outreach as usize <= names.outreach_count();
                let context = Context { kiosk, service, outreach, extra };
                known.then(|| dictionary.restore_context(context))?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// The kiosks of a chunk, a row for each day on which one was heard of, and one without a day where
/// an event of its was released.
pub(super) fn read_kiosks(payload: &[u8]) -> Option<Vec<(KioskRef, Option<Day>, KioskActivity)>> {
    let mut at = Cursor(payload);
    let mut kiosks = Vec::new();
    while !at.0.is_empty() {
        let kiosk = at.u32()?;
        let day = Some(Day(at.u16()?)).filter(|day| *day != Day::MAX);
        let received = at.take().map(u64::from_le_bytes)?;
        let last_heard = at.i64()?;
        let service = region_from(at.u16()?);
        let facts = at.take().map(u64::from_le_bytes)?;
        kiosks.push((kiosk, day, KioskActivity { received, last_heard, service, facts }));
    }
    Some(kiosks)
}

/// The quarantined records of a chunk.
pub(super) fn read_quarantined(payload: &[u8]) -> Option<Vec<QuarantinedRecord>> {
    let mut at = Cursor(payload);
    let mut records = Vec::new();
    while !at.0.is_empty() {
        let (offset, timestamp) = (at.i64()?, at.i64()?);
        let reason = Reason::from_index(at.u8()?.into())?;
        let recorded = Day(at.u16()?);
        let (home, service) = (region_from(at.u16()?), region_from(at.u16()?));
        let detail = at.text()?.to_owned();
        let event_id = match at.u8()? {
            0 => None,
            1 => Some(EventId(at.take()?)),
            _ => return None,
        };
        let kiosk = at.text()?;
        let sequence = at.u32()?;
        records.push(QuarantinedRecord {
            offset,
            timestamp,
            key: QuarantineKey { reason, recorded, home, service },
            detail,
            event_id,
            origin: (!kiosk.is_empty()).then(|| (kiosk.to_owned(), sequence)),
        });
    }
    Some(records)
}
