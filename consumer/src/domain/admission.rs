//! Which records can be counted: a pure function of the record and the rules (see
//! [`laju_schemas::quarantine`]). The constants here are part of the fold's version.

use laju_schemas::framing::{Framing, SchemaHeader};
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::quarantine::Reason;
use laju_schemas::rules::MAX_AHEAD_MS;
use laju_schemas::text::shown;
use laju_schemas::{
    EventId, Fact, KioskId, OutreachId, QuarantineDecision, RawEvent, RegionCode, RegionIndex,
    RegionTable, Sequence, SubjectId, partition,
};

use super::day::{LAST_RECORD_MS, PROGRAMME_START_MS};

/// The largest value that is counted: the contract's limit for the events topic.
pub const MAX_VALUE_BYTES: usize = laju_schemas::topic::EVENTS.max_message_bytes as usize;

/// How long after it happened an event counts as late.
pub const LATE_MS: i64 = 24 * 3_600_000;

/// The longest detail of a refusal, in bytes: more is cut off.
const MAX_DETAIL_BYTES: usize = 1_000;

/// An event that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted<'a> {
    /// The event's id.
    pub event_id: EventId,
    /// The citizen.
    pub subject: SubjectId,
    /// The kiosk's id.
    pub kiosk: &'a str,
    /// The kiosk's own number of the event.
    pub sequence: u32,
    /// When it happened: milliseconds since 1970.
    pub occurred_at: i64,
    /// Where the citizen is registered.
    pub home: RegionIndex,
    /// Whose office served.
    pub service: RegionIndex,
    /// The outreach visit.
    pub outreach: Option<&'a str>,
    /// What happened.
    pub fact: Fact,
    /// Whether it was released from quarantine, which its record's headers say and not its value:
    /// false as it is judged.
    pub is_released: bool,
}

/// Why a record cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub reason: Reason,
    /// The field and what is wrong with it.
    pub detail: String,
}

impl Refusal {
    /// A refusal for a reason, with what exactly is wrong; digits that may be a NIK are left
    /// out, and control characters: it goes into a header, to screens and to terminals.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = shown(&detail.into());
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        Self { reason, detail }
    }
}

/// A record's own timestamp as it counts: within the range in which days are stored.
#[must_use]
#[inline]
pub fn clamp_timestamp(ms: i64) -> i64 {
    ms.clamp(PROGRAMME_START_MS, LAST_RECORD_MS)
}

/// What beside its key, its value and its place says how a record is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Whose header names its schema, if one does.
    pub header: Option<SchemaHeader>,
    /// The verdict about it, if there is one: that no registry has its schema.
    pub verdict: Option<&'a QuarantineDecision>,
}

/// Whether what is beside a value can change how it is judged: not where it names its schema by a
/// fingerprint. Asked of every record before its headers are looked at.
#[must_use]
#[inline]
pub fn is_framed_by_fingerprint(value: Option<&[u8]>) -> bool {
    matches!(value, Some([0xC3, 0x01, ..]))
}

/// Why a record is refused whatever schemas are known, if it is: its schema is named where this
/// program does not look for it, or a verdict says that no registry has it. A record that is not
/// refused so is for [`judge`].
#[must_use]
pub fn refused_unread(value: Option<&[u8]>, beside: &Beside<'_>) -> Option<Refusal> {
    let value = value.filter(|value| !value.is_empty() && value.len() <= MAX_VALUE_BYTES)?;
    let framing = Framing::split(value).map(|(framing, _)| framing);
    let why = match (framing, beside) {
        (Some(Framing::SingleObject(_)), _) => return None,
        (_, Beside { header: Some(header), .. }) => header.advice(),
        (Some(Framing::Confluent(_)), Beside { verdict: Some(verdict), .. }) => &verdict.reason,
        _ => return None,
    };
    Some(Refusal::new(Reason::UnknownSchema, why))
}

/// What becomes of a record.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// It counts.
    Counted(Admitted<'a>),
    /// It cannot be counted; with the event where it decodes that far.
    Refused(Refusal, Option<RawEvent<'a>>),
    /// Its schema has to be asked of the registry first: tell the reader, then judge again.
    NeedsSchema(u32),
}

/// Judges a record of the events topic. `timestamp` is the record's own, clamped.
#[inline]
pub fn judge<'a>(
    reader: &'a mut EventReader,
    key: Option<&[u8]>,
    value: Option<&'a [u8]>,
    partition: u32,
    partitions: u32,
    timestamp: i64,
) -> Verdict<'a> {
    let value = value.unwrap_or_default();
    if value.len() > MAX_VALUE_BYTES {
        let detail = format!("value: {} bytes, above {MAX_VALUE_BYTES}", value.len());
        return Verdict::Refused(Refusal::new(Reason::TooLarge, detail), None);
    }
    let raw = match reader.read(value) {
        Ok(raw) => raw,
        Err(ReadError::Unlearned(id)) => return Verdict::NeedsSchema(id),
        Err(ReadError::UnknownSchema(why)) => {
            return Verdict::Refused(Refusal::new(Reason::UnknownSchema, why), None);
        }
        Err(ReadError::Decode(error)) => {
            return Verdict::Refused(Refusal::new(Reason::Undecodable, error.to_string()), None);
        }
    };
    match admit(&raw, key, partition, partitions, timestamp) {
        Ok(event) => Verdict::Counted(event),
        Err(refusal) => Verdict::Refused(refusal, Some(raw)),
    }
}

/// Checks an event that decodes. `timestamp` is the record's own, clamped.
///
/// # Errors
/// The first rule that it breaks.
#[inline]
pub fn admit<'a>(
    raw: &RawEvent<'a>,
    key: Option<&[u8]>,
    partition: u32,
    partitions: u32,
    timestamp: i64,
) -> Result<Admitted<'a>, Refusal> {
    let key = key.unwrap_or_default();
    if key != raw.subject.0 {
        return Err(Refusal::new(
            Reason::WrongKey,
            format!("key: {} bytes that are not the event's subject", key.len()),
        ));
    }
    let right = partition::partition_for(key, partitions);
    if partition != right {
        return Err(Refusal::new(
            Reason::WrongPartition,
            format!(
                "partition: {partition}, but this key belongs in {right}: the producer has to use \
                 the partitioner murmur2_random"
            ),
        ));
    }
    let table = RegionTable::get();
    let region = |field: &str, code: &str| {
        table.regency(code).ok_or_else(|| {
            Refusal::new(
                Reason::UnknownRegion,
                format!("{field}: '{}' is no regency or city", shorten(code)),
            )
        })
    };
    let home = region("home_region", raw.home_region)?;
    let service = region("service_region", raw.service_region)?;
    let sequence = Sequence::try_from(raw.sequence)
        .map_err(|e| Refusal::new(Reason::SequenceOutOfRange, format!("sequence: {e}")))?;
    if raw.occurred_at < PROGRAMME_START_MS {
        return Err(Refusal::new(
            Reason::BeforeProgramme,
            format!(
                "occurred_at: {} is before the programme began",
                laju_schemas::TimestampMs(raw.occurred_at)
            ),
        ));
    }
    if raw.occurred_at > timestamp + MAX_AHEAD_MS {
        return Err(Refusal::new(
            Reason::InFuture,
            format!(
                "occurred_at: {} is more than 24 h after it was recorded",
                laju_schemas::TimestampMs(raw.occurred_at)
            ),
        ));
    }
    let malformed =
        |field: &str, why: String| Refusal::new(Reason::MalformedField, format!("{field}: {why}"));
    KioskId::check(raw.kiosk_id).map_err(|e| malformed("kiosk_id", e.to_string()))?;
    if let Some(outreach) = raw.outreach_id {
        OutreachId::check(outreach).map_err(|e| malformed("outreach_id", e.to_string()))?;
    }
    let fact = raw
        .fact
        .try_map_region(RegionCode::parse)
        .ok_or_else(|| malformed("fact.from_region", "not shaped like a region code".to_owned()))?;
    Ok(Admitted {
        event_id: raw.event_id,
        subject: raw.subject,
        kiosk: raw.kiosk_id,
        sequence: sequence.get(),
        occurred_at: raw.occurred_at,
        home,
        service,
        outreach: raw.outreach_id,
        fact,
        is_released: false,
    })
}

/// The beginning of a text from outside: enough to recognise a code, too little to give away a
/// NIK that stands in the wrong field.
fn shorten(text: &str) -> String {
    let start: String = text.chars().take(6).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

#[cfg(test)]
mod tests {
    use laju_schemas::decision::Decision;

    use super::*;
    use crate::domain::decisions::tests::decided;

    fn refused(value: &[u8], header: Option<SchemaHeader>, is_decided: bool) -> Option<String> {
        let verdict = decided((0, 1), Decision::UnknownSchema, None);
        let beside = Beside { header, verdict: is_decided.then_some(&verdict) };
        let refusal = refused_unread(Some(value), &beside)?;
        assert_eq!(refusal.reason, Reason::UnknownSchema);
        Some(refusal.detail)
    }

    #[test]
    fn a_verdict_refuses_a_record_whose_schema_only_a_registry_has_and_no_other() {
        let by_id = [0, 0, 0, 0, 7, 1, 2, 3];
        let by_fingerprint = [0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(refused(&by_id, None, true).unwrap(), "made by hand", "as it was written down");
        assert_eq!(refused(&by_id, None, false), None);
        assert_eq!(refused(&by_fingerprint, None, true), None, "it says itself what it is");
        for other in [&b""[..], b"{}", &[0, 0, 0]] {
            assert_eq!(refused(other, None, true), None, "{other:?}");
        }
        // The rule about size goes first.
        let huge = vec![0; MAX_VALUE_BYTES + 1];
        assert_eq!(refused(&huge, None, true), None);
        assert_eq!(refused_unread(None, &Beside::default()), None);
    }

    #[test]
    fn a_record_whose_schema_a_header_names_is_refused_with_the_setting_to_change() {
        let header = Some(SchemaHeader::Confluent);
        // A bare value begins with its event's id, which may look like the framing with an id.
        for value in [&[1, 0x90, 3, 4][..], &[0, 0, 0, 0, 7, 1, 2, 3]] {
            let detail = refused(value, header, false).unwrap();
            assert!(detail.contains("value.schema.id.serializer"), "{detail}");
        }
        let by_fingerprint = [0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(refused(&by_fingerprint, header, false), None, "it says itself what it is");
    }
}
