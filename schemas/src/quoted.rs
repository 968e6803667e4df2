//! Figures once quoted: a progress answer fixed under an id, with all that it rests on and a digest
//! over it, so that it can be given back for ever, recomputed, and told from one that was changed.
//!
//! The digest is SHA-256 over the UTF-8 bytes of [`FigureContent`] in canonical JSON (RFC 8785:
//! names sorted, no space; integers in full), with partitions, denominators, ages and reasons in
//! their own order, each list sorted by what its rows are of. Percentages are text (`"11.73"`), days
//! `YYYY-MM-DD`, ids hyphenated, instants RFC 3339 in UTC with no more places of a second than
//! needed. In Python it is
//! `sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())`;
//! `golden/check.py` computes it so.

mod canonical;
mod check;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::datum::{newtype, record};
use crate::event::DeactivationReason;
use crate::id::{FigureId, ReferenceId};
use crate::known::{OwnSchema, QUOTED_FIGURE, TopicValue, ValueReader};
use crate::reference::{Basis, Percent};
use crate::region::RegionCode;
use crate::share::Share;
use crate::symbols::symbols;
use crate::time::TimestampMs;

pub use check::FigureFault;

/// The form of content and digest that this program writes, and the only one that it can check.
pub const FORM: u32 = 1;

/// How activations are distinguished by the days between happening and recording, both included: the
/// next day, within a week, within a month, later. Part of [`FORM`].
pub const ACTIVATION_AGES: [(u32, Option<u32>); 4] =
    [(0, Some(1)), (2, Some(7)), (8, Some(30)), (31, None)];

/// What stands beside the content and its digest: a record may be changed there unnoticed.
pub const NOT_IN_DIGEST: [&str; 5] = ["bounds", "missing", "quoted_at", "quoted_by", "note"];

/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 500;

symbols! {
    /// How a target was set.
    TargetKind {
        /// As a share of a denominator.
        Percent = "percent",
        /// As a number of people.
        Absolute = "absolute",
        Unknown = "unknown",
    }
}

/// SHA-256 over a figure's content. In text and JSON 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureDigest(pub [u8; 32]);

impl fmt::Display for FigureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for FigureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FigureDigest({self})")
    }
}

impl FromStr for FigureDigest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

newtype!(FigureDigest);
crate::serde_as_text!(FigureDigest);

impl FigureId {
    /// The id of the figure with this digest: its first 16 bytes, made a UUID of version 8.
    #[must_use]
    pub fn of(digest: FigureDigest) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.0[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
    }
}

/// A figure once quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedFigure {
    /// Its id, made of the digest; also the message key.
    pub figure_id: FigureId,
    /// What the digest is over.
    #[serde(flatten)]
    pub content: FigureContent,
    /// The digest.
    pub digest: FigureDigest,
    /// Between which numbers `activated` lay then; `None` of a past `known_at`.
    pub bounds: Option<Bounds>,
    /// What may have been missing then; `None` of a past `known_at`.
    pub missing: Option<Missing>,
    /// When it was quoted, by the clock of the node.
    pub quoted_at: TimestampMs,
    /// The name of the access token that quoted it, if there was one.
    pub quoted_by: Option<String>,
    /// What it was quoted for.
    pub note: Option<String>,
}

/// What a figure says and rests on: what its digest is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureContent {
    /// See [`FORM`].
    pub form: u32,
    /// Of which region it speaks.
    pub region: RegionCode,
    /// The day that it speaks of.
    pub as_of: Date,
    /// The day whose knowledge it rests on; `None` for all that was known.
    pub known_at: Option<Date>,
    /// People whose IKD is active:
    /// `activations` − `deactivations` + `moves_in` − `moves_out`.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// The same by how late they were recorded: a row for each of [`ACTIVATION_AGES`].
    pub activations_by_age: Vec<AgeCount>,
    /// Active to inactive.
    pub deactivations: i64,
    /// The same by reason: a row for every reason.
    pub deactivations_by_reason: Vec<ReasonCount>,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorShare>,
    /// What the region was to reach.
    pub target: Option<TargetShare>,
    /// What the figure rests on.
    pub evidence: Evidence,
}

/// Activations that were recorded so many days after they happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgeCount {
    /// The fewest days.
    pub from_days: u32,
    /// The most; `None` without an end.
    pub to_days: Option<u32>,
    /// People; what was taken back as late is taken off.
    pub count: i64,
}

/// Deactivations for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeactivationCount))]
pub struct ReasonCount {
    /// Why.
    pub reason: DeactivationReason,
    /// People.
    pub count: i64,
}

/// A denominator, and the share of it that is activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DenominatorShare {
    /// What it counts.
    pub basis: Basis,
    /// People.
    pub value: u64,
    /// Activated of them, in percent; none of nobody.
    pub coverage_percent: Option<Share>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// Where it comes from.
    pub source: String,
    /// Its record; none of a sum of regencies.
    pub reference_id: Option<ReferenceId>,
}

/// A target, and the share of it that is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetShare {
    /// `percent` or `absolute`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub kind: TargetKind,
    /// The percentage; none of an absolute target.
    pub percent: Option<Percent>,
    /// What the percentage is of.
    pub basis: Basis,
    /// People to be reached, rounded up.
    pub people: u64,
    /// Activated of the exact target, in percent; none of nobody.
    pub attainment_percent: Option<Share>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies, if one is set.
    pub valid_to: Option<Date>,
    /// Where it comes from.
    pub source: String,
    /// Its record.
    pub reference_id: ReferenceId,
    /// The region whose target it is, where it is not the region's own.
    pub inherited_from: Option<RegionCode>,
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evidence {
    /// The Kafka cluster.
    pub cluster_id: String,
    /// How far each partition of the events topic is in the answer.
    pub partitions: Vec<PartitionEvidence>,
    /// The next offset of the reference topic.
    pub reference_next_offset: i64,
    /// The rules by which events were counted.
    pub fold_version: String,
}

/// How far a partition is in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartitionEvidence {
    /// The partition.
    pub partition: u32,
    /// Every record before this offset is in the answer, and no other.
    pub next_offset: i64,
    /// The timestamp of the latest record in the answer.
    pub recorded_until: Option<TimestampMs>,
}

/// The least and the most that a figure can turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bounds {
    /// The least.
    pub lower: i64,
    /// The most.
    pub upper: i64,
}

/// What may be missing from a region's figures, as far as it can be told now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Missing {
    /// Events that kiosks have numbered or announced and that have not come in.
    pub events: u64,
    /// Kiosks with such events.
    pub kiosks: u64,
    /// Events that came in and could not be counted, and that nobody has discarded, or released so
    /// that they are counted again in this answer.
    pub quarantined: u64,
    /// The region's own kiosks that are silent beyond their habit, the longest silent first, at
    /// most 20 (`/v1/kiosks?silent=true&within=…` has all): an estimate beside the bounds, which
    /// it is not part of.
    pub silent_kiosks: Vec<SilentKiosk>,
}

/// A kiosk that has been silent for longer than is usual for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SilentKiosk {
    /// The kiosk.
    pub kiosk_id: String,
    /// Events that it usually sends in a day.
    pub usual_per_day: u64,
    /// When its last word was recorded, an event or a status.
    pub silent_since: TimestampMs,
}

record!(QuotedFigure { figure_id, content, digest, bounds, missing, quoted_at, quoted_by, note });
record!(FigureContent {
    form,
    region,
    as_of,
    known_at,
    activated,
    activations,
    activations_by_age,
    deactivations,
    deactivations_by_reason,
    moves_in,
    moves_out,
    denominators,
    target,
    evidence,
});
record!(AgeCount { from_days, to_days, count });
record!(ReasonCount { reason, count });
record!(DenominatorShare { basis, value, coverage_percent, valid_from, source, reference_id });
record!(TargetShare {
    kind,
    percent,
    basis,
    people,
    attainment_percent,
    valid_from,
    valid_to,
    source,
    reference_id,
    inherited_from,
});
record!(Evidence { cluster_id, partitions, reference_next_offset, fold_version });
record!(PartitionEvidence { partition, next_offset, recorded_until });
record!(Bounds { lower, upper });
record!(Missing { events, kiosks, quarantined, silent_kiosks });
record!(SilentKiosk { kiosk_id, usual_per_day, silent_since });

impl TopicValue for QuotedFigure {
    const OWN: &'static LazyLock<OwnSchema> = &QUOTED_FIGURE;
}

/// Reads the values of the figures topic, in either framing. Whether one says what was quoted is for
/// [`QuotedFigure::check`] to say.
pub type FigureReader = ValueReader<QuotedFigure>;

impl FigureContent {
    /// The digest: see [`crate::quoted`]. The order of rows does not matter.
    #[must_use]
    pub fn digest(&self) -> FigureDigest {
        use sha2::Digest as _;
        FigureDigest(sha2::Sha256::digest(self.canonical().as_bytes()).into())
    }

    /// What the digest is over.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut sorted = self.clone();
        sorted.sort();
        canonical::json(&sorted)
    }

    /// Puts rows in their order: partitions by number, denominators by basis (then by their id),
    /// ages by the fewest days, reasons in the order of the contract.
    pub fn sort(&mut self) {
        self.activations_by_age.sort_unstable();
        self.deactivations_by_reason.sort_unstable();
        self.denominators.sort_by_key(|d| (d.basis, d.reference_id));
        self.evidence.partitions.sort_unstable();
    }
}

impl QuotedFigure {
    /// A figure with its digest and id, rows in order; nothing beside it but the instant.
    #[must_use]
    pub fn new(mut content: FigureContent, quoted_at: TimestampMs) -> Self {
        content.sort();
        let digest = content.digest();
        Self {
            figure_id: FigureId::of(digest),
            content,
            digest,
            bounds: None,
            missing: None,
            quoted_at,
            quoted_by: None,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests;
