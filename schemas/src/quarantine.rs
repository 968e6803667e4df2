//! The contract of `ikd.quarantine.v1`: the original key and bytes, and in headers why and from
//! where.
//!
//! A copy may stand on the topic twice (after a crash between delivery and commit): every reader
//! takes one per origin, that is per topic, partition and offset. What is decided about a record
//! stands on another topic (see [`crate::decision`]); a released one is sent to the events topic
//! again, with headers that name its origin.

use std::fmt;
use std::str::FromStr;

use crate::symbols::symbols;

/// What the names of these headers begin with. A header of the original that begins so is kept
/// under `original-` and its name.
pub const HEADER_PREFIX: &str = "laju-";
/// Header: the [`Reason`], as text.
pub const HEADER_REASON: &str = "laju-reason";
/// Header: what exactly was wrong, as text for people.
pub const HEADER_DETAIL: &str = "laju-detail";
/// Header: the topic that the record came from.
pub const HEADER_TOPIC: &str = "laju-origin-topic";
/// Header: the partition, in decimal digits.
pub const HEADER_PARTITION: &str = "laju-origin-partition";
/// Header: the offset, in decimal digits.
pub const HEADER_OFFSET: &str = "laju-origin-offset";
/// Header: the record's timestamp, milliseconds since 1970 in decimal digits.
pub const HEADER_TIMESTAMP: &str = "laju-origin-timestamp";
/// Header: the rules that refused it.
pub const HEADER_FOLD_VERSION: &str = "laju-fold-version";
/// Header: present where the value was too large for this topic and is cut; the whole of it is at
/// its origin.
pub const HEADER_TRUNCATED: &str = "laju-truncated";
/// Header of an event on the events topic that was released from quarantine: the [`Origin`] of the
/// record that could not be counted, as text.
pub const HEADER_RELEASED_ORIGIN: &str = "laju-released-origin";
/// Header of a released event: the id of the decision, as text.
pub const HEADER_DECISION_ID: &str = "laju-decision-id";
/// Header of a released event: who released it.
pub const HEADER_DECIDED_BY: &str = "laju-decided-by";

/// The place of a record on the events topic; as text `PARTITION/OFFSET`, for example `3/1042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The partition.
    pub partition: u32,
    /// The offset in it, from 0.
    pub offset: i64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Only what `Display` writes: one place has one text, which is a key on the decisions topic.
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain && (part == "0" || !part.starts_with('0'))
        };
        let place = text.split_once('/').filter(|(p, o)| digits(p) && digits(o));
        let place = place.and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
        let (partition, offset) = place.ok_or_else(|| {
            let text: String = text.chars().take(80).collect();
            format!("'{text}' is not PARTITION/OFFSET of the events topic, like 3/1042")
        })?;
        Ok(Self { partition, offset })
    }
}

symbols! {
    /// Why a record could not be counted. The first that applies, in this order, is given.
    Reason {
        /// A value above 1 MiB.
        TooLarge = "too_large",
        /// A framing or a schema that nobody here knows.
        UnknownSchema = "unknown_schema",
        /// Bytes that do not decode, or leave a rest.
        Undecodable = "undecodable",
        /// A key that is not the subject.
        WrongKey = "wrong_key",
        /// A partition that is not the key's: a producer with another partitioner.
        WrongPartition = "wrong_partition",
        /// A home or service region that is not a known regency or city.
        UnknownRegion = "unknown_region",
        /// A sequence below 1 or above 4294967295.
        SequenceOutOfRange = "sequence_out_of_range",
        /// Before the programme began: 2022-01-01 in Asia/Jakarta.
        BeforeProgramme = "before_programme",
        /// More than 24 hours after the record's own timestamp.
        InFuture = "in_future",
        /// A kiosk id, outreach id or `from_region` of the wrong shape.
        MalformedField = "malformed_field",
        /// A reason of a later version.
        Unknown = "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_text() {
        for origin in [
            Origin { partition: 0, offset: 0 },
            Origin { partition: 11, offset: 1_042 },
            Origin { partition: u32::MAX, offset: i64::MAX },
        ] {
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
        for wrong in
            ["", "/", "3", "3/", "/4", "3/-1", "+3/4", "03/4", "3/04", "3/4/5", "3 /4", "٣/4"]
        {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong:?}");
        }
        assert!("4294967296/0".parse::<Origin>().is_err());
        assert!("0/9223372036854775808".parse::<Origin>().is_err());
    }
}
