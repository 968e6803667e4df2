//! What may be missing, of states made by hand.

use laju_schemas::RegionCode;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Reason;
use serde_json::{Value, json};

use crate::query::days::Days;
use crate::query::fixtures::{Fixture, date};
use crate::query::kiosks::list::{self, KiosksQuestion};
use crate::query::kiosks::missing::KioskBook;
use crate::query::kiosks::quarantine;
use crate::query::tests::{TODAY, ask, asked, code, five_cities};
use crate::query::view::View;

pub(crate) fn all_kiosks(view: &View) -> list::Kiosks {
    list::kiosks(view, &KiosksQuestion::default()).unwrap()
}

/// One kiosk with gaps in both partitions, one complete, one announced, one retired.
pub(crate) fn kiosks_with_gaps() -> Fixture {
    let mut f = five_cities();
    f.receive(0, ("K-1", "18.71"), [1, 2, 5], "18.71", "2024-07-01");
    f.receive(1, ("K-0", "18.71"), [1, 2], "18.71", "2024-07-01");
    f.receive(1, ("K-1", "18.71"), [3, 8, 9], "17.71", "2024-07-02");
    f.status("K-1", "18.72", 10, false);
    f.status("K-NEW", "36.04", 2, false);
    f.receive(0, ("K-OLD", "19.71"), [9], "19.71", "2024-07-02");
    f.status("K-OLD", "19.71", 20, true);
    f
}

#[test]
fn missing_events_count_wherever_they_may_belong_and_once_above() {
    let view = kiosks_with_gaps().view(TODAY);
    let missing = |region: &str| {
        let unknown = ask(&view, region, &Days::default())["missing"].clone();
        (unknown["events"].as_u64().unwrap(), unknown["kiosks"].as_u64().unwrap())
    };
    // K-1 lacks 4, 6, 7 and the announced 10: for its own region and those it has served.
    for region in ["18.71", "18.72", "17.71", "18", "17"] {
        assert_eq!(missing(region), (4, 1), "{region}");
    }
    assert_eq!(missing("36.04"), (2, 1), "announced only");
    assert_eq!(missing("19.71"), (0, 0), "retired");
    assert_eq!(missing("11.01"), (0, 0));
    assert_eq!(missing("ID"), (6, 2));
    let answer = ask(&view, "17.71", &asked(Some("2023-12-31"), None));
    assert_eq!(answer["bounds"], json!({"lower": 1_049, "upper": 1_057}));

    let kiosks = all_kiosks(&view).rows;
    let ids: Vec<_> = kiosks.iter().map(|kiosk| kiosk.kiosk_id.as_str()).collect();
    assert_eq!(ids, ["K-0", "K-1", "K-NEW", "K-OLD"]);
    assert_eq!(kiosks[1].gaps, [(4, 4), (6, 7), (10, 10)]);
    assert_eq!((kiosks[1].received, kiosks[1].sequences, kiosks[1].missing), (6, 6, 4));
    assert_eq!(kiosks[1].service_region, Some(code("18.72")));
    assert_eq!((kiosks[2].missing, kiosks[2].last_heard), (2, None));
    assert_eq!((kiosks[3].highest_sequence, kiosks[3].missing), (20, 0));
}

#[test]
fn quarantined_events_count_for_the_regions_they_name() {
    let mut f = five_cities();
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.72")));
    f.quarantine(1, Reason::InFuture, "2024-07-03", Some(("18.71", "17.71")));
    f.quarantine(1, Reason::Undecodable, "2024-07-02", None);
    let view = f.view(TODAY);
    let quarantined = |region: &str| {
        ask(&view, region, &Days::default())["missing"]["quarantined"].as_u64().unwrap()
    };
    let found = ["18.71", "18.72", "17.71", "18", "17", "ID", "36.04"].map(quarantined);
    assert_eq!(found, [2, 1, 1, 2, 1, 3, 0]);

    let all = quarantine::quarantine(&view, None, RegionCode::NATION, 2).unwrap();
    assert_eq!(all.total, 3);
    let reasons: Vec<_> = all.reasons.iter().map(|r| (r.reason, r.count)).collect();
    assert_eq!(reasons, [(Reason::Undecodable, 1), (Reason::InFuture, 2)]);
    let latest: Vec<_> = all.latest.iter().map(|r| (r.reason, r.home_region)).collect();
    assert_eq!(latest, [(Reason::InFuture, Some(code("18.71"))), (Reason::Undecodable, None)]);
    let then =
        quarantine::quarantine(&view, Some(date("2024-07-01")), RegionCode::NATION, 50).unwrap();
    assert_eq!((then.total, then.latest.len()), (1, 1));
}

/// A discarded record is unknown no longer at once, a released one as soon as the event sent again
/// is in the snapshot: the bounds narrow then and not before.
#[test]
fn bounds_narrow_when_what_was_decided_is_counted_and_not_before() {
    let mut f = five_cities();
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.72")));
    f.quarantine(1, Reason::WrongPartition, "2024-07-03", Some(("18.71", "17.71")));
    f.quarantine(1, Reason::Undecodable, "2024-07-02", None);
    let next = |f: &Fixture, partition: u32| f.snapshot().partitions[&partition].next_offset;
    let (first, second) = ((0, next(&f, 0) - 1), (1, next(&f, 1) - 2));
    let undecodable = (1, next(&f, 1) - 1);
    let counts = |f: &Fixture| {
        let view = f.view(TODAY);
        let regions = ["18.71", "18.72", "17.71", "18", "17", "ID", "36.04"];
        let quarantined = regions.map(|region| {
            let answer = ask(&view, region, &Days::default());
            let unknown = answer["missing"]["quarantined"].as_i64().unwrap();
            let bound = |name: &str| answer["bounds"][name].as_i64().unwrap();
            let missing = answer["missing"]["events"].as_i64().unwrap();
            let activated = answer["activated"].as_i64().unwrap();
            assert_eq!(bound("upper") - activated, unknown + missing, "{region}");
            unknown
        });
        let all = quarantine::quarantine(&view, None, RegionCode::NATION, 9).unwrap();
        assert_eq!((all.total, all.open as i64), (3, quarantined[5]));
        assert_eq!(all.total, all.open + all.released + all.discarded);
        let within = quarantine::quarantine(&view, None, code("18.72"), 9).unwrap();
        assert_eq!((within.total, within.open as i64), (1, quarantined[1]));
        (quarantined, all.released, all.discarded)
    };
    assert_eq!(counts(&f), ([2, 1, 1, 2, 1, 3, 0], 0, 0));
    // Where no record is, nothing was decided about one.
    f.decide((0, 0), Decision::Discarded, None);
    f.decide((9, 0), Decision::Discarded, None);
    f.decide(undecodable, Decision::Unknown, None);
    assert_eq!(counts(&f), ([2, 1, 1, 2, 1, 3, 0], 0, 0));
    // Sent again to an offset that is not in the snapshot yet.
    let again = (1, next(&f, 1));
    f.decide(second, Decision::Released, Some(again));
    assert_eq!(counts(&f), ([2, 1, 1, 2, 1, 3, 0], 0, 0));
    f.decide(first, Decision::Discarded, None);
    assert_eq!(counts(&f), ([1, 0, 1, 1, 1, 2, 0], 0, 1));
    // A later decision about the same record changes nothing.
    f.decide(second, Decision::Discarded, None);
    assert_eq!(counts(&f), ([1, 0, 1, 1, 1, 2, 0], 0, 1));
    f.activate(1, "18.71", "2024-07-05", 1);
    assert_eq!(counts(&f), ([0, 0, 0, 0, 0, 1, 0], 1, 1));

    let view = f.view(TODAY);
    let all = quarantine::quarantine(&view, None, RegionCode::NATION, 9).unwrap();
    let decisions: Vec<_> =
        all.latest.iter().map(|row| row.decision.as_ref().map(|d| d.decision)).collect();
    let of = [Some(Decision::Released), None, Some(Decision::Discarded)];
    assert_eq!(decisions, of);
    let released = all.latest[0].decision.as_ref().unwrap();
    assert_eq!((released.released_partition, released.released_offset), (Some(1), Some(again.1)));
    // Of a past day's knowledge there are no bounds; what became of its records is reported.
    let then =
        quarantine::quarantine(&view, Some(date("2024-07-01")), RegionCode::NATION, 9).unwrap();
    assert_eq!((then.total, then.open, then.discarded, then.released), (1, 0, 1, 0));
    let past = ask(&view, "ID", &asked(None, Some("2024-07-01")));
    assert_eq!((&past["bounds"], &past["missing"]), (&Value::Null, &Value::Null));
}

#[test]
fn an_event_sent_again_that_is_refused_again_is_unknown_once() {
    let mut f = five_cities();
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.72")));
    let origin = (0, f.snapshot().partitions[&0].next_offset - 1);
    let again = (1, f.snapshot().partitions[&1].next_offset);
    f.decide(origin, Decision::Released, Some(again));
    let unknown = |f: &Fixture| {
        let found = ask(&f.view(TODAY), "18.71", &Days::default());
        found["missing"]["quarantined"].clone()
    };
    assert_eq!(unknown(&f), 1);
    f.quarantine(1, Reason::InFuture, "2024-07-02", Some(("18.71", "18.72")));
    assert_eq!(unknown(&f), 1, "under its new origin");
    f.decide(again, Decision::Discarded, None);
    assert_eq!(unknown(&f), 0);
}

#[test]
fn what_is_missing_does_not_depend_on_what_was_seen_before() {
    let mut book = KioskBook::default();
    let mut f = kiosks_with_gaps();
    for round in 0..40 {
        let (partition, other) = (round % 2, (round + 1) % 2);
        let kiosk = format!("K-{}", round % 5);
        f.receive(partition, (&kiosk, "18.71"), [round * 3 + 1], "18.71", "2024-07-05");
        f.receive(other, (&kiosk, "18.71"), [round * 3 + 2], "36.04", "2024-07-05");
        if round % 7 == 0 {
            f.quarantine(partition, Reason::WrongKey, "2024-07-05", Some(("18.71", "18.71")));
            let origin = (partition, f.snapshot().partitions[&partition].next_offset - 1);
            let again = (other, f.snapshot().partitions[&other].next_offset + 2);
            match round % 3 {
                0 => f.decide(origin, Decision::Released, Some(again)),
                1 => f.decide(origin, Decision::Discarded, None),
                _ => f.decide((partition, origin.1 + 1), Decision::Discarded, None),
            }
        }
        let snapshot = f.snapshot();
        let again = KioskBook::default().gaps(&snapshot, f.statuses(), f.decisions());
        assert_eq!(book.gaps(&snapshot, f.statuses(), f.decisions()), again, "after {round}");
        assert!(again.of(None).events > 0);
        // The same partition again, and one that was given away.
        assert_eq!(book.gaps(&snapshot, f.statuses(), f.decisions()), again);
        if round % 10 == 9 {
            let mut half = snapshot.clone();
            half.partitions.remove(&0);
            let again = KioskBook::default().gaps(&half, f.statuses(), f.decisions());
            assert_eq!(book.gaps(&half, f.statuses(), f.decisions()), again);
        }
    }
}

#[test]
fn a_kiosk_that_announces_the_highest_sequence_there_is_costs_nothing() {
    let mut f = Fixture::new(1);
    f.receive(0, ("K-1", "18.71"), [u32::MAX, 3], "18.71", "2024-07-01");
    f.status("K-2", "18.71", u32::MAX, false);
    let kiosks = all_kiosks(&f.view(TODAY)).rows;
    assert_eq!(kiosks[0].gaps, [(1, 2), (4, u32::MAX - 1)]);
    assert_eq!(kiosks[1].gaps, [(1, u32::MAX)]);
    assert_eq!(kiosks[1].missing, u64::from(u32::MAX));
}
