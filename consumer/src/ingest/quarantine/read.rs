//! Reads the quarantine topic: what could not be counted, one record per origin: the last copy, which
//! is of the latest rules that refused it.
//!
//! It judges nothing and decides nothing. Values may have megabytes: they are handed over record by
//! record, and it is for the caller to keep what is needed.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use laju_kafka::connection::Connection;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::read::headers::Headers;
use laju_kafka::read::{READ_TIMEOUT, Tail, TailRecord, Tailed, TopicReadError};
use laju_schemas::TimestampMs;
use laju_schemas::quarantine::{
    HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET, HEADER_PARTITION, HEADER_PREFIX,
    HEADER_REASON, HEADER_TIMESTAMP, HEADER_TOPIC, HEADER_TRUNCATED, Origin, Reason,
};
use laju_schemas::topic::{EVENTS, QUARANTINE};

/// A record that could not be counted, as the quarantine topic has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it stands on the events topic.
    pub origin: Origin,
    /// Its offset on the quarantine topic.
    pub offset: i64,
    /// When it came there.
    pub quarantined_at: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// What exactly was wrong.
    pub detail: String,
    /// Its own timestamp on the events topic.
    pub timestamp: TimestampMs,
    /// The rules that refused it.
    pub fold_version: String,
    /// Whether something of it was too large for the quarantine topic and is cut off.
    pub is_cut: bool,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its own headers. Those that began as ours do have `original-` before their names.
    pub headers: Headers,
}

/// What there was beside records of this installation's events topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Records read, of whatever kind.
    pub records: u64,
    /// Copies of records of which there is a later one.
    pub copies: u64,
    /// Records of another events topic, or of a partition that this one does not have.
    pub foreign: u64,
    /// The name of one of those topics.
    pub foreign_topic: Option<String>,
    /// Records that the worker did not put there: they do not say what they are.
    pub unknown: u64,
}

/// What a record of the quarantine topic is.
enum Kind {
    Ours(Box<Quarantined>),
    Foreign(String),
    Unknown,
}

/// Reads the quarantine topic from its first record to the end seen at the start, and hands over
/// each record of this connection's events topic, which has so many partitions: the last copy of
/// each origin. The topic is read twice, as only the end tells which copy is the last, and all of
/// them are more than can be kept. `progress` is given how many offsets are behind and how many there
/// are.
///
/// # Errors
/// If the topic cannot be read to its end.
pub fn read_quarantine(
    connection: &Connection,
    partitions: u32,
    mut progress: impl FnMut(u64, u64),
    mut each: impl FnMut(Quarantined),
) -> Result<Passed, TopicReadError> {
    let topic = connection.topic(&EVENTS);
    let events = (topic.as_str(), partitions);
    let mut passed = Passed::default();
    // Where the last copy of each stands.
    let mut last: HashMap<Origin, (i32, i64)> = HashMap::new();
    read(connection, |record, total| {
        passed.records += 1;
        progress(passed.records, total.saturating_mul(2));
        match kind(events, record, || (None, None)) {
            Kind::Ours(parsed) => {
                let place = (record.partition(), record.offset());
                let earlier = last.insert(parsed.origin, place);
                passed.copies += u64::from(earlier.is_some());
            }
            Kind::Foreign(topic) => {
                passed.foreign += 1;
                passed.foreign_topic.get_or_insert(topic);
            }
            Kind::Unknown => passed.unknown += 1,
        }
    })?;
    let mut again = 0;
    read(connection, |record, _| {
        again += 1;
        progress(passed.records.saturating_add(again), passed.records.saturating_mul(2));
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let bytes = || (owned(record.key()), owned(record.value()));
        let place = (record.partition(), record.offset());
        if let Kind::Ours(parsed) = kind(events, record, bytes)
            && last.get(&parsed.origin) == Some(&place)
        {
            each(*parsed);
        }
    })?;
    Ok(passed)
}

/// The origins of the records that the quarantine topic has, of an events topic with so many partitions,
/// as refused by the rules of a fold version. Where asked to stop it ends with those read so far.
///
/// # Errors
/// If the topic cannot be read to its end. Brokers that are away are waited for.
pub fn origins_in_quarantine(
    connection: &Connection,
    (partitions, fold_version): (u32, &str),
    stop: &AtomicBool,
    mut each: impl FnMut(Origin),
) -> Result<(), TopicReadError> {
    let topic = connection.topic(&EVENTS);
    let quarantine = connection.topic(&QUARANTINE);
    let mut tail = Tail::open(connection, &quarantine, ASK_PATIENCE)?;
    tail.follow(stop, |tailed| match tailed {
        Tailed::CaughtUp => ControlFlow::Break(()),
        Tailed::Record(record) => {
            if let Kind::Ours(parsed) = kind((&topic, partitions), &record, || (None, None))
                && parsed.fold_version == fold_version
            {
                each(parsed.origin);
            }
            ControlFlow::Continue(())
        }
    })
}

/// Every record, with how many offsets there are.
fn read(
    connection: &Connection,
    mut each: impl FnMut(&TailRecord<'_>, u64),
) -> Result<(), TopicReadError> {
    let topic = connection.topic(&QUARANTINE);
    let mut tail = Tail::open(connection, &topic, ASK_PATIENCE)?;
    let first: i64 = tail.next_offsets().sum();
    let end: i64 = tail.end_offsets().sum();
    let total = u64::try_from(end - first).unwrap_or(0);
    tail.read_to_end(READ_TIMEOUT, |record| {
        each(&record, total);
        Ok(())
    })
}

fn kind(
    events: (&str, u32),
    record: &TailRecord<'_>,
    bytes: impl FnOnce() -> (Option<Vec<u8>>, Option<Vec<u8>>),
) -> Kind {
    let place = (record.offset(), TimestampMs(record.timestamp_ms()));
    parse(events, record.headers(), place, bytes)
}

/// Sorts the worker's headers from the record's own, and reads them.
fn parse(
    (events, partitions): (&str, u32),
    headers: Headers,
    (offset, quarantined_at): (i64, TimestampMs),
    bytes: impl FnOnce() -> (Option<Vec<u8>>, Option<Vec<u8>>),
) -> Kind {
    let (ours, own): (Headers, Headers) =
        headers.into_iter().partition(|(name, _)| name.starts_with(HEADER_PREFIX));
    let text = |name: &str| {
        let (_, value) = ours.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value.as_deref().unwrap_or_default()).ok()
    };
    let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
    let Some(topic) = text(HEADER_TOPIC) else { return Kind::Unknown };
    if topic != events {
        return Kind::Foreign(topic.to_owned());
    }
    let place = text(HEADER_PARTITION).zip(text(HEADER_OFFSET));
    let origin = place.and_then(|(p, o)| format!("{p}/{o}").parse::<Origin>().ok());
    let (Some(origin), Some(reason)) = (origin, text(HEADER_REASON)) else { return Kind::Unknown };
    // Nobody put it there but somebody who may write to the topic and is not our worker: nothing that
    // counts with partitions or offsets shall see it.
    if origin.partition >= partitions || i32::try_from(origin.partition).is_err() {
        return Kind::Foreign(topic.to_owned());
    }
    let (key, value) = bytes();
    Kind::Ours(Box::new(Quarantined {
        origin,
        offset,
        quarantined_at,
        reason: Reason::from_symbol(reason).unwrap_or(Reason::Unknown),
        detail: text(HEADER_DETAIL).unwrap_or_default().to_owned(),
        timestamp: TimestampMs(number(HEADER_TIMESTAMP).unwrap_or(0)),
        fold_version: text(HEADER_FOLD_VERSION).unwrap_or_default().to_owned(),
        is_cut: text(HEADER_TRUNCATED).is_some(),
        key,
        value,
        headers: own,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> Headers {
        let header =
            |(name, value): &(&str, &str)| ((*name).to_owned(), Some(value.as_bytes().to_vec()));
        all.iter().map(header).collect()
    }

    fn kind_of(all: &[(&str, &str)]) -> Kind {
        let bytes = || (Some(b"key".to_vec()), None);
        parse(("ikd.events.v1", 4), headers(all), (9, TimestampMs(5)), bytes)
    }

    const WHOLE: [(&str, &str); 8] = [
        (HEADER_REASON, "wrong_key"),
        ("trace", "a"),
        (HEADER_DETAIL, "key: 3 bytes"),
        (HEADER_TOPIC, "ikd.events.v1"),
        (HEADER_PARTITION, "3"),
        (HEADER_OFFSET, "1042"),
        (HEADER_TIMESTAMP, "1720000000000"),
        ("original-laju-reason", "x"),
    ];

    #[test]
    fn what_the_worker_wrote_is_read_and_the_originals_own_headers_are_told_apart() {
        let Kind::Ours(record) = kind_of(&WHOLE) else { panic!("it is ours") };
        assert_eq!(record.origin, Origin { partition: 3, offset: 1_042 });
        assert_eq!((record.reason, record.offset, record.is_cut), (Reason::WrongKey, 9, false));
        assert_eq!(record.detail, "key: 3 bytes");
        assert_eq!(record.timestamp, TimestampMs(1_720_000_000_000));
        assert_eq!(record.headers, headers(&[("trace", "a"), ("original-laju-reason", "x")]));
        let cut = [&WHOLE[..], &[(HEADER_TRUNCATED, "true")]].concat();
        assert!(matches!(kind_of(&cut), Kind::Ours(record) if record.is_cut));
    }

    #[test]
    fn what_somebody_else_wrote_or_another_installation_is_told_apart() {
        let mut other = WHOLE;
        other[3].1 = "staging.ikd.events.v1";
        assert!(matches!(kind_of(&other), Kind::Foreign(topic) if topic.starts_with("staging")));
        for missing in [HEADER_TOPIC, HEADER_PARTITION, HEADER_OFFSET, HEADER_REASON] {
            let rest: Vec<_> = WHOLE.into_iter().filter(|(name, _)| *name != missing).collect();
            assert!(matches!(kind_of(&rest), Kind::Unknown), "{missing}");
        }
        for (field, wrong) in [(4, "-1"), (5, "-1"), (5, "9223372036854775808")] {
            let mut all = WHOLE;
            all[field].1 = wrong;
            assert!(matches!(kind_of(&all), Kind::Unknown), "{wrong}");
        }
        for nowhere in ["4", "2147483648", "4294967295"] {
            let mut all = WHOLE;
            all[4].1 = nowhere;
            assert!(matches!(kind_of(&all), Kind::Foreign(_)), "{nowhere}");
        }
        let mut later = WHOLE;
        later[0].1 = "a_later_reason";
        assert!(matches!(kind_of(&later), Kind::Ours(record) if record.reason == Reason::Unknown));
    }
}
