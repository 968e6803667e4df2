//! From what was asked for to offsets: moments looked up, ends noted, a checkpoint gone on from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use laju_kafka::read::{Order, Range, TopicReadError, ends, offsets_at};
use laju_schemas::TimestampMs;
use laju_schemas::partition::partition_for;

use super::options::{OffsetVector, ReplayArgs};
use crate::cli::moment::Moment;
use crate::replay::checkpoint::Checkpoint;

/// What is to be read.
pub(super) struct Plan {
    pub(super) ranges: BTreeMap<u32, Range>,
    pub(super) order: Order,
    /// How many partitions the topic has.
    pub(super) count: u32,
    /// Where it began, perhaps in an earlier run.
    pub(super) from: BTreeMap<u32, i64>,
    /// Up to where; none for a partition that is followed.
    pub(super) to: BTreeMap<u32, Option<i64>>,
    /// What is gone on from.
    pub(super) before: Option<Checkpoint>,
}

impl Plan {
    pub(super) fn make(
        args: &ReplayArgs,
        topic: &str,
        now: TimestampMs,
        mut before: Option<Checkpoint>,
    ) -> anyhow::Result<Self> {
        let ends = ends(&args.connection, topic)?;
        let wanted = partitions(args, topic, &ends)?;
        let chosen: BTreeMap<u32, (i64, i64)> =
            ends.iter().filter(|(p, _)| wanted.contains(p)).map(|(p, e)| (*p, *e)).collect();
        let count = ends.len() as u32;
        let from = match &before {
            Some(checkpoint) => {
                require_the_same(topic, count, checkpoint, &wanted)?;
                checkpoint.next_offsets.clone()
            }
            None => begin(args, topic, now, &chosen)?,
        };
        // A file's end stays what it was at its beginning, so that it is one file of one log. A
        // topic goes on to whatever there is by now, unless an end was asked for.
        // One that counts from now was reached by a copy that is complete, and is another now.
        let is_over = before.as_ref().is_some_and(|done| done.complete)
            && matches!(args.to, Some(Moment::Ago(_)));
        let keeps_end = args.output.is_some() || (args.asked_to().is_some() && !is_over);
        let to = match &before {
            Some(checkpoint) if keeps_end => checkpoint.to_offsets.clone(),
            _ => end(args, topic, now, &chosen)?,
        };
        if before.is_none() {
            require_forwards(args, topic, now, &from, &to)?;
        }
        if let Some(checkpoint) = &mut before {
            checkpoint.to_offsets = to.clone();
        }
        let ranges = from.iter().map(|(&partition, &from)| {
            let to = match to.get(&partition).copied().flatten() {
                Some(to) => to,
                None if args.follow => Range::ENDLESS,
                None => bail!("it is not known where partition {partition} of {topic} ends"),
            };
            Ok((partition, Range { from, to }))
        });
        let ranges = ranges.collect::<anyhow::Result<_>>()?;
        let is_live = args.follow || args.to_topic.is_some();
        let order = if is_live { Order::Together } else { Order::OneByOne };
        Ok(Self { ranges, order, count, from, to, before })
    }
}

/// That the topic still has the partitions that the checkpoint is of: with others its keys are
/// elsewhere, and what is new would be read by nobody or without an end.
fn require_the_same(
    topic: &str,
    count: u32,
    checkpoint: &Checkpoint,
    wanted: &BTreeSet<u32>,
) -> anyhow::Result<()> {
    let had = checkpoint.partition_count;
    if count != had || !checkpoint.next_offsets.keys().eq(wanted) {
        bail!(
            "the topic has {count} partitions, had {had}: the checkpoint of {topic} cannot be gone \
             on from. Give another --checkpoint"
        );
    }
    Ok(())
}

/// That the end asked for is not before the beginning: nothing would be read, without a word.
fn require_forwards(
    args: &ReplayArgs,
    topic: &str,
    now: TimestampMs,
    from: &BTreeMap<u32, i64>,
    to: &BTreeMap<u32, Option<i64>>,
) -> anyhow::Result<()> {
    if let (Some(from), Some(to)) = (args.from, args.to) {
        // The log may have grown between two questions, so that offsets are not the measure.
        if from.at(now)? > to.at(now)? {
            bail!("--from {from} is after --to {to}");
        }
        return Ok(());
    }
    if args.asked_to().is_none() {
        return Ok(());
    }
    for (partition, from) in from {
        if let Some(to) = to.get(partition).copied().flatten().filter(|to| from > to) {
            bail!(
                "partition {partition} of {topic} would be read from offset {from} up to {to}, \
                 which is before"
            );
        }
    }
    Ok(())
}

/// The partitions to read.
fn partitions(
    args: &ReplayArgs,
    topic: &str,
    ends: &BTreeMap<u32, (i64, i64)>,
) -> anyhow::Result<BTreeSet<u32>> {
    let count = ends.len() as u32;
    let vectors = || {
        let given = [&args.from_offsets, &args.to_offsets].into_iter().flatten();
        given.flat_map(|vector| vector.0.keys())
    };
    for &partition in vectors().chain(&args.partitions) {
        if partition >= count {
            let topic = topic.to_owned();
            return Err(TopicReadError::NoPartition { topic, partition, partitions: count }.into());
        }
    }
    let wanted: BTreeSet<u32> = match args.filter.subject {
        _ if !args.partitions.is_empty() => args.partitions.iter().copied().collect(),
        Some(subject) => [partition_for(&subject.0, count)].into(),
        None => ends.keys().copied().collect(),
    };
    if let Some(partition) = vectors().find(|partition| !wanted.contains(partition)) {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        bail!(
            "an offset is given for partition {partition}, which is not read: only {} is",
            wanted.join(", ")
        );
    }
    Ok(wanted)
}

fn begin(
    args: &ReplayArgs,
    topic: &str,
    now: TimestampMs,
    chosen: &BTreeMap<u32, (i64, i64)>,
) -> anyhow::Result<BTreeMap<u32, i64>> {
    if let Some(moment) = args.from {
        return at(args, topic, moment, now, chosen).context("--from");
    }
    let mut from = BTreeMap::new();
    for (&partition, &(low, end)) in chosen {
        let asked = asked(&args.from_offsets, partition);
        if let Some(wanted) = asked.filter(|asked| *asked > end) {
            let topic = topic.to_owned();
            return Err(TopicReadError::Short { topic, partition, end, wanted }.into());
        }
        if asked.is_none() && low > 0 {
            tracing::warn!(
                partition,
                offset = low,
                "the log is cut: this partition does not begin at offset 0 any more"
            );
        }
        from.insert(partition, asked.unwrap_or(low));
    }
    Ok(from)
}

fn end(
    args: &ReplayArgs,
    topic: &str,
    now: TimestampMs,
    chosen: &BTreeMap<u32, (i64, i64)>,
) -> anyhow::Result<BTreeMap<u32, Option<i64>>> {
    if args.follow {
        return Ok(chosen.keys().map(|&partition| (partition, None)).collect());
    }
    if let Some(moment) = args.to {
        let at = at(args, topic, moment, now, chosen).context("--to")?;
        return Ok(at.into_iter().map(|(partition, offset)| (partition, Some(offset))).collect());
    }
    let to = |(&partition, &(_, end)): (&u32, &(i64, i64))| {
        (partition, Some(asked(&args.to_offsets, partition).unwrap_or(end)))
    };
    Ok(chosen.iter().map(to).collect())
}

fn asked(vector: &Option<OffsetVector>, partition: u32) -> Option<i64> {
    vector.as_ref()?.0.get(&partition).copied()
}

/// Where a moment falls in each partition chosen.
fn at(
    args: &ReplayArgs,
    topic: &str,
    moment: Moment,
    now: TimestampMs,
    chosen: &BTreeMap<u32, (i64, i64)>,
) -> anyhow::Result<BTreeMap<u32, i64>> {
    let moment = moment.at(now)?;
    let mut found = offsets_at(&args.connection, topic, moment.0)?;
    found.retain(|partition, _| chosen.contains_key(partition));
    if found.len() < chosen.len() {
        bail!("{topic} has lost partitions while it was looked at");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::checkpoint::{Destination, Request};

    #[test]
    fn a_checkpoint_is_of_the_partitions_that_there_were() {
        let request = Request {
            cluster_id: "cluster".to_owned(),
            topic: "t".to_owned(),
            topic_id: None,
            from: None,
            to: None,
            partitions: Vec::new(),
            filter: Default::default(),
            limit: None,
            destination: Destination::Topic { topic: "u".to_owned(), cluster_id: "c".to_owned() },
        };
        let checkpoint = Checkpoint::begin(request, 2, [(0, 3), (1, 0)].into(), [].into());
        assert!(require_the_same("t", 2, &checkpoint, &[0, 1].into()).is_ok());
        for (count, wanted) in [(3, &[0, 1, 2][..]), (3, &[0, 1][..]), (2, &[0][..])] {
            let wanted = wanted.iter().copied().collect();
            let error = require_the_same("t", count, &checkpoint, &wanted).unwrap_err();
            let words = format!("the topic has {count} partitions, had 2");
            assert!(error.to_string().contains(&words), "{error}");
        }
    }
}
