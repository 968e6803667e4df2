//! What the errors mean that come in place of records: which ones time mends, and which ones are a
//! trouble of their partition, with a cure.
//!
//! librdkafka (2.12) hands an error on with its code and a sentence that names the offset; rdkafka
//! keeps neither the sentence nor the partition. Which partition it is, the probe finds out.
//! What librdkafka does afterwards differs: it asks again for what it cannot unpack, but goes on
//! *behind* a batch with a wrong checksum or of an unknown format. So a reader with such an error
//! takes no further record before it has gone back to where it stood.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::trouble::{Trouble, TroubleKind};

/// Whether an error may be one of a single partition's records. Of all others librdkafka takes
/// care by itself: it connects again and finds the new leader.
#[must_use]
pub fn is_of_records(code: Code) -> bool {
    matches!(
        code,
        Code::BadMessage
            | Code::BadCompression
            | Code::NotImplemented
            | Code::Underflow
            | Code::Partial
            | Code::CriticalSystemResource
            | Code::Unknown
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnsupportedVersion
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedCompressionType
            | Code::InvalidRecord
            | Code::InvalidRequest
            | Code::InvalidTimestamp
            | Code::PolicyViolation
            | Code::LogTruncation
    )
}

/// The trouble of a partition that stands at `next`, from the code of the error and the sentence
/// that came with it.
#[must_use]
pub fn trouble(code: Code, sentence: &str, next: i64) -> Trouble {
    // A batch begins before the record that is wanted of it, where one goes on inside of it.
    let offset = offset_in(sentence).map_or(next, |offset| offset.max(next));
    let (kind, reason, cure) = match code {
        Code::NotImplemented if sentence.contains("MagicByte") => format_of_messages(),
        Code::NotImplemented | Code::UnsupportedCompressionType => (
            TroubleKind::Codec,
            format!(
                "the records there are compressed with {}, which this program cannot unpack",
                codec_in(sentence)
            ),
            "run a build that reads it (the usual one reads gzip, snappy, lz4 and zstd), and have \
             producers use one of those as their compression.type"
                .to_owned(),
        ),
        Code::BadCompression => (
            TroubleKind::Damaged,
            format!("the records there cannot be unpacked ({})", codec_in(sentence)),
            damaged_cure(),
        ),
        Code::BadMessage
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::Underflow
        | Code::Partial => (
            TroubleKind::Damaged,
            "the records there are damaged: they are not what their checksum says".to_owned(),
            damaged_cure(),
        ),
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => not_authorized(),
        Code::UnsupportedForMessageFormat | Code::UnsupportedVersion => format_of_messages(),
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => (
            TroubleKind::FetchFailed,
            "the records there are too large to be fetched".to_owned(),
            "raise the limit: --kafka-property receive.message.max.bytes=…, and \
             fetch.message.max.bytes below it"
                .to_owned(),
        ),
        code => (
            TroubleKind::FetchFailed,
            format!("the broker does not give the records there (Kafka's error {code:?})"),
            "see the broker's log; reading is tried again every few seconds".to_owned(),
        ),
    };
    Trouble { kind, offset, reason, cure }
}

/// The trouble of a partition that the user may not read any more.
#[must_use]
pub fn unauthorized(next: i64) -> Trouble {
    let (kind, reason, cure) = not_authorized();
    Trouble { kind, offset: next, reason, cure }
}

/// The trouble of a partition of which nothing comes, and no error either, although there is more.
#[must_use]
pub fn silent(next: i64, end: i64, seconds: u64) -> Trouble {
    Trouble {
        kind: TroubleKind::FetchFailed,
        offset: next,
        reason: format!(
            "nothing came for {seconds} s, although the broker has records up to offset {end}"
        ),
        cure: "the records there may be damaged, or too large for --kafka-property \
               fetch.message.max.bytes: compare the partition's replicas, and see the broker's log"
            .to_owned(),
    }
}

/// The trouble of a partition that was asked for after an error, and of which nothing came in time.
#[must_use]
pub fn unanswered(next: i64) -> Trouble {
    Trouble {
        kind: TroubleKind::FetchFailed,
        offset: next,
        reason: "reading failed, and neither a record nor an end nor an error comes of it since"
            .to_owned(),
        cure: "the broker that leads it may be slow (its disk, its network) or away: see its log; \
               reading is tried again every few seconds"
            .to_owned(),
    }
}

fn not_authorized() -> (TroubleKind, String, String) {
    let reason = "this user may not read the topic".to_owned();
    let cure = "give them the rights to Read and to Describe it".to_owned();
    (TroubleKind::NotAuthorized, reason, cure)
}

fn format_of_messages() -> (TroubleKind, String, String) {
    let reason = "the records there are in a format that cannot be read".to_owned();
    let cure = "records are read in the formats 0 to 2 of Kafka: see which program wrote these, \
                and whether the broker converts them (log.message.format.version)"
        .to_owned();
    (TroubleKind::MessageFormat, reason, cure)
}

fn damaged_cure() -> String {
    "compare the partition's replicas (kafka-dump-log.sh --deep-iteration), and have one lead that \
     is sound; reading is tried again every few seconds"
        .to_owned()
}

/// The offset that a sentence of librdkafka names: `…at offset 17…`, `…of message at 17 of…`.
fn offset_in(sentence: &str) -> Option<i64> {
    ["offset ", "message at "].into_iter().find_map(|before| {
        let (_, rest) = sentence.split_once(before)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

/// The codec that a sentence of librdkafka names: `…(codec 0x4)…`.
fn codec_in(sentence: &str) -> String {
    let number = sentence.split_once("codec 0x").and_then(|(_, rest)| {
        let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        u8::from_str_radix(&rest[..digits], 16).ok()
    });
    match number {
        Some(1) => "gzip".to_owned(),
        Some(2) => "snappy".to_owned(),
        Some(3) => "lz4".to_owned(),
        Some(4) => "zstd".to_owned(),
        Some(number) => format!("a codec with the number {number}"),
        None => "a codec that is not named".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_records_has_its_kind_its_offset_and_a_cure() {
        let unpacked = "Decompression (codec 0x4) of message at 17 of 220 bytes failed: Local: \
                        Not implemented";
        let crc = "MessageSet at offset 40 (120 bytes) failed CRC32C check (original 0x1 != \
                   calculated 0x2)";
        let fetch = "Fetch from broker 1 failed at offset 9 (leader epoch 0): Broker: x";
        let magic = "Unsupported Message(Set) MagicByte 7 at offset 12";
        let cases = [
            (Code::NotImplemented, unpacked, 17, TroubleKind::Codec, "zstd"),
            (Code::BadCompression, unpacked, 17, TroubleKind::Damaged, "unpacked"),
            (Code::BadMessage, crc, 40, TroubleKind::Damaged, "checksum"),
            (Code::InvalidMessage, fetch, 9, TroubleKind::Damaged, "checksum"),
            (Code::TopicAuthorizationFailed, "", 3, TroubleKind::NotAuthorized, "may not read"),
            (Code::UnsupportedForMessageFormat, fetch, 9, TroubleKind::MessageFormat, "format"),
            (Code::NotImplemented, magic, 12, TroubleKind::MessageFormat, "format"),
            (Code::MessageSizeTooLarge, fetch, 9, TroubleKind::FetchFailed, "large"),
            (Code::PolicyViolation, fetch, 9, TroubleKind::FetchFailed, "PolicyViolation"),
        ];
        for (code, sentence, offset, kind, word) in cases {
            assert!(is_of_records(code), "{code:?}");
            let trouble = trouble(code, sentence, 3);
            assert_eq!((trouble.offset, trouble.kind), (offset, kind), "{code:?}");
            assert!(trouble.reason.contains(word), "{}", trouble.reason);
            assert!(!trouble.cure.is_empty());
        }
    }

    #[test]
    fn a_batch_that_begins_earlier_is_wanted_from_where_one_stands() {
        let crc = "MessageSet at offset 40 (120 bytes) failed CRC32C check";
        assert_eq!(trouble(Code::BadMessage, crc, 44).offset, 44);
    }

    #[test]
    fn what_time_mends_is_none_of_the_records() {
        for code in [
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::OperationTimedOut,
            Code::NotLeaderForPartition,
            Code::LeaderNotAvailable,
            Code::OffsetNotAvailable,
            Code::NotCoordinator,
            Code::RebalanceInProgress,
            Code::KafkaStorageError,
        ] {
            assert!(!is_of_records(code), "{code:?}");
        }
    }
}
