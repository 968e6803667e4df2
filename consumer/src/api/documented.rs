//! The parameters as the OpenAPI document shows them. They are read in [`super::parameters`], which
//! says what is wrong in words of its own.
#![allow(dead_code, reason = "the document is made from their shapes; nothing holds a value")]

use jiff::civil::Date;
use laju_schemas::event::DeactivationReason;
use laju_schemas::{EventId, FigureId, RegionCode};
use utoipa::{IntoParams, ToSchema};

use crate::query::answer::{Axis, By, Step};

/// The two days of a question.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AsOfKnownAt {
    /// What was true at the end of this day (each region's own local day). Without it every
    /// posting counts, and denominators and targets are those of today in Asia/Jakarta.
    #[param(example = "2023-12-31")]
    as_of: Option<Date>,
    /// What was known at the end of this day in Asia/Jakarta. Without it all that is known.
    #[param(example = "2024-01-05")]
    known_at: Option<Date>,
    /// Whether postings of days after `as_of` count as well (not in a pace): what a question without
    /// `as_of` was answered on that day. Links say so where there are such postings.
    ahead: Option<bool>,
}

/// The day of knowledge alone.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KnownAt {
    /// What was known at the end of this day in Asia/Jakarta. Without it all that is known.
    #[param(example = "2024-01-05")]
    known_at: Option<Date>,
}

/// The region asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Code {
    /// A regency or city, a province, or the nation (`ID`).
    #[param(example = "18.71")]
    code: RegionCode,
}

/// A level below the nation.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Level {
    /// A province.
    Province,
    /// A regency (kabupaten) or city (kota).
    Regency,
}

/// Which regions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// Only regions of this level.
    #[param(inline, example = "regency")]
    level: Option<Level>,
    /// Only regions within this one; without it of the whole nation.
    #[param(example = "18")]
    within: Option<RegionCode>,
}

/// Where.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Within {
    /// Only what lies within this region; without it the whole nation.
    #[param(example = "18")]
    within: Option<RegionCode>,
}

/// From one day to another.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The first day.
    #[param(example = "2023-12-01")]
    from: Date,
    /// The last day; not before `from`.
    #[param(example = "2023-12-31")]
    to: Date,
}

/// How long the steps of a series are.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SeriesStep {
    /// Days, weeks from Monday, or calendar months; days if it is not given.
    #[param(example = "week")]
    step: Option<Step>,
}

/// What a break-down is by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BreakdownBy {
    /// The dimension.
    #[param(example = "channel")]
    by: By,
}

/// The window of a pace.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PaceSpan {
    /// The day at whose end the window begins; only together with `to`.
    from: Option<Date>,
    /// The day at whose end it ends, at most today; only together with `from`. Without both, the
    /// trailing 7 and 28 days.
    to: Option<Date>,
}

/// Which day differs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangeAxis {
    /// Whether `from` and `to` are days of knowledge (if not given) or of truth. The other day may
    /// be given beside them, and this one may not.
    #[param(example = "known_at")]
    axis: Option<Axis>,
}

/// One of the accounts that the active people are the sum of.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum AccountName {
    Activations,
    Deactivations,
    MovesIn,
    MovesOut,
}

/// Whether postings add or take back what was added.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum SignName {
    Posted,
    Reversed,
}

/// Which postings.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PostingsFilter {
    /// The account.
    #[param(inline, example = "activations")]
    account: AccountName,
    /// Only amounts above zero, or below.
    #[param(inline)]
    sign: Option<SignName>,
    /// Of deactivations, only those for this reason.
    reason: Option<DeactivationReason>,
    /// Only what happened on this day (at the home region) or later.
    happened_from: Option<Date>,
    /// Only what happened on this day or earlier.
    happened_to: Option<Date>,
    /// Only what was recorded on this day (in Asia/Jakarta) or later.
    recorded_from: Option<Date>,
    /// Only what was recorded on this day or earlier.
    recorded_to: Option<Date>,
    /// Only what was recorded at least so many days after it happened.
    #[param(minimum = 0, maximum = 4294967295i64)]
    age_from: Option<u32>,
    /// Only what was recorded at most so many days after it happened.
    #[param(minimum = 0, maximum = 4294967295i64)]
    age_to: Option<u32>,
    /// Only what events released from quarantine posted, or only the rest.
    released: Option<bool>,
    /// How many rows at most; 1,000 if it is not given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
}

/// When visits were.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OutreachDays {
    /// Only what happened on this day (by the office's clock) or later.
    from: Option<Date>,
    /// Only what happened on this day or earlier.
    to: Option<Date>,
    /// How many visits at most, the latest first; 1,000 if it is not given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
}

/// The visit asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OutreachInPath {
    /// The visit's id, percent-encoded; upper and lower case apart.
    id: String,
}

/// Which kiosks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KiosksFilter {
    /// Only kiosks of this region.
    #[param(example = "18")]
    within: Option<RegionCode>,
    /// Only those that are silent beyond their habit, or only those that are not.
    silent: Option<bool>,
    /// Only those of which events are missing, or only those of which none are.
    missing: Option<bool>,
    /// Only ids after this one: the page after the one that ended with it.
    after: Option<String>,
    /// How many at most; 1,000 if it is not given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
}

/// The kiosk asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KioskInPath {
    /// The kiosk's id, percent-encoded; upper and lower case apart.
    id: String,
}

/// The event asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct EventInPath {
    /// The event's id.
    event_id: EventId,
}

/// The partition asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PartitionInPath {
    /// Its number in the events topic, from 0 on.
    #[param(minimum = 0, maximum = 4294967295i64)]
    partition: u32,
}

/// The kind of a store's chunks.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ChunkKind {
    Dictionary,
    Facts,
    Kiosks,
    Ledger,
    Quarantine,
}

/// Which chunks.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KindInPath {
    /// What they hold.
    #[param(inline, example = "ledger")]
    kind: ChunkKind,
}

/// From which chunk on, and up to which.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChunkRange {
    /// The number of the first one; 0 if it is not given.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    from: Option<u64>,
    /// The number after the last one; how many there are if it is not given.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    to: Option<u64>,
}

/// How many quarantined records are shown.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LatestLimit {
    /// How many of the latest records at most; 50 if it is not given. All are counted.
    #[param(minimum = 0, maximum = 1000)]
    limit: Option<u32>,
}

/// The kind of problem.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ProblemInPath {
    /// The last part of a problem's `type`.
    #[param(example = "unknown-region")]
    kind: String,
}

/// A file of the page that shows this document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PageFileInPath {
    /// The file.
    #[param(example = "index.html")]
    file: String,
}

/// Whose states are streamed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamChoice {
    /// Codes with commas between them: these regions; not together with `level` and `within`.
    #[param(example = "18.71,19,ID")]
    regions: Option<String>,
    /// Only regions of this level; without any of the three parameters every region.
    #[param(inline)]
    level: Option<Level>,
    /// Only regions within this one.
    within: Option<RegionCode>,
    /// The id of the last event that the reader had; the header `Last-Event-ID` goes before it.
    last_event_id: Option<String>,
}

/// A figure to be quoted.
#[derive(ToSchema)]
pub(super) struct Quotation {
    /// The region.
    region: RegionCode,
    /// The day that the figure speaks of; today if it is not given.
    as_of: Option<Date>,
    /// The day whose knowledge it rests on; all that is known if it is not given.
    known_at: Option<Date>,
    /// A remark for people; it may not hold a NIK.
    #[schema(min_length = 1, max_length = 500)]
    note: Option<String>,
}

/// The figure asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct FigureInPath {
    /// The figure's id.
    id: FigureId,
}

/// Which figures.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FiguresFilter {
    /// Only figures of this region.
    region: Option<RegionCode>,
    /// How many at most; 50 if it is not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}
