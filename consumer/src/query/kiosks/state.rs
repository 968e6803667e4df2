//! What is known of one kiosk over all partitions at one snapshot: what has come in, what has
//! not, what is usual for it. It knows neither the present nor where the bitmaps come from.

use std::borrow::Cow;
use std::sync::Arc;

use laju_schemas::{RegionIndex, RegionTable, TimestampMs};
use roaring::RoaringBitmap;

use crate::domain::kiosk_habit::Habit;
use crate::projection::snapshot::RecordedStatus;

/// How many of a kiosk's gaps are shown among other kiosks.
pub const GAPS: usize = 10;

/// What has come in of a kiosk, and what has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KioskState {
    /// Its id.
    pub id: Arc<str>,
    /// Its own region: as its latest status says, else as its latest event does.
    pub service: Option<RegionIndex>,
    /// Events received, repeats included.
    pub received: u64,
    /// Distinct sequences received.
    pub sequences: u64,
    /// The highest sequence received; 0 before the first.
    pub highest_received: u32,
    /// The highest sequence ever announced, if it announces any.
    pub highest_announced: Option<u32>,
    /// Sequences up to the highest that have not come in; 0 of a retired kiosk.
    pub missing: u64,
    /// The first gaps, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// The record timestamp of its latest event.
    pub last_heard: Option<TimestampMs>,
    /// The record timestamp of its latest event or status.
    pub last_word: Option<TimestampMs>,
    /// What is usual for it, once anything is.
    pub habit: Option<Habit>,
    /// Lost or withdrawn, by its own word.
    pub retired: bool,
    /// Events beyond the first with their sequence.
    pub conflicts: u64,
}

/// What partitions have of a kiosk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    pub(crate) received: u64,
    pub(crate) facts: u64,
    pub(crate) last_heard: i64,
    pub(crate) service: Option<RegionIndex>,
}

impl KioskState {
    /// A kiosk's state: `received` are the sequences of its events that count, `refused` those of
    /// its records that do not.
    pub(crate) fn new(
        id: &Arc<str>,
        activity: Activity,
        (received, refused): (&RoaringBitmap, &RoaringBitmap),
        (days_heard, usual_gap): (u64, Option<u32>),
        status: Option<&RecordedStatus>,
    ) -> Self {
        let all = united(received, refused);
        let mut service = activity.service;
        if let Some(RecordedStatus { status, .. }) = status {
            service = RegionTable::get().index_of(status.service_region).or(service);
        }
        let sequences = all.len();
        let last_heard = (activity.last_heard > 0).then_some(TimestampMs(activity.last_heard));
        let mut state = Self {
            id: Arc::clone(id),
            service,
            received: activity.received,
            sequences,
            highest_received: all.max().unwrap_or(0),
            highest_announced: status.map(|status| status.highest),
            missing: 0,
            gaps: Vec::new(),
            last_heard,
            last_word: last_heard.max(status.map(|status| status.recorded_at)),
            habit: Habit::of(sequences, days_heard, usual_gap),
            retired: status.is_some_and(|status| status.status.retired),
            conflicts: activity.facts.saturating_sub(received.len()),
        };
        let highest = state.highest();
        if highest > 0 && !state.retired {
            state.missing = u64::from(highest) - all.range_cardinality(1..=highest);
        }
        if state.missing > 0 {
            state.gaps = first_gaps(&all, highest, GAPS);
        }
        state
    }

    /// The highest sequence received or announced.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.highest_received.max(self.highest_announced.unwrap_or(0))
    }

    /// Whether it is silent beyond its habit; `None` where nothing is usual for it yet.
    #[must_use]
    pub fn is_silent(&self, now: TimestampMs) -> Option<bool> {
        if self.retired {
            return Some(false);
        }
        let (habit, last_word) = self.habit.zip(self.last_word)?;
        Some(habit.is_silent(last_word, now))
    }
}

/// Both sets in one; mostly there are no refused sequences, and nothing is copied.
pub(crate) fn united<'a>(
    received: &'a RoaringBitmap,
    refused: &RoaringBitmap,
) -> Cow<'a, RoaringBitmap> {
    if refused.is_empty() { Cow::Borrowed(received) } else { Cow::Owned(received | refused) }
}

/// The first gaps, at most `most`, up to the highest sequence.
pub(crate) fn first_gaps(received: &RoaringBitmap, highest: u32, most: usize) -> Vec<(u32, u32)> {
    let mut gaps = Vec::new();
    let mut next = 1;
    let mut ranges = received.iter();
    while let Some(range) = ranges.next_range() {
        if gaps.len() == most {
            return gaps;
        }
        if *range.start() > next {
            gaps.push((next, range.start() - 1));
        }
        match range.end().checked_add(1) {
            Some(after) => next = after.max(1),
            None => return gaps,
        }
    }
    if next <= highest && gaps.len() < most {
        gaps.push((next, highest));
    }
    gaps
}
