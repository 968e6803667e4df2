//! The id of an event of the stream: up to where its reader has been sent everything.
//!
//! `1b2c3d4f.0:123,1:456;r17;s8;d2;f9c3ad012;t1722531600000;e7f00ba12.42.9d3c` is: everything up to
//! this [position](laju_schemas::position), counted by the rules with this digest, at this time in
//! milliseconds since 1970; revision 42 of the run `7f00ba12`, as chosen by the selection with the
//! digest `9d3c`.
//!
//! The run that gave it knows by the number what its reader lacks. Any other node of the same rules
//! knows it by the position and the time, if it had readers of its own then: see [`LastEventId::seen`].

use laju_schemas::position::Position;

use super::revision::Revision;
use super::selection::Selection;

/// Two nodes' clocks differ by no more than this, in milliseconds. Who silent kiosks are is a matter
/// of time, and not of the position.
const CLOCKS_DIFFER_MS: i64 = 5_000;

/// What an event's id says to a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId {
    /// Up to where everything was sent.
    pub position: Position,
    /// The digest of the rules.
    fold: u32,
    /// When the revision was made.
    made_ms: i64,
    /// The run of the program that gave it.
    run: String,
    /// Its revision up to which everything was sent.
    number: u64,
    /// The digest of the regions of which everything was sent.
    selection: u32,
}

impl LastEventId {
    /// Of an id that a reader brings along; `None` of anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, revision) = text.rsplit_once(";e")?;
        let (rest, made) = rest.rsplit_once(";t")?;
        let (position, fold) = rest.rsplit_once(";f")?;
        let mut parts = revision.split('.');
        let last = Self {
            position: position.parse().ok()?,
            fold: u32::from_str_radix(fold, 16).ok()?,
            made_ms: made.parse().ok()?,
            run: parts.next()?.to_owned(),
            number: parts.next()?.parse().ok()?,
            selection: u32::from_str_radix(parts.next()?, 16).ok()?,
        };
        parts.next().is_none().then_some(last)
    }

    /// The revision up to which a reader that brings this along has been sent everything of these
    /// regions, as far as this run can tell: the one that it names, or, where another node has sent
    /// it, the latest of this run that is of no later state. The revision holds up to a position.
    #[must_use]
    pub fn seen(&self, revision: &Revision, upto: &Position, selection: &Selection) -> Option<u64> {
        if self.selection != selection.digest() || self.fold != revision.fold {
            return None;
        }
        if *self.run == *revision.run {
            return (1..=revision.number).contains(&self.number).then_some(self.number);
        }
        // What is sent from here on must not be from before what was sent there.
        if !upto.covers(&self.position) {
            return None;
        }
        let until = self.made_ms.saturating_sub(CLOCKS_DIFFER_MS);
        let made = revision.made.iter().rev();
        let mut before = made.filter(|m| m.at_ms <= until && self.position.covers(&m.position));
        before.next().map(|made| made.number)
    }
}
