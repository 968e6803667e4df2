//! Cumulative counters of the ledger that a later difference of a figure is explained by.

use std::collections::BTreeMap;

use laju_schemas::event::DeactivationReason;
use laju_schemas::quoted::{ACTIVATION_AGES, FigureContent};

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::query::days::Days;
use crate::query::explanations::postings::{ACTIVE, age_of};
use crate::query::scan::Window;
use crate::query::scope::Scope;
use crate::query::view::View;

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

pub(super) fn counters(view: &View, scope: &Scope, window: Window) -> Counters {
    let mut counters = Counters::new();
    for group in view.sums.groups(scope).filter(|group| ACTIVE.contains(&group.account)) {
        // Neighbours are mostly of one category: it is looked up where that changes.
        let mut last: Option<(Category, i64)> = None;
        for cell in window.cells(group.cells) {
            let (category, amount) = (Category::of(cell), i64::from(cell.amount));
            match &mut last {
                Some((of, sum)) if Some(*of) == category => *sum += amount,
                _ => {
                    add(&mut counters, last);
                    last = category.map(|category| (category, amount));
                }
            }
        }
        add(&mut counters, last);
    }
    counters
}

fn add(counters: &mut Counters, counted: Option<(Category, i64)>) {
    if let Some((category, amount)) = counted {
        *counters.entry(category).or_default() += amount;
    }
}

/// The question that a figure answers.
#[must_use]
pub fn question_of(content: &FigureContent) -> Days {
    Days { as_of: Some(content.as_of), known_at: content.known_at, ahead: false }
}
