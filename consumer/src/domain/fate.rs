//! What became of an event: a pure function of its subject's facts, by the rules by which they
//! are posted (see [`super::contribution`]), so that the answer and the figures cannot differ.

use laju_schemas::event::{FactKind, RetractionReason};
use laju_schemas::{EventId, RegionIndex};

use super::contribution::{Listener, Workspace, find_standing, walk, zone};
use super::day::Day;
use super::dictionary::Names;
use super::fact::CompactFact;

/// What became of an event that was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The event: of several contents under one id the one that stands, which is the smallest.
    pub fact: CompactFact,
    /// What became of it.
    pub outcome: Outcome,
    /// How many other contents came under the same id: they are repeats.
    pub other_contents: usize,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the subject's timeline.
    Counted(Effect),
    /// Another event of the same kind and instant stands in its place.
    Repeat {
        /// That event.
        of: EventId,
    },
    /// It counts as never happened.
    Retracted {
        /// The retraction; the first to have occurred, if there are several.
        by: EventId,
        /// Why.
        reason: RetractionReason,
    },
}

/// What a fact that stands changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What.
    pub change: Change,
    /// The region in which it is posted; of a move the new one. Of a fact that changes nothing
    /// its home region.
    pub region: RegionIndex,
    /// The day on which it is posted. Of a fact that changes nothing its local day.
    pub day: Day,
}

/// What a fact changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Inactive to active.
    Activation,
    /// Active to inactive.
    Deactivation,
    /// Out of this region into another, while active.
    Move {
        /// The old home.
        from: RegionIndex,
    },
    /// Asked, but not activated.
    Deferral,
    /// Biometrics recorded.
    CardRecorded,
    /// A printed card asked for.
    CardRequested,
    /// A card printed.
    CardPrinted,
    /// Another event taken back.
    Retraction {
        /// That event.
        of: EventId,
        /// Whether it has come in.
        received: bool,
    },
    /// Nothing: who is active at this home is activated, who is not is deactivated or moved.
    None,
}

/// What became of the event of this id, which is one of a subject's facts, each different from
/// the others. `None` if it is none of them. The order of the facts does not matter.
#[must_use]
pub fn fate(facts: &[CompactFact], names: &Names, event_id: EventId) -> Option<Fate> {
    let contents = || facts.iter().filter(|fact| fact.event_id == event_id);
    let fact = *contents().min_by(|a, b| a.compare_content(b, names))?;
    let other_contents = contents().count() - 1;
    let retractions = facts.iter().filter(|fact| fact.retracts(names) == Some(event_id));
    let first = retractions.min_by(|a, b| {
        // One id can have come with several reasons.
        let key = |fact: &CompactFact| (fact.instant_and_kind(), fact.event_id);
        key(a).cmp(&key(b)).then_with(|| a.compare_content(b, names))
    });
    let outcome = match first {
        Some(first) => Outcome::Retracted { by: first.event_id, reason: first.retraction_reason() },
        None => {
            let mut workspace = Workspace::default();
            find_standing(facts, &mut workspace, names);
            let place =
                |standing: &&CompactFact| standing.instant_and_kind() == fact.instant_and_kind();
            match workspace.facts.iter().find(place) {
                Some(other) if other.event_id != event_id => Outcome::Repeat { of: other.event_id },
                _ => Outcome::Counted(effect(&fact, facts, &workspace.facts, names)),
            }
        }
    };
    Some(Fate { fact, outcome, other_contents })
}

/// What a fact changes that stands in a timeline.
fn effect(
    fact: &CompactFact,
    facts: &[CompactFact],
    timeline: &[CompactFact],
    names: &Names,
) -> Effect {
    let nothing = Effect {
        change: Change::None,
        region: fact.home(),
        day: Day::of_instant(fact.occurred_at(), zone(fact.home())),
    };
    if let Some(of) = fact.retracts(names) {
        let received = facts.iter().any(|fact| fact.event_id == of);
        return Effect { change: Change::Retraction { of, received }, ..nothing };
    }
    let mut found = Found { event_id: fact.event_id, effect: nothing };
    walk(timeline, &mut found);
    found.effect
}

/// Listens for what one event changes.
struct Found {
    event_id: EventId,
    effect: Effect,
}

impl Found {
    fn note(&mut self, fact: &CompactFact, change: Change, region: RegionIndex, day: Day) {
        if fact.event_id == self.event_id {
            self.effect = Effect { change, region, day };
        }
    }
}

impl Listener for Found {
    fn activated(&mut self, fact: &CompactFact, day: Day) {
        self.note(fact, Change::Activation, fact.home(), day);
    }

    fn moved(&mut self, fact: &CompactFact, from: RegionIndex, to: RegionIndex, day: Day) {
        self.note(fact, Change::Move { from }, to, day);
    }

    fn deactivated(&mut self, fact: &CompactFact, from: RegionIndex, day: Day) {
        self.note(fact, Change::Deactivation, from, day);
    }

    fn deferred(&mut self, fact: &CompactFact, day: Day) {
        self.note(fact, Change::Deferral, fact.home(), day);
    }

    fn card(&mut self, fact: &CompactFact, day: Day) {
        let change = match fact.kind() {
            FactKind::CardRecorded => Change::CardRecorded,
            FactKind::CardRequested => Change::CardRequested,
            _ => Change::CardPrinted,
        };
        self.note(fact, change, fact.home(), day);
    }

    fn queued(&mut self, _: RegionIndex, _: Day, _: i32) {}

    fn unchanged(&mut self, fact: &CompactFact, day: Day) {
        self.note(fact, Change::None, fact.home(), day);
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::event::{CardReason, Channel, DeactivationReason};
    use laju_schemas::{Fact, RegionTable};

    use super::*;
    use crate::domain::day::PROGRAMME_START_MS;
    use crate::domain::dictionary::{Context, Dictionary, Extra};

    const DAY_MS: i64 = 86_400_000;
    const ACTIVATED: Fact =
        Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false };
    const DEACTIVATED: Fact = Fact::Deactivated { reason: DeactivationReason::Withdrawn };

    #[derive(Default)]
    struct Citizen {
        dictionary: Dictionary,
        facts: Vec<CompactFact>,
    }

    const fn id(number: u8) -> EventId {
        EventId([number; 16])
    }

    fn region(code: &str) -> RegionIndex {
        RegionTable::get().regency(code).unwrap()
    }

    impl Citizen {
        /// An event that happened at noon in Lampung on a day of the programme.
        fn event(&mut self, number: u8, day: i64, home: &str, fact: Fact) {
            let kiosk = self.dictionary.kiosk("K-1", &mut Vec::new());
            let extra = match fact {
                Fact::Retracted { event_id, .. } => Extra::Retracts(event_id),
                _ => Extra::None,
            };
            let context = Context { kiosk, service: region("18.71"), outreach: 0, extra };
            let context = self.dictionary.context(context, &mut Vec::new());
            let at = PROGRAMME_START_MS + day * DAY_MS + DAY_MS / 2;
            let sequence = self.facts.len() as u32 + 1;
            let home = region(home);
            self.facts.push(CompactFact::new(id(number), at, home, &fact, context, sequence));
        }

        /// The fate of an event, whatever the order of the facts.
        fn fate(&self, number: u8) -> Option<Fate> {
            let fate_in = |facts: &[CompactFact]| fate(facts, self.dictionary.names(), id(number));
            let expected = fate_in(&self.facts);
            let mut facts = self.facts.clone();
            for _ in 0..facts.len() {
                facts.rotate_left(1);
                assert_eq!(fate_in(&facts), expected);
                facts.reverse();
                assert_eq!(fate_in(&facts), expected);
                facts.reverse();
            }
            expected
        }

        fn effect(&self, number: u8) -> (Change, RegionIndex, Day) {
            match self.fate(number).unwrap().outcome {
                Outcome::Counted(effect) => (effect.change, effect.region, effect.day),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_stands_says_what_it_changed_where_and_when() {
        let mut citizen = Citizen::default();
        citizen.event(1, 10, "18.71", ACTIVATED);
        citizen.event(2, 11, "18.71", ACTIVATED);
        citizen.event(3, 12, "17.71", ACTIVATED);
        citizen.event(4, 13, "18.71", DEACTIVATED);
        citizen.event(5, 14, "18.71", DEACTIVATED);
        let card = Fact::CardRequested { reason: CardReason::Lost };
        citizen.event(6, 14, "18.71", card);
        let (lampung, bengkulu) = (region("18.71"), region("17.71"));
        assert_eq!(citizen.effect(1), (Change::Activation, lampung, Day(10)));
        assert_eq!(citizen.effect(2), (Change::None, lampung, Day(11)), "active already");
        assert_eq!(citizen.effect(3), (Change::Move { from: lampung }, bengkulu, Day(12)));
        let left = (Change::Deactivation, bengkulu, Day(13));
        assert_eq!(citizen.effect(4), left, "in the home that is known, whatever it names");
        assert_eq!(citizen.effect(5), (Change::None, lampung, Day(14)));
        assert_eq!(citizen.effect(6), (Change::CardRequested, lampung, Day(14)));
        assert_eq!(citizen.fate(7), None);
    }

    #[test]
    fn of_the_same_kind_and_instant_one_stands_and_the_others_repeat_it() {
        let mut citizen = Citizen::default();
        citizen.event(3, 10, "18.71", ACTIVATED);
        citizen.event(2, 10, "17.71", ACTIVATED);
        assert_eq!(citizen.effect(2).0, Change::Activation);
        assert_eq!(citizen.fate(3).unwrap().outcome, Outcome::Repeat { of: id(2) });
        // With the one that stood taken back, the other counts.
        let reason = RetractionReason::WrongRegion;
        citizen.event(9, 11, "18.71", Fact::Retracted { event_id: id(2), reason });
        let retracted = Outcome::Retracted { by: id(9), reason };
        assert_eq!(citizen.fate(2).unwrap().outcome, retracted);
        assert_eq!(citizen.effect(3).0, Change::Activation);
        let taken_back = Change::Retraction { of: id(2), received: true };
        assert_eq!(citizen.effect(9), (taken_back, region("18.71"), Day(11)));
    }

    #[test]
    fn of_one_id_with_several_contents_the_smallest_stands() {
        let mut citizen = Citizen::default();
        citizen.event(1, 12, "18.71", ACTIVATED);
        citizen.event(1, 10, "17.71", ACTIVATED);
        let fate = citizen.fate(1).unwrap();
        assert_eq!((fate.other_contents, fate.fact.home()), (1, region("17.71")));
        assert_eq!(citizen.effect(1), (Change::Activation, region("17.71"), Day(10)));
    }

    #[test]
    fn a_retraction_may_come_before_what_it_takes_back() {
        let mut citizen = Citizen::default();
        let reason = RetractionReason::Test;
        citizen.event(9, 11, "18.71", Fact::Retracted { event_id: id(1), reason });
        let waiting = Change::Retraction { of: id(1), received: false };
        assert_eq!(citizen.effect(9).0, waiting);
        citizen.event(1, 10, "18.71", ACTIVATED);
        citizen.event(8, 12, "18.71", Fact::Retracted { event_id: id(1), reason });
        let by_the_first = Outcome::Retracted { by: id(9), reason };
        assert_eq!(citizen.fate(1).unwrap().outcome, by_the_first);
        assert!(matches!(citizen.effect(8).0, Change::Retraction { received: true, .. }));
    }
}
