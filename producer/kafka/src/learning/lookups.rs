//! Which schema ids the registry is asked for, how often, and since when it says that it has no such
//! schema. Time is an argument; nothing is asked here.
//!
//! Some registries answer 404 for seconds after a schema was registered. So an id is given up only
//! after the registry has said so for a whole time (the patience), whenever it was asked and at last.
//! An outage says nothing, and after one that time begins again: a registry that has just started may
//! not know yet what it has.
//!
//! Ids can be made up without end. In a partition where a hundred were given up one after the other,
//! and none was found, further ones are given up after seconds: see [`Lookups::patience_of`].

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::registry::Lacking;

/// How long until it is asked again, at first.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest that it is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long an id that was given up is left alone before it is asked for another record's sake.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// An id that was not asked for so long is forgotten: the time begins again with the next record.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// How many ids of a partition are given up one after the other before the next ones are taken for
/// made up.
const FRUITLESS: usize = 100;
/// How long the registry's word is not believed about those: it is asked twice.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// How many ids are kept before it is looked for those to forget.
const MANY: usize = 1_024;

/// What the registry last said of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdState {
    /// Nothing yet.
    Asked,
    /// It has no such schema, and has said so for this long.
    Missing(Duration),
    /// The same, and for long enough: the record can be refused.
    GivenUp(Duration),
    /// Nothing that can be used: why, in words.
    Unreachable(String),
}

/// An answer that is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSchema {
    /// The registry says that it has none: what it has not.
    Missing(Lacking),
    /// It says nothing that can be used.
    Unreachable(String),
}

struct Lookup {
    /// Whether a question is on its way.
    asking: bool,
    /// The last answer, and when it came.
    answer: Option<(NoSchema, Instant)>,
    /// Since when it has said that it has no such schema.
    missing_since: Option<Instant>,
    /// When to ask again.
    next: Instant,
    wait: Duration,
    /// The patience of the partition that waits longest.
    patience: Duration,
}

/// The ids that are asked for.
pub struct Lookups {
    patience: Duration,
    ids: HashMap<u32, Lookup>,
    /// By partition, ids that were given up since one was found.
    fruitless: HashMap<u32, HashSet<u32>>,
}

impl Lookups {
    /// Gives an id up after this time.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, ids: HashMap::new(), fruitless: HashMap::new() }
    }

    /// How long the registry's word that it has no such schema is not believed.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// How long it is not believed about records of a partition: shorter where ids seem to be made up.
    #[must_use]
    pub fn patience_of(&self, partition: u32) -> Duration {
        let given_up = self.fruitless.get(&partition).map_or(0, HashSet::len);
        if given_up < FRUITLESS { self.patience } else { self.patience.min(SHORT_PATIENCE) }
    }

    /// An id of a partition's record was given up.
    pub fn gave_up(&mut self, partition: u32, id: u32) {
        let ids = self.fruitless.entry(partition).or_default();
        if ids.len() < FRUITLESS {
            ids.insert(id);
        }
    }

    /// The schema of a record that waited was found: its partition's ids are not all made up.
    pub fn found_in(&mut self, partition: u32) {
        self.fruitless.remove(&partition);
    }

    /// What the registry says that it has not, where it says so of an id.
    #[must_use]
    pub fn lacking(&self, id: u32) -> Lacking {
        match self.ids.get(&id).and_then(|lookup| lookup.answer.as_ref()) {
            Some((NoSchema::Missing(lacking), _)) => lacking.clone(),
            _ => Lacking::of(id),
        }
    }

    /// Whether to ask for an id now, for a record that has waited since `since` and waits for so long
    /// at most; if so, that is noted.
    pub fn ask(&mut self, id: u32, since: Instant, patience: Duration, now: Instant) -> bool {
        if self.ids.len() >= MANY {
            self.ids.retain(|_, lookup| lookup.asking || !lookup.is_forgotten(now));
        }
        let lookup = self.ids.entry(id).or_insert_with(|| Lookup::new(now));
        if lookup.is_forgotten(now) {
            *lookup = Lookup::new(now);
        }
        if patience > lookup.patience {
            lookup.patience = patience;
            // Who waits longer asks more often than those before.
            lookup.next = lookup.next.min(now + lookup.wait);
        }
        if lookup.asking {
            return false;
        }
        // What was given up before a record came is asked once more for that record.
        let for_its_sake = lookup.answer.as_ref().is_some_and(|(_, at)| {
            lookup.missing_for().is_some_and(|time| time >= patience)
                && *at < since
                && now >= *at + SHORTEST_WAIT
        });
        lookup.asking = now >= lookup.next || for_its_sake;
        lookup.asking
    }

    /// The registry has a schema for this id.
    pub fn found(&mut self, id: u32) {
        self.ids.remove(&id);
    }

    /// The registry has answered otherwise.
    pub fn answered(&mut self, id: u32, answer: NoSchema, now: Instant) {
        let lookup = self.ids.entry(id).or_insert_with(|| Lookup::new(now));
        if lookup.is_forgotten(now) {
            let patience = lookup.patience;
            *lookup = Lookup { patience, ..Lookup::new(now) };
        }
        lookup.asking = false;
        lookup.next = now + lookup.wait;
        lookup.wait = (lookup.wait * 2).min(LONGEST_WAIT);
        match &answer {
            NoSchema::Missing(_) => {
                let since = *lookup.missing_since.get_or_insert(now);
                // The last time is when the patience ends, and not up to five seconds later.
                let end = since + lookup.patience;
                if end > now {
                    let is_short = lookup.patience < self.patience;
                    lookup.next = if is_short { end } else { lookup.next.min(end) };
                }
            }
            NoSchema::Unreachable(_) => lookup.missing_since = None,
        }
        lookup.answer = Some((answer, now));
    }

    /// What is known of an id, for a record that has waited since `since` and waits for so long at
    /// most.
    #[must_use]
    pub fn state(&self, id: u32, since: Instant, patience: Duration) -> IdState {
        let Some(lookup) = self.ids.get(&id) else { return IdState::Asked };
        match (&lookup.answer, lookup.missing_for()) {
            (None, _) => IdState::Asked,
            (Some((NoSchema::Unreachable(why), _)), _) => IdState::Unreachable(why.clone()),
            (Some((NoSchema::Missing(_), at)), Some(time)) => {
                if time >= patience && *at >= since {
                    IdState::GivenUp(time)
                } else {
                    IdState::Missing(time)
                }
            }
            (Some((NoSchema::Missing(_), _)), None) => IdState::Asked,
        }
    }
}

impl Lookup {
    fn new(now: Instant) -> Self {
        let (wait, patience) = (FIRST_WAIT, Duration::ZERO);
        Self { asking: false, answer: None, missing_since: None, next: now, wait, patience }
    }

    /// How long it has said that it has no such schema, up to its last answer.
    fn missing_for(&self) -> Option<Duration> {
        let (_, at) = self.answer.as_ref()?;
        Some(at.saturating_duration_since(self.missing_since?))
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        let answered = self.answer.as_ref().map(|(_, at)| *at);
        answered.is_some_and(|at| now.saturating_duration_since(at) > FORGOTTEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY_PATIENCE: Duration = Duration::from_secs(300);

    fn missing() -> NoSchema {
        NoSchema::Missing(Lacking::of(7))
    }

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_id_is_given_up_only_after_the_registry_has_said_so_for_the_whole_time() {
        let start = Instant::now();
        let mut lookups = Lookups::new(REGISTRY_PATIENCE);
        let (mut asked, mut given_up) = (Vec::new(), None);
        for second in 0..=400 {
            let now = seconds(start, second);
            if given_up.is_none() && lookups.ask(7, start, REGISTRY_PATIENCE, now) {
                assert!(!lookups.ask(7, start, REGISTRY_PATIENCE, now), "one question at a time");
                asked.push(second);
                lookups.answered(7, missing(), now);
            }
            if matches!(lookups.state(7, start, REGISTRY_PATIENCE), IdState::GivenUp(_)) {
                given_up.get_or_insert(second);
            }
        }
        assert_eq!(given_up, Some(300));
        assert_eq!(asked[..5], [0, 1, 3, 7, 12], "with pauses up to five seconds");
        assert_eq!(asked.last(), Some(&300));
    }

    #[test]
    fn an_outage_is_no_answer_and_the_time_begins_again_after_it() {
        let start = Instant::now();
        let mut lookups = Lookups::new(REGISTRY_PATIENCE);
        assert!(lookups.ask(7, start, REGISTRY_PATIENCE, start));
        lookups.answered(7, missing(), start);
        lookups.answered(7, NoSchema::Unreachable("503".to_owned()), seconds(start, 299));
        assert_eq!(
            lookups.state(7, start, REGISTRY_PATIENCE),
            IdState::Unreachable("503".to_owned())
        );
        lookups.answered(7, NoSchema::Unreachable("503".to_owned()), seconds(start, 4_000));
        lookups.answered(7, missing(), seconds(start, 4_001));
        assert_eq!(lookups.state(7, start, REGISTRY_PATIENCE), IdState::Missing(Duration::ZERO));
        lookups.answered(7, missing(), seconds(start, 4_301));
        assert_eq!(lookups.state(7, start, REGISTRY_PATIENCE), IdState::GivenUp(REGISTRY_PATIENCE));
    }

    #[test]
    fn a_record_that_comes_after_an_id_was_given_up_is_asked_for_once_more_and_waits_no_longer() {
        let start = Instant::now();
        let mut lookups = Lookups::new(REGISTRY_PATIENCE);
        assert!(lookups.ask(7, start, REGISTRY_PATIENCE, start));
        lookups.answered(7, missing(), start);
        lookups.answered(7, missing(), seconds(start, 300));
        let later = seconds(start, 301);
        assert!(matches!(lookups.state(7, later, REGISTRY_PATIENCE), IdState::Missing(_)));
        assert!(lookups.ask(7, later, REGISTRY_PATIENCE, later), "at once");
        lookups.answered(7, missing(), later);
        assert!(matches!(lookups.state(7, later, REGISTRY_PATIENCE), IdState::GivenUp(_)));
        // Much later it may have been registered a moment ago.
        let much_later = seconds(start, 5_000);
        assert!(lookups.ask(7, much_later, REGISTRY_PATIENCE, much_later));
        lookups.answered(7, missing(), much_later);
        assert_eq!(
            lookups.state(7, much_later, REGISTRY_PATIENCE),
            IdState::Missing(Duration::ZERO)
        );
    }

    #[test]
    fn without_patience_the_first_word_is_believed() {
        let start = Instant::now();
        let mut lookups = Lookups::new(Duration::ZERO);
        assert!(lookups.ask(7, start, Duration::ZERO, start));
        assert_eq!(lookups.state(7, start, Duration::ZERO), IdState::Asked);
        lookups.answered(7, missing(), start);
        assert_eq!(lookups.state(7, start, Duration::ZERO), IdState::GivenUp(Duration::ZERO));
    }

    #[test]
    fn ids_that_seem_to_be_made_up_are_given_up_after_two_questions_until_one_is_found() {
        let start = Instant::now();
        let mut lookups = Lookups::new(REGISTRY_PATIENCE);
        for id in 0..FRUITLESS as u32 {
            assert_eq!(lookups.patience_of(3), REGISTRY_PATIENCE);
            lookups.gave_up(3, id);
            lookups.gave_up(3, id);
        }
        assert_eq!(
            (lookups.patience_of(3), lookups.patience_of(4)),
            (SHORT_PATIENCE, REGISTRY_PATIENCE)
        );
        let (mut asked, mut given_up) = (Vec::new(), None);
        for second in 0..=60 {
            let now = seconds(start, second);
            if given_up.is_none() && lookups.ask(7, start, SHORT_PATIENCE, now) {
                asked.push(second);
                lookups.answered(7, missing(), now);
            }
            if matches!(lookups.state(7, start, SHORT_PATIENCE), IdState::GivenUp(_)) {
                given_up.get_or_insert(second);
            }
        }
        assert_eq!((asked, given_up), (vec![0, 5], Some(5)));
        // Another that waits for it has the patience of its own partition.
        assert!(matches!(lookups.state(7, start, REGISTRY_PATIENCE), IdState::Missing(_)));
        lookups.found_in(3);
        assert_eq!(lookups.patience_of(3), REGISTRY_PATIENCE);
    }
}
