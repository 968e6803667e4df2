//! A fact in its compact form: 32 bytes, as it is kept in memory.
//!
//! What many facts share stands once in the partition's dictionary; the rest is packed so that a
//! subject with one fact takes 48 bytes beside its place in the table.

use std::cmp::Ordering;

use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, FactKind, RetractionReason, Venue,
};
use laju_schemas::rules::MAX_AHEAD_MS;
use laju_schemas::{EventId, Fact, RegionIndex};

use super::day::{LAST_RECORD_MS, PROGRAMME_START_MS};
use super::dictionary::{ContextRef, Extra, Names};

/// A fact of a subject, without the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactFact {
    /// The event's id.
    pub event_id: EventId,
    /// occurred_at 42 | kind 3 | body 8 | home 10 bits, from high to low.
    packed: u64,
    /// Kiosk, service region, visit and what else there is, in the dictionary.
    pub context: ContextRef,
    /// The kiosk's own number of the event.
    pub sequence: u32,
}

const HOME_BITS: u32 = 10;
const BODY_BITS: u32 = 8;
const KIND: u32 = HOME_BITS + BODY_BITS;
const OCCURRED: u32 = KIND + 3;

// One value more than there are bits for would run into the field beside it, without a word.
const _: () = {
    assert!(FactKind::ALL.len() <= 1 << (OCCURRED - KIND));
    assert!(Channel::ALL.len() <= 1 << 3);
    assert!(Venue::ALL.len() < 1 << 4, "none is a value too");
    let last = LAST_RECORD_MS + MAX_AHEAD_MS - PROGRAMME_START_MS;
    assert!((last as u64) < 1 << (u64::BITS - OCCURRED));
};

impl CompactFact {
    /// Packs a fact. `occurred_at` is in milliseconds since 1970 and within the programme, as
    /// admission has seen to.
    #[must_use]
    #[inline]
    pub fn new(
        event_id: EventId,
        occurred_at: i64,
        home: RegionIndex,
        fact: &Fact,
        context: ContextRef,
        sequence: u32,
    ) -> Self {
        let packed = ((occurred_at - PROGRAMME_START_MS) as u64) << OCCURRED
            | (fact.kind() as u64) << KIND
            | u64::from(body(fact)) << HOME_BITS
            | u64::from(home.0);
        Self { event_id, packed, context, sequence }
    }

    /// What happened.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> FactKind {
        FactKind::ALL[(self.packed >> KIND & 7) as usize]
    }

    /// When it happened: milliseconds since 1970.
    #[must_use]
    #[inline]
    pub fn occurred_at(&self) -> i64 {
        (self.packed >> OCCURRED) as i64 + PROGRAMME_START_MS
    }

    /// The home region that it names.
    #[must_use]
    #[inline]
    pub fn home(&self) -> RegionIndex {
        RegionIndex((self.packed & ((1 << HOME_BITS) - 1)) as u16)
    }

    fn body(&self) -> u8 {
        (self.packed >> HOME_BITS) as u8
    }

    /// The instant and the kind: of two facts that agree in both, one stands.
    #[must_use]
    pub fn instant_and_kind(&self) -> u64 {
        self.packed >> KIND
    }

    /// Of an activation: where, at what kind of place, and whether for the first time.
    #[must_use]
    pub fn activation(&self) -> (Channel, Option<Venue>, bool) {
        let body = self.body();
        let channel = Channel::from_index(usize::from(body >> 5)).unwrap_or(Channel::Unknown);
        let venue = usize::from(body >> 1 & 15).checked_sub(1).and_then(Venue::from_index);
        (channel, venue, body & 1 == 1)
    }

    /// Of a deactivation: why.
    #[must_use]
    pub fn deactivation_reason(&self) -> DeactivationReason {
        DeactivationReason::from_index(self.body().into()).unwrap_or(DeactivationReason::Unknown)
    }

    /// Of a deferral: why.
    #[must_use]
    pub fn deferral_reason(&self) -> DeferralReason {
        DeferralReason::from_index(self.body().into()).unwrap_or(DeferralReason::Unknown)
    }

    /// Of a recording: whether it is the first.
    #[must_use]
    pub fn first_time_holder(&self) -> bool {
        self.body() == 1
    }

    /// Of a request or a print: why.
    #[must_use]
    pub fn card_reason(&self) -> CardReason {
        CardReason::from_index(self.body().into()).unwrap_or(CardReason::Unknown)
    }

    /// Of a retraction: why.
    #[must_use]
    pub fn retraction_reason(&self) -> RetractionReason {
        RetractionReason::from_index(self.body().into()).unwrap_or(RetractionReason::Unknown)
    }

    /// Of a retraction: the event taken back.
    #[must_use]
    pub fn retracts(&self, names: &Names) -> Option<EventId> {
        if self.kind() != FactKind::Retracted {
            return None;
        }
        match names.context(self.context).extra {
            Extra::Retracts(event_id) => Some(event_id),
            Extra::None | Extra::From(_) => None,
        }
    }

    /// Facts by content: occurred_at, kind, home, service, outreach, kiosk, sequence, body.
    #[must_use]
    pub fn compare_content(&self, other: &Self, names: &Names) -> Ordering {
        let (a, b) = (names.context(self.context), names.context(other.context));
        self.instant_and_kind()
            .cmp(&other.instant_and_kind())
            .then_with(|| self.home().cmp(&other.home()))
            .then_with(|| a.service.cmp(&b.service))
            .then_with(|| names.outreach(a.outreach).cmp(&names.outreach(b.outreach)))
            .then_with(|| names.kiosk(a.kiosk).cmp(names.kiosk(b.kiosk)))
            .then_with(|| self.sequence.cmp(&other.sequence))
            .then_with(|| compare_extra(a.extra, b.extra))
            .then_with(|| self.body().cmp(&other.body()))
    }

    /// When it happened, in milliseconds since the programme began, and kind, body and home.
    #[must_use]
    #[inline]
    pub fn parts(&self) -> (i64, u32) {
        ((self.packed >> OCCURRED) as i64, (self.packed & ((1 << OCCURRED) - 1)) as u32)
    }

    /// A fact of such parts, with an event id, a context and a sequence of 0; `None` if there is none.
    #[must_use]
    #[inline]
    pub fn of_parts(occurred: i64, rest: u32) -> Option<Self> {
        let occurred = u64::try_from(occurred).ok().filter(|o| o >> (u64::BITS - OCCURRED) == 0)?;
        (rest >> OCCURRED == 0).then_some(Self {
            event_id: EventId([0; 16]),
            packed: occurred << OCCURRED | u64::from(rest),
            context: 0,
            sequence: 0,
        })
    }
}

/// A fact's body in eight bits, so that they compare as the fields do, in the schema's order.
fn body(fact: &Fact) -> u8 {
    match *fact {
        Fact::Activated { channel, venue, first_time_holder } => {
            channel.index() << 5
                | venue.map_or(0, |v| v.index() + 1) << 1
                | u8::from(first_time_holder)
        }
        Fact::Deactivated { reason } => reason.index(),
        Fact::Relocated { .. } => 0,
        Fact::Deferred { reason } => reason.index(),
        Fact::CardRecorded { first_time_holder } => first_time_holder.into(),
        Fact::CardRequested { reason } | Fact::CardPrinted { reason } => reason.index(),
        Fact::Retracted { reason, .. } => reason.index(),
    }
}

/// The part of a body that the dictionary holds; two facts of one kind have the same sort of it.
fn compare_extra(a: Extra, b: Extra) -> Ordering {
    match (a, b) {
        (Extra::From(a), Extra::From(b)) => a.cmp(&b),
        (Extra::Retracts(a), Extra::Retracts(b)) => a.cmp(&b),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_fact_keeps_everything() {
        for (channel, venue, first_time_holder) in [
            (Channel::Unknown, Some(Venue::Unknown), true),
            (Channel::Office, None, false),
            (Channel::Outreach, Some(Venue::School), false),
        ] {
            let fact = Fact::Activated { channel, venue, first_time_holder };
            let occurred_at = super::super::day::LAST_RECORD_MS + 86_400_000;
            let compact = CompactFact::new(
                EventId([7; 16]),
                occurred_at,
                RegionIndex(551),
                &fact,
                u32::MAX,
                u32::MAX - 1,
            );
            let (occurred, rest) = compact.parts();
            let CompactFact { event_id, context, sequence, .. } = compact;
            let again = CompactFact::of_parts(occurred, rest).unwrap();
            assert_eq!(CompactFact { event_id, context, sequence, ..again }, compact);
            assert_eq!(compact.kind(), FactKind::Activated);
            assert_eq!(compact.activation(), (channel, venue, first_time_holder));
            assert_eq!(compact.occurred_at(), occurred_at);
            assert_eq!(compact.home(), RegionIndex(551));
        }
        assert_eq!(size_of::<CompactFact>(), 32);
    }
}
