//! Finds out which partition an error is of, that came in place of a record.
//!
//! rdkafka's errors do not say. So the partitions that come into question are read one after the
//! other by a client of its own, each from where it stands: the first thing that comes is a record
//! or the end, or the error again. It takes a fraction of a second, and errors are rare.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::fetch_error;
use crate::connection::BrokerEvents;
use crate::trouble::Trouble;

/// How long a partition may leave the question open.
pub const PATIENCE_OF_ONE: Duration = Duration::from_secs(3);
/// How long it may where nobody else waits for an answer.
pub const PATIENCE_ASIDE: Duration = Duration::from_secs(15);
/// How long all of them may.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call of the client may keep us from looking at the time.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// librdkafka assigns partitions only to clients that name a group. This one is never joined.
const GROUP: &str = "laju-probe";

/// What became of the question, partition by partition.
#[derive(Debug, Default)]
pub struct Probed {
    /// Those that stand still, and why.
    pub troubled: BTreeMap<u32, Trouble>,
    /// Those of which a record came, or which are at their end.
    pub sound: Vec<u32>,
    /// Those of which nothing came in time.
    pub open: Vec<u32>,
}

impl Probed {
    /// An error came, and no partition has it any more: whatever says nothing is what it was of, or
    /// the reader would begin again and again where it fails.
    pub fn blame_the_open(&mut self, at: &BTreeMap<u32, i64>) {
        if self.troubled.is_empty() {
            for partition in std::mem::take(&mut self.open) {
                let next = at.get(&partition).copied().unwrap_or_default();
                self.troubled.insert(partition, fetch_error::unanswered(next));
            }
        }
    }
}

/// Reads partitions of a topic (by its full name), each from an offset, as far as the first thing
/// that comes. Each may take `patience`; one of which nothing comes in time is neither sound nor
/// troubled. Where what was asked for is not there at all, it is for the reader to say what that
/// means: such a partition is sound. `config` is what the connection gives every client that reads.
///
/// # Errors
/// If the client cannot be made.
pub fn probe(
    config: &ClientConfig,
    topic: &str,
    at: &BTreeMap<u32, i64>,
    patience: Duration,
) -> KafkaResult<Probed> {
    let mut config = config.clone();
    config
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "100");
    // They are of a member of a group, and this is none.
    config.remove("group.instance.id").remove("statistics.interval.ms");
    let consumer: BaseConsumer<BrokerEvents> =
        BaseConsumer::from_config_and_context(&config, BrokerEvents::quiet())?;
    let mut probed = Probed::default();
    let deadline = Instant::now() + PROBE_TIMEOUT;
    for (&partition, &next) in at {
        let mut only = TopicPartitionList::new();
        only.add_partition_offset(topic, partition as i32, Offset::Offset(next))?;
        // What has come of the one before is dropped by this.
        consumer.assign(&only)?;
        let until = deadline.min(Instant::now() + patience);
        while Instant::now() < until {
            let is_sound = match consumer.poll(POLL_TIMEOUT) {
                None => false,
                Some(Ok(message)) => message.partition() == partition as i32,
                Some(Err(KafkaError::PartitionEOF(ended))) => ended == partition as i32,
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                ))) => true,
                Some(Err(error)) => {
                    let code = error.rdkafka_error_code();
                    if let Some(code) = code.filter(|code| fetch_error::is_of_records(*code)) {
                        // The error callback has just been called with it, on this thread.
                        let sentence = consumer.context().last_error().unwrap_or_default();
                        let trouble = fetch_error::trouble(code, &sentence, next);
                        probed.troubled.insert(partition, trouble);
                        break;
                    }
                    false
                }
            };
            if is_sound {
                probed.sound.push(partition);
                break;
            }
        }
    }
    let is_open = |p: &&u32| !probed.sound.contains(p) && !probed.troubled.contains_key(p);
    probed.open = at.keys().filter(is_open).copied().collect();
    Ok(probed)
}
