//! Whether what a topic has is the beginning of what was kept: then a restore was interrupted, and
//! goes on. Anything else is somebody's, and is not touched.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::FILLER;
use laju_kafka::read::Range;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::partition::KeptPartition;
use crate::backup::error::BackupError;
use crate::backup::record;
use crate::backup::records::each_record;

impl KeptPartition<'_> {
    /// That a partition which goes from `low` up to before `at` is the beginning of this one: it ends
    /// where a restore may have been interrupted, its last record is the one that was kept, and before
    /// where this one begins stands only what a restore has put there.
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
        if low < begin {
            self.require_fillers(connection, (low, at.min(begin)), stop)?;
        }
        if at <= begin {
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

    /// That what stands from `low` up to before `begin` is only what a restore takes the places of
    /// deleted records with: it is going to be deleted.
    fn require_fillers(
        &self,
        connection: &Connection,
        (low, begin): (i64, i64),
        stop: &AtomicBool,
    ) -> Result<(), BackupError> {
        let mut other = None;
        self.each_found(connection, Range { from: low, to: begin }, stop, |message| {
            let is_filler = message.key() == Some(FILLER)
                && message.payload().is_none()
                && message.headers().is_none_or(|headers| headers.count() == 0);
            other = (!is_filler).then_some(message.offset());
            is_filler
        })?;
        let Some(offset) = other else { return Ok(()) };
        let (topic, partition) = (self.name.clone(), self.partition);
        let what = format!("at offset {offset} stands what no restore has put there");
        Err(BackupError::NotEmpty { topic, partition, what })
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
        let (mut found, mut count) = (None, 0);
        self.each_found(connection, range, stop, |message| {
            let mut bytes = Vec::new();
            // Headers that cannot be read are none of a copy's.
            let is_read = record::put(&mut bytes, message).is_ok();
            found = is_read.then_some(bytes);
            count += 1;
            count < 2
        })?;
        Ok(found.filter(|_| count == 1))
    }

    /// Hands over what the topic has in a range, until `each` says no.
    fn each_found(
        &self,
        connection: &Connection,
        range: Range,
        stop: &AtomicBool,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> bool,
    ) -> Result<(), BackupError> {
        let ranges = BTreeMap::from([(self.partition, range)]);
        each_record(connection, &self.name, &ranges, stop, |message| match each(message) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    }
}
