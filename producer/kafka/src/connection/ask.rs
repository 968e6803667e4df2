//! Questions to the brokers (where a partition ends, which topics there are), asked again while the
//! brokers are only for the moment not able to answer.
//!
//! While brokers are restarted one after the other, partitions are without a leader for seconds, a
//! new leader does not know its end yet, and a broker that has just come back does not know all
//! topics. librdkafka hands such answers on, as it does those that stay.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

/// For how long a question is asked again: a broker's restart is over by then.
pub const ASK_PATIENCE: Duration = Duration::from_secs(60);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// For how long the brokers may know nothing of a topic that is being read: one that has just come
/// back may not know it yet.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Whether an answer is one that time mends.
#[must_use]
pub fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::ReplicaNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::ListenerNotFound
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopicId
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            // The client gave up the connection that was to carry the question.
            | Code::BrokerDestroy
            | Code::DestroyBroker
            | Code::NetworkException
            | Code::Resolve
            | Code::RequestTimedOut
            | Code::OperationTimedOut
            | Code::KafkaStorageError
            | Code::NotController
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::WaitCache
            | Code::Retry
    )
}

/// Asks until there is an answer, for as long as `patience` at most: each attempt is given the time
/// that it may take. Answers that time does not mend are given back at once.
///
/// # Errors
/// The answer that time does not mend, or the last one when `patience` is over.
pub fn patiently<T>(
    patience: Duration,
    ask: impl FnMut(Duration) -> KafkaResult<T>,
) -> KafkaResult<T> {
    with_pauses(patience, RETRY_INTERVAL, ask)
}

fn with_pauses<T>(
    patience: Duration,
    pause: Duration,
    mut ask: impl FnMut(Duration) -> KafkaResult<T>,
) -> KafkaResult<T> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match ask(left.clamp(Duration::from_millis(1), ATTEMPT)) {
            Err(error) if error.rdkafka_error_code().is_some_and(is_passing) => error,
            answer => return answer,
        };
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::debug!(%error, "the brokers cannot answer for the moment; asking again");
        std::thread::sleep(pause);
    }
}

/// The first error among the parts of an answer, as that of the whole.
///
/// # Errors
/// That error.
pub fn whole<T>(answer: T, mut errors: impl Iterator<Item = KafkaResult<()>>) -> KafkaResult<T> {
    errors.find_map(Result::err).map_or(Ok(answer), Err)
}

/// How many partitions the topic (by its full name) has, asked once; `None` if it has none, or there is
/// no such topic.
///
/// # Errors
/// What the brokers say instead.
pub(crate) fn partitions_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<u32>> {
    // Asked for by name, some brokers would make it.
    let metadata = consumer.fetch_metadata(None, timeout)?;
    let Some(found) = metadata.topics().iter().find(|known| known.name() == topic) else {
        return Ok(None);
    };
    match found.error() {
        Some(error) => Err(KafkaError::MetadataFetch(error.into())),
        None => Ok(u32::try_from(found.partitions().len()).ok().filter(|count| *count > 0)),
    }
}

/// Whether the brokers know the topic (by its full name), now or within a few seconds: asked when a
/// client that reads it says that it is not there. Where they do not answer at all it is not known to
/// be gone.
pub fn is_there<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> bool {
    let known = patiently(UNKNOWN_PATIENCE, |timeout| {
        partitions_of(consumer, topic, timeout)?
            .ok_or(KafkaError::MetadataFetch(Code::UnknownTopicOrPartition))
    });
    !matches!(
        known.map_err(|error| error.rdkafka_error_code()),
        Err(Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &[Result<u8, Code>], patience: Duration) -> (KafkaResult<u8>, usize) {
        let mut count = 0;
        let answer = with_pauses(patience, Duration::from_millis(1), |time| {
            assert!(time <= ATTEMPT);
            let answer = answers[count.min(answers.len() - 1)];
            count += 1;
            answer.map_err(KafkaError::MetadataFetch)
        });
        (answer, count)
    }

    #[test]
    fn what_passes_is_asked_again_and_what_stays_is_not() {
        let later = [
            Err(Code::LeaderNotAvailable),
            Err(Code::OffsetNotAvailable),
            Err(Code::DestroyBroker),
            Ok(7),
        ];
        let (answer, count) = asked(&later, ASK_PATIENCE);
        assert_eq!((answer.unwrap(), count), (7, 4));
        let (answer, count) = asked(&[Err(Code::TopicAuthorizationFailed), Ok(7)], ASK_PATIENCE);
        assert_eq!(answer.unwrap_err().rdkafka_error_code(), Some(Code::TopicAuthorizationFailed));
        assert_eq!(count, 1);
    }

    #[test]
    fn a_question_is_given_up_after_its_time() {
        let never = [Err(Code::UnknownTopicOrPartition)];
        let (answer, count) = asked(&never, Duration::from_millis(20));
        let code = answer.unwrap_err().rdkafka_error_code();
        assert_eq!(code, Some(Code::UnknownTopicOrPartition));
        assert!(count > 1);
    }
}
