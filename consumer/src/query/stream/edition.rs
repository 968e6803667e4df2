//! An edition: every region's latest state at one moment.

use std::sync::Arc;

use super::selection::Place;

/// Every region's latest state at one moment. A clone or a later edition shares what did not
/// change.
#[derive(Clone, Debug)]
pub struct Edition {
    /// Its number within the run of the program: from 1 on, without gaps.
    pub number: u64,
    /// The run of the program that numbers it.
    pub run: Arc<str>,
    /// Which log, how far each partition and the reference topic: `c1b2c3d4.0:123,1:456;r17`.
    pub offsets: Arc<str>,
    /// By place.
    pub(super) states: Vec<State>,
}

/// A region's latest state.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The edition in which it last changed.
    pub(super) changed: u64,
    /// A [`crate::query::answer::LiveRow`] in JSON, on one line.
    pub(super) json: Arc<[u8]>,
}

impl Edition {
    pub(super) fn changed_since(&self, place: Place, number: u64) -> bool {
        self.states.get(place.at()).is_some_and(|state| state.changed > number)
    }

    pub(super) fn json(&self, place: Place) -> &[u8] {
        self.states.get(place.at()).map_or(&[], |state| &state.json)
    }
}
