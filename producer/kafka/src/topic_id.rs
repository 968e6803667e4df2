//! Which topic it is: a topic has an id of its own (Kafka 2.8, KIP-516), so that one that was
//! deleted and made again under its name is another topic. librdkafka fetches by that id, but takes
//! the new one in silence when metadata say so, and goes on at the same offset of the other log.
//!
//! rdkafka does not have this request, so librdkafka's own is wrapped here. It is a request for
//! metadata, small and answered by any broker from memory, and needs no right beyond that to
//! describe the topic, which every reader of it has.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_void};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::bindings as sys;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::connection::{BrokerEvents, Connection, ConnectionError};

/// How long one question may take before it is asked again.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// A topic's own id as Kafka's tools write it, 22 letters, digits, `-` and `_`; none for zero, which
/// brokers without ids answer.
fn written(most: i64, least: i64) -> Option<String> {
    let bytes = [most.to_be_bytes(), least.to_be_bytes()].concat();
    ((most, least) != (0, 0)).then(|| URL_SAFE_NO_PAD.encode(bytes))
}

/// What a broker says of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The broker that says so.
    pub broker: i32,
    /// The topic's id; none from brokers that have none.
    pub id: Option<String>,
    /// How many partitions it has.
    pub partitions: u32,
    /// The brokers that lead them.
    pub leaders: BTreeSet<i32>,
}

/// What came of a question.
pub type Answer = Result<Described, String>;

/// Asks brokers about topics through a client, and keeps the answers until they are taken.
pub struct Questions {
    client: Arc<BaseConsumer<BrokerEvents>>,
    queue: *mut sys::rd_kafka_queue_t,
    /// Counts rounds of questions: see [`Questions::begin_round`].
    round: Cell<u32>,
}

#[allow(unsafe_code, reason = "the safe interface does not have this request")]
// SAFETY: librdkafka's queues may be used by any thread.
unsafe impl Send for Questions {}

#[allow(unsafe_code, reason = "the safe interface does not have this request")]
impl Questions {
    /// Through a client, which goes on with whatever else it does.
    #[must_use]
    pub fn new(client: Arc<BaseConsumer<BrokerEvents>>) -> Self {
        // SAFETY: the client lives as long as `self`, which destroys the queue before it.
        let queue = unsafe { sys::rd_kafka_queue_new(client.client().native_ptr()) };
        Self { client, queue, round: Cell::new(0) }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Arc<BaseConsumer<BrokerEvents>> {
        &self.client
    }

    /// Answers to what was asked before are passed over from here on: they say how it was then.
    pub fn begin_round(&self) {
        self.round.set(self.round.get().wrapping_add(1));
    }

    /// What a question of this round bears, and its answer as well: the round and the broker.
    fn mark(&self, broker: i32) -> usize {
        (u64::from(self.round.get()) << 32 | u64::from(broker as u32)) as usize
    }

    /// Asks a broker about a topic. The answer is for [`Questions::answer`], a failure too.
    pub fn ask(&self, broker: i32, topic: &str, timeout: Duration) {
        let Ok(name) = CString::new(topic) else { return };
        let mut names = [name.as_ptr()];
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
        // The answer says which broker it is of by what it was asked with.
        let broker_as_opaque = std::ptr::without_provenance_mut::<c_void>(self.mark(broker));
        let client = self.client.client().native_ptr();
        let mut words = [0; 256];
        // SAFETY: every handle is made here and destroyed here, librdkafka copies what it needs of
        // the names and options during the call; setting an option that is out of its range only
        // leaves it as it is.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(
                client,
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            );
            let (out, size) = (words.as_mut_ptr(), words.len());
            sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout, out, size);
            sys::rd_kafka_AdminOptions_set_broker(options, broker, out, size);
            sys::rd_kafka_AdminOptions_set_opaque(options, broker_as_opaque);
            let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            sys::rd_kafka_DescribeTopics(client, topics, options, self.queue);
            sys::rd_kafka_TopicCollection_destroy(topics);
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    }

    /// The next answer, waiting for it no longer than so; none if there is none yet.
    #[must_use]
    pub fn answer(&self, wait: Duration) -> Option<Answer> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: the event is destroyed after everything borrowed from it has been copied.
            unsafe {
                let event = sys::rd_kafka_queue_poll(self.queue, left);
                if event.is_null() {
                    return None;
                }
                let mark = sys::rd_kafka_event_opaque(event).addr();
                let answer = read(event);
                sys::rd_kafka_event_destroy(event);
                if mark == self.mark(mark as u32 as i32) {
                    return Some(answer);
                }
            }
        }
    }
}

impl Drop for Questions {
    #[allow(unsafe_code, reason = "the safe interface does not have this request")]
    fn drop(&mut self) {
        // SAFETY: the queue is ours, and destroyed once; the client is dropped after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) }
    }
}

/// # Safety
/// `event` is one of librdkafka's that has not been destroyed.
#[allow(unsafe_code, reason = "the safe interface does not have this request")]
unsafe fn read(event: *mut sys::rd_kafka_event_t) -> Answer {
    // SAFETY: all of this belongs to the event and lives as long; texts end with zero, arrays are
    // as long as is said beside them.
    unsafe {
        if sys::rd_kafka_event_error(event) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return Err(text(sys::rd_kafka_event_error_string(event)));
        }
        let broker = sys::rd_kafka_event_opaque(event).addr() as u32 as i32;
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        if result.is_null() {
            return Err("an answer to another question".to_owned());
        }
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 || topics.is_null() {
            return Err("an answer about no topic".to_owned());
        }
        let topic = *topics;
        let error = sys::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            return Err(text(sys::rd_kafka_error_string(error)));
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = written(
            sys::rd_kafka_Uuid_most_significant_bits(id),
            sys::rd_kafka_Uuid_least_significant_bits(id),
        );
        let mut count = 0;
        let partitions = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let mut leaders = BTreeSet::new();
        for index in 0..count {
            let leader = sys::rd_kafka_TopicPartitionInfo_leader(*partitions.add(index));
            if !leader.is_null() {
                leaders.insert(sys::rd_kafka_Node_id(leader));
            }
        }
        let partitions = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Described { broker, id, partitions, leaders })
    }
}

/// # Safety
/// `text` is null or a text that ends with zero.
#[allow(unsafe_code, reason = "the safe interface does not have this request")]
unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The brokers that lead a topic's partitions, as a client's metadata say; none if there is no such
/// topic.
///
/// # Errors
/// What the client says where no broker answers.
pub fn leaders(
    client: &BaseConsumer<BrokerEvents>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeSet<i32>, String> {
    // Asked for by name, some brokers would make it.
    let metadata = client.fetch_metadata(None, timeout).map_err(|error| error.to_string())?;
    let known = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
    let leaders = known.into_iter().flat_map(|topic| topic.partitions());
    Ok(leaders.map(rdkafka::metadata::MetadataPartition::leader).filter(|id| *id >= 0).collect())
}

/// After how long without an answer a connection is given up.
const HANGS_AFTER_MS: &str = "5000";

/// A client that asks and reads nothing.
///
/// # Errors
/// If the connection's options are wrong.
pub fn asking(connection: &Connection) -> Result<Arc<BaseConsumer<BrokerEvents>>, ConnectionError> {
    let mut config = connection.client_config()?;
    // Small questions, each waited for.
    config.set("socket.nagle.disable", "true").set("enable.auto.commit", "false");
    if config.get("socket.timeout.ms").is_none() {
        // A broker that hangs would be asked for a minute, although others answer.
        config.set("socket.timeout.ms", HANGS_AFTER_MS);
    }
    let client = BaseConsumer::from_config_and_context(&config, BrokerEvents::quiet());
    Ok(Arc::new(client.map_err(|error| ConnectionError::refused(&error))?))
}

/// The id of a topic (by its full name); none on brokers that have none, or if there is no such
/// topic.
///
/// # Errors
/// If the connection's options are wrong, or the brokers do not say within `timeout`.
pub fn topic_id(
    connection: &Connection,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, ConnectionError> {
    let questions = Questions::new(asking(connection)?);
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut reason = "no broker leads a partition".to_owned();
    while !left().is_zero() {
        match leaders(questions.client(), topic, left().min(REQUEST_TIMEOUT)) {
            Ok(leaders) => {
                if let Some(&leader) = leaders.first() {
                    questions.ask(leader, topic, left().min(REQUEST_TIMEOUT));
                    match questions.answer(left().min(REQUEST_TIMEOUT)) {
                        Some(Ok(described)) => return Ok(described.id),
                        Some(Err(why)) => reason = why,
                        None => "no broker answers".clone_into(&mut reason),
                    }
                }
            }
            Err(why) => reason = why,
        }
        std::thread::sleep(Duration::from_millis(50).min(left()));
    }
    let brokers = connection.brokers.clone();
    let reason = format!("which topic {topic} is was not said: {reason}");
    Err(ConnectionError::Unreachable { brokers, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::EmbeddedBroker;
    use laju_schemas::topic::{EVENTS, REFERENCE};

    #[test]
    fn an_id_is_written_as_kafkas_tools_write_it_and_zero_is_none() {
        assert_eq!(written(0, 0), None);
        let id = written(0x0102_0304_0506_0708, -1).unwrap();
        assert_eq!(id, "AQIDBAUGBwj__________w");
    }

    #[test]
    fn a_topic_keeps_its_id_and_another_has_another() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let ask = |topic: &str| {
            topic_id(&broker.connection(), topic, Duration::from_secs(10)).unwrap().unwrap()
        };
        assert_eq!(ask(EVENTS.name), ask(EVENTS.name));
        assert_ne!(ask(EVENTS.name), ask(REFERENCE.name));
        // The topic of that name is another on another broker.
        let other = EmbeddedBroker::start(3).unwrap();
        let id = topic_id(&other.connection(), EVENTS.name, Duration::from_secs(10)).unwrap();
        assert_ne!(id.unwrap(), ask(EVENTS.name));
    }

    #[test]
    fn the_partitions_and_leaders_are_told_and_a_topic_that_is_not_there_is_not_made() {
        let broker = EmbeddedBroker::start(3).unwrap();
        let questions = Questions::new(asking(&broker.connection()).unwrap());
        questions.ask(1, EVENTS.name, REQUEST_TIMEOUT);
        let described = questions.answer(REQUEST_TIMEOUT).unwrap().unwrap();
        assert_eq!((described.broker, described.partitions), (1, 3));
        assert_eq!(described.leaders, [1].into());
        questions.ask(1, "no.such.topic", REQUEST_TIMEOUT);
        assert!(questions.answer(REQUEST_TIMEOUT).unwrap().is_err());
        let cluster = broker.connection().check(Duration::from_secs(10)).unwrap();
        assert_eq!(cluster.partitions("no.such.topic"), None);
    }
}
