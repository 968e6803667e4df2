//! The contract of `ikd.quarantine.v1`: the original key and bytes, and in headers why and from
//! where.
//!
//! A copy may stand on the topic twice (after a crash between delivery and commit): every reader
//! takes one per origin, that is per topic, partition and offset.

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
