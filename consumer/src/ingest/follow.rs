//! The topics that every node reads for itself: each is followed from its first record on.

pub mod decisions;
pub mod figures;
pub mod reference;
pub mod statuses;

use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::learning::{NotKnown, WAITING_FOR};
use laju_kafka::read::{Tail, TailRecord, Tailed, TopicReadError};

use super::error::WorkerError;
use super::stop::Stop;
use super::troubles::Troubles;

/// How long the brokers may take to say how far a topic goes.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a registry that did not answer is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing may come before it is looked at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long what has changed waits for more that comes at once.
const PUBLISH_WAIT: Duration = Duration::from_millis(5);
/// How long it waits at most, while more is coming all the time.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// Follows a topic until asked to stop: gives each record to `each`, and calls `publish` once the
/// end seen at the start has been reached and then after news, but not for every record of many.
/// Brokers that are away are waited for; a partition that stands still is among the `troubles`.
fn follow<S>(
    connection: &Connection,
    topic: &str,
    troubles: &Troubles,
    stop: &Stop,
    state: &mut S,
    mut each: impl FnMut(&mut S, &TailRecord<'_>),
    mut publish: impl FnMut(&S),
) -> Result<(), WorkerError> {
    let failed = |error: TopicReadError| {
        if let TopicReadError::Trouble(troubled) = &error {
            troubles.begin(topic, troubled.partition, troubled.trouble.clone());
        }
        WorkerError::from(error)
    };
    let mut tail = Tail::open(connection, topic, OPEN_TIMEOUT).map_err(failed)?;
    let partitions = tail.next_offsets().count() as u32;
    let (mut caught_up, mut changed) = (false, false);
    let mut published = Instant::now();
    while !stop.is_stopped() {
        let wait = if changed { PUBLISH_WAIT } else { POLL_TIMEOUT };
        let news = tail.poll(wait, |tailed| match tailed {
            Tailed::Record(record) => {
                let next_offset = record.offset() + 1;
                troubles.passed(topic, record.partition() as u32, next_offset);
                each(state, &record);
                changed = true;
            }
            Tailed::CaughtUp => {
                (0..partitions).for_each(|partition| troubles.forget(topic, partition));
                caught_up = true;
                changed = true;
            }
        });
        let news = news.map_err(failed)?;
        if caught_up && changed && (!news || published.elapsed() >= PUBLISH_EVERY) {
            publish(state);
            changed = false;
            published = Instant::now();
        }
    }
    Ok(())
}

/// What `attempt` makes of a record of a topic, as soon as it is known which schema the record has;
/// none if asked to stop before. Why it waits is among the `troubles`, and told to `say` each time.
fn when_known<T>(
    (topic, record): (&str, &TailRecord<'_>),
    troubles: &Troubles,
    stop: &Stop,
    mut attempt: impl FnMut() -> Result<T, NotKnown>,
    say: impl Fn(&NotKnown),
) -> Option<T> {
    let partition = record.partition() as u32;
    while !stop.is_stopped() {
        match attempt() {
            Ok(known) => {
                if troubles.any() {
                    WAITING_FOR.into_iter().for_each(|kind| troubles.end(topic, partition, kind));
                }
                return Some(known);
            }
            Err(error) => {
                troubles.begin(topic, partition, error.trouble(record.offset()));
                say(&error);
                stop.wait(RETRY_INTERVAL);
            }
        }
    }
    None
}
