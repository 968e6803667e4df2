//! A backup put into topics again: every record at the offset that it had, with its timestamp.
//!
//! Events come last: a node that begins to fold them before all are there has the decisions about them,
//! and what says that the log is a copy, already. A restore that was killed goes on where it was: what
//! stands in the topics has to be the beginning of the backup, or nothing is touched.

mod begun;
mod copied;
mod part;
mod partition;
mod target;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::ExactPublisher;
use laju_kafka::read::READ_TIMEOUT;
use laju_kafka::topic_id::topic_id;
use laju_schemas::topic::{DECISIONS, EVENTS, FIGURES, KIOSK_STATUS, QUARANTINE, REFERENCE, Topic};
use laju_schemas::{CopyId, LogCopy, TimestampMs};

use self::part::Part;
use self::partition::KeptPartition;
use self::target::Target;
use super::admin::TIMEOUT;
use super::check::check_files;
use super::directory::Directory;
use super::error::BackupError;
use super::manifest::{Cut, Manifest};

/// In which order topics are written: what speaks of others before those, decisions and events last.
const WRITTEN: [&Topic; 6] =
    [&REFERENCE, &KIOSK_STATUS, &FIGURES, &QUARANTINE, &DECISIONS, &EVENTS];

/// What to restore.
pub struct Restoring<'a> {
    pub connection: &'a Connection,
    pub root: &'a Path,
    /// When it is.
    pub now: TimestampMs,
    /// What the copy is to be known by: a UUID of version 7.
    pub copy_id: CopyId,
    pub stop: &'a AtomicBool,
}

/// What is being done, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The files are read against the manifest: bytes.
    Checking,
    /// Records are put into topics: offsets.
    Writing,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// What the log says of itself now.
    pub copy: LogCopy,
    /// Whether an earlier restore of the same backup had begun it, or come to its end.
    pub went_on: bool,
    /// Whether the topics have the timestamps and configuration that they are to have: not where the
    /// broker cannot be asked, as the embedded one.
    pub is_configured: bool,
}

impl Restoring<'_> {
    /// Restores. `tell` is given how far a step is, of how much.
    pub fn run(&self, tell: &mut dyn FnMut(Step, u64, u64)) -> Result<Restored, BackupError> {
        let connection = self.connection;
        let (_directory, manifest) = Directory::read(self.root)?;
        let Some(cut) = &manifest.cut else {
            return Err(BackupError::NeverWhole(self.root.to_owned()));
        };
        let cluster = connection.check(TIMEOUT)?;
        let events_name = connection.topic(&EVENTS);
        let there = cluster.partitions(&events_name).is_some();
        let events_id = match there {
            true => topic_id(connection, &events_name, READ_TIMEOUT)?,
            false => None,
        };
        if let Some(original) = manifest.topics.get(EVENTS.name)
            && there
            && manifest.cluster_id == cluster.cluster_id
            && original.name == events_name
            && original.topic_id == events_id
        {
            return Err(BackupError::Itself(events_name));
        }
        let tell_checking = &mut |read, all| tell(Step::Checking, read, all);
        let files = manifest.whole_segments();
        let faults = check_files(self.root, files, self.stop, tell_checking)?;
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }

        let parts = WRITTEN.map(|topic| self.part(topic, &manifest, cut));
        let [before @ .., decisions, events] = &parts;
        // Nothing is touched before it is known that all of it is empty, or this backup's beginning.
        let target = Target::look(connection, &parts)?;
        let expected = self.expected_copy(&manifest, cut, events_id.as_deref());
        let mut went_on = false;
        for part in &parts {
            if let Some(partitions) = target.partitions(&part.name) {
                went_on |= self.is_begun(part, partitions, &expected)?;
            }
        }
        if self.is_whole(&parts, &target)? {
            // Nothing is to be written, and nothing is set that is as it has to be.
            let copy = self.put_copy(decisions, expected)?;
            let is_configured = target.finish()?;
            return Ok(Restored { copy, went_on, is_configured, manifest: manifest.clone() });
        }
        target.prepare()?;
        let topic_id = topic_id(connection, &events_name, READ_TIMEOUT)?;
        let of_log = self.expected_copy(&manifest, cut, topic_id.as_deref());

        let ends = parts.iter().flat_map(|part| &part.partitions).map(|partition| partition.end);
        let (all, mut passed) = (ends.sum::<i64>() as u64, 0);
        let mut write = |part: &Part<'_>| {
            let publisher = ExactPublisher::open(connection, &part.name)?;
            for partition in &part.partitions {
                let tell = &mut |at: i64| tell(Step::Writing, passed + at as u64, all);
                partition.write(&publisher, connection, self.stop, tell)?;
                passed += partition.end as u64;
            }
            Ok::<_, BackupError>(())
        };
        for part in before {
            write(part)?;
        }
        write(decisions)?;
        let copy = self.put_copy(decisions, of_log)?;
        write(events)?;
        // Who wrote behind a partition that was done before the others was not seen until now.
        for part in &parts {
            if let Some(disturbed) = part.disturbed(connection)? {
                return Err(disturbed);
            }
        }
        let is_configured = target.finish()?;
        Ok(Restored { copy, went_on, is_configured, manifest: manifest.clone() })
    }

    /// Whether all of it is there already: every topic goes from where it has to up to its end.
    fn is_whole(&self, parts: &[Part<'_>], target: &Target<'_>) -> Result<bool, BackupError> {
        for part in parts {
            let is_there = target.partitions(&part.name).is_some();
            if !is_there || part.disturbed(self.connection)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn part<'a>(&'a self, topic: &'static Topic, manifest: &'a Manifest, cut: &Cut) -> Part<'a> {
        let kept = manifest.topics.get(topic.name);
        let (root, name) = (self.root, self.connection.topic(topic));
        let ends = cut.ends.get(topic.name).into_iter().flatten();
        let partitions = ends.filter_map(|(&partition, &end)| {
            Some(KeptPartition { root, topic, name: name.clone(), kept: kept?, partition, end })
        });
        Part { topic, partitions: partitions.collect(), name, kept }
    }

    /// Whether a topic that is there has something already, which is the beginning of what was kept.
    fn is_begun(
        &self,
        part: &Part<'_>,
        partitions: u32,
        expected: &LogCopy,
    ) -> Result<bool, BackupError> {
        let publisher = ExactPublisher::open(self.connection, &part.name)?;
        let (mut is_begun, mut is_aborted) = (false, false);
        for number in 0..partitions {
            if self.stop.load(Ordering::Acquire) {
                return Err(BackupError::Interrupted);
            }
            let kept = part.partitions.iter().find(|kept| kept.partition == number);
            if !is_aborted && kept.is_some_and(|kept| !kept.gaps().is_empty()) {
                // What a restore that was killed had under way gets its mark. Until then nothing of it
                // is seen, not even that the partition is not empty any more.
                publisher.abort_what_is_left()?;
                is_aborted = true;
            }
            let (low, mut at) = publisher.watermarks(number)?;
            if at == 0 {
                continue;
            }
            is_begun = true;
            if part.topic.name == DECISIONS.name {
                at = self.without_copy(part, (low, at), expected)?;
            }
            match kept {
                Some(kept) => kept.require_begun(self.connection, (low, at), self.stop)?,
                None if at == 0 => {}
                None => {
                    let (topic, what) = (part.name.clone(), format!("it goes up to offset {at}"));
                    return Err(BackupError::NotEmpty { topic, partition: number, what });
                }
            }
        }
        Ok(is_begun)
    }
}
