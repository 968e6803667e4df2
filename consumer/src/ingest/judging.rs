//! A record of the events topic judged by the rules, the schemas that are known and the verdicts: the
//! same for a worker and for who reads the log again.

use laju_kafka::read::Record;
use laju_kafka::read::headers::RecordHeaders;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::Origin;

use super::batch::{Batch, RefusedRecord};
use super::verdicts;
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::domain::decisions::DecisionBook;
use crate::projection::partition::{RecordMark, UnverifiedFields};

/// A record, wherever its bytes are.
pub(super) struct ReceivedRecord<'a, H> {
    pub(super) origin: Origin,
    pub(super) mark: RecordMark,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a H,
}

impl<'a> ReceivedRecord<'a, Record<'a>> {
    #[inline]
    pub(super) fn of(record: &'a Record<'a>) -> Self {
        let (key, value, offset) = (record.key(), record.value(), record.offset());
        Self {
            origin: Origin { partition: record.partition(), offset },
            mark: RecordMark {
                offset,
                timestamp: record.timestamp().to_millis().unwrap_or(-1),
                digest: RecordMark::digest(key, value),
            },
            key,
            value,
            headers: record,
        }
    }
}

impl<'a, H: RecordHeaders> ReceivedRecord<'a, H> {
    /// Judges the record of a topic with so many partitions.
    #[inline]
    pub(super) fn judge<'r>(
        &self,
        reader: &'r mut EventReader,
        partitions: u32,
        decided: &DecisionBook,
    ) -> Verdict<'r>
    where
        'a: 'r,
    {
        let Self { origin, mark, key, value, headers } = *self;
        if let Some(refusal) = verdicts::refused(decided, origin, value, headers) {
            return Verdict::Refused(refusal, None);
        }
        let timestamp = clamp_timestamp(mark.timestamp);
        let mut verdict = judge(reader, key, value, origin.partition, partitions, timestamp);
        if let Verdict::Counted(event) = &mut verdict {
            event.is_released = headers.is_released();
        }
        verdict
    }

    /// Judges the record into a batch; or answers the schema's id that has to be learnt first.
    #[inline]
    pub(super) fn judge_into(
        &self,
        reader: &mut EventReader,
        partitions: u32,
        decided: &DecisionBook,
        batch: &mut Batch,
    ) -> Option<u32> {
        let (Origin { partition, .. }, mark) = (self.origin, self.mark);
        match self.judge(reader, partitions, decided) {
            Verdict::Counted(event) => batch.counted(partition, mark, &event),
            Verdict::Refused(refusal, raw) => {
                let claims = raw.as_ref().map(UnverifiedFields::from);
                batch.refused(RefusedRecord { partition, mark, refusal, claims });
            }
            Verdict::NeedsSchema(id) => return Some(id),
        }
        None
    }
}
