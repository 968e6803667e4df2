//! `laju replay`: the events of the log once more, as rows for analysts or as records in another
//! topic.

mod options;
mod plan;
mod report;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use laju_kafka::connection::{ClusterInfo, Connection, Operation, Right};
use laju_kafka::copy::{Original, Target, TopicCopy};
use laju_kafka::read::{READ_TIMEOUT, RangeReader, TopicReadError};
use laju_kafka::terminal::Tamed;
use laju_kafka::topic_id::topic_id;
use laju_schemas::TimestampMs;
use laju_schemas::known::EventReader;
use laju_schemas::topic::EVENTS;

use self::plan::Plan;
use self::report::Reporter;
use super::stop::{self, INTERRUPTED};
use crate::files::part_of;
use crate::ingest::stop::Stop;
use crate::ingest::verdicts::verdicts_now;
use crate::replay::ReplayError;
use crate::replay::checkpoint::{Checkpoint, Destination, Request};
use crate::replay::decode::Decoder;
use crate::replay::file::{PartFile, is_whole, put};
use crate::replay::rows::{Format, RowWriter};
use crate::replay::run::{Replay, Sink};

pub use options::{OffsetVector, ReplayArgs};

const TIMEOUT: Duration = Duration::from_secs(15);
/// What is said at the first Ctrl-C.
const STOPPING: &str = "stopping: making sure of what was written; once more to end at once";

impl ReplayArgs {
    /// Runs the command. `now` is what relative moments count from.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let reader = EventReader::new(&self.schemas.read()?)?;
        let cluster = self.connection.check(TIMEOUT)?;
        let topic = self.connection.topic(&EVENTS);
        self.connection.require_on(&[(Operation::Read, &EVENTS)], TIMEOUT)?;
        let partitions =
            cluster.partitions(&topic).ok_or_else(|| TopicReadError::Missing(topic.clone()))?;
        let original = Original {
            connection: self.connection.clone(),
            cluster_id: cluster.cluster_id.clone(),
            topic: topic.clone(),
            partitions,
        };
        let copy = self.copy(&original)?;
        let request = self.request(&cluster, &topic, copy.as_ref())?;
        let _lock = self.checkpoint.as_deref().map(Checkpoint::lock).transpose()?;
        let before = match &self.checkpoint {
            Some(path) => Checkpoint::load(path, &request)?,
            None => None,
        };
        if let Some(done) = before.as_ref().filter(|checkpoint| checkpoint.complete)
            && let Some(file) = &self.output
        {
            // Nothing is read any more; at most it was not put in its place yet.
            self.put_in_place(file, done)?;
            Reporter::of(self, &BTreeMap::new()).summary(out, done)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(file) = self.output.as_deref().filter(|_| !self.force) {
            require_absent(file)?;
        }
        if let Some(copy) = &copy {
            match before.as_ref().map(|checkpoint| &checkpoint.target_ends) {
                Some(noted) => copy.require_reaches(noted.as_ref().unwrap_or(&BTreeMap::new()))?,
                None if self.append => {}
                None => copy.require_empty()?,
            }
        }
        let decoder = Decoder::new(
            reader,
            self.connection.registry_client()?,
            verdicts_now(&self.connection)?,
        );
        let plan = Plan::make(self, &topic, now, before)?;
        let stop = stop::on_signal_saying(STOPPING)?;
        self.replay(decoder, plan, request, copy, &stop, out)
    }

    fn replay(
        &self,
        decoder: Decoder,
        plan: Plan,
        request: Request,
        copy: Option<TopicCopy>,
        stop: &Stop,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let topic = request.topic.clone();
        let is_new = plan.before.is_none();
        let mut checkpoint = plan
            .before
            .unwrap_or_else(|| Checkpoint::begin(request, plan.count, plan.from, plan.to));
        checkpoint.complete = false;
        let mut log = RangeReader::open(&self.connection, &topic, &plan.ranges, plan.order)?;
        let reporter = Reporter::of(self, &plan.ranges);
        let done = {
            let sink = match copy {
                Some(copy) => Sink::Topic(copy),
                None => self.rows(out, (!is_new).then_some(&checkpoint))?,
            };
            if let Some(path) = self.checkpoint.as_ref().filter(|_| is_new) {
                // From here on whatever is there is this replay's, should it be killed.
                if let Sink::Rows { file: Some(file), .. } = &sink {
                    let (bytes, tail) = file.sync()?;
                    (checkpoint.bytes, checkpoint.tail) = (Some(bytes), Some(tail));
                }
                checkpoint.save(path)?;
            }
            let mut replay = Replay {
                decoder,
                filter: self.filter.clone(),
                limit: self.limit,
                skip_undecodable: self.skip_undecodable,
                sink,
                counts: checkpoint.counts,
                checkpoint: self.checkpoint.clone().map(|path| (path, checkpoint.clone())),
                stop: stop.flag(),
                on_undecodable: report::name_undecodable(&reporter.bar),
            };
            let ended = replay.run(&mut log, &mut |counts, log| reporter.tell(counts, log));
            reporter.bar.finish_and_clear();
            checkpoint.counts = replay.counts;
            checkpoint.next_offsets = log.next_offsets();
            match (ended, replay.sink) {
                (Ok(()), Sink::Rows { rows, file, name }) => {
                    drop(rows);
                    file.map_or(Ok(()), |file| file.finish(self.force))
                        .with_context(|| format!("cannot put {} in its place", name.display()))
                }
                (Ok(()), Sink::Topic(_)) => Ok(()),
                (Err(error), _) => Err(error.into()),
            }
        };
        match done {
            Ok(()) => {
                reporter.summary(out, &checkpoint)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => match error.downcast_ref() {
                Some(ReplayError::ReaderGone) => Ok(ExitCode::SUCCESS),
                Some(ReplayError::Interrupted) => {
                    reporter.summary(out, &checkpoint)?;
                    self.tell_how_to_go_on();
                    Ok(ExitCode::from(INTERRUPTED))
                }
                _ => Err(error),
            },
        }
    }

    /// Puts a file that was whole in its place, if it is not there.
    fn put_in_place(&self, path: &Path, done: &Checkpoint) -> anyhow::Result<()> {
        let part = part_of(path);
        let is_it = |path: &Path| match (done.bytes, &done.tail) {
            (Some(bytes), Some(tail)) => is_whole(path, bytes, tail),
            _ => false,
        };
        if is_it(&part) {
            return put(&part, path, self.force)
                .with_context(|| format!("cannot put {} in its place", path.display()));
        }
        if is_it(path) {
            return Ok(());
        }
        bail!(
            "the checkpoint says that {} is whole, but it is not there as it was: delete the \
             checkpoint to make it again",
            path.display()
        )
    }

    /// Rows, to the file or to standard output.
    fn rows<'a>(
        &self,
        out: &'a mut dyn Write,
        before: Option<&Checkpoint>,
    ) -> anyhow::Result<Sink<'a>> {
        let kept = before.and_then(|done| Some((done.bytes?, done.tail.as_deref()?)));
        let keep = kept.map_or(0, |(bytes, _)| bytes);
        let (writer, file, name): (Box<dyn Write + 'a>, _, _) = match &self.output {
            None if std::io::stdout().is_terminal() => {
                (Box::new(Tamed::new(out)), None, PathBuf::from("standard output"))
            }
            None => (Box::new(out), None, PathBuf::from("standard output")),
            Some(path) => {
                let opened = match kept {
                    Some((0, _)) => PartFile::begin(path, true),
                    Some((bytes, tail)) => PartFile::go_on(path, bytes, tail),
                    None => PartFile::begin(path, self.force),
                };
                let cannot = || format!("cannot write {}", part_of(path).display());
                let file = opened.with_context(cannot)?;
                (Box::new(file.writer().with_context(cannot)?), Some(file), path.clone())
            }
        };
        let rows = RowWriter::new(self.format(), writer, keep == 0)
            .with_context(|| format!("cannot write {}", name.display()))?;
        Ok(Sink::Rows { rows, name, file })
    }

    /// How rows look: a table for people, else what programs read.
    fn format(&self) -> Format {
        let for_people = self.output.is_none() && std::io::stdout().is_terminal();
        self.format.unwrap_or(if for_people { Format::Table } else { Format::Ndjson })
    }

    fn copy(&self, original: &Original) -> anyhow::Result<Option<TopicCopy>> {
        let Some(name) = &self.to_topic else { return Ok(None) };
        let connection = match &self.to_brokers {
            None => self.connection.clone(),
            Some(brokers) => Connection {
                kafka_properties: self.to_properties.clone(),
                kafka_password_file: self.to_password_file.clone(),
                ..Connection::to(brokers)
            },
        };
        if !self.create_topic {
            let needs = [Operation::Write, Operation::DescribeConfigs];
            let needs = needs.map(|operation| Right::on_topic(operation, name));
            connection.require(&needs, TIMEOUT)?;
        }
        let target = Target {
            connection,
            topic: name.clone(),
            create: self.create_topic,
            new_timestamps: self.new_timestamps,
        };
        Ok(Some(TopicCopy::open(&target, original)?))
    }

    fn request(
        &self,
        cluster: &ClusterInfo,
        topic: &str,
        copy: Option<&TopicCopy>,
    ) -> anyhow::Result<Request> {
        let destination = match (copy, &self.output) {
            (Some(copy), _) => Destination::Topic {
                topic: copy.topic().to_owned(),
                cluster_id: copy.cluster_id().to_owned(),
            },
            (None, path) => Destination::File {
                path: std::path::absolute(path.as_deref().unwrap_or(Path::new("-")))?,
                format: self.format(),
                skip_undecodable: self.skip_undecodable,
            },
        };
        Ok(Request {
            cluster_id: cluster.cluster_id.clone(),
            topic: topic.to_owned(),
            topic_id: topic_id(&self.connection, topic, READ_TIMEOUT)?,
            from: self.asked_from(),
            to: self.asked_to(),
            partitions: self.partitions.clone(),
            filter: self.filter.clone(),
            limit: self.limit,
            destination,
        })
    }

    fn tell_how_to_go_on(&self) {
        match (&self.checkpoint, &self.output) {
            (Some(_), _) => tracing::info!("interrupted: the same command goes on from here"),
            (None, Some(path)) => tracing::info!(
                "interrupted: what was read is in {}; with --checkpoint it could be gone on from",
                part_of(path).display()
            ),
            (None, None) => {}
        }
    }
}

fn require_absent(path: &Path) -> anyhow::Result<()> {
    if path.try_exists().with_context(|| format!("cannot look at {}", path.display()))? {
        bail!("{} is there already: --force replaces it", path.display());
    }
    Ok(())
}
