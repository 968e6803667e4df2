//! Questions about kiosks to states made by hand.

use laju_schemas::quarantine::Reason;
use serde_json::{Value, json};

use crate::query::QueryError;
use crate::query::days::Days;
use crate::query::figures::progress;
use crate::query::fixtures::Fixture;
use crate::query::kiosks::list::{KiosksQuestion, kiosk, kiosks};
use crate::query::kiosks::missing::KioskBook;
use crate::query::view::View;

const TODAY: &str = "2024-08-02";

/// A kiosk heard of on each of these days of July.
fn on_days(
    f: &mut Fixture,
    (kiosk, service): (&str, &str),
    days: impl IntoIterator<Item = u32>,
    each: u32,
) {
    for (number, day) in (0..).zip(days) {
        let sequences = number * each + 1..=(number + 1) * each;
        let on = format!("2024-07-{day:02}");
        // A kiosk's events spread over the partitions.
        f.receive(number % 2, (kiosk, service), sequences, "18.71", &on);
    }
}

/// A daily kiosk that is heard of, two that fell silent, one that still reports, one that is
/// retired, a weekly one, and one that is new.
fn habits() -> Fixture {
    let mut f = Fixture::new(2);
    on_days(&mut f, ("DAILY", "18.71"), 1..=31, 40);
    on_days(&mut f, ("SILENT", "18.71"), 1..=28, 10);
    on_days(&mut f, ("LONGER", "18.72"), 1..=20, 7);
    on_days(&mut f, ("IDLE", "18.71"), 1..=20, 3);
    f.status_on("2024-08-01", "IDLE", "18.71", 60, false);
    on_days(&mut f, ("GONE", "18.71"), 1..=20, 3);
    f.status_on("2024-07-20", "GONE", "18.71", 60, true);
    on_days(&mut f, ("WEEKLY", "17.71"), [1, 8, 15, 22, 29], 2);
    on_days(&mut f, ("NEW", "18.71"), [1, 2], 2);
    f
}

fn ids(view: &View, question: &KiosksQuestion) -> Vec<String> {
    kiosks(view, question).unwrap().rows.into_iter().map(|row| row.kiosk_id).collect()
}

#[test]
fn a_kiosk_is_silent_when_it_has_been_quiet_for_longer_than_is_usual_for_it() {
    let view = habits().view(TODAY);
    let of = |id: &str| {
        let row = kiosk(&view, id).unwrap().row;
        (row.usual_per_day, row.silent, row.silent_since.map(|at| at.to_string()))
    };
    assert_eq!(of("DAILY"), (Some(40), Some(false), None));
    let since = Some("2024-07-28T05:00:00Z".to_owned());
    assert_eq!(of("SILENT"), (Some(10), Some(true), since));
    assert_eq!(of("IDLE"), (Some(3), Some(false), None), "it reports");
    assert_eq!(of("GONE"), (Some(3), Some(false), None), "it is not awaited");
    assert_eq!(of("WEEKLY"), (Some(2), Some(false), None), "four days are usual");
    assert_eq!(of("NEW"), (None, None, None));
    let weekly = kiosk(&view, "WEEKLY").unwrap();
    assert_eq!((weekly.days_heard, weekly.usual_gap_days), (5, Some(7)));
}

#[test]
fn silent_kiosks_stand_beside_the_bounds_of_their_own_region() {
    let view = habits().view(TODAY);
    let missing = |region: &str, question: &Days| {
        let answer = progress::progress(&view, region.parse().unwrap(), question).unwrap();
        let bounds = answer.figures.bounds.map(|bounds| (bounds.lower, bounds.upper));
        (serde_json::to_value(answer.figures.missing).unwrap(), bounds)
    };
    let silent = |region: &str| -> Vec<Value> {
        let rows = missing(region, &Days::default()).0["silent_kiosks"].clone();
        rows.as_array().unwrap().iter().map(|row| row["kiosk_id"].clone()).collect()
    };
    assert_eq!(silent("18.71"), ["SILENT"]);
    assert_eq!(silent("18.72"), ["LONGER"]);
    assert_eq!(silent("18"), ["LONGER", "SILENT"], "the longest silent first");
    assert_eq!(silent("ID"), ["LONGER", "SILENT"]);
    assert!(silent("17.71").is_empty());
    let (unknown, bounds) = missing("18.71", &Days::default());
    assert_eq!(bounds, Some((0, 0)), "an estimate is no bound");
    assert_eq!(
        unknown["silent_kiosks"][0],
        json!({"kiosk_id": "SILENT", "usual_per_day": 10, "silent_since": "2024-07-28T05:00:00Z"})
    );
    let past = Days { known_at: Some("2024-07-31".parse().unwrap()), ..Days::default() };
    assert_eq!(missing("18.71", &past).0, Value::Null);

    let mut f = habits();
    for number in 0..30 {
        on_days(&mut f, (&format!("S-{number:02}"), "36.04"), 1..=20, 3);
    }
    let view = f.view(TODAY);
    let of = |region: &str| {
        let answer = progress::progress(&view, region.parse().unwrap(), &Days::default());
        answer.unwrap().figures.missing.unwrap().silent_kiosks.len()
    };
    assert_eq!((of("36.04"), of("ID")), (20, 20), "the answer stays small");
}

#[test]
fn kiosks_come_by_pages_and_by_what_is_asked() {
    let mut f = habits();
    f.receive(0, ("WEEKLY", "17.71"), [40], "17.71", "2024-07-30");
    let view = f.view(TODAY);
    let ask = |change: fn(&mut KiosksQuestion)| {
        let mut question = KiosksQuestion::default();
        change(&mut question);
        ids(&view, &question)
    };
    let all = ["DAILY", "GONE", "IDLE", "LONGER", "NEW", "SILENT", "WEEKLY"];
    assert_eq!(ask(|_| ()), all);
    assert_eq!(ask(|q| q.silent = Some(true)), ["LONGER", "SILENT"]);
    assert_eq!(ask(|q| q.silent = Some(false)).len(), 5);
    assert_eq!(ask(|q| q.missing = Some(true)), ["WEEKLY"]);
    assert_eq!(ask(|q| q.within = Some("18.72".parse().unwrap())), ["LONGER"]);
    assert_eq!(ask(|q| q.within = Some("17".parse().unwrap())), ["WEEKLY"]);
    assert_eq!(ask(|q| q.within = Some("ID".parse().unwrap())).len(), all.len());

    let mut question = KiosksQuestion { limit: Some(3), ..KiosksQuestion::default() };
    let mut seen = Vec::new();
    loop {
        let page = kiosks(&view, &question).unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.rows.into_iter().map(|row| row.kiosk_id));
        let Some(next) = page.next else { break };
        let last = seen.last().unwrap();
        assert_eq!(next, format!("/v1/kiosks?limit=3&after={last}"));
        question.after = Some(last.clone());
    }
    assert_eq!(seen, all, "every kiosk once");
    let nowhere = KiosksQuestion { within: Some("18.99".parse().unwrap()), ..question };
    assert!(matches!(kiosks(&view, &nowhere), Err(QueryError::UnknownRegion(_))));
}

#[test]
fn one_kiosk_has_every_gap_as_far_as_there_is_room() {
    let mut f = Fixture::new(2);
    f.receive(0, ("K-1", "18.71"), (0..300).map(|n| 4 * n + 2), "18.71", "2024-07-01");
    f.receive(1, ("K-1", "18.71"), (0..300).map(|n| 4 * n + 4), "18.71", "2024-07-01");
    f.status("K-1", "18.71", 1_210, false);
    f.receive(1, ("K-2", "18.71"), (1..1_500).map(|n| 2 * n), "18.71", "2024-07-01");
    f.status("K-3", "18.71", 5, false);
    let view = f.view(TODAY);
    let one = kiosk(&view, "K-1").unwrap();
    assert_eq!((one.row.gaps.len(), one.gaps_cut), (601, false));
    assert_eq!(one.row.gaps.last(), Some(&(1_201, 1_210)));
    let missing: u64 = one.row.gaps.iter().map(|(first, last)| u64::from(last - first + 1)).sum();
    assert_eq!((one.row.missing, missing), (610, 610));
    assert_eq!((one.row.highest_received, one.row.highest_announced), (1_200, Some(1_210)));
    let cut = kiosk(&view, "K-2").unwrap();
    assert_eq!((cut.row.gaps.len(), cut.gaps_cut, cut.row.missing), (1_000, true, 1_499));
    let announced = kiosk(&view, "K-3").unwrap();
    assert_eq!(announced.row.gaps, [(1, 5)]);
    assert_eq!(kiosk(&view, "K-4"), Err(QueryError::UnknownKiosk("K-4".to_owned())));
}

#[test]
fn events_that_bear_one_sequence_are_a_conflict_wherever_they_are() {
    let mut f = Fixture::new(3);
    f.receive(0, ("K-1", "18.71"), [1, 2, 3], "18.71", "2024-07-01");
    f.receive(1, ("K-1", "18.71"), [4, 5], "18.71", "2024-07-01");
    f.receive(1, ("K-2", "18.71"), [1, 2, 3], "18.71", "2024-07-01");
    // A record that was refused, released and then counted elsewhere is none.
    f.refuse(2, "K-1", 3);
    let of = |f: &Fixture, id: &str| kiosk(&f.view(TODAY), id).unwrap().row.conflicts;
    assert_eq!(of(&f, "K-1").events, 0);
    assert_eq!(of(&f, "K-1").note, None);
    // In other partitions, and twice in the same one.
    f.receive(1, ("K-1", "18.71"), [2, 3], "18.71", "2024-07-02");
    f.receive(2, ("K-1", "18.71"), [3], "18.71", "2024-07-02");
    f.receive(0, ("K-1", "18.71"), [1], "18.71", "2024-07-02");
    let conflicts = of(&f, "K-1");
    assert_eq!(conflicts.events, 4);
    let sequences: Vec<u32> = conflicts.sequences.iter().map(|c| c.sequence).collect();
    assert_eq!(sequences, [2, 3]);
    assert!(conflicts.note.unwrap().contains("two devices"));
    assert_eq!(of(&f, "K-2").events, 0);
    let rows = kiosks(&f.view(TODAY), &KiosksQuestion::default()).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.conflicts).collect::<Vec<_>>(), [4, 0]);
}

#[test]
fn habits_and_conflicts_do_not_depend_on_what_was_seen_before() {
    let mut book = KioskBook::default();
    let mut f = Fixture::new(2);
    for day in 1..=28_u32 {
        let on = format!("2024-07-{day:02}");
        f.receive(day % 2, ("K-1", "18.71"), [day, day + 1], "18.71", &on);
        f.refuse(day % 2, "K-1", 500 + day);
        if day % 3 == 0 {
            f.receive(0, ("K-2", "18.71"), [day, 3], "18.71", &on);
        }
        f.quarantine(1, Reason::WrongKey, &on, None);
        let snapshot = f.snapshot();
        let again = KioskBook::default().gaps(&snapshot, f.statuses(), f.decisions());
        assert_eq!(book.gaps(&snapshot, f.statuses(), f.decisions()), again, "after day {day}");
    }
    let view = f.view(TODAY);
    assert_eq!(kiosk(&view, "K-1").unwrap().row.conflicts.events, 27);
    assert_eq!(kiosk(&view, "K-2").unwrap().row.conflicts.events, 9);
}

#[test]
fn a_kiosk_is_told_which_of_its_events_are_in_quarantine_until_they_count_or_are_discarded() {
    let mut f = Fixture::new(2);
    f.receive(0, ("K-BAD", "18.71"), 1..=6, "18.71", "2024-07-01");
    f.refuse(0, "K-BAD", 7);
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.71")));
    let view = f.view(TODAY);
    let quarantined = kiosk(&view, "K-BAD").unwrap().quarantined;
    assert_eq!(quarantined.open, 1);
    let [row] = &quarantined.latest[..] else { panic!("{quarantined:?}") };
    assert_eq!((row.reason, row.sequence), (Reason::InFuture, Some(7)));
    assert!(row.detail.starts_with("made by hand"), "{row:?}");
    assert_eq!(kiosk(&view, "K-BAD").unwrap().row.missing, 0);

    // The same event, sent again and counted.
    f.receive(1, ("K-BAD", "18.71"), 7..=7, "18.71", "2024-07-02");
    let quarantined = kiosk(&f.view(TODAY), "K-BAD").unwrap().quarantined;
    assert_eq!((quarantined.open, quarantined.latest.len()), (0, 0));
}
