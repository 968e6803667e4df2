//! Whether a topic goes from where it has to up to where it has to, and no further.

use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::ExactPublisher;
use laju_schemas::topic::DECISIONS;

use super::Part;
use crate::backup::error::BackupError;

/// A partition that goes from or up to another offset than it has to: both as first offset and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) partition: u32,
    pub(super) wanted: (i64, i64),
    pub(super) found: (i64, i64),
}

impl Elsewhere {
    /// Why a restore cannot end with it.
    pub(super) fn into_error(self, part: &Part<'_>) -> BackupError {
        let Self { partition, wanted, found } = self;
        BackupError::Disturbed { topic: part.name.clone(), partition, wanted, found }
    }
}

impl Part<'_> {
    /// The first partition that does not go from where it has to up to where it has to once all is
    /// there.
    pub(super) fn first_elsewhere(
        &self,
        connection: &Connection,
    ) -> Result<Option<Elsewhere>, BackupError> {
        let publisher = ExactPublisher::open(connection, &self.name)?;
        for (partition, wanted) in self.spans() {
            let found = publisher.watermarks(partition)?;
            if found != wanted {
                return Ok(Some(Elsewhere { partition, wanted, found }));
            }
        }
        Ok(None)
    }

    /// By partition, the first offset and the end; behind the decisions stands that it is a copy.
    fn spans(&self) -> Vec<(u32, (i64, i64))> {
        let behind = i64::from(self.topic.name == DECISIONS.name);
        let partitions = self.partitions.iter();
        let mut spans: Vec<_> = partitions
            .map(|kept| (kept.partition, (kept.begin(&kept.gaps()), kept.end + behind)))
            .collect();
        if spans.is_empty() && behind > 0 {
            spans.push((0, (0, behind)));
        }
        spans
    }
}
