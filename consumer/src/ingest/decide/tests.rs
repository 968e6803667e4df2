use laju_kafka::embedded::EmbeddedBroker;
use laju_kafka::read::TopicReadError;
use laju_schemas::DecisionId;
use laju_schemas::SubjectId;
use laju_schemas::quarantine::{
    HEADER_DECIDED_BY, HEADER_DECISION_ID, HEADER_RELEASED_ORIGIN, Origin,
};

use super::*;
use crate::domain::decisions::tests::decided;

fn release(origin: (u32, i64), id: u8) -> QuarantineDecision {
    let decision = decided(origin, Decision::Released, None);
    QuarantineDecision { decision_id: DecisionId([id; 16]), ..decision }
}

#[test]
fn what_is_decided_stands_on_the_topic_with_the_place_of_each_event_sent_again() {
    let broker = EmbeddedBroker::start(3).unwrap();
    let decider = Decider::open(&broker.connection()).unwrap();
    assert_eq!(decider.partitions(), 3);
    assert!(decider.decided().unwrap().all().is_empty());
    let headers = vec![
        ("trace".to_owned(), Some(b"a".to_vec())),
        ("laju-reason".to_owned(), Some(b"b".to_vec())),
        ("original-laju-reason".to_owned(), None),
    ];
    let subjects: Vec<_> = (0..7_u8).map(|number| SubjectId([number; 16])).collect();
    let orders: Vec<_> = subjects
        .iter()
        .zip(1..)
        .map(|(subject, id)| {
            let republish = Republish { subject: *subject, value: b"bytes", headers: &headers };
            Order { decision: release((0, id.into()), id), republish: Some(republish) }
        })
        .chain([Order { decision: decided((0, 90), Decision::Discarded, None), republish: None }])
        .collect();
    let decisions = decider.commit(&orders).unwrap();
    for (decision, subject) in decisions.iter().zip(&subjects) {
        let partition = partition_for(&subject.0, 3);
        assert_eq!(decision.released().unwrap().partition, partition);
    }
    assert_eq!(decisions[7].released(), None);
    let book = decider.decided().unwrap();
    assert!(book.all().iter().map(|kept| &**kept).eq(&decisions));

    let mut read = Vec::new();
    let mut tail = Tail::open(&broker.connection(), EVENTS.name, TIMEOUT).unwrap();
    tail.read_to_end(READ_TIMEOUT, |record| {
        let place = Origin { partition: record.partition() as u32, offset: record.offset() };
        let key = record.key().unwrap().to_vec();
        assert_eq!(record.value(), Some(&b"bytes"[..]));
        let texts = record
            .headers()
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8(value.unwrap_or_default()).unwrap()));
        read.push((place, key, texts.collect::<Vec<_>>()));
        Ok::<_, TopicReadError>(())
    })
    .unwrap();
    assert_eq!(read.len(), 7);
    for (place, key, headers) in read {
        let decision = decisions.iter().find(|d| d.released() == Some(place)).unwrap();
        let number = decision.origin_offset as usize - 1;
        assert_eq!(key, subjects[number].0);
        let expected = [
            ("trace", "a".to_owned()),
            ("original-laju-reason", String::new()),
            (HEADER_RELEASED_ORIGIN, decision.origin().to_string()),
            (HEADER_DECISION_ID, decision.decision_id.to_string()),
            (HEADER_DECIDED_BY, "Sri Rahayu".to_owned()),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value)));
    }
    // The same producer goes on with another transaction.
    let again = Order { decision: decided((1, 1), Decision::Discarded, None), republish: None };
    decider.commit(&[again]).unwrap();
    assert_eq!(decider.decided().unwrap().all().len(), 9);
}

#[test]
fn an_event_that_the_topic_would_not_take_is_known_beforehand() {
    let headers = Vec::new();
    let limit = EVENTS.max_message_bytes as usize;
    let too_large = |bytes: usize| {
        let value = vec![0; bytes];
        let republish = Republish { subject: SubjectId([1; 16]), value: &value, headers: &headers };
        Order { decision: release((0, 1), 1), republish: Some(republish) }.is_too_large()
    };
    assert_eq!([limit - 1_000, limit - 100, limit].map(too_large), [false, true, true]);
}

#[test]
fn topics_that_are_not_there_are_named() {
    let broker = EmbeddedBroker::without_topics().unwrap();
    let error = Decider::open(&broker.connection()).err().unwrap().to_string();
    assert!(error.contains(QUARANTINE.name) && error.contains("laju topics create"), "{error}");
    broker.create_topic(&QUARANTINE, 1).unwrap();
    broker.create_topic(&laju_schemas::topic::Topic { partitioned: true, ..DECISIONS }, 2).unwrap();
    let error = check_topics(&broker.connection()).unwrap_err();
    assert!(matches!(error, DecideError::SeveralPartitions { partitions: 2, .. }), "{error}");
}

#[test]
fn what_the_user_may_not_is_said_as_it_is_and_what_was_begun_is_taken_back() {
    use rdkafka::types::{RDKafkaApiKey as Requests, RDKafkaRespErr as Code};
    let broker = EmbeddedBroker::start(3).unwrap();
    let decider = Decider::open(&broker.connection()).unwrap();
    let headers = Vec::new();
    let orders: Vec<_> = (0..9)
        .map(|number| {
            let subject = SubjectId([number; 16]);
            let republish = Republish { subject, value: b"bytes", headers: &headers };
            Order { decision: release((0, number.into()), number), republish: Some(republish) }
        })
        .collect();
    let denied = Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.answer_with(Requests::AddPartitionsToTxn, &[denied]).unwrap();
    let error = decider.commit(&orders).unwrap_err();
    assert!(
        matches!(error, DecideError::Forbidden(what) if what.contains("events topic")),
        "{error:?}"
    );
    assert!(!error.to_string().contains("tart again"), "{error}");
    // Another reason is reported once, with what to do.
    broker.answer_with(Requests::Produce, &[Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]).unwrap();
    let error = decider.commit(&orders).unwrap_err();
    assert!(matches!(error, DecideError::Aborted(_)), "{error:?}");
    assert_eq!(error.to_string().matches("tart again").count(), 1, "{error}");
    assert!(decider.decided().unwrap().all().is_empty());
}
