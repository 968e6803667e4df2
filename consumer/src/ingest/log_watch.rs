//! Whether the log is still the one that the store was made of: by the topic's own id, and by how
//! many partitions it has.
//!
//! A commit is final only once the leaders of the log have said so *after* its last record was
//! polled. A broker that serves records of a topic made again knows its new id before it does, so
//! that nothing of another log is ever committed: what was polled of it dies with the worker.
//! Between commits a thread asks every two seconds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use laju_kafka::connection::{BrokerEvents, Connection};
use laju_kafka::topic_id::{Questions, asking, leaders};
use laju_kafka::trouble::TroubleKind;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::error::WorkerError;
use super::progress::Progress;
use super::stop::Stop;
use crate::projection::store::Log;

/// How long a question may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is looked while nothing is committed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a worker that is about to end is not ready before it does.
const DRAIN: Duration = Duration::from_secs(3);
/// How long a question that was not answered is left alone.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What a look has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every leader says that it is the same log.
    Same,
    /// Not every leader said anything: why not.
    NoAnswer(String),
}

/// Asks the leaders of a log which topic it is.
pub struct LogWatch {
    log: Log,
    asking: Mutex<Asking>,
}

struct Asking {
    questions: Questions,
    /// The leaders of partitions, as far as is known.
    leaders: BTreeSet<i32>,
}

impl LogWatch {
    /// Watches a log.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn open(connection: &Connection, log: Log) -> Result<Self, WorkerError> {
        let questions = Questions::new(asking(connection)?);
        let asking = Mutex::new(Asking { questions, leaders: BTreeSet::new() });
        Ok(Self { log, asking })
    }

    /// Asks every leader, and waits for the answers for seconds at most.
    ///
    /// # Errors
    /// If it is another topic now, or has more partitions than it had.
    pub fn look(&self) -> Result<Look, WorkerError> {
        let topic = &self.log.topic;
        let (answers, failed) =
            self.asking.lock().unwrap_or_else(PoisonError::into_inner).round(topic);
        for (id, _) in &answers {
            if let (Some(was), Some(is)) = (&self.log.topic_id, id)
                && was != is
            {
                let (topic, was, is) = (topic.clone(), was.clone(), is.clone());
                return Err(WorkerError::AnotherTopic { topic, was, is });
            }
        }
        let partitions = answers.iter().map(|(_, partitions)| *partitions).max().unwrap_or(0);
        if partitions > self.log.partitions {
            return Err(WorkerError::MorePartitions {
                topic: topic.clone(),
                partitions: self.log.partitions,
                now: partitions,
            });
        }
        Ok(failed.map_or(Look::Same, Look::NoAnswer))
    }

    /// Waits until every leader has said, from now on, that it is the same log; false if that
    /// cannot be had and the worker is to stop.
    ///
    /// # Errors
    /// If it is another topic now, or has more partitions than it had.
    pub(super) fn confirm(&self, progress: &Progress, stop: &Stop) -> Result<bool, WorkerError> {
        if self.log.topic_id.is_none() {
            // Brokers without ids: there is nothing to ask for.
            return Ok(true);
        }
        let begun = Instant::now();
        let mut warned = false;
        loop {
            let look = self.look().map_err(|error| self.not_ready(error, progress, stop))?;
            let Look::NoAnswer(reason) = look else {
                if warned {
                    for (number, _) in (0..).zip(&progress.partitions) {
                        progress.end_trouble(number, TroubleKind::NotConfirmed);
                    }
                }
                return Ok(true);
            };
            if stop.is_stopped() {
                tracing::warn!(
                    reason,
                    "what was folded last is not committed, as the brokers do not say that the log \
                     is still the same: the next start folds it again"
                );
                return Ok(false);
            }
            if !warned && begun.elapsed() >= REQUEST_TIMEOUT {
                warned = true;
                tracing::warn!(
                    reason,
                    "waiting for the brokers to say that the log is still the same: nothing is \
                     committed meanwhile"
                );
            }
            if warned {
                self.not_confirmed(progress);
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Says by the trouble of every partition that nothing of it is committed.
    fn not_confirmed(&self, progress: &Progress) {
        let reason = "not every broker that leads a partition of the topic says that the log is \
                      still the same: nothing is committed meanwhile";
        let cure = "see to it that this machine reaches all of them, at the addresses that they \
                    advertise (advertised.listeners); it goes on by itself then";
        progress.begin_trouble_everywhere(TroubleKind::NotConfirmed, reason, cure);
    }

    /// Looks now and then until the worker stops, and stops it if it is another log.
    pub(super) fn run(&self, progress: &Progress, stop: &Stop) {
        while !stop.is_stopped() {
            if let Err(error) = self.look() {
                return stop.fail(self.not_ready(error, progress, stop));
            }
            stop.wait(LOOK_EVERY);
        }
    }

    /// Says by every partition's trouble why the worker is about to end, and gives a balancer
    /// a moment to leave it alone. Nothing is committed meanwhile.
    fn not_ready(&self, error: WorkerError, progress: &Progress, stop: &Stop) -> WorkerError {
        let (kind, cure) = match &error {
            WorkerError::AnotherTopic { .. } => (
                TroubleKind::AnotherLog,
                "use --rebuild if the new one is to be counted, else another --store",
            ),
            WorkerError::MorePartitions { .. } => (
                TroubleKind::PartitionsAdded,
                "make a new topic with as many partitions as are wanted, and copy the events into \
                 that one with `laju replay --to-topic`",
            ),
            _ => return error,
        };
        progress.begin_trouble_everywhere(kind, &error.to_string(), cure);
        stop.wait(DRAIN);
        error
    }

    /// That the log still has its first record in every partition: a fold from nothing without it
    /// would give wrong figures.
    ///
    /// # Errors
    /// If it has not, or the brokers do not say within `timeout`.
    pub fn require_whole(&self, timeout: Duration) -> Result<(), WorkerError> {
        let asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + timeout;
        for partition in 0..self.log.partitions {
            let client = asking.questions.client();
            let low = first_offset(client, &self.log.topic, partition, deadline)?;
            if low > 0 {
                let topic = self.log.topic.clone();
                return Err(WorkerError::LogCut { topic, partition, low, wanted: 0 });
            }
        }
        Ok(())
    }
}

/// A partition's first offset. A leader that was just elected is waited for.
fn first_offset(
    client: &Arc<BaseConsumer<BrokerEvents>>,
    topic: &str,
    partition: u32,
    deadline: Instant,
) -> Result<i64, WorkerError> {
    loop {
        match client.fetch_watermarks(topic, partition as i32, REQUEST_TIMEOUT) {
            Ok((low, _)) => return Ok(low),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(RETRY_INTERVAL),
        }
    }
}

impl Asking {
    /// Asks every leader once, and every broker said to lead as well: ids and numbers of partitions,
    /// and why not everybody has answered, if not.
    fn round(&mut self, topic: &str) -> (Vec<(Option<String>, u32)>, Option<String>) {
        // What comes late is no answer to what is asked now.
        self.questions.begin_round();
        // The client's errors are of no use here, but have to be taken.
        while self.questions.client().poll(Duration::ZERO).is_some() {}
        if self.leaders.is_empty() {
            match leaders(self.questions.client(), topic, REQUEST_TIMEOUT) {
                Ok(leaders) if leaders.is_empty() => {
                    return (Vec::new(), Some("no broker leads a partition of it".to_owned()));
                }
                Ok(leaders) => self.leaders = leaders,
                Err(reason) => return (Vec::new(), Some(reason)),
            }
        }
        let mut asked = BTreeSet::new();
        let mut to_ask = self.leaders.clone();
        let (mut answers, mut failed, mut named) = (Vec::new(), None, BTreeSet::new());
        while !to_ask.is_empty() {
            for &broker in &to_ask {
                self.questions.ask(broker, topic, REQUEST_TIMEOUT);
            }
            // Every question has an answer, if only that its time is over.
            for _ in 0..to_ask.len() {
                match self.questions.answer(REQUEST_TIMEOUT * 2) {
                    Some(Ok(described)) => {
                        named.extend(described.leaders);
                        answers.push((described.id, described.partitions));
                    }
                    Some(Err(reason)) => failed = Some(reason),
                    None => failed = Some("no answer".to_owned()),
                }
            }
            asked.append(&mut to_ask);
            to_ask = named.difference(&asked).copied().collect();
        }
        // Who did not answer may lead no more: the next round begins with whom the others name. Only if
        // nobody answered it begins with metadata, which may be asked of one that hangs.
        self.leaders = named;
        (answers, failed)
    }
}

#[cfg(test)]
mod tests {
    use laju_kafka::embedded::EmbeddedBroker;
    use laju_schemas::topic::EVENTS;

    use super::*;
    use laju_kafka::topic_id::topic_id;

    fn log(broker: &EmbeddedBroker, partitions: u32) -> Log {
        let connection = broker.connection();
        Log {
            cluster_id: "any".to_owned(),
            topic: EVENTS.name.to_owned(),
            topic_id: topic_id(&connection, EVENTS.name, Duration::from_secs(10)).unwrap(),
            partitions,
            fold_version: "any".to_owned(),
        }
    }

    fn progress() -> Progress {
        Progress::new(EVENTS.name, 3)
    }

    #[test]
    fn the_same_log_is_confirmed_and_another_is_named_with_both_ids() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let log = log(&broker, 3);
        let watch = LogWatch::open(&broker.connection(), log.clone()).unwrap();
        assert_eq!(watch.look().unwrap(), Look::Same);
        assert!(watch.confirm(&progress(), &Stop::default()).unwrap());
        let was = "another".to_owned();
        let other = Log { topic_id: Some(was.clone()), ..log.clone() };
        let watch = LogWatch::open(&broker.connection(), other).unwrap();
        let error = watch.confirm(&progress(), &Stop::default()).unwrap_err();
        let is = log.topic_id.unwrap();
        assert!(matches!(&error, WorkerError::AnotherTopic { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&was) && text.contains(&is), "{text}");
    }

    #[test]
    fn partitions_that_were_added_are_named_with_their_number() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let watch = LogWatch::open(&broker.connection(), log(&broker, 2)).unwrap();
        let error = watch.look().unwrap_err().to_string();
        assert!(error.contains('2') && error.contains('3') && error.contains("keys"), "{error}");
    }

    #[test]
    fn without_brokers_nothing_is_confirmed_and_who_stops_does_not_wait() {
        let broker = EmbeddedBroker::start(1).unwrap();
        let log = log(&broker, 1);
        let watch = LogWatch::open(&broker.connection(), log).unwrap();
        assert_eq!(watch.look().unwrap(), Look::Same);
        broker.go_away().unwrap();
        assert!(matches!(watch.look().unwrap(), Look::NoAnswer(_)));
        let stop = Stop::default();
        stop.stop();
        assert!(!watch.confirm(&progress(), &stop).unwrap());
        broker.come_back().unwrap();
        assert!(watch.confirm(&progress(), &Stop::default()).unwrap());
    }

    #[test]
    fn a_leader_that_says_nothing_is_a_trouble_of_every_partition_until_it_does() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let watch = LogWatch::open(&broker.connection(), log(&broker, 3)).unwrap();
        assert_eq!(watch.look().unwrap(), Look::Same);
        let progress = progress();
        broker.go_away().unwrap();
        std::thread::scope(|threads| {
            let confirmed = threads.spawn(|| watch.confirm(&progress, &Stop::default()).unwrap());
            let deadline = Instant::now() + Duration::from_secs(60);
            while !progress.troubles.any() {
                assert!(Instant::now() < deadline, "it does not say so");
                std::thread::sleep(RETRY_INTERVAL);
            }
            let troubles = progress.troubles.all();
            let said = troubles.iter().map(|t| (t.partition, t.trouble.kind));
            let expected = [0, 1, 2].map(|partition| (partition, TroubleKind::NotConfirmed));
            assert_eq!(said.collect::<Vec<_>>(), expected);
            broker.come_back().unwrap();
            assert!(confirmed.join().unwrap());
        });
        assert!(!progress.troubles.any());
    }

    #[test]
    fn an_answer_that_comes_late_is_none_of_the_next_rounds() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let log = log(&broker, 3);
        let watch = LogWatch::open(&broker.connection(), log).unwrap();
        let asking = watch.asking.lock().unwrap();
        asking.questions.ask(1, EVENTS.name, REQUEST_TIMEOUT);
        // Its answer comes, and nobody takes it.
        std::thread::sleep(Duration::from_millis(500));
        asking.questions.begin_round();
        assert_eq!(asking.questions.answer(Duration::from_millis(100)), None);
        asking.questions.ask(1, EVENTS.name, REQUEST_TIMEOUT);
        assert!(asking.questions.answer(REQUEST_TIMEOUT).unwrap().is_ok());
    }
}
