//! What a change consists of: which part of it a posting belongs to, and which postings a part has.

use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::DeactivationReason;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::domain::day::Day;
use crate::query::answer::Age;
use crate::query::days::{DayRange, Days};
use crate::query::explanations::postings::{ActiveAccount, PostingsQuestion, Sign, age_of};

/// How late activations are distinguished: the next day, within a week, within a month, later.
pub const AGES: [Age; 4] = [
    Age { from_days: 0, to_days: Some(1) },
    Age { from_days: 2, to_days: Some(7) },
    Age { from_days: 8, to_days: Some(30) },
    Age { from_days: 31, to_days: None },
];

/// Which of a question's two days differs between the two readings.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Axis {
    /// What was known: the same `as_of`, or none.
    #[default]
    KnownAt,
    /// What was true: the same `known_at`, or none.
    AsOf,
}

/// What a part of a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Activations that happened after the earlier day.
    NewActivations,
    /// Activations that happened up to the earlier day and were recorded after it.
    LateActivations,
    /// Moved in while active.
    MovesIn,
    /// Moved out while active; counts below zero.
    MovesOut,
    /// Active to inactive, by reason; counts below zero.
    Deactivations,
    /// Activations taken back: retracted, or put right by a fact that came late; counts below zero.
    ReversedActivations,
    /// Moves in taken back; counts below zero.
    ReversedMovesIn,
    /// Moves out taken back.
    ReversedMovesOut,
    /// Deactivations taken back, by reason.
    ReversedDeactivations,
    /// Activations by events released from quarantine, whenever they happened. Like the next
    /// three, with what those events took back; no other part has any of it.
    ReleasedActivations,
    /// Deactivations by such events, by reason.
    ReleasedDeactivations,
    /// Moves in by such events.
    ReleasedMovesIn,
    /// Moves out by such events.
    ReleasedMovesOut,
}

/// Two readings that differ in one of their days.
#[derive(Clone, Copy)]
pub(super) struct Between {
    pub(super) axis: Axis,
    pub(super) from: Date,
    pub(super) to: Date,
    /// The day of the other axis, which both readings have; none for all there is.
    pub(super) fixed: Option<Date>,
    /// Whether postings of days after that count as well, where it is the day of what was true.
    pub(super) ahead: bool,
}

impl Between {
    pub(super) fn days_of(&self, day: Date) -> Days {
        match self.axis {
            Axis::KnownAt => Days { as_of: self.fixed, known_at: Some(day), ahead: self.ahead },
            Axis::AsOf => Days { as_of: Some(day), known_at: self.fixed, ahead: false },
        }
    }

    /// The part that a posting belongs to.
    pub(super) fn part(&self, cell: &Cell, is_released: bool) -> Part {
        let (kind, reversed) = match cell.key.account() {
            account if is_released => {
                let kind = PartKind::released(account);
                (kind, kind)
            }
            Account::MovesIn => (PartKind::MovesIn, PartKind::ReversedMovesIn),
            Account::MovesOut => (PartKind::MovesOut, PartKind::ReversedMovesOut),
            Account::Deactivations => (PartKind::Deactivations, PartKind::ReversedDeactivations),
            _ if self.is_new(cell.key.day()) => {
                (PartKind::NewActivations, PartKind::ReversedActivations)
            }
            _ => (PartKind::LateActivations, PartKind::ReversedActivations),
        };
        let kind = if cell.amount < 0 { reversed } else { kind };
        let age = (kind == PartKind::LateActivations).then(|| {
            let days = age_of(cell);
            AGES.into_iter().rfind(|age| days >= age.from_days).unwrap_or(AGES[0])
        });
        let reason = match cell.key.detail() {
            Detail::Deactivation(reason) => Some(reason),
            _ => None,
        };
        Part { kind, age, reason }
    }

    fn is_new(&self, day: Day) -> bool {
        Day::of_date(self.from).is_none_or(|from| day > from)
    }

    /// The postings of a part.
    pub(super) fn postings(
        &self,
        code: RegionCode,
        part: Part,
        any_released: bool,
    ) -> PostingsQuestion {
        let after = Some(self.from.saturating_add(1.days()));
        let (mut happened, recorded) = match self.axis {
            Axis::KnownAt => {
                let until = self.fixed.filter(|_| !self.ahead);
                (DayRange { from: None, to: until }, DayRange { from: after, to: Some(self.to) })
            }
            Axis::AsOf => (
                DayRange { from: after, to: Some(self.to) },
                DayRange { from: None, to: self.fixed },
            ),
        };
        match part.kind {
            PartKind::NewActivations => happened.from = after,
            PartKind::LateActivations => {
                happened.to = Some(happened.to.map_or(self.from, |until| until.min(self.from)));
            }
            _ => {}
        }
        let (account, sign) = part.kind.postings();
        PostingsQuestion {
            sign,
            reason: part.reason,
            happened_from: happened.from,
            happened_to: happened.to,
            recorded_from: recorded.from,
            recorded_to: recorded.to,
            age_from: part.age.map(|age| age.from_days),
            age_to: part.age.and_then(|age| age.to_days),
            released: any_released.then_some(sign.is_none()),
            ..PostingsQuestion::of(code, account)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    pub(super) age: Option<Age>,
    pub(super) reason: Option<DeactivationReason>,
}

impl PartKind {
    /// The account, and whether it is what adds to it or what takes back; of what was released
    /// both.
    const fn postings(self) -> (ActiveAccount, Option<Sign>) {
        let (posted, reversed) = (Some(Sign::Posted), Some(Sign::Reversed));
        match self {
            Self::NewActivations | Self::LateActivations => (ActiveAccount::Activations, posted),
            Self::MovesIn => (ActiveAccount::MovesIn, posted),
            Self::MovesOut => (ActiveAccount::MovesOut, posted),
            Self::Deactivations => (ActiveAccount::Deactivations, posted),
            Self::ReversedActivations => (ActiveAccount::Activations, reversed),
            Self::ReversedMovesIn => (ActiveAccount::MovesIn, reversed),
            Self::ReversedMovesOut => (ActiveAccount::MovesOut, reversed),
            Self::ReversedDeactivations => (ActiveAccount::Deactivations, reversed),
            Self::ReleasedActivations => (ActiveAccount::Activations, None),
            Self::ReleasedDeactivations => (ActiveAccount::Deactivations, None),
            Self::ReleasedMovesIn => (ActiveAccount::MovesIn, None),
            Self::ReleasedMovesOut => (ActiveAccount::MovesOut, None),
        }
    }

    const fn released(account: Account) -> Self {
        match account {
            Account::Deactivations => Self::ReleasedDeactivations,
            Account::MovesIn => Self::ReleasedMovesIn,
            Account::MovesOut => Self::ReleasedMovesOut,
            _ => Self::ReleasedActivations,
        }
    }
}
