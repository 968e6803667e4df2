//! Records whose schema is not known yet: their partitions wait, and say why, until the registry has
//! answered, or until a verdict that it has no such schema stands in the decisions topic.
//!
//! A verdict is acted on only once it has been read back, whoever wrote it: so the order among
//! several nodes is the topic's, and a crash in between changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laju_kafka::learning::{IdState, UNREACHABLE_CURE, WAITING_FOR};
use laju_kafka::read::Record;
use laju_kafka::trouble::{Trouble, TroubleKind};
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Origin;
use laju_schemas::{DecisionId, QuarantineDecision, TimestampMs};
use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::learning::{Done, Learning, Task};
use super::waiting::Held;
use super::{BATCH_RECORDS, Pipeline};
use crate::ingest::batch::Batch;
use crate::ingest::judging::ReceivedRecord;
use crate::ingest::progress::now_ms;
use crate::projection::partition::RecordMark;

impl Pipeline {
    /// Whether records of a partition wait, behind which others have to.
    #[inline]
    pub(super) fn waits(&self, partition: u32) -> bool {
        !self.waiting.is_empty() && self.waiting.0.contains_key(&partition)
    }

    /// Whether a verdict about a record was sent that was not read back yet.
    #[inline]
    pub(super) fn awaits_verdict(&self, partition: u32, offset: i64) -> bool {
        let Some(learning) = self.learning.as_ref().filter(|l| !l.sent.is_empty()) else {
            return false;
        };
        let origin = Origin { partition, offset };
        learning.sent.contains_key(&origin) && self.decided.book.verdict(origin).is_none()
    }

    /// Has a record wait whose schema is not known, or which stands behind such a one.
    pub(super) fn hold(&mut self, record: &Record<'_>, mark: RecordMark) {
        let partition = record.partition();
        let line = self.waiting.begin(partition);
        let is_enough = line.push(Held::of(record, mark, Instant::now()));
        // Again and again: the code that reads it on after an error of its records knows nothing
        // of this.
        if is_enough && self.pause(partition) {
            self.waiting.begin(partition).is_paused = true;
        }
    }

    /// Goes on with the partitions that wait, as far as it is known how.
    pub(super) fn serve_waiting(&mut self, batch: &mut Batch) {
        // Also what nobody waits for any more: another pipeline may wait for the same answer.
        self.hear();
        let numbers: Vec<u32> = self.waiting.0.keys().copied().collect();
        for partition in numbers {
            self.serve(partition, batch);
        }
    }

    /// Takes note of what the registry has answered, and of verdicts that were written down.
    fn hear(&mut self) {
        let Some(learning) = &mut self.learning else { return };
        let now = Instant::now();
        while let Ok(done) = learning.registrar.done.try_recv() {
            match done {
                Done::Found(id, avsc) => {
                    learning.lookups.lock().found(id);
                    self.reader.book.learn(id, Some(&avsc));
                }
                Done::NotFound(id, answer) => {
                    learning.lookups.lock().answered(id, answer, now);
                }
                Done::Written(_, Ok(())) => {}
                Done::Written(verdicts, Err(why)) => {
                    tracing::warn!(
                        why,
                        "a verdict cannot be written onto the decisions topic: it is tried again"
                    );
                    for verdict in verdicts {
                        let origin = verdict.origin();
                        if let Some(line) = self.waiting.line(origin.partition) {
                            line.unwritten = Some((why.clone(), now));
                        }
                        // Gone from there if it was read back all the same.
                        if let Some(sent) = learning.sent.get_mut(&origin) {
                            *sent = Some(verdict);
                        }
                    }
                }
            }
        }
    }

    /// Goes on with one partition that waits.
    fn serve(&mut self, partition: u32, batch: &mut Batch) {
        let book = Arc::clone(&self.decided.book);
        let needed = loop {
            if batch.len() >= BATCH_RECORDS {
                self.fold(batch, true);
            }
            let front = self.waiting.0.get(&partition).and_then(|line| line.held.front());
            let awaited = front.filter(|held| self.awaits_verdict(partition, held.mark.offset));
            if let Some((held, id)) = awaited.and_then(|held| Some((held, held.id?))) {
                break Some((id, held.since, held.mark.offset));
            }
            let Some(line) = self.waiting.line(partition) else { return };
            let Some(held) = line.held.front() else { break None };
            let seen = ReceivedRecord {
                origin: held.origin,
                mark: held.mark,
                key: held.key.as_deref(),
                value: held.value.as_deref(),
                headers: held,
            };
            let needed = seen.judge_into(&mut self.reader, self.partitions, &book, batch);
            match (needed, &mut self.learning) {
                (None, Some(learning)) => {
                    if held.id.is_some_and(|id| self.reader.book.has_learnt(id)) {
                        learning.lookups.lock().found_in(partition);
                    }
                    line.pop();
                }
                (None, None) => line.pop(),
                (Some(id), Some(_)) => break Some((id, held.since, held.mark.offset)),
                // Without a registry an id is nobody's, whatever the world says.
                (Some(id), None) => self.reader.book.learn(id, None),
            }
        };
        match needed {
            None => {
                let line = self.waiting.0.remove(&partition);
                if let Some(end) = line.as_ref().and_then(|line| line.end) {
                    batch.end(end);
                }
                // One that stands still is read on where it stands, once it can be.
                if line.is_some_and(|line| line.is_paused)
                    && !self.positions.stands_still(partition)
                {
                    self.resume(partition);
                }
                self.end_trouble(partition);
            }
            Some((id, since, offset)) => {
                self.ask(partition);
                self.say_why(partition, id, since, offset);
            }
        }
    }

    /// Asks for the schemas of all records that a partition holds, and writes down which of them the
    /// registry does not have.
    fn ask(&mut self, partition: u32) {
        let decided = Arc::clone(&self.decided.book);
        let (Some(learning), Some(line)) = (&mut self.learning, self.waiting.line(partition))
        else {
            return;
        };
        let Learning { registrar, lookups, node, topic_id, sent } = learning;
        let mut lookups = lookups.lock();
        let (now, patience) = (Instant::now(), lookups.patience_of(partition));
        let may_write = line.may_write(now);
        let mut verdicts = Vec::new();
        for held in &line.held {
            // What was decided may stand in the topic: it is sent again, whoever has the lease by now.
            if let Some(again) = sent.get_mut(&held.origin) {
                if may_write {
                    verdicts.extend(again.take());
                }
                continue;
            }
            let Some(id) = held.id.filter(|id| !self.reader.book.has_learnt(*id)) else { continue };
            if decided.verdict(held.origin).is_some() {
                continue;
            }
            match lookups.state(id, held.since, patience) {
                IdState::GivenUp(time)
                    if may_write && self.leases.may_decide(partition, held.mark.offset) =>
                {
                    lookups.gave_up(partition, id);
                    let reason = format!(
                        "the schema registry has {}: so it said whenever it was asked, for {} s",
                        lookups.lacking(id),
                        time.as_secs()
                    );
                    verdicts.push(verdict(held.origin, reason, node, topic_id.clone()));
                }
                // Given up or not: as long as nobody has decided, it may still be found.
                _ => {
                    if lookups.ask(id, held.since, patience, now) {
                        // It is gone only if its thread has panicked, which has been said.
                        let _ = registrar.tasks.send(Task::Ask(id));
                    }
                }
            }
        }
        if verdicts.is_empty() {
            return;
        }
        tracing::warn!(
            partition,
            records = verdicts.len(),
            first_offset = verdicts[0].origin_offset,
            reason = verdicts[0].reason,
            "the registry has no schema for records: it is written down that they are refused"
        );
        drop(lookups);
        sent.extend(verdicts.iter().map(|verdict| (verdict.origin(), None)));
        line.unwritten = None;
        let _ = registrar.tasks.send(Task::Write(verdicts));
    }

    /// Says why a partition waits at a record, once there is something to say.
    fn say_why(&mut self, partition: u32, id: u32, since: Instant, offset: i64) {
        let (Some(learning), Some(line)) = (&self.learning, self.waiting.line(partition)) else {
            return;
        };
        let lookups = learning.lookups.lock();
        let patience = lookups.patience_of(partition);
        let unwritten = line.unwritten.as_ref().map(|(why, _)| why.clone());
        let (kind, reason, cure) = match (lookups.state(id, since, patience), unwritten) {
            (IdState::Asked, None) => return,
            (IdState::Unreachable(why), None) => (
                TroubleKind::RegistryUnreachable,
                format!("the schema with id {id} is asked for: {why}"),
                UNREACHABLE_CURE.to_owned(),
            ),
            (_, Some(why)) => (
                TroubleKind::SchemaNotFound,
                format!(
                    "the registry had no schema with id {id}, and that cannot be written down: {why}"
                ),
                "this user needs the right to write to the decisions topic (`laju topics create` \
                 makes it)"
                    .to_owned(),
            ),
            (IdState::Missing(_) | IdState::GivenUp(_), None) => (
                TroubleKind::SchemaNotFound,
                format!("the registry says that it has {}", lookups.lacking(id)),
                if self.leases.holds(partition) {
                    format!(
                        "register it, if it should be there; after {} s (--registry-patience) the \
                         record goes to quarantine",
                        patience.as_secs()
                    )
                } else {
                    "register it, if it should be there, or give this node the --registry of the \
                     others: the one that holds the partition's lease decides, and it may have the \
                     schema"
                        .to_owned()
                },
            ),
        };
        let progress = self.consumer.context().progress();
        for other in WAITING_FOR.into_iter().filter(|other| *other != kind) {
            progress.end_trouble(partition, other);
        }
        progress.begin_trouble(partition, Trouble { kind, offset, reason, cure });
    }

    pub(super) fn end_trouble(&self, partition: u32) {
        let progress = self.consumer.context().progress();
        for kind in WAITING_FOR {
            progress.end_trouble(partition, kind);
        }
    }

    /// Reads no more of a partition for now; says whether the client has taken it.
    fn pause(&self, partition: u32) -> bool {
        let paused = self.consumer.pause(&self.only(partition));
        if let Err(error) = &paused {
            tracing::debug!(partition, %error, "a partition that waits is not paused");
        }
        paused.is_ok()
    }

    /// Reads a partition on from where we stand. A client that has handed over an end in the same batch
    /// as what the partition waits for takes itself to stand one record behind that end.
    pub(super) fn resume(&self, partition: u32) {
        let next = Offset::Offset(self.positions.next(partition));
        let told = self.consumer.seek(&self.topic, partition as i32, next, Duration::ZERO);
        if let Err(error) = told.and_then(|()| self.consumer.resume(&self.only(partition))) {
            tracing::debug!(partition, %error, "a partition is not read on");
        }
    }

    fn only(&self, partition: u32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition as i32);
        list
    }
}

/// That the registry has no schema of the record at an origin, as it is written down.
fn verdict(
    origin: Origin,
    reason: String,
    node: &str,
    origin_topic_id: Option<String>,
) -> QuarantineDecision {
    QuarantineDecision {
        decision_id: DecisionId(uuid::Uuid::now_v7().into_bytes()),
        origin_partition: origin.partition,
        origin_offset: origin.offset,
        decision: Decision::UnknownSchema,
        event_id: None,
        released_partition: None,
        released_offset: None,
        decided_by: node.to_owned(),
        reason,
        decided_at: TimestampMs(now_ms()),
        origin_topic_id,
    }
}
