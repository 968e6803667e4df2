//! Cumulative counters of the ledger that a later difference of a figure is explained by.

use std::collections::BTreeMap;

use laju_schemas::event::DeactivationReason;
use laju_schemas::quoted::{ACTIVATION_AGES, FigureContent};

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::projection::snapshot::Snapshot;
use crate::query::days::Days;
use crate::query::explanations::postings::age_of;
use crate::query::scan::{Window, all_groups};
use crate::query::scope::Scope;

/// What distinguishes cumulative counters: enough to explain any later difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Category {
    /// By the place of their age in [`ACTIVATION_AGES`].
    Activations(usize),
    MovesIn,
    MovesOut,
    Deactivations(DeactivationReason),
}

impl Category {
    pub(super) fn of(cell: &Cell) -> Option<Self> {
        match (cell.key.account(), cell.key.detail()) {
            (Account::Activations, _) => {
                let days = age_of(cell);
                ACTIVATION_AGES.iter().rposition(|(from, _)| days >= *from).map(Self::Activations)
            }
            (Account::MovesIn, _) => Some(Self::MovesIn),
            (Account::MovesOut, _) => Some(Self::MovesOut),
            (_, Detail::Deactivation(reason)) => Some(Self::Deactivations(reason)),
            _ => None,
        }
    }
}

/// Cumulative counters: amounts of the ledger, moves out and deactivations above zero.
pub(super) type Counters = BTreeMap<Category, i64>;

pub(super) fn counters(snapshot: &Snapshot, scope: &Scope, window: Window) -> Counters {
    let mut counters = Counters::new();
    for group in all_groups(snapshot, scope) {
        for cell in window.cells(group.cells) {
            if let Some(category) = Category::of(cell) {
                *counters.entry(category).or_default() += i64::from(cell.amount);
            }
        }
    }
    counters
}

/// The question that a figure answers.
#[must_use]
pub fn question_of(content: &FigureContent) -> Days {
    Days { as_of: Some(content.as_of), known_at: content.known_at, ahead: false }
}
