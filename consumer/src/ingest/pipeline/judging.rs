//! A record judged by the rules, the schemas that are known and the verdicts.

use laju_kafka::read::headers::RecordHeaders;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::Origin;
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::domain::admission::{Verdict, clamp_timestamp, is_framed_by_fingerprint, judge};
use crate::domain::decisions::DecisionBook;
use crate::ingest::batch::{Batch, RefusedRecord};
use crate::ingest::verdicts;
use crate::projection::partition::{RecordMark, UnverifiedFields};

/// A record, wherever its bytes are.
pub(super) struct ReceivedRecord<'a, H> {
    pub(super) origin: Origin,
    pub(super) mark: RecordMark,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a H,
}

impl<'a, 'm> ReceivedRecord<'a, BorrowedMessage<'m>> {
    #[inline]
    pub(super) fn of(message: &'a BorrowedMessage<'m>, mark: RecordMark) -> Self {
        Self {
            origin: Origin { partition: message.partition() as u32, offset: mark.offset },
            mark,
            key: message.key(),
            value: message.payload(),
            headers: message,
        }
    }
}

impl<H: RecordHeaders> ReceivedRecord<'_, H> {
    /// Judges the record into a batch; or answers the schema's id that has to be learnt first.
    #[inline]
    pub(super) fn judge_into(
        &self,
        reader: &mut EventReader,
        partitions: u32,
        decided: &DecisionBook,
        batch: &mut Batch,
    ) -> Option<u32> {
        let Self { origin: Origin { partition, .. }, mark, key, value, headers } = *self;
        let refused = |refusal, claims| RefusedRecord { partition, mark, refusal, claims };
        // Most records say themselves what they are.
        if !is_framed_by_fingerprint(value)
            && let Some(refusal) = verdicts::refused(decided, self.origin, value, headers)
        {
            batch.refused(refused(refusal, None));
            return None;
        }
        let timestamp = clamp_timestamp(mark.timestamp);
        match judge(reader, key, value, partition, partitions, timestamp) {
            Verdict::Counted(mut event) => {
                event.is_released = headers.is_released();
                batch.counted(partition, mark, &event);
            }
            Verdict::Refused(refusal, raw) => {
                batch.refused(refused(refusal, raw.as_ref().map(UnverifiedFields::from)));
            }
            Verdict::NeedsSchema(id) => return Some(id),
        }
        None
    }
}
