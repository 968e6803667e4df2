//! Making a backup, or going on with one: what is new of every topic since the last time.
//!
//! Quoted figures rest on events, decisions are about them: so where each topic ends is looked up in
//! an order in which nothing that was kept speaks of what was not.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laju_kafka::connection::{ClusterInfo, Connection, Operation};
use laju_kafka::read::{Order, Polled, READ_TIMEOUT, Range, RangeReader, ends};
use laju_kafka::topic_id::topic_id;
use laju_kafka::topics::TopicsError;
use laju_schemas::TimestampMs;
use laju_schemas::topic::{DECISIONS, EVENTS, FIGURES, KIOSK_STATUS, QUARANTINE, REFERENCE, Topic};

use super::admin::{TIMEOUT, with_admin};
use super::directory::Directory;
use super::error::BackupError;
use super::keeping::Keeping;
use super::kept_last;
use super::manifest::{Cut, Manifest, TopicPart};

/// How long the log is waited for before it is looked at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// In which order it is looked up where topics end: what speaks of others before those.
const LOOKED_AT: [Topic; 6] = [FIGURES, DECISIONS, QUARANTINE, REFERENCE, KIOSK_STATUS, EVENTS];

/// What to keep.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    pub connection: &'a Connection,
    pub root: &'a Path,
    /// Whether a log that has lost its beginning is kept all the same.
    pub without_beginning: bool,
    /// When it is.
    pub now: TimestampMs,
    pub stop: &'a AtomicBool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The backup now.
    pub manifest: Manifest,
    /// Records that were added, by topic.
    pub added: BTreeMap<String, u64>,
    /// Topics that are not there.
    pub missing: Vec<String>,
    /// Whether there was a whole backup before.
    pub went_on: bool,
}

/// Where a topic is to be read.
struct Part {
    topic: &'static str,
    name: String,
    ends: BTreeMap<u32, (i64, i64)>,
}

impl Taking<'_> {
    /// Makes the backup, or goes on with it. `tell` is given how many offsets have been passed, of how
    /// many.
    ///
    /// # Errors
    /// If the log cannot be read or the directory not written, or on being asked to stop: what was
    /// made safe until then is kept, and the next time goes on from there.
    pub fn run(&self, tell: &mut dyn FnMut(u64, u64)) -> Result<Taken, BackupError> {
        let connection = self.connection;
        let cluster = connection.check(TIMEOUT)?;
        let needs: Vec<_> = LOOKED_AT.iter().map(|topic| (Operation::Read, topic)).collect();
        connection.require_on(&needs, TIMEOUT)?;
        let (missing, there): (Vec<_>, Vec<_>) = LOOKED_AT
            .iter()
            .partition(|topic| cluster.partitions(&connection.topic(topic)).is_none());
        let missing: Vec<String> =
            missing.into_iter().map(|topic| connection.topic(topic)).collect();
        for needed in [EVENTS, REFERENCE].map(|topic| connection.topic(&topic)) {
            if missing.contains(&needed) {
                return Err(BackupError::Missing(needed));
            }
        }
        let (directory, before) = Directory::open(self.root)?;
        let mut manifest = self.go_on(before, &cluster, &there)?;
        let went_on = manifest.cut.is_some();
        let mut parts = Vec::new();
        for topic in there {
            let name = connection.topic(topic);
            parts.push(Part { topic: topic.name, ends: ends(connection, &name)?, name });
        }
        let mut ranges = Vec::new();
        for part in &parts {
            let kept = &manifest.topics[part.topic];
            ranges.push(self.ranges(kept, part)?);
            kept_last::require(connection, (self.root, part.topic), kept, &part.ends, self.stop)?;
        }
        let span = |range: &Range| (range.to - range.from).max(0) as u64;
        let all = ranges.iter().flat_map(BTreeMap::values).map(span).sum();
        let (mut passed, mut added) = (0, BTreeMap::new());
        // The manifest speaks of this installation from here on.
        manifest.save(self.root)?;
        for (part, ranges) in parts.iter().zip(&ranges) {
            let tell = &mut |of_topic| tell(passed + of_topic, all);
            let count = self.keep(&directory, &mut manifest, part, ranges, tell)?;
            passed += ranges.values().map(span).sum::<u64>();
            added.insert(part.topic.to_owned(), count);
        }
        let ends = parts.iter().map(|part| {
            let ends = part.ends.iter().map(|(partition, (_, end))| (*partition, *end));
            (part.topic.to_owned(), ends.collect())
        });
        manifest.cut = Some(Cut { copied_at: self.now, ends: ends.collect() });
        manifest.save(self.root)?;
        Ok(Taken { manifest, added, missing, went_on })
    }

    /// The manifest to go on with: one of this installation's topics.
    fn go_on(
        &self,
        before: Option<Manifest>,
        cluster: &ClusterInfo,
        there: &[&Topic],
    ) -> Result<Manifest, BackupError> {
        let mut manifest = before.unwrap_or_else(|| Manifest::begin(cluster.cluster_id.clone()));
        let another = |what: String, was: &str, is: &str| {
            let (was, is) = (was.to_owned(), is.to_owned());
            Err(BackupError::Another { what, was, is })
        };
        if manifest.cluster_id != cluster.cluster_id {
            return another("the cluster".to_owned(), &manifest.cluster_id, &cluster.cluster_id);
        }
        let mut configs = self.configs()?;
        let ids = self.topic_ids(there)?;
        for (topic, topic_id) in there.iter().zip(ids) {
            let name = self.connection.topic(topic);
            let partitions = cluster.partitions(&name).unwrap_or_default();
            let config = configs.remove(&name).unwrap_or_default();
            let Some(kept) = manifest.topics.get_mut(topic.name) else {
                let segments = Vec::new();
                let part = TopicPart { name, topic_id, partitions, config, segments };
                manifest.topics.insert(topic.name.to_owned(), part);
                continue;
            };
            if kept.name != name {
                return another("the topic".to_owned(), &kept.name, &name);
            }
            if let (Some(was), Some(is)) = (&kept.topic_id, &topic_id)
                && was != is
            {
                return another(format!("{name} with the id"), was, is);
            }
            if kept.partitions != partitions {
                let what = format!("{name} with a number of partitions of");
                return another(what, &kept.partitions.to_string(), &partitions.to_string());
            }
            kept.topic_id = topic_id.or(kept.topic_id.take());
            kept.config = config;
        }
        let is_there = |topic: &str| there.iter().any(|there| there.name == topic);
        match manifest.topics.iter().find(|(topic, _)| !is_there(topic)) {
            None => Ok(manifest),
            Some((_, gone)) => Err(BackupError::Gone(gone.name.clone())),
        }
    }

    /// The topics' own ids, asked for at the same time.
    fn topic_ids(&self, there: &[&Topic]) -> Result<Vec<Option<String>>, BackupError> {
        std::thread::scope(|scope| {
            let ask = |topic: &&Topic| {
                let name = self.connection.topic(topic);
                scope.spawn(move || topic_id(self.connection, &name, READ_TIMEOUT))
            };
            let asked: Vec<_> = there.iter().map(ask).collect();
            let answers = asked.into_iter().map(|asked| match asked.join() {
                Ok(answer) => Ok(answer?),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            answers.collect()
        })
    }

    /// What of the topics' configuration the contract speaks of, by their full names; nothing where
    /// the broker does not tell.
    fn configs(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, BackupError> {
        let asked = with_admin(self.connection, async |admin| Ok(admin.describe().await?));
        let description = match asked {
            Ok(description) => description,
            Err(BackupError::Topics(TopicsError::NoAdminApi { .. })) => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let configs = description.topics.into_iter().filter_map(|(topic, name, found)| {
            let found = found?;
            let of_contract = topic
                .config()
                .into_iter()
                .filter_map(|(key, _)| Some((key.to_owned(), found.config.get(key)?.clone())));
            Some((name, of_contract.collect()))
        });
        Ok(configs.collect())
    }

    /// What is to be read of a topic: from where it was kept up to its end.
    fn ranges(&self, kept: &TopicPart, part: &Part) -> Result<BTreeMap<u32, Range>, BackupError> {
        let mut ranges = BTreeMap::new();
        for (&partition, &(low, end)) in &part.ends {
            let topic = part.name.clone();
            let from = match kept.next(partition) {
                Some(kept) if end < kept => {
                    return Err(BackupError::Shrunk { topic, partition, end, kept });
                }
                Some(kept) if low > kept => {
                    return Err(BackupError::Torn { topic, partition, low, kept });
                }
                Some(kept) => kept,
                None if low > 0 && part.topic == EVENTS.name && !self.without_beginning => {
                    return Err(BackupError::WithoutBeginning { topic, partition, low });
                }
                None => low,
            };
            ranges.insert(partition, Range { from, to: end });
        }
        Ok(ranges)
    }

    /// Keeps what there is of a topic in these ranges; gives how many records.
    fn keep(
        &self,
        directory: &Directory,
        manifest: &mut Manifest,
        part: &Part,
        ranges: &BTreeMap<u32, Range>,
        tell: &mut dyn FnMut(u64),
    ) -> Result<u64, BackupError> {
        let mut kept = Keeping::begin(directory, manifest, part.topic, ranges)?;
        let mut reader = RangeReader::open(self.connection, &part.name, ranges, Order::Together)?;
        let from: i64 = ranges.values().map(|range| range.from).sum();
        loop {
            let polled = reader.poll(POLL_TIMEOUT, |message| {
                kept.append(message)?;
                Ok::<_, BackupError>(ControlFlow::Continue(()))
            })?;
            let at = reader.next_offsets();
            tell((at.values().sum::<i64>() - from).max(0) as u64);
            if polled == Polled::Done {
                kept.end(&at)?;
                return Ok(kept.records());
            }
            if self.stop.load(Ordering::Acquire) {
                // What was read is made safe: the next time goes on from here.
                kept.end(&at)?;
                return Err(BackupError::Interrupted);
            }
            kept.end_large(&at)?;
        }
    }
}
