//! A revision: every region's latest state at one moment.

use std::collections::VecDeque;
use std::sync::Arc;

use laju_schemas::position::Position;

use super::selection::Place;

/// So many revisions behind, a reader learns that it is too slow and begins again: with four
/// revisions a second, a minute.
pub const MOST_BEHIND: u64 = 240;

/// Every region's latest state at one moment. A clone or a later revision shares what did not
/// change.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its number within the run of the program: from 1 on, without gaps.
    pub number: u64,
    /// The run of the program that numbers it.
    pub run: Arc<str>,
    /// The digest of the rules by which it counts.
    pub(super) fold: u32,
    /// Up to where each topic is in it.
    pub position: Arc<Position>,
    /// What the ids begin with that tell of it: see [`super::LastEventId`].
    pub(super) id: Arc<str>,
    /// This revision and the ones before it, in their order.
    pub(super) made: VecDeque<Made>,
    /// By place.
    pub(super) states: Vec<State>,
}

/// When a revision was made, and of what.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) number: u64,
    /// In milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) position: Arc<Position>,
}

/// A region's latest state.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The revision in which it last changed.
    pub(super) changed: u64,
    /// A [`super::revisions::LiveRow`] in JSON, on one line.
    pub(super) json: Arc<[u8]>,
}

impl Revision {
    /// The revision after another one of the run, or the first one: of a position, made at a time in
    /// milliseconds since 1970.
    pub(super) fn after(
        before: Option<&Self>,
        (run, fold): (&Arc<str>, u32),
        (position, at_ms): (Position, i64),
        states: Vec<State>,
    ) -> Self {
        let number = before.map_or(1, |before| before.number + 1);
        let mut made = before.map(|before| before.made.clone()).unwrap_or_default();
        // A reader that is further behind begins again.
        if made.len() as u64 > MOST_BEHIND {
            made.pop_front();
        }
        let position = Arc::new(position);
        made.push_back(Made { number, at_ms, position: Arc::clone(&position) });
        let id = format!("{position};f{fold:08x};t{at_ms};e{run}.{number}.").into();
        Self { number, run: Arc::clone(run), fold, position, id, made, states }
    }

    pub(super) fn changed_since(&self, place: Place, number: u64) -> bool {
        self.states.get(place.at()).is_some_and(|state| state.changed > number)
    }

    pub(super) fn json(&self, place: Place) -> &[u8] {
        self.states.get(place.at()).map_or(&[], |state| &state.json)
    }
}
