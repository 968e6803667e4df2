//! What became of events of a small log, and which events bear one sequence.

use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;
use serde_json::{Value, json};

use crate::domain::decisions::DecisionBook;
use crate::domain::decisions::tests::decided;
use crate::projection::shard::NoFacts;
use crate::query::QueryError;
use crate::query::folded_log::{ACTIVATED, FoldedLog, id, retracted};
use crate::query::kiosks::event::fate;
use crate::query::kiosks::list::kiosk;
use crate::query::view::View;

pub(crate) const NOON: &str = "2024-07-01T05:00:00Z";

pub(crate) fn view(folding: FoldedLog) -> View {
    let now: TimestampMs = "2024-08-02T05:00:00Z".parse().unwrap();
    folding.live(now).view(now).unwrap()
}

fn ask(view: &View, number: u8) -> Value {
    serde_json::to_value(fate(view, id(number)).unwrap()).unwrap()
}

/// Some names of an answer.
fn some(answer: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| answer[*name].clone()).collect()
}

#[test]
fn an_event_that_counts_says_where_and_when() {
    let mut folding = FoldedLog::new(2, NOON);
    folding.event((1, 7), (1, "K-1", 3), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    folding.event((1, 7), (2, "K-1", 4), ("2024-06-30T05:00:00Z", "18.71"), ACTIVATED);
    let view = view(folding);
    let answer = ask(&view, 1);
    assert_eq!(
        some(&answer, &["fate", "kind", "effect", "day", "recorded", "kiosk_id", "sequence"]),
        [
            json!("counted"),
            json!("Activated"),
            json!("activation"),
            json!("2024-06-29"),
            json!("2024-07-01"),
            json!("K-1"),
            json!(3)
        ]
    );
    assert_eq!(answer["region"]["code"], "18.71");
    assert_eq!(answer["region"]["name"], "Kota Bandar Lampung");
    assert_eq!((&answer["partition"], &answer["quarantine"]), (&json!(1), &Value::Null));
    assert_eq!(answer["remembered_since"], "2024-06-01");
    assert_eq!(answer["occurred_at"], "2024-06-29T05:00:00Z");
    let subject = laju_schemas::SubjectId([7; 16]).to_string();
    assert!(!answer.to_string().contains(&subject), "whose it is stays here");
    let again = ask(&view, 2);
    assert_eq!(some(&again, &["fate", "effect"]), [json!("counted"), json!("none")]);
    assert!(again["detail"].as_str().unwrap().contains("already"));
}

#[test]
fn repeats_and_what_was_taken_back_name_the_other_event() {
    let mut folding = FoldedLog::new(1, NOON);
    let at = ("2024-06-29T05:00:00Z", "18.71");
    folding.event((0, 7), (1, "K-1", 1), at, ACTIVATED);
    folding.event((0, 7), (2, "K-1", 2), at, ACTIVATED);
    folding.event((0, 8), (3, "K-1", 3), at, ACTIVATED);
    folding.event((0, 8), (4, "K-1", 4), ("2024-06-30T05:00:00Z", "18.71"), retracted(3));
    let view = view(folding);
    let repeat = ask(&view, 2);
    assert_eq!(
        some(&repeat, &["fate", "repeat_of", "effect", "day"]),
        [json!("repeat"), json!(id(1)), Value::Null, json!("2024-06-29")]
    );
    let taken_back = ask(&view, 3);
    assert_eq!(
        some(&taken_back, &["fate", "retracted_by", "reason"]),
        [json!("retracted"), json!(id(4)), json!("wrong_person")]
    );
    assert_eq!(some(&ask(&view, 4), &["fate", "effect"]), [json!("counted"), json!("retraction")]);
}

#[test]
fn a_retraction_takes_back_also_where_it_is_a_repeat_or_was_taken_back() {
    let mut folding = FoldedLog::new(1, NOON);
    let at = ("2024-06-29T05:00:00Z", "18.71");
    let later = ("2024-06-30T05:00:00Z", "18.71");
    folding.event((0, 7), (1, "K-1", 1), at, ACTIVATED);
    folding.event((0, 7), (2, "K-1", 2), ("2024-06-29T06:00:00Z", "18.71"), ACTIVATED);
    folding.event((0, 7), (3, "K-1", 3), later, retracted(1));
    folding.event((0, 7), (4, "K-1", 4), later, retracted(2));
    folding.event((0, 7), (5, "K-1", 5), ("2024-07-01T04:00:00Z", "18.71"), retracted(3));
    let view = view(folding);
    assert_eq!(ask(&view, 1)["retracted_by"], json!(id(3)));
    assert_eq!(ask(&view, 2)["retracted_by"], json!(id(4)));
    let taken_back = ask(&view, 3);
    assert_eq!(some(&taken_back, &["fate", "effect"]), [json!("retracted"), Value::Null]);
    assert_eq!(taken_back["detail"], format!("{} stays taken back", id(1)));
    // With the first of that instant taken out, the second stands.
    assert_eq!(some(&ask(&view, 4), &["fate", "effect"]), [json!("counted"), json!("retraction")]);

    let mut folding = FoldedLog::new(1, NOON);
    folding.event((0, 7), (3, "K-1", 3), later, retracted(1));
    folding.event((0, 7), (4, "K-1", 4), later, retracted(2));
    let repeat = ask(&self::view(folding), 4);
    assert_eq!(some(&repeat, &["fate", "repeat_of"]), [json!("repeat"), json!(id(3))]);
    assert_eq!(repeat["detail"], format!("{} stays taken back", id(2)));
}

#[test]
fn a_bad_copy_of_an_event_that_counts_is_told_of_as_what_it_is() {
    let mut folding = FoldedLog::new(2, NOON);
    folding.event((1, 7), (7, "K-1", 10), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    folding.refuse(0, 7, "K-1", 10);
    let answer = ask(&view(folding), 7);
    assert_eq!(some(&answer, &["fate", "partition"]), [json!("counted"), json!(1)]);
    assert_eq!(answer["quarantine"]["partition"], 0);
    assert!(!answer["detail"].as_str().unwrap().contains("released"), "{answer}");
}

#[test]
fn what_could_not_be_counted_says_why_and_counts_once_it_is_released() {
    let mut folding = FoldedLog::new(2, NOON);
    folding.refuse(1, 5, "K-1", 9);
    folding.refuse(1, 6, "K-1", 0);
    folding.refuse(0, 7, "K-1", 10);
    folding.event((1, 7), (7, "K-1", 10), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    let view = view(folding);
    let quarantined = ask(&view, 5);
    let names = ["fate", "reason", "detail", "partition", "kiosk_id", "sequence", "recorded"];
    assert_eq!(
        some(&quarantined, &names),
        [
            json!("quarantined"),
            json!("in_future"),
            json!("occurred_at: made by hand"),
            json!(1),
            json!("K-1"),
            json!(9),
            json!("2024-07-01")
        ]
    );
    assert_eq!(
        quarantined["quarantine"],
        json!({"partition": 1, "offset": 0, "timestamp": NOON, "reason": "in_future",
               "detail": "occurred_at: made by hand"})
    );
    let nameless = ask(&view, 6);
    assert_eq!(some(&nameless, &["fate", "sequence"]), [json!("quarantined"), Value::Null]);
    let released = ask(&view, 7);
    assert_eq!(some(&released, &["fate", "partition"]), [json!("counted"), json!(1)]);
    assert_eq!(some(&released["quarantine"], &["partition", "offset"]), [json!(0), json!(0)]);
    assert_eq!(released["detail"], "another record of it is in quarantine");
}

#[test]
fn what_was_decided_about_a_quarantined_record_is_told_with_who_decided() {
    let mut folding = FoldedLog::new(2, NOON);
    folding.refuse(1, 5, "K-1", 9);
    folding.refuse(0, 7, "K-1", 10);
    folding.event((1, 7), (7, "K-1", 10), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    let mut view = view(folding);
    let mut book = DecisionBook::default();
    book.add(0, decided((1, 0), Decision::Discarded, None));
    book.add(1, decided((0, 0), Decision::Released, Some((1, 1))));
    view.decisions = std::sync::Arc::new(book);
    let discarded = ask(&view, 5);
    assert_eq!(discarded["fate"], "quarantined");
    assert_eq!(
        discarded["detail"],
        "occurred_at: made by hand; discarded by Sri Rahayu at 2024-07-03T09:46:40Z: made by hand"
    );
    let released = ask(&view, 7);
    assert_eq!(released["fate"], "counted");
    assert_eq!(
        released["detail"],
        "another record of it is in quarantine, released as 1/1 by Sri Rahayu at \
         2024-07-03T09:46:40Z: made by hand"
    );
}

#[test]
fn what_is_older_than_thirty_days_of_the_log_is_not_remembered_and_says_so() {
    let mut folding = FoldedLog::new(2, "2024-05-01T05:00:00Z");
    folding.event((0, 1), (1, "K-1", 1), ("2024-05-01T05:00:00Z", "18.71"), ACTIVATED);
    folding.refuse(0, 2, "K-1", 2);
    folding.recorded = "2024-05-02T05:00:00Z".parse().unwrap();
    folding.event((0, 3), (3, "K-1", 3), ("2024-05-01T05:00:00Z", "18.71"), ACTIVATED);
    folding.refuse(0, 4, "K-1", 4);
    folding.recorded = "2024-06-01T05:00:00Z".parse().unwrap();
    folding.event((0, 5), (5, "K-1", 5), ("2024-05-01T05:00:00Z", "18.71"), ACTIVATED);
    let view = view(folding);
    let fates = [1, 2, 3, 4, 5, 6].map(|number| ask(&view, number)["fate"].clone());
    assert_eq!(
        fates,
        ["not_seen", "not_seen", "counted", "quarantined", "counted", "not_seen"].map(Value::from)
    );
    let unknown = ask(&view, 1);
    assert_eq!(unknown["remembered_since"], "2024-05-02");
    assert_eq!(unknown["detail"], "no new event of this id was recorded since 2024-05-02");
}

#[test]
fn an_id_that_came_for_two_citizens_is_told_of_the_one_that_counts() {
    let mut folding = FoldedLog::new(2, NOON);
    let at = ("2024-06-29T05:00:00Z", "18.71");
    folding.event((0, 1), (1, "K-1", 1), at, ACTIVATED);
    folding.event((0, 1), (2, "K-1", 2), ("2024-06-30T05:00:00Z", "18.71"), retracted(1));
    folding.event((1, 2), (1, "K-2", 8), ("2024-06-28T05:00:00Z", "17.71"), ACTIVATED);
    let answer = ask(&view(folding), 1);
    assert_eq!(some(&answer, &["fate", "sequence"]), [json!("counted"), json!(8)]);
    assert!(answer["detail"].as_str().unwrap().contains("1 other citizens"));
}

#[test]
fn a_fate_that_is_ahead_of_the_last_commit_says_so_in_its_evidence() {
    let mut folding = FoldedLog::new(2, NOON);
    let at = ("2024-06-29T05:00:00Z", "18.71");
    folding.event((0, 1), (1, "K-1", 1), at, ACTIVATED);
    folding.event((1, 2), (2, "K-1", 2), at, ACTIVATED);
    folding.recorded = "2024-07-02T05:00:00Z".parse().unwrap();
    folding.uncommitted_event((0, 1), (3, "K-1", 3), at, retracted(1));
    folding.uncommitted_event((1, 9), (4, "K-1", 4), at, ACTIVATED);
    let view = view(folding);
    let offsets = |answer: &Value| {
        let parts = answer["evidence"]["partitions"].as_array().unwrap();
        parts.iter().map(|part| part["next_offset"].clone()).collect::<Vec<_>>()
    };
    let ahead = ask(&view, 1);
    assert_eq!((&ahead["fate"], offsets(&ahead)), (&json!("retracted"), vec![json!(2), json!(1)]));
    assert_eq!(ahead["evidence"]["partitions"][0]["recorded_until"], "2024-07-02T05:00:00Z");
    assert_eq!(offsets(&ask(&view, 9)), [json!(1), json!(1)], "nothing was told of anybody");
}

#[test]
fn without_a_fold_it_is_said_that_nothing_is_known_of_an_event() {
    let mut folding = FoldedLog::new(1, NOON);
    folding.event((0, 1), (1, "K-1", 1), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    let mut view = view(folding);
    view.shards = None;
    assert!(matches!(fate(&view, id(1)), Err(QueryError::NoFacts(NoFacts::NotFolding))));
    assert_eq!(ask(&view, 9)["fate"], "not_seen", "nothing has to be asked for that");
}

#[test]
fn events_in_conflict_are_named_in_one_partition_and_across() {
    let mut folding = FoldedLog::new(2, NOON);
    let at = ("2024-06-29T05:00:00Z", "18.71");
    folding.event((0, 1), (1, "K-1", 1), at, ACTIVATED);
    folding.event((0, 2), (2, "K-1", 1), at, ACTIVATED);
    folding.event((0, 3), (3, "K-1", 2), at, ACTIVATED);
    folding.event((1, 4), (4, "K-1", 2), at, ACTIVATED);
    folding.event((1, 5), (5, "K-1", 3), at, ACTIVATED);
    folding.event((1, 6), (6, "K-2", 3), at, ACTIVATED);
    // The same event once more.
    folding.event((1, 5), (5, "K-1", 3), at, ACTIVATED);
    let view = view(folding);
    let conflicts = serde_json::to_value(kiosk(&view, "K-1").unwrap().row.conflicts).unwrap();
    assert_eq!(conflicts["events"], 2);
    assert_eq!(
        conflicts["sequences"],
        json!([{"sequence": 1, "event_ids": [id(1), id(2)]},
               {"sequence": 2, "event_ids": [id(3), id(4)]}])
    );
    assert_eq!(kiosk(&view, "K-2").unwrap().row.conflicts.events, 0);
}
