//! Why a quoted figure differs from what the same question answers now: the counters that were
//! quoted with it, taken from those of now. The parts add up to the whole, because every posting is
//! in exactly one counter.
//!
//! What was recorded on a day after the last record in the figure is all new, so what was posted and
//! what was taken back can be told apart; of what was recorded until that day it is known by how
//! much it grew, which counts as posted or as taken back by its sign.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use laju_schemas::event::DeactivationReason;
use laju_schemas::quoted::{ACTIVATION_AGES, FigureContent};
use laju_schemas::reference::Basis;
use laju_schemas::{LogCopy, QuotedFigure, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::counters::{Category, Counters, counters, question_of};
use crate::domain::day::Day;
use crate::query::QueryError;
use crate::query::answer::{Age, DenominatorShare, Evidence, TargetShare};
use crate::query::days::{Days, Horizon, today};
use crate::query::explanations::change::ChangeQuestion;
use crate::query::explanations::parts::Axis;
use crate::query::explanations::postings::ACTIVE;
use crate::query::figures::progress::Progress;
use crate::query::question::Endpoint as _;
use crate::query::scan::each_netted;
use crate::query::scope::Scope;
use crate::query::view::View;

/// Why a figure differs from what the same question answers now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureDifference {
    /// `now.activated` − `figure.activated`: the sum of the parts' amounts.
    pub activated: i64,
    /// What it consists of; parts of nothing are left out.
    pub parts: Vec<FigurePart>,
    /// Of the new activations those that were recorded two days or more after they happened; none
    /// if the figure rests on another log or other rules.
    pub late_arrivals: Option<i64>,
    /// Every denominator of the two.
    pub denominators: Vec<DenominatorDifference>,
    /// Their targets; none where neither has one.
    pub target: Option<TargetDifference>,
    /// Whether the figure rests on the log that is folded now, up to a place within it.
    pub same_log: bool,
    /// The log that the figure was quoted from, where the one that is folded now is a copy of it, up
    /// to all that the figure rests on; none where it was quoted from this one.
    #[serde(default)]
    pub copy_of: Option<OriginalLog>,
    /// Whether events are still counted by the same rules.
    pub same_rules: bool,
    /// A relative link to the postings behind the difference, by whole days of recording from the
    /// day before the figure was quoted; none where they cannot be told apart from those before.
    pub link: Option<String>,
}

/// A log that another one is a copy of, with the same records at the same offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OriginalLog {
    /// Its Kafka cluster.
    pub cluster_id: String,
    /// The full name of its events topic.
    pub topic: String,
    /// How far it was copied, by the backup's clock.
    pub copied_at: TimestampMs,
    /// When the copy was made.
    pub restored_at: TimestampMs,
}

impl OriginalLog {
    /// As a copy names it.
    #[must_use]
    pub fn of(copy: &LogCopy) -> Self {
        Self {
            cluster_id: copy.original_cluster_id.clone(),
            topic: copy.original_topic.clone(),
            copied_at: copy.copied_at,
            restored_at: copy.restored_at,
        }
    }
}

/// What a part of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigurePartKind {
    /// New activations, by how many days after they happened they were recorded.
    Activations,
    /// New moves in.
    MovesIn,
    /// New moves out; amounts below zero.
    MovesOut,
    /// New deactivations, by reason; amounts below zero.
    Deactivations,
    /// Activations taken back: retracted, or put right by a fact that came late; below zero.
    ReversedActivations,
    /// Moves in taken back; below zero.
    ReversedMovesIn,
    /// Moves out taken back.
    ReversedMovesOut,
    /// Deactivations taken back, by reason.
    ReversedDeactivations,
}

impl FigurePartKind {
    /// Its name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::MovesIn => "moves_in",
            Self::MovesOut => "moves_out",
            Self::Deactivations => "deactivations",
            Self::ReversedActivations => "reversed_activations",
            Self::ReversedMovesIn => "reversed_moves_in",
            Self::ReversedMovesOut => "reversed_moves_out",
            Self::ReversedDeactivations => "reversed_deactivations",
        }
    }
}

/// A part of a difference. What was posted and taken back on one recorded day is seen by what is
/// left of it, so the amounts are what the difference consists of, to the last person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigurePart {
    /// What it is.
    pub kind: FigurePartKind,
    /// Of new activations, how late they were recorded.
    pub age: Option<Age>,
    /// Of deactivations and those taken back, why.
    pub reason: Option<DeactivationReason>,
    /// What it adds to the figure: people, below zero where it takes them away.
    pub amount: i64,
}

/// A denominator then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenominatorDifference {
    /// What it counts.
    pub basis: Basis,
    /// That of the figure.
    pub then: Option<DenominatorShare>,
    /// That of the answer now.
    pub now: Option<DenominatorShare>,
    /// Whether another figure or another source stands behind it, and not people alone.
    pub changed: bool,
}

/// A target then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetDifference {
    /// That of the figure.
    pub then: Option<TargetShare>,
    /// That of the answer now.
    pub now: Option<TargetShare>,
    /// Whether it is another target, and not people alone.
    pub changed: bool,
}

/// From how many days on an arrival is late: what happened in the evening is recorded on the next
/// day by custom.
const LATE_FROM_DAYS: u32 = 2;

/// What a part is of.
type PartKey = (FigurePartKind, Option<Age>, Option<DeactivationReason>);

impl Category {
    /// The part that an amount of the ledger belongs to, and what the amount adds to the figure.
    fn part(self, amount: i64) -> (PartKey, i64) {
        use FigurePartKind as Kind;
        let is_posted = amount > 0;
        let choose = |posted, reversed| if is_posted { posted } else { reversed };
        match self {
            Self::Activations(place) => {
                let (from_days, to_days) = ACTIVATION_AGES[place];
                let age = is_posted.then_some(Age { from_days, to_days });
                ((choose(Kind::Activations, Kind::ReversedActivations), age, None), amount)
            }
            Self::MovesIn => ((choose(Kind::MovesIn, Kind::ReversedMovesIn), None, None), amount),
            Self::MovesOut => {
                ((choose(Kind::MovesOut, Kind::ReversedMovesOut), None, None), -amount)
            }
            Self::Deactivations(reason) => {
                let kind = choose(Kind::Deactivations, Kind::ReversedDeactivations);
                ((kind, None, Some(reason)), -amount)
            }
        }
    }
}

/// The counters that were quoted.
fn quoted_counters(content: &FigureContent) -> Counters {
    let ages = content.activations_by_age.iter().filter_map(|row| {
        let place = ACTIVATION_AGES.iter().position(|(from, _)| *from == row.from_days)?;
        Some((Category::Activations(place), row.count))
    });
    let reasons = content.deactivations_by_reason.iter();
    let reasons = reasons.map(|row| (Category::Deactivations(row.reason), row.count));
    let moves = [(Category::MovesIn, content.moves_in), (Category::MovesOut, content.moves_out)];
    ages.chain(reasons).chain(moves).collect()
}

/// Whether the figure rests on a prefix of the log that is folded now; `is_copied` if that is a copy
/// of the log that it was quoted from.
fn is_prefix(then: &Evidence, now: &Evidence, is_copied: bool) -> bool {
    (then.cluster_id == now.cluster_id || is_copied)
        && then.partitions.len() == now.partitions.len()
        && then.partitions.iter().zip(&now.partitions).all(|(then, now)| {
            // Timestamps are the broker's and their latest never goes back: where it did, the
            // partition was emptied and filled again.
            then.partition == now.partition
                && then.next_offset <= now.next_offset
                && then.recorded_until <= now.recorded_until
        })
}

pub(super) fn difference(
    view: &View,
    quoted: &QuotedFigure,
    now: &Progress,
) -> Result<FigureDifference, QueryError> {
    let content = &quoted.content;
    let scope = Scope::of(content.region)?;
    let evidence = &content.evidence;
    let offsets = evidence.partitions.iter().map(|row| (row.partition, row.next_offset));
    let original = match evidence.cluster_id == now.evidence.cluster_id {
        true => None,
        false => view.decisions.copied_from(
            &evidence.cluster_id,
            offsets,
            evidence.reference_next_offset,
        ),
    };
    let same_log = is_prefix(evidence, &now.evidence, original.is_some());
    let same_rules = evidence.fold_version == now.evidence.fold_version;
    let window = question_of(content).window();

    let mut grown = counters(view, &scope, window);
    for (category, count) in quoted_counters(content) {
        *grown.entry(category).or_default() -= count;
    }
    let mut parts: BTreeMap<PartKey, i64> = BTreeMap::new();
    let mut add = |category: Category, amount: i64| {
        if amount != 0 {
            let (key, amount) = category.part(amount);
            *parts.entry(key).or_default() += amount;
        }
    };
    if same_log && same_rules {
        let until = evidence.partitions.iter().filter_map(|row| row.recorded_until).max();
        let last_day = until.map(|until| Day::recorded(until.0));
        let counted = |cell: &_| window.counts(cell);
        each_netted(&view.snapshot.ledger, &scope, &ACTIVE, counted, |cell| {
            if let Some(category) = Category::of(cell)
                && last_day.is_none_or(|last| cell.key.recorded() > last)
            {
                let amount = i64::from(cell.amount);
                add(category, amount);
                *grown.entry(category).or_default() -= amount;
            }
        });
    }
    grown.into_iter().for_each(|(category, amount)| add(category, amount));

    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(_, amount)| *amount != 0)
        .map(|((kind, age, reason), amount)| FigurePart { kind, age, reason, amount })
        .collect();
    let late = parts.iter().filter(|part| {
        part.kind == FigurePartKind::Activations
            && part.age.is_some_and(|age| age.from_days >= LATE_FROM_DAYS)
    });
    let late = late.map(|part| part.amount).sum();
    Ok(FigureDifference {
        activated: now.figures.activated - content.activated,
        parts,
        late_arrivals: (same_log && same_rules).then_some(late),
        denominators: denominators(&content.denominators, &now.figures.denominators),
        target: target(content.target.as_ref(), now.figures.target.as_ref()),
        same_log,
        copy_of: original.map(|copy| OriginalLog::of(copy)),
        same_rules,
        link: link(quoted, view.horizon()).filter(|_| same_log && same_rules),
    })
}

/// The change of knowledge since the day before the figure was quoted.
fn link(quoted: &QuotedFigure, horizon: Horizon) -> Option<String> {
    let content = &quoted.content;
    let from = today(quoted.quoted_at).checked_sub(1.day()).ok()?;
    let to = content.known_at.map_or(horizon.known, |known_at| known_at.min(horizon.today));
    let change = ChangeQuestion { code: content.region, from, to, axis: Axis::KnownAt };
    let days = Days { as_of: Some(content.as_of), ..Days::default() };
    (from <= to).then(|| change.link(&days))
}

fn denominators(then: &[DenominatorShare], now: &[DenominatorShare]) -> Vec<DenominatorDifference> {
    let find = |among: &[DenominatorShare], basis| {
        among.iter().find(|share| share.basis == basis).cloned()
    };
    // Whose coverage it is may differ: that is people.
    let figure = |share: &Option<DenominatorShare>| {
        share.clone().map(|share| DenominatorShare { coverage_percent: None, ..share })
    };
    let mut bases: Vec<_> = then.iter().chain(now).map(|share| share.basis).collect();
    bases.sort_unstable();
    bases.dedup();
    let rows = bases.into_iter().map(|basis| {
        let (then, now) = (find(then, basis), find(now, basis));
        let changed = figure(&then) != figure(&now);
        DenominatorDifference { basis, then, now, changed }
    });
    rows.collect()
}

fn target(then: Option<&TargetShare>, now: Option<&TargetShare>) -> Option<TargetDifference> {
    let figure = |share: Option<&TargetShare>| {
        share.cloned().map(|share| TargetShare { attainment_percent: None, ..share })
    };
    then.or(now)?;
    let changed = figure(then) != figure(now);
    Some(TargetDifference { then: then.cloned(), now: now.cloned(), changed })
}
