//! Whether what a topic has is the beginning of what was kept: then a restore was interrupted, and
//! goes on. Anything else is somebody's, and is not touched.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laju_producer::connection::Connection;

use super::partition::KeptPartition;
use crate::backup::error::BackupError;
use crate::backup::record;
use crate::ingest::range::{Order, Polled, Range, RangeReader};

/// How long records are waited for before it is looked at whether to stop.
const SLICE: Duration = Duration::from_millis(100);

impl KeptPartition<'_> {
    /// That a partition which goes from `low` up to before `at` is the beginning of this one: it ends
    /// where a restore may have been interrupted, and its last record is the one that was kept.
    ///
    /// # Errors
    /// If it is not, or cannot be read.
    pub(super) fn require_begun(
        &self,
        connection: &Connection,
        (low, at): (i64, i64),
        stop: &AtomicBool,
    ) -> Result<(), BackupError> {
        let no = |what: String| {
            let (topic, partition) = (self.name.clone(), self.partition);
            Err(BackupError::NotEmpty { topic, partition, what })
        };
        if at > self.end {
            return no(format!("it goes up to offset {at}, and the backup up to {}", self.end));
        }
        let begin = self.begin(&self.gaps());
        if at <= begin {
            // Nothing but what takes the place of records that the original has not any more.
            return Ok(());
        }
        let mut last: Option<Vec<u8>> = None;
        let mut is_past = false;
        self.each_from(at, |kept| {
            is_past |= kept.offset >= at;
            if !is_past {
                last = Some(kept.encoded());
            }
            Ok(())
        })?;
        let found = self.last_found(connection, (low, at), last.as_deref(), stop)?;
        let is_same = match (&last, &found) {
            (Some(last), Some(found)) => record::is_same(last, found),
            (None, None) => true,
            _ => false,
        };
        if is_same { Ok(()) } else { no(format!("what stands last before offset {at} differs")) }
    }

    /// The only record that a partition has from where the last one was kept on, up to before `at`;
    /// nothing if there is none, or are several.
    fn last_found(
        &self,
        connection: &Connection,
        (low, at): (i64, i64),
        last: Option<&[u8]>,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<u8>>, BackupError> {
        let from =
            last.and_then(|mut last| record::take(&mut last)).map_or(low, |kept| kept.offset);
        let range = Range { from: from.max(low), to: at };
        let ranges = BTreeMap::from([(self.partition, range)]);
        let mut reader = RangeReader::open(connection, &self.name, &ranges, Order::Together)?;
        let (mut found, mut count) = (None, 0);
        loop {
            let polled = reader.poll(SLICE, |message| {
                let mut bytes = Vec::new();
                // Headers that cannot be read are none of a copy's.
                let is_read = record::put(&mut bytes, message).is_ok();
                found = is_read.then_some(bytes);
                count += 1;
                let goes_on = count < 2;
                Ok::<_, BackupError>(match goes_on {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })?;
            if count > 1 {
                return Ok(None);
            }
            if polled == Polled::Done {
                return Ok(found);
            }
            if stop.load(Ordering::Acquire) {
                return Err(BackupError::Interrupted);
            }
        }
    }
}
