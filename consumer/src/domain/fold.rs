//! The fold: one partition's events, one after the other, into postings.
//!
//! A new fact posts `contributions(facts ∪ {new}) − contributions(facts)`, so that the ledger is
//! a function of the set of facts known on each day, whatever the order of their arrival.

use laju_schemas::event::FactKind;
use laju_schemas::{Fact, RegionIndex, SubjectId};

use super::admission::{Admitted, LATE_MS};
use super::contribution::{self, PostingWriter, Workspace};
use super::day::Day;
use super::dictionary::{Context, Dictionary, Entry, Extra, KioskRef, member};
use super::fact::CompactFact;
use super::subjects::{Known, Subjects};
use crate::domain::cell::{Cell, add_up};

/// Counts of the events of a partition. All but `quarantined` speak of events that were folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Events folded, repeats included.
    pub received: u64,
    /// Facts that stand: neither a repeat, nor superseded, nor retracted.
    pub standing: u64,
    /// Distinct facts that were retracted.
    pub retracted: u64,
    /// Events recorded more than 24 hours after they happened, repeats included. Those released from
    /// quarantine are not among them: when they were sent again says nothing of the kiosk.
    pub late: u64,
    /// Events by kind of fact, repeats included, in the order of [`FactKind::ALL`].
    pub by_kind: [u64; FactKind::ALL.len()],
    /// Records that could not be counted.
    pub quarantined: u64,
}

impl Tallies {
    /// Events that added nothing: received before, or another of the same kind and instant stands.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.received.saturating_sub(self.standing).saturating_sub(self.retracted)
    }

    /// Adds another partition's.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.standing += other.standing;
        self.retracted += other.retracted;
        self.late += other.late;
        self.quarantined += other.quarantined;
        for (sum, part) in self.by_kind.iter_mut().zip(other.by_kind) {
            *sum += part;
        }
    }
}

/// What a kiosk has sent to one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KioskActivity {
    /// Events received, repeats and quarantined ones that decode included.
    pub received: u64,
    /// The record timestamp of the latest that it sent itself, in milliseconds since 1970; 0 before
    /// the first.
    pub last_heard: i64,
    /// The service region that its latest event named, of those that it sent itself.
    pub service: Option<RegionIndex>,
    /// Distinct events that count. There are as many sequences, unless several of them bear the
    /// same one: then the kiosk's id is in use twice.
    pub facts: u64,
}

/// How a fact came in: all that its postings depend on beside its subject's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The day on which it counts as recorded.
    pub day: Day,
    /// Whether its event was released from quarantine.
    pub is_released: bool,
}

/// What folding has added since the changes were last taken.
#[derive(Default)]
pub struct Changes {
    /// Postings, not yet added up.
    pub cells: Vec<Cell>,
    /// New facts, in the order they came.
    pub facts: Vec<(SubjectId, CompactFact)>,
    /// New entries of the dictionary, in the order they came.
    pub entries: Vec<Entry>,
    /// From which of the facts on they came in in this way: rising, the first from 0 on.
    pub arrivals: Vec<(usize, Arrival)>,
    /// Sequences of events that count: see [`member`].
    pub received: Vec<u64>,
    /// The same of records that cannot be counted, where they decode.
    pub refused: Vec<u64>,
    /// Home regions served by kiosks, in the same form.
    pub served: Vec<u64>,
    /// Days of recording on which kiosks were heard of, in the same form, each once.
    pub days: Vec<u64>,
    /// Kiosks of which events were released: they are not heard of by that. Each may stand here many
    /// times.
    pub released: Vec<KioskRef>,
    /// By kiosk: what of it stands in these changes already.
    noted: Vec<Noted>,
}

#[derive(Clone, Copy, Default)]
struct Noted {
    /// The day last put into `days`: a partition's days of recording never go back.
    day: Option<Day>,
    /// The home region last put into `served`, of whichever changes: a kiosk mostly serves
    /// people of one.
    home: Option<RegionIndex>,
}

impl Changes {
    /// Takes what has been added; the next changes will be of a similar size.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let mut noted = std::mem::take(&mut self.noted);
        // Of the kiosks heard of, and not of all: there may be many.
        for heard in &self.days {
            noted[(heard >> 32) as usize].day = None;
        }
        let next = Self {
            cells: Vec::with_capacity(self.cells.len()),
            facts: Vec::with_capacity(self.facts.len()),
            received: Vec::with_capacity(self.received.len()),
            served: Vec::with_capacity(self.served.len()),
            days: Vec::with_capacity(self.days.len()),
            noted,
            ..Self::default()
        };
        std::mem::replace(self, next)
    }

    #[inline]
    fn noted(&mut self, kiosk: KioskRef) -> &mut Noted {
        let place = kiosk as usize;
        if self.noted.len() <= place {
            self.noted.resize(place + 1, Noted::default());
        }
        &mut self.noted[place]
    }

    #[inline]
    fn heard(&mut self, kiosk: KioskRef, recorded: Day) {
        if self.noted(kiosk).day.replace(recorded) != Some(recorded) {
            self.days.push(member(kiosk, recorded.0.into()));
        }
    }

    #[inline]
    fn fact(&mut self, subject: SubjectId, fact: CompactFact, arrival: Arrival) {
        if self.arrivals.last().is_none_or(|(_, last)| *last != arrival) {
            self.arrivals.push((self.facts.len(), arrival));
        }
        self.facts.push((subject, fact));
    }

    #[inline]
    fn served(&mut self, kiosk: KioskRef, home: RegionIndex) {
        if self.noted(kiosk).home.replace(home) != Some(home) {
            self.served.push(member(kiosk, home.0.into()));
        }
    }
}

/// One partition's state: all that the next event's postings depend on.
#[derive(Default)]
pub struct PartitionFold {
    pub(crate) subjects: Subjects,
    pub(crate) dictionary: Dictionary,
    pub(crate) tallies: Tallies,
    pub(crate) kiosks: Vec<KioskActivity>,
    workspace: Workspace,
    difference: Vec<Cell>,
}

impl PartitionFold {
    /// Counts of the events folded so far.
    #[must_use]
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The subjects.
    #[must_use]
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// The dictionary.
    #[must_use]
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// What each kiosk has sent, by its number in the dictionary.
    #[must_use]
    pub fn kiosks(&self) -> &[KioskActivity] {
        &self.kiosks
    }

    /// Folds an event. `timestamp` is the record's own in milliseconds since 1970, `recorded` the
    /// day on which it counts as recorded.
    pub fn fold(
        &mut self,
        event: &Admitted<'_>,
        timestamp: i64,
        recorded: Day,
        changes: &mut Changes,
    ) {
        let kiosk = if event.is_released {
            self.note_released(event.kiosk, changes)
        } else {
            let kiosk = self.note(event.kiosk, timestamp, recorded, changes);
            self.kiosks[kiosk as usize].service = Some(event.service);
            self.tallies.late += u64::from(timestamp - event.occurred_at > LATE_MS);
            kiosk
        };
        changes.received.push(member(kiosk, event.sequence));
        changes.served(kiosk, event.home);
        self.tallies.received += 1;
        self.tallies.by_kind[event.fact.kind() as usize] += 1;

        let context = Context {
            kiosk,
            service: event.service,
            outreach: self.dictionary.outreach_of(kiosk, event.outreach, &mut changes.entries),
            extra: match event.fact {
                Fact::Relocated { from_region } => Extra::From(from_region),
                Fact::Retracted { event_id, .. } => Extra::Retracts(event_id),
                _ => Extra::None,
            },
        };
        let number = self.dictionary.context(context, &mut changes.entries);
        let fact = CompactFact::new(
            event.event_id,
            event.occurred_at,
            event.home,
            &event.fact,
            number,
            event.sequence,
        );
        let arrival = Arrival { day: recorded, is_released: event.is_released };
        let Changes { cells, entries, .. } = changes;
        if self.add(event.subject, fact, context, arrival, cells, entries) {
            self.kiosks[kiosk as usize].facts += 1;
            changes.fact(event.subject, fact, arrival);
        }
    }

    /// Adds a fact of this context to its subject's others, and posts what that changes; says whether it is new. From
    /// the same facts in the same order the same postings come, so that they need not be stored.
    pub(crate) fn add(
        &mut self,
        subject: SubjectId,
        fact: CompactFact,
        context: Context,
        arrival: Arrival,
        cells: &mut Vec<Cell>,
        entries: &mut Vec<Entry>,
    ) -> bool {
        let Self { subjects, dictionary, tallies, workspace, difference, .. } = self;
        let posted = cells.len();
        let recorded = arrival.day;
        let mut scribe = PostingWriter {
            dictionary,
            entries,
            recorded,
            sign: 1,
            cells,
            at_hand: (fact.context, context),
        };
        match subjects.insert(subject, fact) {
            Known::Repeat => return false,
            Known::New if fact.kind() != FactKind::Retracted => {
                contribution::post_only(&fact, &mut scribe);
                tallies.standing += 1;
            }
            Known::New => {
                let standing = contribution::post(&[fact], workspace, &mut scribe);
                tallies.standing += standing.standing as u64;
                tallies.retracted += standing.retracted as u64;
            }
            Known::Facts { before, all } => {
                // Only the difference is kept: of a subject with many facts most is as it was.
                difference.clear();
                let kept = std::mem::replace(&mut scribe.cells, difference);
                scribe.sign = -1;
                let was = contribution::post(before, workspace, &mut scribe);
                scribe.sign = 1;
                let is = contribution::post(all, workspace, &mut scribe);
                let difference = std::mem::replace(&mut scribe.cells, kept);
                add_up(difference);
                scribe.cells.append(difference);
                tallies.standing = tallies.standing + is.standing as u64 - was.standing as u64;
                tallies.retracted = tallies.retracted + is.retracted as u64 - was.retracted as u64;
            }
        }
        if arrival.is_released {
            post_memos(cells, posted);
        }
        true
    }

    /// Notes that a record was quarantined, and from which kiosk, where it decodes that far.
    pub fn quarantined(
        &mut self,
        origin: Option<(&str, u32)>,
        timestamp: i64,
        recorded: Day,
        changes: &mut Changes,
    ) {
        self.tallies.quarantined += 1;
        if let Some((kiosk, sequence)) = origin {
            let kiosk = self.note(kiosk, timestamp, recorded, changes);
            changes.refused.push(member(kiosk, sequence));
        }
    }

    /// Notes that a kiosk's event arrived, counted or quarantined.
    #[inline]
    fn note(
        &mut self,
        kiosk: &str,
        timestamp: i64,
        recorded: Day,
        changes: &mut Changes,
    ) -> KioskRef {
        let kiosk = self.kiosk(kiosk, changes);
        let activity = &mut self.kiosks[kiosk as usize];
        activity.received += 1;
        activity.last_heard = activity.last_heard.max(timestamp);
        changes.heard(kiosk, recorded);
        kiosk
    }

    /// Notes that a kiosk's event was released from quarantine. It is not the kiosk that sent it
    /// now: one that is silent stays so.
    #[cold]
    fn note_released(&mut self, kiosk: &str, changes: &mut Changes) -> KioskRef {
        let kiosk = self.kiosk(kiosk, changes);
        self.kiosks[kiosk as usize].received += 1;
        changes.released.push(kiosk);
        kiosk
    }

    /// A kiosk's number, with room for what it sends.
    #[inline]
    fn kiosk(&mut self, kiosk: &str, changes: &mut Changes) -> KioskRef {
        let kiosk = self.dictionary.kiosk(kiosk, &mut changes.entries);
        if self.kiosks.len() <= kiosk as usize {
            self.kiosks.resize(kiosk as usize + 1, KioskActivity::default());
        }
        kiosk
    }
}

/// Posts once more, to the memo accounts, what has been posted from a place on.
#[cold]
fn post_memos(cells: &mut Vec<Cell>, from: usize) {
    for place in from..cells.len() {
        let cell = cells[place];
        if let Some(memo) = cell.key.account().memo() {
            cells.push(Cell { key: cell.key.in_account(memo), ..cell });
        }
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::event::{CardReason, Channel};
    use laju_schemas::{EventId, RegionTable};

    use super::*;
    use crate::domain::account::Account;
    use crate::domain::day::PROGRAMME_START_MS;

    /// What a fact posts must not grow with the number of facts before it: one test device that
    /// sends for the same person all day would fill the memory with reversals.
    #[test]
    fn a_fact_posts_only_what_it_changes() {
        let home = RegionTable::get().regency("18.71").unwrap();
        let mut fold = PartitionFold::default();
        let mut changes = Changes::default();
        for number in 1..=500_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let occurred_at = PROGRAMME_START_MS + i64::from(number) * 1_000;
            let event = Admitted {
                event_id: EventId(id),
                subject: SubjectId([1; 16]),
                kiosk: "test-1",
                sequence: number,
                occurred_at,
                home,
                service: home,
                outreach: None,
                fact: Fact::CardRequested { reason: CardReason::Lost },
                is_released: false,
            };
            fold.fold(&event, occurred_at, Day(u16::try_from(number).unwrap()), &mut changes);
        }
        // One request each, and the queue once.
        assert_eq!(changes.cells.len(), 501);
        assert_eq!(fold.tallies().standing, 500);
    }

    #[test]
    fn a_release_does_not_make_a_silent_kiosk_look_alive() {
        let [home, other] =
            ["18.71", "18.72"].map(|code| RegionTable::get().regency(code).unwrap());
        let mut fold = PartitionFold::default();
        let mut changes = Changes::default();
        let event = |number: u8, kiosk: &'static str, service, is_released| Admitted {
            event_id: EventId([number; 16]),
            subject: SubjectId([number; 16]),
            kiosk,
            sequence: number.into(),
            occurred_at: PROGRAMME_START_MS,
            home,
            service,
            outreach: None,
            fact: Fact::CardRequested { reason: CardReason::Lost },
            is_released,
        };
        let soon = PROGRAMME_START_MS + 1_000;
        let later = soon + 10 * LATE_MS;
        fold.fold(&event(1, "K-1", home, false), soon, Day(1), &mut changes);
        let sent = fold.kiosks()[0];
        fold.fold(&event(2, "K-1", other, true), later, Day(11), &mut changes);
        fold.fold(&event(3, "K-2", other, true), later, Day(11), &mut changes);
        let [first, second] = fold.kiosks() else { panic!("two kiosks") };
        assert_eq!(*first, KioskActivity { received: 2, facts: 2, ..sent });
        assert_eq!((first.last_heard, first.service), (soon, Some(home)));
        let only_released = KioskActivity { received: 1, facts: 1, ..KioskActivity::default() };
        assert_eq!(*second, only_released);
        assert_eq!((fold.tallies().received, fold.tallies().late), (3, 0));
        assert_eq!(changes.days, [member(0, 1)]);
        assert_eq!(changes.released, [0, 1]);
        // The facts have their days all the same, and what a kiosk sends itself is as it was.
        let arrival = |day, is_released| Arrival { day: Day(day), is_released };
        assert_eq!(changes.arrivals, [(0, arrival(1, false)), (1, arrival(11, true))]);
        fold.fold(&event(4, "K-1", other, false), later, Day(11), &mut changes);
        assert_eq!(changes.days, [member(0, 1), member(0, 11)]);
        assert_eq!(changes.arrivals[2..], [(3, arrival(11, false))]);
        assert_eq!((fold.kiosks()[0].last_heard, fold.tallies().late), (later, 1));
    }

    #[test]
    fn what_a_released_event_posts_stands_in_the_memos_too_and_a_repeat_posts_nothing() {
        let [home, other] =
            ["18.71", "18.72"].map(|code| RegionTable::get().regency(code).unwrap());
        let mut fold = PartitionFold::default();
        let mut changes = Changes::default();
        let event = |number: u8, home, is_released| Admitted {
            event_id: EventId([number; 16]),
            subject: SubjectId([1; 16]),
            kiosk: "K-1",
            sequence: number.into(),
            occurred_at: PROGRAMME_START_MS + i64::from(number) * 1_000,
            home,
            service: home,
            outreach: None,
            fact: Fact::Activated {
                channel: Channel::Office,
                venue: None,
                first_time_holder: false,
            },
            is_released,
        };
        let mut posted = |event: Admitted<'_>, recorded: u16| {
            fold.fold(&event, event.occurred_at, Day(recorded), &mut changes);
            let mut cells = std::mem::take(&mut changes.cells);
            add_up(&mut cells);
            let row = |cell: &Cell| (cell.key.account(), cell.key.region(), cell.amount);
            cells.iter().map(row).collect::<Vec<_>>()
        };
        let plain = [(Account::Activations, other, 1)];
        assert_eq!(posted(event(2, other, false), 3), plain);
        // An activation before it: what was one is a move now.
        let moved = [
            (Account::Activations, home, 1),
            (Account::MovesOut, home, 1),
            (Account::ReleasedActivations, home, 1),
            (Account::ReleasedMovesOut, home, 1),
            (Account::Activations, other, -1),
            (Account::MovesIn, other, 1),
            (Account::ReleasedActivations, other, -1),
            (Account::ReleasedMovesIn, other, 1),
        ];
        assert_eq!(posted(event(1, home, true), 4), moved);
        assert_eq!(posted(event(1, home, true), 5), [], "released once more");
        assert_eq!(posted(event(2, other, true), 6), [], "it had come in");
    }
}
