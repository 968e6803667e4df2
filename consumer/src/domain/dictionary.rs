//! A partition's dictionary: kiosks, outreach visits, and what facts share of them, each stored
//! once and named by a number in the order of its first appearance in the log, so that the same
//! log gives the same numbers.
//!
//! One writer (the fold) adds; any number of readers look up what was added, without a lock.

use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashTable;
use laju_schemas::{EventId, RegionCode, RegionIndex};

use crate::domain::cell::{OutreachRef, VisitRef};

/// A kiosk's number in a partition's dictionary.
pub type KioskRef = u32;
/// A member of a set of numbers for each kiosk: a kiosk and one of its numbers.
#[must_use]
#[inline]
pub fn member(kiosk: KioskRef, number: u32) -> u64 {
    u64::from(kiosk) << 32 | u64::from(number)
}

/// A context's number in a partition's dictionary.
pub type ContextRef = u32;

/// What many facts have in common: the kiosk that sent them, whose office served, the outreach
/// visit; and what few facts have beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The kiosk.
    pub kiosk: KioskRef,
    /// Whose office served.
    pub service: RegionIndex,
    /// The visit, or 0.
    pub outreach: OutreachRef,
    /// The rest of a fact's body.
    pub extra: Extra,
}

/// The part of a fact's body that is too large for its compact form, and rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extra {
    /// Nothing.
    None,
    /// Of a relocation: where from.
    From(RegionCode),
    /// Of a retraction: the event taken back.
    Retracts(EventId),
}

/// What readers see of a dictionary.
#[derive(Default)]
pub struct Names {
    kiosks: boxcar::Vec<Box<str>>,
    outreach: boxcar::Vec<Box<str>>,
    visits: boxcar::Vec<(KioskRef, OutreachRef)>,
    contexts: boxcar::Vec<Context>,
}

impl Names {
    /// A kiosk's id.
    ///
    /// # Panics
    /// If the number is not of this dictionary.
    #[must_use]
    pub fn kiosk(&self, kiosk: KioskRef) -> &str {
        &self.kiosks[kiosk as usize]
    }

    /// How many kiosks there are: their numbers are 0 to one below.
    #[must_use]
    pub fn kiosk_count(&self) -> usize {
        self.kiosks.count()
    }

    /// An outreach visit's id; `None` for 0.
    ///
    /// # Panics
    /// If the number is not of this dictionary.
    #[must_use]
    pub fn outreach(&self, outreach: OutreachRef) -> Option<&str> {
        (outreach > 0).then(|| &*self.outreach[outreach as usize - 1])
    }

    /// Which kiosk at which visit.
    ///
    /// # Panics
    /// If the number is not of this dictionary.
    #[must_use]
    pub fn visit(&self, visit: VisitRef) -> (KioskRef, OutreachRef) {
        self.visits[visit as usize]
    }

    /// A context.
    ///
    /// # Panics
    /// If the number is not of this dictionary.
    #[must_use]
    #[inline]
    pub fn context(&self, context: ContextRef) -> &Context {
        &self.contexts[context as usize]
    }

    /// How many outreach visits there are: their numbers are 1 to this.
    #[must_use]
    pub fn outreach_count(&self) -> usize {
        self.outreach.count()
    }

    /// How many visits of kiosks there are: their numbers are 0 to one below.
    #[must_use]
    pub fn visit_count(&self) -> usize {
        self.visits.count()
    }

    /// How many contexts there are: their numbers are 0 to one below.
    #[must_use]
    pub fn context_count(&self) -> usize {
        self.contexts.count()
    }
}

/// An entry added to a dictionary, to be written beside the facts that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The next kiosk.
    Kiosk,
    /// The next outreach visit.
    Outreach,
    /// The next visit of a kiosk.
    Visit,
    /// The next context.
    Context,
}

/// The fold's own side of a dictionary: finds what is there and adds what is not.
#[derive(Default)]
pub struct Dictionary {
    names: Arc<Names>,
    kiosks: HashTable<u32>,
    outreach: HashTable<u32>,
    visits: HashTable<u32>,
    contexts: HashTable<u32>,
    /// By context: the number of its kiosk's visit, once it was asked for. A table of visits is larger,
    /// and is looked at twice.
    visit_of: Vec<Option<NonZeroU32>>,
    /// By kiosk: the contexts asked for last, one without a visit and one at a visit, as most events
    /// have the one of the kiosk's event before, and a kiosk's events at its office come between
    /// those of a visit.
    last: Vec<[Option<(Context, ContextRef)>; 2]>,
}

fn hash(value: impl std::hash::Hash) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::with_seed(0x1a_71).hash_one(value)
}

impl Dictionary {
    /// What readers may hold on to.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// The number of a kiosk.
    pub fn kiosk(&mut self, id: &str, added: &mut Vec<Entry>) -> KioskRef {
        let names = &self.names;
        let key = hash(id);
        if let Some(&found) = self.kiosks.find(key, |&k| names.kiosk(k) == id) {
            return found;
        }
        let number = names.kiosks.push(id.into()) as u32;
        self.kiosks.insert_unique(key, number, |&k| hash(names.kiosk(k)));
        added.push(Entry::Kiosk);
        number
    }

    /// The number of the outreach visit that a kiosk is on; 0 for none. Found at once if the
    /// kiosk's event before was of the same visit.
    pub fn outreach_of(
        &mut self,
        kiosk: KioskRef,
        id: Option<&str>,
        added: &mut Vec<Entry>,
    ) -> OutreachRef {
        if id.is_none() {
            return 0;
        }
        let last = self.last.get(kiosk as usize).and_then(|[_, visit]| visit.as_ref());
        match last.map(|(context, _)| context.outreach) {
            Some(last) if self.names.outreach(last) == id => last,
            _ => self.outreach(id, added),
        }
    }

    /// The number of an outreach visit; 0 for none.
    pub fn outreach(&mut self, id: Option<&str>, added: &mut Vec<Entry>) -> OutreachRef {
        let Some(id) = id else { return 0 };
        let names = &self.names;
        let text = |&o: &u32| names.outreach(o).unwrap_or_default();
        let key = hash(id);
        if let Some(&found) = self.outreach.find(key, |o| text(o) == id) {
            return found;
        }
        let number = names.outreach.push(id.into()) as u32 + 1;
        self.outreach.insert_unique(key, number, |o| hash(text(o)));
        added.push(Entry::Outreach);
        number
    }

    /// The number of a kiosk's visit.
    pub fn visit(
        &mut self,
        kiosk: KioskRef,
        outreach: OutreachRef,
        added: &mut Vec<Entry>,
    ) -> VisitRef {
        let names = &self.names;
        let visit = (kiosk, outreach);
        let key = hash(visit);
        if let Some(&found) = self.visits.find(key, |&v| names.visit(v) == visit) {
            return found;
        }
        let number = names.visits.push(visit) as u32;
        self.visits.insert_unique(key, number, |&v| hash(names.visit(v)));
        added.push(Entry::Visit);
        number
    }

    /// The number of the visit of a context's kiosk.
    #[inline]
    pub fn visit_in(
        &mut self,
        number: ContextRef,
        context: &Context,
        added: &mut Vec<Entry>,
    ) -> VisitRef {
        let place = number as usize;
        if self.visit_of.len() <= place {
            self.visit_of.resize(place + 1, None);
        }
        if let Some(known) = self.visit_of[place] {
            return known.get() - 1;
        }
        let visit = self.visit(context.kiosk, context.outreach, added);
        self.visit_of[place] = NonZeroU32::MIN.checked_add(visit);
        visit
    }

    /// The number of a context.
    #[inline]
    pub fn context(&mut self, context: Context, added: &mut Vec<Entry>) -> ContextRef {
        let kiosk = context.kiosk as usize;
        if self.last.len() <= kiosk {
            self.last.resize(kiosk + 1, [None; 2]);
        }
        let last = &mut self.last[kiosk][usize::from(context.outreach > 0)];
        if let Some((_, number)) = last.filter(|(last, _)| *last == context) {
            return number;
        }
        let names = &self.names;
        let key = hash(context);
        let number = match self.contexts.find(key, |&c| *names.context(c) == context) {
            Some(&found) => found,
            None => {
                let number = names.contexts.push(context) as u32;
                self.contexts.insert_unique(key, number, |&c| hash(names.context(c)));
                added.push(Entry::Context);
                number
            }
        };
        // What is of one event alone will hardly be asked for again.
        if context.extra == Extra::None {
            *last = Some((context, number));
        }
        number
    }
}

/// Puts back entries in the order in which they were first added.
impl Dictionary {
    /// Puts back the next kiosk.
    pub fn restore_kiosk(&mut self, id: &str) {
        self.kiosk(id, &mut Vec::new());
    }

    /// Puts back the next outreach visit.
    pub fn restore_outreach(&mut self, id: &str) {
        self.outreach(Some(id), &mut Vec::new());
    }

    /// Puts back the next visit of a kiosk.
    pub fn restore_visit(&mut self, kiosk: KioskRef, outreach: OutreachRef) {
        self.visit(kiosk, outreach, &mut Vec::new());
    }

    /// Puts back the next context.
    pub fn restore_context(&mut self, context: Context) {
        self.context(context, &mut Vec::new());
    }
}
