//! The shapes of the answers, with the names that others build on: the JSON of the HTTP interface
//! and what `laju query` reads back from it. No arithmetic here.

mod change;
mod evidence;
mod fate;
mod figure;
mod flows;
mod kiosks;
mod outreach;
mod pace;
mod postings;
mod schema;

use jiff::civil::Date;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Reason;
use laju_schemas::reference::{Basis, Percent};
use laju_schemas::{
    EventId, QuarantineDecision, ReferenceId, RegionCode, RegionLevel, TimestampMs,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use laju_schemas::share::Share;

pub use change::{Age, Axis, Change, ChangePart, PartKind, Reading, ShareChange};
pub use evidence::{
    DenominatorEvidence, EvidenceCore, EvidencePart, FigureEvidence, MissingKiosk, MissingKiosks,
    QuarantinedEvidence, ReferenceEvidence, TargetEvidence,
};
pub use fate::{EffectKind, EventFate, FateKind, QuarantinedEvent};
pub use figure::{
    DamagedFigure, DenominatorDifference, Figure, FigureDifference, FigureList, FigurePart,
    FigurePartKind, FigureThenAndNow, OriginalLog, TargetDifference,
};
pub use flows::{FlowBounds, FlowRow, Flows, MoveFlow, RegionFlows, ServiceFlow};
pub use kiosks::{
    AnnouncedFall, ConflictingSequence, Conflicts, KioskDetail, KioskQuarantine, KioskRow, Kiosks,
    StatusRow,
};
pub use outreach::{
    OfficeCounter, Outreach, ReasonShare, Visit, VisitDetail, VisitHours, VisitSlot,
};
pub use pace::{
    Goal, GoalDay, Interval, NoAnswerReason, Pace, PaceForecast, PaceList, PaceOver, PaceRow,
    PaceWindow, TargetDay, Unanswered,
};
pub use postings::{PostingRow, Postings};

/// A region, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionName {
    /// Its code.
    pub code: RegionCode,
    /// Its name.
    pub name: String,
    /// What it is.
    pub level: RegionLevel,
}

/// A region of the table of regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegionRow {
    /// Code, name and level.
    #[serde(flatten)]
    pub region: RegionName,
    /// The code that it had until 2022, for the 26 regencies and cities of Papua's new provinces:
    /// taken wherever a code is taken.
    pub former_code: Option<String>,
    /// Its zone in the tz database; none of the nation, which has three.
    pub zone: Option<String>,
    /// Its seat of government: degrees north.
    pub latitude: Option<f64>,
    /// Its seat of government: degrees east.
    pub longitude: Option<f64>,
}

/// The regions that exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regions {
    /// In the order of the codes, the nation first.
    pub rows: Vec<RegionRow>,
}

/// How far a region is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The region.
    pub region: RegionName,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// How far each region of a level is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressList {
    /// What the rows are.
    pub level: RegionLevel,
    /// The region that they lie in.
    pub within: RegionCode,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// Every region, also those with nothing but zeros, in the order of the codes.
    pub rows: Vec<ProgressRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// How far one region of several is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressRow {
    /// The region.
    pub region: RegionName,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// A relative link to this region's own answer, with both days filled in.
    pub link: String,
}

/// One region's latest state, as the live stream tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRow {
    /// The day that the figures speak of: today in the programme's zone.
    pub as_of: Date,
    /// The same as a row of all regions' progress.
    #[serde(flatten)]
    pub row: ProgressRow,
}

/// The figures of a progress answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// People whose IKD is active:
    /// `activations` − `deactivations` + `moves_in` − `moves_out`.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// Active to inactive.
    pub deactivations: i64,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// Electronic cards.
    pub cards: Cards,
    /// Asked, but not activated.
    pub deferrals: i64,
    /// Between which numbers `activated` lies when all that is missing has come in; none of a
    /// past `known_at`.
    pub bounds: Option<Bounds>,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorShare>,
    /// What the region is to reach.
    pub target: Option<TargetShare>,
    /// What may be missing; none of a past `known_at`.
    pub missing: Option<Missing>,
}

/// Electronic cards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cards {
    /// Biometrics recorded.
    pub recorded: i64,
    /// Those of them who hold their first card.
    pub recorded_first_time: i64,
    /// Printed cards asked for.
    pub requested: i64,
    /// Cards printed.
    pub printed: i64,
    /// People who wait for a printed card.
    pub queue: i64,
}

/// The least and the most that a figure can turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bounds {
    /// The least.
    pub lower: i64,
    /// The most.
    pub upper: i64,
}

impl Bounds {
    /// Of a count of people or events, when so many may be missing.
    #[must_use]
    pub fn of(count: i64, missing: &Missing) -> Self {
        let unknown = i64::try_from(missing.events + missing.quarantined).unwrap_or(i64::MAX);
        let lower = count.saturating_sub(unknown).max(0);
        Self { lower, upper: count.saturating_add(unknown) }
    }
}

/// A denominator, and the share of it that is activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetShare {
    /// `percent` or `absolute`.
    pub kind: String,
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

/// What may be missing from a region's figures, as far as it can be told now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilentKiosk {
    /// The kiosk.
    pub kiosk_id: String,
    /// Events that it usually sends in a day.
    pub usual_per_day: u64,
    /// When its last word was recorded, an event or a status.
    pub silent_since: TimestampMs,
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionEvidence {
    /// The partition.
    pub partition: u32,
    /// Every record before this offset is in the answer, and no other.
    pub next_offset: i64,
    /// The timestamp of the latest record in the answer.
    pub recorded_until: Option<TimestampMs>,
}

/// How long each step of a series is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Step {
    /// Calendar days.
    #[default]
    Day,
    /// Weeks from Monday to Sunday.
    Week,
    /// Calendar months.
    Month,
}

/// A region's figures over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The region.
    pub region: RegionName,
    /// The day after which nothing counts.
    pub as_of: Date,
    /// The day whose knowledge the figures rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// How long each step is.
    pub step: Step,
    /// In the order of time.
    pub points: Vec<Point>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// One step of a series: what stood at its end, and what flowed within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Its first day: the first of the day, week or month, or of the series.
    pub from: Date,
    /// Its last day: the last of the day, week or month, or of the series.
    pub to: Date,
    /// People whose IKD was active at its end.
    pub activated: i64,
    /// Inactive to active, within it.
    pub activations: i64,
    /// Active to inactive, within it.
    pub deactivations: i64,
    /// Moved in while active, within it.
    pub moves_in: i64,
    /// Moved out while active, within it.
    pub moves_out: i64,
    /// Cards: recorded, requested and printed within it; the queue at its end.
    pub cards: Cards,
    /// Asked, but not activated, within it.
    pub deferrals: i64,
    /// Between which numbers `activated` lies when all that is missing has come in; none of a past
    /// `known_at`.
    pub bounds: Option<Bounds>,
}

/// What a break-down is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum By {
    /// Activations by where they were done.
    Channel,
    /// Activations by the kind of place visited; key null of those not at a visit.
    Venue,
    /// Activations by outreach visit; key null of those not at a visit.
    Outreach,
    /// Activations by whose office served.
    ServiceRegion,
    /// Activations by whether it is the person's first identity document.
    FirstTime,
    /// Deferrals by reason.
    DeferralReason,
    /// Card requests and prints by reason.
    CardReason,
    /// Deactivations by reason.
    DeactivationReason,
}

/// A region's figures by one of their dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breakdown {
    /// The region.
    pub region: RegionName,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The dimension.
    pub by: By,
    /// Of a closed list of keys every one, in the contract's order; else those that occur, the
    /// largest first.
    pub rows: Vec<BreakdownRow>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// One row of a break-down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakdownRow {
    /// The value of the dimension; none where an event has none.
    pub key: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

/// How many: of cards two counts, else one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Count {
    /// Activations, deactivations or deferrals.
    One {
        /// How many.
        count: i64,
    },
    /// Cards.
    Cards {
        /// Printed cards asked for.
        requested: i64,
        /// Cards printed.
        printed: i64,
    },
}

/// What could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantine {
    /// Records that name this region as home or service region; of the nation all of them.
    pub within: RegionCode,
    /// The day after which records do not count; none if all do.
    pub known_at: Option<Date>,
    /// All of them, whatever was decided about them since.
    pub total: u64,
    /// Those of them that are unknown still: neither discarded nor released with the event sent again
    /// in this answer. `missing` counts these.
    pub open: u64,
    /// Those released, as far as the events sent again are in this answer.
    pub released: u64,
    /// Those discarded.
    pub discarded: u64,
    /// All of them by reason, in the order in which reasons are looked for; only those that occur.
    pub reasons: Vec<ReasonCount>,
    /// The latest ones, the newest first.
    pub latest: Vec<QuarantinedRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// How often a reason occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason.
    pub reason: Reason,
    /// How often.
    pub count: u64,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedRow {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// What exactly was wrong.
    pub detail: String,
    /// The event that it says it is, if it can be read.
    pub event_id: Option<EventId>,
    /// The home region that it names, if it can be read and is known.
    pub home_region: Option<RegionCode>,
    /// The service region that it names, if it can be read and is known.
    pub service_region: Option<RegionCode>,
    /// The kiosk that it names, if it can be read.
    pub kiosk_id: Option<String>,
    /// The sequence that it names, if it can be read.
    pub sequence: Option<u32>,
    /// What was decided about it, if anything was.
    pub decision: Option<RecordDecision>,
}

/// What somebody decided about a record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordDecision {
    /// What is to become of it.
    pub decision: Decision,
    /// Who decided.
    pub decided_by: String,
    /// Why.
    pub reason: String,
    /// When, by the clock of who decided.
    pub decided_at: TimestampMs,
    /// The partition of the events topic that a released event was sent to.
    pub released_partition: Option<u32>,
    /// Its offset there.
    pub released_offset: Option<i64>,
}

impl From<&QuarantineDecision> for RecordDecision {
    fn from(decision: &QuarantineDecision) -> Self {
        Self {
            decision: decision.decision,
            decided_by: decision.decided_by.clone(),
            reason: decision.reason.clone(),
            decided_at: decision.decided_at,
            released_partition: decision.released_partition,
            released_offset: decision.released_offset,
        }
    }
}
