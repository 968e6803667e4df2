//! What a subject's facts contribute to the ledger: a pure function of the *set* of facts, not of
//! their order or number of arrivals. The rules are those of the design's "Rules of the fold".

use laju_schemas::event::FactKind;
use laju_schemas::{EventId, RegionIndex, RegionTable, Zone};

use super::account::{Account, Cell, CellKey, Detail, Posting};
use super::day::{Day, local_hour};
use super::dictionary::{Dictionary, Entry};
use super::fact::CompactFact;

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
pub struct Scribe<'a> {
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
}

/// Room for the facts that stand.
#[derive(Default)]
pub struct Workspace {
    facts: Vec<CompactFact>,
    retracted: Vec<EventId>,
}

/// Posts what a set of facts, each different from the others, contributes.
pub fn post(facts: &[CompactFact], workspace: &mut Workspace, scribe: &mut Scribe<'_>) -> Standing {
    let standing = find_standing(facts, workspace, scribe.dictionary);
    walk(&workspace.facts, scribe);
    standing
}

/// Posts what a subject's only fact contributes, which is no retraction: the short way of
/// [`post`].
#[inline]
pub fn post_only(fact: &CompactFact, scribe: &mut Scribe<'_>) {
    walk(std::slice::from_ref(fact), scribe);
}

/// Finds the facts that stand, in the order of the subject's timeline: by `occurred_at`, then
/// kind, then event id.
fn find_standing(
    facts: &[CompactFact],
    workspace: &mut Workspace,
    dictionary: &Dictionary,
) -> Standing {
    let Workspace { facts: standing, retracted } = workspace;
    let names = dictionary.names();
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

/// Follows a timeline and posts what it says.
#[inline]
fn walk(timeline: &[CompactFact], scribe: &mut Scribe<'_>) {
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
                    scribe.activation(fact, last_day);
                    home = Some(at);
                }
                Some(from) if from != at => {
                    last_day = last_day.max(local_day);
                    scribe.moved(from, at, last_day);
                    home = Some(at);
                }
                Some(_) => {}
            },
            FactKind::Relocated => {
                if let Some(from) = home.filter(|from| *from != at) {
                    last_day = last_day.max(local_day);
                    scribe.moved(from, at, last_day);
                    home = Some(at);
                }
            }
            FactKind::Deactivated => {
                if let Some(from) = home.take() {
                    // The local day is that of the home that the posting is for.
                    last_day = last_day.max(Day::of_instant(fact.occurred_at(), zone(from)));
                    let detail = Detail::Deactivation(fact.deactivation_reason());
                    scribe.post(Account::Deactivations, from, last_day, detail, 1);
                }
            }
            FactKind::Deferred => scribe.deferral(fact, local_day),
            FactKind::CardRecorded => {
                let detail = Detail::Recorded(fact.first_time_holder());
                scribe.post(Account::CardsRecorded, at, local_day, detail, 1);
            }
            FactKind::CardRequested => {
                let detail = Detail::Card(fact.card_reason());
                scribe.post(Account::CardsRequested, at, local_day, detail, 1);
                if queued != Some(at) {
                    last_queue_day = last_queue_day.max(local_day);
                    if let Some(from) = queued {
                        scribe.post(Account::PrintQueue, from, last_queue_day, Detail::Queue, -1);
                    }
                    scribe.post(Account::PrintQueue, at, last_queue_day, Detail::Queue, 1);
                    queued = Some(at);
                }
            }
            FactKind::CardPrinted => {
                let detail = Detail::Card(fact.card_reason());
                scribe.post(Account::CardsPrinted, at, local_day, detail, 1);
                if let Some(from) = queued.take() {
                    last_queue_day = last_queue_day.max(local_day);
                    scribe.post(Account::PrintQueue, from, last_queue_day, Detail::Queue, -1);
                }
            }
            FactKind::Retracted => {}
        }
    }
}

#[inline]
fn zone(region: RegionIndex) -> Zone {
    RegionTable::get().at(region).zone
}

impl Scribe<'_> {
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

    fn activation(&mut self, fact: &CompactFact, day: Day) {
        let context = *self.dictionary.names().context(fact.context);
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

    fn moved(&mut self, from: RegionIndex, to: RegionIndex, day: Day) {
        self.post(Account::MovesOut, from, day, Detail::Move(to), 1);
        self.post(Account::MovesIn, to, day, Detail::Move(from), 1);
    }

    fn deferral(&mut self, fact: &CompactFact, day: Day) {
        let context = *self.dictionary.names().context(fact.context);
        let detail = Detail::Deferral {
            reason: fact.deferral_reason(),
            service: context.service,
            outreach: context.outreach,
        };
        self.post(Account::Deferrals, fact.home(), day, detail, 1);
        self.visit(Account::VisitDeferrals, fact);
    }

    /// An outreach visit's own counters: where and when it took place.
    fn visit(&mut self, account: Account, fact: &CompactFact) {
        let context = *self.dictionary.names().context(fact.context);
        if context.outreach == 0 {
            return;
        }
        let visit = self.dictionary.visit(context.kiosk, context.outreach, self.entries);
        let zone = zone(context.service);
        let hour = local_hour(fact.occurred_at(), zone);
        let day = Day::of_instant(fact.occurred_at(), zone);
        self.post(account, context.service, day, Detail::Visit { visit, hour }, 1);
    }
}
