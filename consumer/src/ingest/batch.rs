//! A block of judged records, free of the client's memory: several are folded at a time, so that
//! the look-ups of one are under way while another is folded.

use laju_schemas::{EventId, Fact, RegionIndex, SubjectId};

use crate::domain::admission::{Admitted, Refusal};
use crate::projection::partition::{PartitionState, RecordMark, UnverifiedFields};

/// A record that could not be counted. Its bytes are in the log: who puts them into quarantine reads
/// them again there.
#[derive(Clone, Debug)]
pub struct RefusedRecord {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset and timestamp.
    pub mark: RecordMark,
    /// Why it could not be counted.
    pub refusal: Refusal,
    /// What it says of itself, where it decodes that far.
    pub claims: Option<UnverifiedFields>,
}

/// How many items are announced before they are folded: about as many look-ups are under way at
/// once in a processor.
const ANNOUNCED: usize = 16;

struct Counted {
    partition: u32,
    mark: RecordMark,
    event_id: EventId,
    subject: SubjectId,
    sequence: u32,
    occurred_at: i64,
    home: RegionIndex,
    service: RegionIndex,
    fact: Fact,
    text: u32,
    kiosk: u8,
    outreach: Option<u8>,
    is_released: bool,
}

/// One thing that polling brought.
enum Item {
    Counted(Counted),
    Refused(Box<RefusedRecord>),
    End(End),
    /// What follows of this partition begins with its first record.
    Again(u32),
}

/// The end of a partition.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The partition.
    pub partition: u32,
    /// The offset behind its last record.
    pub offset: i64,
}

/// Some records in the order they came.
#[derive(Default)]
pub struct Batch {
    items: Vec<Item>,
    text: String,
}

impl Batch {
    /// How many items it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a record that counts.
    #[inline]
    pub fn counted(&mut self, partition: u32, mark: RecordMark, event: &Admitted<'_>) {
        let text = self.text.len() as u32;
        self.text.push_str(event.kiosk);
        self.text.push_str(event.outreach.unwrap_or_default());
        // Both have at most 64 bytes, as admission has seen to.
        self.items.push(Item::Counted(Counted {
            partition,
            mark,
            event_id: event.event_id,
            subject: event.subject,
            sequence: event.sequence,
            occurred_at: event.occurred_at,
            home: event.home,
            service: event.service,
            fact: event.fact,
            text,
            kiosk: event.kiosk.len() as u8,
            outreach: event.outreach.map(|outreach| outreach.len() as u8),
            is_released: event.is_released,
        }));
    }

    /// Adds a record that cannot be counted.
    pub fn refused(&mut self, record: RefusedRecord) {
        self.items.push(Item::Refused(Box::new(record)));
    }

    /// Notes that a partition's end was reached.
    pub fn end(&mut self, end: End) {
        self.items.push(Item::End(end));
    }

    /// Has a partition folded again from its beginning, with which what follows of it begins.
    pub fn again(&mut self, partition: u32) {
        self.items.push(Item::Again(partition));
    }

    /// Folds the records into their partitions, which are numbered on from `first`, and keeps its
    /// memory for other records.
    pub fn apply(&mut self, first: u32, partitions: &mut [PartitionState]) {
        let Self { items, text } = self;
        let mut items = items.drain(..);
        let slot = |partition: u32| (partition - first) as usize;
        while !items.as_slice().is_empty() {
            for item in items.as_slice().iter().take(ANNOUNCED) {
                if let Item::Counted(counted) = item {
                    partitions[slot(counted.partition)].announce(counted.subject);
                }
            }
            for item in items.by_ref().take(ANNOUNCED) {
                let state = &mut partitions[slot(item.partition())];
                item.apply(text, state);
            }
        }
        drop(items);
        text.clear();
    }
}

impl Item {
    #[inline]
    fn partition(&self) -> u32 {
        match self {
            Self::Counted(counted) => counted.partition,
            Self::Refused(record) => record.partition,
            Self::End(end) => end.partition,
            Self::Again(partition) => *partition,
        }
    }

    #[inline]
    fn apply(self, text: &str, state: &mut PartitionState) {
        match self {
            Self::Counted(counted) => {
                let kiosk = counted.text as usize;
                let outreach = kiosk + usize::from(counted.kiosk);
                let event = Admitted {
                    event_id: counted.event_id,
                    subject: counted.subject,
                    kiosk: &text[kiosk..outreach],
                    sequence: counted.sequence,
                    occurred_at: counted.occurred_at,
                    home: counted.home,
                    service: counted.service,
                    outreach: counted
                        .outreach
                        .map(|length| &text[outreach..outreach + usize::from(length)]),
                    fact: counted.fact,
                    is_released: counted.is_released,
                };
                state.counted(counted.mark, &event);
            }
            Self::Refused(record) => {
                state.refused(record.mark, &record.refusal, record.claims.as_ref());
            }
            Self::End(end) => state.reached_end(end.offset),
            // What was not committed of it is not wanted any more, its end neither.
            Self::Again(partition) => *state = PartitionState::again(partition),
        }
    }
}
