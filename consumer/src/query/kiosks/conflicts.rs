//! Events of one kiosk that bear the same sequence: how many is known for ever, which sequences
//! and which events as far as they are remembered.
//!
//! An event has one subject, so it is in one partition: a sequence that counts in two partitions
//! is borne by several events. Within a partition it shows among what was recorded lately.

use std::collections::{BTreeMap, BTreeSet};

use laju_schemas::{EventId, SubjectId};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::dictionary::KioskRef;
use crate::projection::partition_view::PartitionView;
use crate::projection::recent::RecentFact;
use crate::projection::shard::SubjectFacts;
use crate::query::kiosks::state::KioskState;
use crate::query::view::View;

/// Events of one kiosk that bear the same sequence as another of its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflicts {
    /// Events beyond the first with their sequence. All of them are counted.
    pub events: u64,
    /// Their sequences, as far as they can be told, at most 100.
    pub sequences: Vec<ConflictingSequence>,
    /// What this means, and what cannot be told; none without conflicts.
    pub note: Option<String>,
}

/// A sequence that several events bear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictingSequence {
    /// The sequence.
    pub sequence: u32,
    /// The events, as far as they are remembered; none if none is.
    pub event_ids: Option<Vec<EventId>>,
}

/// How many sequences in conflict are named.
pub const NAMED: usize = 100;
/// How many citizens' facts are asked for to name the events.
const ASKED: usize = 1_000;

/// A kiosk's conflicts; `in_several` are the sequences that count in more than one partition.
pub(crate) fn conflicts(view: &View, kiosk: &KioskState, in_several: &RoaringBitmap) -> Conflicts {
    if kiosk.conflicts == 0 {
        return Conflicts { events: 0, sequences: Vec::new(), note: None };
    }
    let parts: Vec<(&PartitionView, KioskRef)> = view
        .snapshot
        .partitions
        .values()
        .filter_map(|part| Some((&**part, part.kiosk_number(&kiosk.id)?)))
        .collect();
    let mut shared = in_several.clone();
    for (part, number) in &parts {
        let mut seen = RoaringBitmap::new();
        for recent in of_kiosk(part, *number) {
            if !seen.insert(recent.sequence) {
                shared.insert(recent.sequence);
            }
        }
    }
    let named: RoaringBitmap = shared.iter().take(NAMED).collect();
    let events = events(view, &parts, &named);
    let sequences = named.iter().map(|sequence| ConflictingSequence {
        sequence,
        event_ids: events.get(&sequence).map(|ids| ids.iter().copied().collect()),
    });
    Conflicts {
        events: kiosk.conflicts,
        sequences: sequences.collect(),
        note: Some(note(shared.len())),
    }
}

fn note(shared: u64) -> String {
    let mut note = "events that bear the same sequence: two devices are configured with this id, \
                    or an outbox was restored from a copy. All are counted, but what is missing of \
                    either cannot be told: give each device an id of its own"
        .to_owned();
    if shared == 0 {
        note.push_str(". They were recorded too long ago to be named");
    } else if shared > NAMED as u64 {
        note.push_str(&format!(". The first {NAMED} of {shared} sequences are named"));
    }
    note
}

/// What is remembered of a kiosk's events in a partition.
fn of_kiosk(part: &PartitionView, number: KioskRef) -> impl Iterator<Item = &RecentFact> {
    let names = &part.names;
    part.recent.all().filter(move |recent| names.context(recent.context).kiosk == number)
}

/// The remembered events that bear one of these sequences. Where citizens' facts cannot be told there
/// are none: what else is known of the kiosk is worth telling.
fn events(
    view: &View,
    parts: &[(&PartitionView, KioskRef)],
    named: &RoaringBitmap,
) -> BTreeMap<u32, BTreeSet<EventId>> {
    let mut subjects: BTreeSet<(u32, SubjectId)> = BTreeSet::new();
    for (part, number) in parts {
        let bears = |recent: &&RecentFact| named.contains(recent.sequence);
        let found = of_kiosk(part, *number).filter(bears);
        subjects.extend(found.take(ASKED).map(|recent| (part.partition, recent.subject)));
    }
    let subjects: Vec<_> = subjects.into_iter().take(ASKED).collect();
    let mut events: BTreeMap<u32, BTreeSet<EventId>> = BTreeMap::new();
    let answer = view.facts(&subjects).unwrap_or_default();
    for ((partition, _), SubjectFacts { facts, .. }) in subjects.into_iter().zip(answer) {
        let Some((part, number)) = parts.iter().find(|(part, _)| part.partition == partition)
        else {
            continue;
        };
        for fact in facts {
            let is_its = part.names.context(fact.context).kiosk == *number;
            if is_its && named.contains(fact.sequence) {
                events.entry(fact.sequence).or_default().insert(fact.event_id);
            }
        }
    }
    events
}
