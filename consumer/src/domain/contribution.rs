//! What a subject's facts contribute to the ledger: a pure function of the *set* of facts, not of
//! their order or number of arrivals. The rules are those of `consumer/docs/rules-of-the-fold.md`.

use laju_schemas::event::FactKind;
use laju_schemas::{EventId, RegionIndex, RegionTable, Zone};

use super::account::Account;
use super::day::{Day, local_hour};
use super::dictionary::{Context, ContextRef, Dictionary, Entry, Names};
use super::fact::CompactFact;
use crate::domain::cell::{Cell, CellKey, Detail, Posting};

/// How many of a subject's facts count, and how many were taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Facts that stand.
    pub standing: usize,
    /// Facts that were retracted.
    pub retracted: usize,
}

/// Where contributions go, and what is needed to write them down. Kept from fact to fact, so that
/// nothing is allocated.
pub struct PostingWriter<'a> {
    /// The partition's dictionary.
    pub dictionary: &'a mut Dictionary,
    /// What is added to it on the way.
    pub entries: &'a mut Vec<Entry>,
    /// The day of recording of the fact that causes the postings.
    pub recorded: Day,
    /// 1 to post, −1 to post the reversal.
    pub sign: i32,
    /// Where the postings go.
    pub cells: &'a mut Vec<Cell>,
    /// The context of the fact that is folded, and its number.
    pub at_hand: (ContextRef, Context),
}

/// Room for the facts that stand.
#[derive(Default)]
pub struct Workspace {
    /// Those that stand, in the order of the timeline.
    pub(super) facts: Vec<CompactFact>,
    retracted: Vec<EventId>,
}

/// Posts what a set of facts, each different from the others, contributes.
pub fn post(
    facts: &[CompactFact],
    workspace: &mut Workspace,
    scribe: &mut PostingWriter<'_>,
) -> Standing {
    let standing = find_standing(facts, workspace, scribe.dictionary.names());
    walk(&workspace.facts, scribe);
    standing
}

/// Posts what a subject's only fact contributes, which is no retraction: the short way of
/// [`post`].
#[inline]
pub fn post_only(fact: &CompactFact, scribe: &mut PostingWriter<'_>) {
    walk(std::slice::from_ref(fact), scribe);
}

/// Finds the facts that stand, in the order of the subject's timeline: by `occurred_at`, then
/// kind, then event id. They are in the workspace then.
pub(super) fn find_standing(
    facts: &[CompactFact],
    workspace: &mut Workspace,
    names: &Names,
) -> Standing {
    let Workspace { facts: standing, retracted } = workspace;
    retracted.clear();
    retracted.extend(facts.iter().filter_map(|fact| fact.retracts(names)));
    retracted.sort_unstable();
    standing.clear();
    let stands = |fact: &&CompactFact| retracted.binary_search(&fact.event_id).is_err();
    standing.extend(facts.iter().filter(stands));
    let taken_back = facts.len() - standing.len();
    if standing.len() > 1 {
        // Of facts with the same event id the smallest by content stands.
        standing.sort_unstable_by(|a, b| {
            a.event_id.cmp(&b.event_id).then_with(|| a.compare_content(b, names))
        });
        standing.dedup_by_key(|fact| fact.event_id);
        // Of those with the same kind and instant the one with the smallest event id.
        standing.sort_unstable_by_key(|fact| (fact.instant_and_kind(), fact.event_id));
        standing.dedup_by_key(|fact| fact.instant_and_kind());
    }
    Standing { standing: standing.len(), retracted: taken_back }
}

/// What a timeline is reported to: fact by fact, what each of them changes.
pub(super) trait Listener {
    /// An activation in the fact's home region.
    fn activated(&mut self, fact: &CompactFact, day: Day);
    /// A move of somebody active.
    fn moved(&mut self, fact: &CompactFact, from: RegionIndex, to: RegionIndex, day: Day);
    /// A deactivation in the home that the timeline knows.
    fn deactivated(&mut self, fact: &CompactFact, from: RegionIndex, day: Day);
    /// A deferral in the fact's home region.
    fn deferred(&mut self, fact: &CompactFact, day: Day);
    /// A recording, a request or a print of a card in the fact's home region.
    fn card(&mut self, fact: &CompactFact, day: Day);
    /// Into the print queue of a region (1) or out of it (−1).
    fn queued(&mut self, region: RegionIndex, day: Day, amount: i32);
    /// A fact that changes nothing, as it is so already.
    fn unchanged(&mut self, fact: &CompactFact, day: Day);
}

/// Follows a timeline and tells what it says.
#[inline]
pub(super) fn walk(timeline: &[CompactFact], listener: &mut impl Listener) {
    let mut home: Option<RegionIndex> = None;
    let mut last_day = Day(0);
    let mut queued: Option<RegionIndex> = None;
    let mut last_queue_day = Day(0);
    for fact in timeline {
        let at = fact.home();
        let local_day = Day::of_instant(fact.occurred_at(), zone(at));
        match fact.kind() {
            FactKind::Activated => match home {
                None => {
                    last_day = last_day.max(local_day);
                    listener.activated(fact, last_day);
                    home = Some(at);
                }
                Some(from) if from != at => {
                    last_day = last_day.max(local_day);
                    listener.moved(fact, from, at, last_day);
                    home = Some(at);
                }
                Some(_) => listener.unchanged(fact, local_day),
            },
            FactKind::Relocated => match home {
                Some(from) if from != at => {
                    last_day = last_day.max(local_day);
                    listener.moved(fact, from, at, last_day);
                    home = Some(at);
                }
                _ => listener.unchanged(fact, local_day),
            },
            FactKind::Deactivated => match home.take() {
                Some(from) => {
                    // The local day is that of the home that the posting is for.
                    last_day = last_day.max(Day::of_instant(fact.occurred_at(), zone(from)));
                    listener.deactivated(fact, from, last_day);
                }
                None => listener.unchanged(fact, local_day),
            },
            FactKind::Deferred => listener.deferred(fact, local_day),
            FactKind::CardRecorded => listener.card(fact, local_day),
            FactKind::CardRequested => {
                listener.card(fact, local_day);
                if queued != Some(at) {
                    last_queue_day = last_queue_day.max(local_day);
                    if let Some(from) = queued {
                        listener.queued(from, last_queue_day, -1);
                    }
                    listener.queued(at, last_queue_day, 1);
                    queued = Some(at);
                }
            }
            FactKind::CardPrinted => {
                listener.card(fact, local_day);
                if let Some(from) = queued.take() {
                    last_queue_day = last_queue_day.max(local_day);
                    listener.queued(from, last_queue_day, -1);
                }
            }
            FactKind::Retracted => {}
        }
    }
}

/// The zone of a region.
#[inline]
pub(super) fn zone(region: RegionIndex) -> Zone {
    RegionTable::get().at(region).zone
}

impl PostingWriter<'_> {
    #[inline]
    fn post(
        &mut self,
        account: Account,
        region: RegionIndex,
        day: Day,
        detail: Detail,
        amount: i32,
    ) {
        let amount = amount * self.sign;
        let recorded = self.recorded;
        let key = CellKey::of(&Posting { account, region, day, recorded, detail, amount });
        self.cells.push(Cell { key, amount });
    }

    /// A fact's context: of the one that is folded at hand, and else a look at memory that is seldom near.
    #[inline]
    fn context(&self, fact: &CompactFact) -> Context {
        match self.at_hand {
            (number, context) if number == fact.context => context,
            _ => *self.dictionary.names().context(fact.context),
        }
    }

    /// An outreach visit's own counters: where and when it took place.
    fn visit(&mut self, account: Account, fact: &CompactFact) {
        let context = self.context(fact);
        if context.outreach == 0 {
            return;
        }
        let visit = self.dictionary.visit_in(fact.context, &context, self.entries);
        let zone = zone(context.service);
        let hour = local_hour(fact.occurred_at(), zone);
        let day = Day::of_instant(fact.occurred_at(), zone);
        self.post(account, context.service, day, Detail::Visit { visit, hour }, 1);
    }
}

impl Listener for PostingWriter<'_> {
    #[inline]
    fn activated(&mut self, fact: &CompactFact, day: Day) {
        let context = self.context(fact);
        let (channel, venue, first_time_holder) = fact.activation();
        let detail = Detail::Activation {
            service: context.service,
            channel,
            venue,
            outreach: context.outreach,
            first_time_holder,
        };
        self.post(Account::Activations, fact.home(), day, detail, 1);
        self.visit(Account::VisitActivations, fact);
    }

    #[inline]
    fn moved(&mut self, _: &CompactFact, from: RegionIndex, to: RegionIndex, day: Day) {
        self.post(Account::MovesOut, from, day, Detail::Move(to), 1);
        self.post(Account::MovesIn, to, day, Detail::Move(from), 1);
    }

    #[inline]
    fn deactivated(&mut self, fact: &CompactFact, from: RegionIndex, day: Day) {
        let detail = Detail::Deactivation(fact.deactivation_reason());
        self.post(Account::Deactivations, from, day, detail, 1);
    }

    #[inline]
    fn deferred(&mut self, fact: &CompactFact, day: Day) {
        let context = self.context(fact);
        let detail = Detail::Deferral {
            reason: fact.deferral_reason(),
            service: context.service,
            outreach: context.outreach,
        };
        self.post(Account::Deferrals, fact.home(), day, detail, 1);
        self.visit(Account::VisitDeferrals, fact);
    }

    #[inline]
    fn card(&mut self, fact: &CompactFact, day: Day) {
        let (account, detail) = match fact.kind() {
            FactKind::CardRecorded => {
                (Account::CardsRecorded, Detail::Recorded(fact.first_time_holder()))
            }
            FactKind::CardRequested => (Account::CardsRequested, Detail::Card(fact.card_reason())),
            _ => (Account::CardsPrinted, Detail::Card(fact.card_reason())),
        };
        self.post(account, fact.home(), day, detail, 1);
    }

    #[inline]
    fn queued(&mut self, region: RegionIndex, day: Day, amount: i32) {
        self.post(Account::PrintQueue, region, day, Detail::Queue, amount);
    }

    #[inline]
    fn unchanged(&mut self, _: &CompactFact, _: Day) {}
}
