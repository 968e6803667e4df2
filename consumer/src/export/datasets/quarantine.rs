//! The records of the log that could not be counted, with what they say of themselves where that
//! can be read and is well formed. The bytes themselves stay out: the sender of something wrong
//! may have put a NIK in the wrong field.

use laju_schemas::nik::masked;
use laju_schemas::{KioskId, RawEvent, RegionTable, Sequence};

use super::values::{INSTANTS, Rows, code, count, instant};
use crate::domain::admission::Refusal;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::ingest::event_log::EventRecord;

pub const TABLE: Table = Table {
    name: "quarantine",
    version: 2,
    row: "A record of the events topic that cannot be counted. One that was released stands in `events` as well, under a later offset.",
    sorted_by: &["partition", "offset"],
    by_month: true,
    columns: columns! {
        partition: Int32, "number", "partition of the events topic";
        offset: Rising, "position", "place in the partition";
        recorded_at: Timestamp, "UTC, ms", "the record's own timestamp, which is the broker's word";
        recorded: Date, "day in Asia/Jakarta", "as in `events`";
        reason: Symbol, "reason", "the rule that it breaks";
        detail: Text, "words", "the field, and what is wrong with it";
        event_id: Uuid or null, "UUID", "the event, where the record can be read";
        kiosk_id: Symbol or null, "kiosk",
            "the kiosk, where it can be read and is shaped like one; digits that may be a NIK are left out";
        sequence: Rising or null, "number",
            "the kiosk's count, where it can be read and is in range";
        occurred_at: Timestamp or null, "UTC, ms",
            "when it happened, where it can be read and is of the years 1 to 9999";
        home_region: Symbol or null, "region code",
            "the home region, where it is a known regency or city";
        service_region: Symbol or null, "region code", "the service region, likewise";
        key_bytes: Int64, "bytes", "length of the record's key";
        value_bytes: Int64, "bytes",
            "length of the record's value; the bytes themselves are in the log";
    },
};

/// The row of a record that cannot be counted.
pub fn row(
    record: &EventRecord<'_>,
    refusal: &Refusal,
    event: Option<&RawEvent<'_>>,
    rows: Rows<'_>,
) -> Result<(), WriteError> {
    let recorded = record.recorded.date();
    let region = |text: &str| RegionTable::get().regency(text).map(code);
    let kiosk = event.map(|event| event.kiosk_id).filter(|id| KioskId::check(id).is_ok());
    let kiosk = kiosk.map(masked);
    let sequence = event.and_then(|event| Sequence::try_from(event.sequence).ok());
    let occurred_at = event.map(|event| event.occurred_at).filter(|ms| INSTANTS.contains(ms));
    rows(
        recorded,
        &[
            Value::Number(record.partition.into()),
            Value::Number(record.mark.offset),
            instant(record.mark.timestamp),
            Value::Date(recorded),
            Value::Text(refusal.reason.as_str()),
            Value::Text(&refusal.detail),
            Value::fixed(event.map(|event| event.event_id.0)),
            Value::text(kiosk.as_deref()),
            Value::number(sequence.map(|sequence| sequence.get().into())),
            Value::instant(occurred_at),
            Value::text(event.and_then(|event| region(event.home_region))),
            Value::text(event.and_then(|event| region(event.service_region))),
            count(record.key_bytes as u64),
            count(record.value_bytes as u64),
        ],
    )
}

#[cfg(test)]
mod tests {
    use laju_schemas::quarantine::Reason;
    use laju_schemas::{EventId, Fact, SubjectId};

    use super::*;
    use crate::domain::day::Day;
    use crate::ingest::event_log::RecordOutcome;
    use crate::projection::partition::RecordMark;

    const NIK: &str = "1871013101900001";

    #[test]
    fn a_nik_in_a_wrong_field_is_not_exported() {
        let kiosk = format!("kiosk-{NIK}");
        let event = RawEvent {
            event_id: EventId([1; 16]),
            kiosk_id: &kiosk,
            sequence: NIK.parse().unwrap(),
            occurred_at: NIK.parse().unwrap(),
            subject: SubjectId([2; 16]),
            home_region: NIK,
            service_region: NIK,
            outreach_id: Some(NIK),
            fact: Fact::CardRecorded { first_time_holder: true },
        };
        let refusal = Refusal::new(Reason::UnknownRegion, format!("home_region: '{NIK}'"));
        let record = EventRecord {
            partition: 0,
            mark: RecordMark { offset: 7, timestamp: 1_700_000_000_000, digest: 0 },
            recorded: Day::recorded(1_700_000_000_000),
            key_bytes: 16,
            value_bytes: 90,
            outcome: RecordOutcome::Refused(&refusal, Some(&event)),
        };
        let mut rows = Vec::new();
        row(&record, &refusal, Some(&event), &mut |_, row| {
            rows.push(format!("{row:?}"));
            Ok(())
        })
        .unwrap();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert!(!row.contains(NIK) && row.contains("'(16 digits)'"), "{row}");
        // Kiosk, sequence, instant and both regions.
        assert_eq!(row.matches("Null").count(), 5, "{row}");
    }
}
