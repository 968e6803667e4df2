//! Parameters and bodies as the OpenAPI document shows them where their handlers read them with
//! words of their own; questions say theirs themselves.
#![allow(dead_code, reason = "the document is made from their shapes; nothing holds a value")]

use jiff::civil::Date;
use laju_schemas::RegionCode;
use utoipa::{IntoParams, ToSchema};

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
