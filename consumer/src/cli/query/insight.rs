//! The command lines of the questions that look behind a figure.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::RegionCode;

use super::{Days, Level, Node};
use crate::query::answer::{Age, Axis};
use crate::query::postings::{self, ActiveAccount, PostingsQuestion, ROWS, Reason, Sign};

/// Is a region's pace enough, or that of every region?
#[derive(Clone, Debug, Args)]
pub struct PaceArgs {
    /// A regency or city (36.04), a province (36) or the nation (ID) [default: every region].
    #[arg(value_name = "REGION")]
    pub region: Option<RegionCode>,

    /// Which regions get a row [default: regency].
    #[arg(long, conflicts_with = "region")]
    pub level: Option<Level>,

    /// The region within which they lie [default: ID].
    #[arg(long, value_name = "REGION", conflicts_with = "region")]
    pub within: Option<RegionCode>,

    /// The region's pace from the end of this day [default: the trailing 7 and 28 days].
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to", requires = "region", conflicts_with_all = ["level", "within"])]
    pub from: Option<Date>,

    /// To the end of this day.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from", conflicts_with = "as_of")]
    pub to: Option<Date>,

    /// The two days; --as-of is the last day of the trailing windows [default: yesterday].
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl PaceArgs {
    pub(super) fn add(&self, mut add: impl FnMut(&str, Option<String>)) {
        add("level", self.level.map(|level| level.to_string()));
        add("within", self.within.map(|code| code.to_string()));
        add("from", self.from.map(|day| day.to_string()));
        add("to", self.to.map(|day| day.to_string()));
        self.days.add(add);
    }
}

/// Why does a region's figure differ between two days?
#[derive(Clone, Debug, Args)]
pub struct ChangeArgs {
    /// The region.
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// The earlier day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Date,

    /// The later day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Date,

    /// Whether they are days of knowledge (known_at) or of truth (as_of).
    #[arg(long, default_value = "known_at")]
    pub axis: Axis,

    /// The day of the other axis; the worker refuses that of the same.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl ChangeArgs {
    pub(super) fn add(&self, mut add: impl FnMut(&str, Option<String>)) {
        add("from", Some(self.from.to_string()));
        add("to", Some(self.to.to_string()));
        add("axis", Some(self.axis.to_string()));
        self.days.add(add);
    }
}

/// What does a region's figure rest on?
#[derive(Clone, Debug, Args)]
pub struct EvidenceArgs {
    /// A regency or city (18.71), a province (18) or the nation (ID).
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// Which postings does a region's figure consist of?
#[derive(Clone, Debug, Args)]
pub struct PostingsArgs {
    /// The region.
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// activations, deactivations, moves_in or moves_out.
    #[arg(long)]
    pub account: ActiveAccount,

    /// Only those that are posted, or those that take back (reversed).
    #[arg(long)]
    pub sign: Option<Sign>,

    /// Only deactivations for this reason.
    #[arg(long)]
    pub reason: Option<Reason>,

    /// Only what happened on this day or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub happened_from: Option<Date>,

    /// Only what happened up to this day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub happened_to: Option<Date>,

    /// Only what was recorded on this day or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub recorded_from: Option<Date>,

    /// Only what was recorded up to this day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub recorded_to: Option<Date>,

    /// Only what was recorded at least so many days after it happened.
    #[arg(long, value_name = "DAYS")]
    pub age_from: Option<u32>,

    /// Only what was recorded at most so many days after it happened.
    #[arg(long, value_name = "DAYS")]
    pub age_to: Option<u32>,

    /// Only what events released from quarantine posted (true), or only the rest (false).
    #[arg(long)]
    pub released: Option<bool>,

    /// How many rows to show at most.
    #[arg(long, value_name = "N", default_value_t = ROWS)]
    pub limit: usize,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl PostingsArgs {
    pub(super) fn path(&self) -> String {
        let ActiveAccount(account) = self.account;
        let days = |from, to| postings::Days { from, to };
        let has_age = self.age_from.is_some() || self.age_to.is_some();
        let age = Age { from_days: self.age_from.unwrap_or(0), to_days: self.age_to };
        let question = PostingsQuestion {
            account,
            sign: self.sign,
            reason: self.reason.map(|Reason(reason)| reason),
            happened: days(self.happened_from, self.happened_to),
            recorded: days(self.recorded_from, self.recorded_to),
            age: has_age.then_some(age),
            released: self.released,
        };
        format!("{}&limit={}", question.link(self.region), self.limit)
    }
}

/// Who serves whom, and who moves where?
#[derive(Clone, Debug, Args)]
pub struct FlowsArgs {
    /// A region whose flows are asked for [default: every pair of regencies].
    #[arg(value_name = "REGION")]
    pub region: Option<RegionCode>,

    /// Only pairs with one end within this region [default: ID].
    #[arg(long, value_name = "REGION", conflicts_with = "region")]
    pub within: Option<RegionCode>,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What did outreach visits bring?
#[derive(Clone, Debug, Args)]
pub struct OutreachArgs {
    /// One visit, hour by hour [default: all visits].
    #[arg(value_name = "VISIT")]
    pub id: Option<String>,

    /// Only visits of offices within this region [default: ID].
    #[arg(long, value_name = "REGION", conflicts_with = "id")]
    pub within: Option<RegionCode>,

    /// Only what happened on this day or later.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "id")]
    pub from: Option<Date>,

    /// Only what happened up to this day.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "id")]
    pub to: Option<Date>,

    /// How many visits to show at most, the latest first [default: 1000].
    #[arg(long, value_name = "N", conflicts_with = "id")]
    pub limit: Option<usize>,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl OutreachArgs {
    pub(super) fn add(&self, mut add: impl FnMut(&str, Option<String>)) {
        add("within", self.within.map(|code| code.to_string()));
        add("from", self.from.map(|day| day.to_string()));
        add("to", self.to.map(|day| day.to_string()));
        add("limit", self.limit.map(|limit| limit.to_string()));
        self.days.add(add);
    }
}
