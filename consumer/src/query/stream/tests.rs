//! What a reader knows is what the node knows, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use laju_schemas::position::Position;
use laju_schemas::reference::Basis;
use proptest::prelude::*;
use serde_json::Value;

use super::revision::State;
use super::selection::Place;
use super::*;
use crate::query::fixtures::Fixture;

const TODAY: &str = "2024-08-02";

fn states(revision: &Revision) -> BTreeMap<String, Value> {
    let states = Place::all().map(|place| {
        let state: Value = serde_json::from_slice(revision.json(place)).unwrap();
        (place.code().to_string(), state)
    });
    states.collect()
}

fn changed(revision: &Revision) -> Vec<String> {
    let changed = Place::all().filter(|p| revision.changed_since(*p, revision.number - 1));
    changed.map(|place| place.code().to_string()).collect()
}

fn fixture() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.activate(0, "18.71", "2023-12-31", 90_000);
    f.activate(1, "19.71", "2023-12-31", 7);
    f.receive(1, ("K-1", "18.71"), [1, 2], "18.71", "2024-08-01");
    f
}

#[test]
fn a_revision_says_what_progress_says_and_which_regions_have_changed() {
    let mut f = fixture();
    let mut revisions = Revisions::new("run");
    let first = revisions.next(&f.view(TODAY)).unwrap().0;
    assert_eq!((first.number, changed(&first).len()), (1, 553));
    let again = revisions.next(&f.view(TODAY));
    assert!(Arc::ptr_eq(&again.unwrap().0, &first), "nothing has changed");

    f.activate(1, "18.71", "2024-08-02", 5);
    let second = revisions.next(&f.view(TODAY)).unwrap().0;
    assert_eq!(
        (second.number, changed(&second)),
        (2, vec!["ID".into(), "18".into(), "18.71".into()])
    );
    let bandar = &states(&second)["18.71"];
    assert_eq!((&bandar["activated"], &bandar["as_of"]), (&90_005.into(), &TODAY.into()));
    assert_eq!(bandar["denominators"][0]["coverage_percent"], "11.73");

    // What a kiosk announces opens the bounds of those whom it may concern.
    f.status("K-1", "18.71", 4, false);
    let third = revisions.next(&f.view(TODAY)).unwrap().0;
    assert_eq!(changed(&third), ["ID", "18", "18.71"]);
    assert_eq!(states(&third)["18"]["bounds"]["upper"], 90_007);

    f.percent_target("19", Basis::WajibKtp, "25", "2024-01-01");
    f.denominator("19.71", Basis::WajibKtp, 1_000, "2024-01-01");
    let fourth = revisions.next(&f.view(TODAY)).unwrap().0;
    assert_eq!(changed(&fourth), ["19.71"]);
    assert_eq!(states(&fourth)["19.71"]["target"]["people"], 250);

    let tomorrow = revisions.next(&f.view("2024-08-03")).unwrap().0;
    assert_eq!(changed(&tomorrow).len(), 553, "a day later all of them speak of another day");

    // All of them are what progress answers.
    let view = f.view("2024-08-03");
    for (code, state) in states(&tomorrow) {
        let code = code.parse().unwrap();
        let days = crate::query::days::Days::default();
        let progress = crate::query::figures::progress::progress(&view, code, &days).unwrap();
        let mut progress = serde_json::to_value(progress).unwrap();
        let members = progress.as_object_mut().unwrap();
        for beside in ["known_at", "evidence"] {
            members.remove(beside);
        }
        assert_eq!(state, progress);
    }
}

#[test]
fn an_id_says_how_far_and_nothing_else_is_taken_for_one() {
    let revision = Revisions::new("7f00").next(&fixture().view(TODAY)).unwrap().0;
    let all = Selection::all();
    let id = format!("{}{:x}", revision.id, all.digest());
    let now = fixture().view(TODAY).now.0;
    assert!(id.contains(&format!(";t{now};e7f00.1.")), "{id}");
    assert_eq!(LastEventId::parse(&id).unwrap().seen(&revision, &revision.position, &all), Some(1));
    let one = Selection::of(&["18".parse().unwrap()]).unwrap();
    assert_eq!(
        LastEventId::parse(&id).unwrap().seen(&revision, &revision.position, &one),
        None,
        "it was told others"
    );
    let before = "00000000.;f0;t0";
    assert!(LastEventId::parse(&format!("{before};e7f00.1.0")).is_some());
    for wrong in ["", "5", ";e", ";e7f00.1", ";e7f00.x.0", ";e7f00.1.0.0", ";e7f00.-1.0"] {
        for wrong in [wrong.to_owned(), format!("{before}{wrong}")] {
            assert_eq!(LastEventId::parse(&wrong), None, "{wrong}");
        }
    }
    for wrong in ["", "x", "00000000.;f0;t", "00000000.;fx;t0", "0.;f0;t0", "00000000.;t0;f0"] {
        assert_eq!(LastEventId::parse(&format!("{wrong};e7f00.1.0")), None, "{wrong}");
    }
    let other_run = id.replace("7f00", "7f01");
    let to_come = id.replace(".1.", ".2.");
    for id in [other_run, to_come] {
        assert_eq!(
            LastEventId::parse(&id).unwrap().seen(&revision, &revision.position, &all),
            None,
            "{id}"
        );
    }
}

/// A node whose regions' states are numbers.
struct Node {
    run: u32,
    values: Vec<u32>,
    revision: Revision,
    /// How many changes it has had.
    at: usize,
}

/// Between two changes.
const A_WHILE_MS: i64 = 3_000;

impl Node {
    fn new() -> Self {
        let values = vec![0; Place::all().count()];
        let mut node = Self { run: 0, revision: revision(0, &values, None, (0, 0)), values, at: 0 };
        node.restart();
        node
    }

    /// Another node.
    fn another() -> Self {
        let mut node = Self { run: 1_000, ..Self::new() };
        node.restart();
        node
    }

    /// The revision, and up to where it holds.
    fn now_is(&self) -> (&Revision, &Position) {
        (&self.revision, &self.revision.position)
    }

    fn now(&self) -> (i64, i64) {
        (self.at as i64, self.at as i64 * A_WHILE_MS)
    }

    /// Another run: the states go on, the numbers do not.
    fn restart(&mut self) {
        self.run += 1;
        self.revision = revision(self.run, &self.values, None, self.now());
    }

    /// Takes over the changes of a log up to one of them.
    fn follow(&mut self, log: &[Vec<usize>], upto: usize) {
        while self.at < upto {
            self.change(&log[self.at]);
        }
    }

    fn change(&mut self, places: &[usize]) {
        places.iter().for_each(|place| self.values[*place] += 1);
        self.at += 1;
        self.revision = revision(self.run, &self.values, Some(&self.revision), self.now());
    }
}

fn revision(
    run: u32,
    values: &[u32],
    before: Option<&Revision>,
    (at, at_ms): (i64, i64),
) -> Revision {
    let number = before.map_or(1, |before| before.number + 1);
    let states = values.iter().enumerate().map(|(place, value)| {
        let json: Arc<[u8]> = format!("[{place},{value}]").into_bytes().into();
        let old = before.map(|before| before.states[place].clone());
        old.filter(|old| old.json == json).unwrap_or(State { changed: number, json })
    });
    let run = format!("{run:x}").into();
    let position = Position { events: [(0, at)].into(), ..Position::default() };
    Revision::after(before, (&run, 7), (position, at_ms), states.collect())
}

/// A client: it forgets nothing when its connection breaks.
#[derive(Default)]
struct Client {
    reader: Option<Reader>,
    last_id: Option<String>,
    known: BTreeMap<usize, u32>,
    live: bool,
    /// Whether it has left a node in the middle of what it was told there, without an id for it: then
    /// another may tell it of before.
    is_torn: bool,
}

impl Client {
    fn take(&mut self, node: &Node, selection: &Selection, messages: usize) {
        let reader = self.reader.get_or_insert_with(|| {
            Reader::new(selection.clone(), node.now_is(), self.last_id.as_deref())
        });
        for _ in 0..messages {
            let Some((message, id)) = reader.next(&node.revision) else { break };
            match message {
                Message::State(json) => {
                    let (place, value): (usize, u32) = serde_json::from_slice(json).unwrap();
                    let before = self.known.insert(place, value);
                    let goes_back = before.is_some_and(|before| before > value);
                    assert!(self.is_torn || !goes_back, "it goes back");
                }
                Message::Live { .. } => self.live = true,
                Message::Resync(_) => self.live = false,
            }
            self.last_id = id.or(self.last_id.take());
        }
    }

    fn holds(&self, node: &Node, selection: &Selection) {
        for place in selection.places() {
            let known = self.known.get(&place.at());
            assert_eq!(known, Some(&node.values[place.at()]), "{}", place.code());
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(Vec<usize>),
    Take(usize),
    Disconnect,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..40_usize, 1..6).prop_map(Step::Change),
        4 => (0..30_usize).prop_map(Step::Take),
        1 => Just(Step::Disconnect),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn a_reader_goes_on_at_another_node_where_it_was(
        steps in prop::collection::vec(
            (prop::collection::vec(0..40_usize, 1..6), 0..30_usize, 0..8_usize, any::<bool>()),
            1..60,
        ),
    ) {
        let log: Vec<_> = steps.iter().map(|(changed, ..)| changed.clone()).collect();
        let (mut here, mut there) = (Node::new(), Node::another());
        let (all, mut client) = (Selection::all(), Client::default());
        for (at, (_, messages, behind, is_moved)) in steps.iter().enumerate() {
            here.follow(&log, at + 1);
            there.follow(&log, (at + 1).saturating_sub(*behind));
            client.take(&here, &all, *messages);
            if *is_moved {
                client.reader = None;
                client.is_torn = true;
                std::mem::swap(&mut here, &mut there);
                // As the interface waits until the node is there.
                let told = client.last_id.as_deref().and_then(LastEventId::parse).map(|last| last.position);
                here.follow(&log, told.map_or(0, |told| told.events[&0] as usize));
            }
        }
        here.follow(&log, log.len());
        client.take(&here, &all, usize::MAX);
        client.holds(&here, &all);
    }

    #[test]
    fn the_last_state_a_reader_has_of_a_region_is_the_nodes(
        steps in prop::collection::vec(step(), 1..120),
        chosen in prop::collection::btree_set(0..40_usize, 1..40),
    ) {
        let codes: Vec<_> = Place::all().enumerate()
            .filter(|(at, _)| chosen.contains(at)).map(|(_, place)| place.code()).collect();
        let selection = Selection::of(&codes).unwrap();
        let (mut node, mut client) = (Node::new(), Client::default());
        for step in steps {
            match step {
                Step::Change(places) => node.change(&places),
                Step::Take(messages) => client.take(&node, &selection, messages),
                Step::Disconnect => client.reader = None,
                Step::Restart => {
                    node.restart();
                    client.reader = None;
                }
            }
        }
        client.take(&node, &selection, usize::MAX);
        client.holds(&node, &selection);
        prop_assert!(client.live);
        // And once more with the id that it has now: nothing has changed, and nothing is sent.
        let mut reader = Reader::new(selection, node.now_is(), client.last_id.as_deref());
        prop_assert_eq!(reader.next(&node.revision).unwrap().0, Message::Live { resumed: true });
        prop_assert_eq!(reader.next(&node.revision), None);
    }
}

#[test]
fn only_what_has_changed_since_is_told_after_a_resumption() {
    let (mut node, mut client) = (Node::new(), Client::default());
    let all = Selection::all();
    client.take(&node, &all, usize::MAX);
    client.reader = None;
    node.change(&[3, 70]);
    node.change(&[70, 500]);
    let mut reader = Reader::new(all, node.now_is(), client.last_id.as_deref());
    let mut told = Vec::new();
    while let Some((message, id)) = reader.next(&node.revision) {
        told.push((format!("{message:?}"), id.is_some()));
    }
    let states = told.iter().filter(|(message, _)| message.starts_with("State")).count();
    assert_eq!((states, told.len()), (3, 4));
    assert_eq!(told.last(), Some(&("Live { resumed: true }".to_owned(), true)));
    assert!(told[..3].iter().all(|(_, id)| !id), "an id says that all before it was told");
}

#[test]
fn at_another_node_only_what_has_changed_since_is_told_and_nothing_from_before() {
    let log: Vec<_> = (0..9).map(|change| vec![change]).collect();
    let (mut here, mut there) = (Node::new(), Node::another());
    let (all, mut client) = (Selection::all(), Client::default());
    there.follow(&log, 3);
    here.follow(&log, 6);
    client.take(&here, &all, usize::MAX);
    let told = |node: &Node| {
        let mut reader = Reader::new(all.clone(), node.now_is(), client.last_id.as_deref());
        std::iter::from_fn(|| {
            reader.next(&node.revision).map(|(message, _)| format!("{message:?}"))
        })
        .collect::<Vec<_>>()
    };
    // A node that is behind does not know: the interface waits until it is there.
    assert_eq!(told(&there)[0], "Resync(Unknown)");
    there.follow(&log, 7);
    // The clocks of two nodes may differ: so much is sent again.
    let told = told(&there);
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told.last().unwrap(), "Live { resumed: true }");
}

#[test]
fn a_reader_that_is_too_slow_begins_again_and_misses_nothing() {
    let (mut node, mut client) = (Node::new(), Client::default());
    let all = Selection::all();
    client.take(&node, &all, usize::MAX);
    for number in 0..MOST_BEHIND {
        node.change(&[number as usize % 7]);
    }
    let reader = client.reader.as_mut().unwrap();
    assert!(matches!(reader.clone().next(&node.revision), Some((Message::State(_), _))), "not yet");
    node.change(&[1]);
    assert_eq!(reader.next(&node.revision), Some((Message::Resync(Resync::Slow), None)));
    client.known.clear();
    client.take(&node, &all, usize::MAX);
    client.holds(&node, &all);
}
