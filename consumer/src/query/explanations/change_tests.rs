//! Why did the figure change? A case worked out by hand; the parts of generated logs are held
//! against the oracle in the crate of tests.

use laju_schemas::event::{Channel, DeactivationReason};
use laju_schemas::reference::Basis;
use serde_json::{Value, json};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::explanations::change::{Change, change};
use crate::query::explanations::parts::{Axis, PartKind};
use crate::query::fixtures::{Fixture, activation, date, region};
use crate::query::view::View;

pub(crate) const TODAY: &str = "2024-08-02";

/// 100 people on 2024-03-01; then a little of everything, and new reference figures.
pub(crate) fn eventful() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 1_000, "2024-01-01");
    f.percent_target("ID", Basis::WajibKtp, "25", "2024-01-01");
    f.activate(0, "18.71", "2024-03-01", 100);
    f.denominator("18.71", Basis::WajibKtp, 800, "2024-03-20");
    f.percent_target("ID", Basis::WajibKtp, "30", "2024-03-20");
    let office = activation("18.71", Channel::Office, None, 0);
    let mut post = |account, (happened, recorded), detail, amount| {
        f.post(1, account, "18.71", (happened, recorded), detail, amount);
    };
    let activations = Account::Activations;
    post(activations, ("2024-03-05", "2024-03-05"), office, 20);
    post(activations, ("2024-03-09", "2024-03-12"), office, 7);
    post(activations, ("2024-03-01", "2024-03-02"), office, 1);
    post(activations, ("2024-02-25", "2024-03-02"), office, 2);
    post(activations, ("2024-02-25", "2024-03-10"), office, 4);
    post(activations, ("2024-01-25", "2024-03-10"), office, 8);
    // Two are taken back: of the first day, and of a day after it.
    post(activations, ("2024-03-01", "2024-03-15"), office, -2);
    post(activations, ("2024-03-05", "2024-03-15"), office, -3);
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    let error = Detail::Deactivation(DeactivationReason::Error);
    post(Account::Deactivations, ("2024-03-06", "2024-03-06"), lost, 5);
    post(Account::Deactivations, ("2024-03-07", "2024-03-07"), error, 6);
    post(Account::Deactivations, ("2024-03-07", "2024-03-08"), error, -1);
    let other = Detail::Move(region("18.72"));
    post(Account::MovesIn, ("2024-03-06", "2024-03-06"), other, 9);
    post(Account::MovesOut, ("2024-03-06", "2024-03-06"), other, 10);
    post(Account::MovesOut, ("2024-03-06", "2024-03-09"), other, -1);
    f
}

pub(crate) fn ask(view: &View, axis: Axis, from: &str, to: &str, fixed: Option<&str>) -> Change {
    let code = "18.71".parse().unwrap();
    change(view, code, axis, (date(from), date(to)), (fixed.map(date), false)).unwrap()
}

fn parts(answer: &Change) -> Value {
    let rows = serde_json::to_value(&answer.parts).unwrap();
    let rows = rows.as_array().unwrap().iter().map(|row| {
        let of = match (&row["age"], &row["reason"]) {
            (Value::Null, reason) => reason.clone(),
            (age, _) => age["from_days"].clone(),
        };
        json!([row["part"], of, row["count"]])
    });
    rows.collect()
}

#[test]
fn what_became_known_is_told_by_what_it_is() {
    let answer = ask(&eventful().view(TODAY), Axis::KnownAt, "2024-03-01", "2024-04-01", None);
    assert_eq!((answer.earlier.activated, answer.later.activated, answer.change), (100, 127, 27));
    assert_eq!(
        parts(&answer),
        json!([
            ["new_activations", null, 27],
            ["late_activations", 0, 1],
            ["late_activations", 2, 2],
            ["late_activations", 8, 4],
            ["late_activations", 31, 8],
            ["moves_in", null, 9],
            ["moves_out", null, -10],
            ["deactivations", "device_lost", -5],
            ["deactivations", "error", -6],
            ["reversed_activations", null, -5],
            ["reversed_moves_out", null, 1],
            ["reversed_deactivations", "error", 1],
        ])
    );
    assert_eq!(
        answer.link,
        "/v1/regions/18.71/change?from=2024-03-01&to=2024-04-01&axis=known_at&as_of=2024-08-02"
    );
    // As of the day itself there is nothing new.
    let view = eventful().view(TODAY);
    let then = ask(&view, Axis::KnownAt, "2024-03-01", "2024-04-01", Some("2024-03-01"));
    assert_eq!(then.change, 1 + 2 + 4 + 8 - 2);
    assert!(!parts(&then).to_string().contains("new_activations"));
}

/// What was released, as the fold posts it: to an account and to its memo.
pub(crate) fn release(f: &mut Fixture) {
    let office = activation("18.71", Channel::Office, None, 0);
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    let rows = [
        (Account::Activations, ("2024-02-20", "2024-03-20"), office, 4),
        (Account::Activations, ("2024-03-05", "2024-03-20"), office, 2),
        // One comes before an activation that is known, and takes its place.
        (Account::Activations, ("2024-03-04", "2024-03-20"), office, 1),
        (Account::Activations, ("2024-03-05", "2024-03-20"), office, -1),
        (Account::Deactivations, ("2024-03-06", "2024-03-20"), lost, 3),
    ];
    for (account, on, detail, amount) in rows {
        f.post(1, account, "18.71", on, detail, amount);
        f.post(1, account.memo().unwrap(), "18.71", on, detail, amount);
    }
    // On the same days something that is not of it, for which nothing is left of the whole.
    f.post(1, Account::Activations, "18.71", ("2024-03-05", "2024-03-20"), office, -1);
}

#[test]
fn what_was_released_from_quarantine_is_in_parts_of_its_own() {
    let mut f = eventful();
    let before = ask(&f.view(TODAY), Axis::KnownAt, "2024-03-01", "2024-04-01", None);
    release(&mut f);
    let answer = ask(&f.view(TODAY), Axis::KnownAt, "2024-03-01", "2024-04-01", None);
    assert_eq!(answer.change, before.change + 4 + 2 - 3 - 1);
    let of_released: Vec<_> = answer.parts.iter().map(|part| (part.part, part.count)).collect();
    assert!(of_released.contains(&(PartKind::ReleasedActivations, 6)), "{of_released:?}");
    assert!(of_released.contains(&(PartKind::ReleasedDeactivations, -3)));
    assert!(of_released.contains(&(PartKind::ReversedActivations, -6)), "one more than before");
    assert!(of_released.contains(&(PartKind::NewActivations, 27)), "as before");
    assert_eq!(answer.parts.iter().map(|part| part.count).sum::<i64>(), answer.change);
    // No figure has anything of the memos.
    assert_eq!(answer.later.activated, before.later.activated + 2);
}

#[test]
fn what_happened_is_told_by_what_it_is() {
    let view = eventful().view(TODAY);
    let answer = ask(&view, Axis::AsOf, "2024-03-01", "2024-04-01", Some("2024-03-12"));
    assert_eq!(
        (answer.earlier.activated, answer.later.activated),
        (115, 115 + 20 + 7 + 9 - 9 - 10)
    );
    assert_eq!(parts(&answer)[0], json!(["new_activations", null, 27]));
    assert!(!parts(&answer).to_string().contains("late_activations"));
    assert_eq!(answer.parts.iter().map(|part| part.count).sum::<i64>(), answer.change);
}

#[test]
fn a_changed_denominator_and_target_are_told_apart_from_changed_people() {
    let view = eventful().view(TODAY);
    let answer = ask(&view, Axis::KnownAt, "2024-03-01", "2024-04-01", None);
    let coverage = serde_json::to_value(&answer.coverage).unwrap();
    assert_eq!(
        coverage,
        json!([{"basis": "wajib_ktp", "earlier_of": 1_000, "later_of": 800,
                "earlier_percent": "10.00", "later_percent": "15.88",
                "by_people": "2.70", "by_reference": "3.18"}])
    );
    // 100 of 250; 127 of 250; 127 of 30 % of 800.
    let attainment = answer.attainment.unwrap();
    let shown =
        [attainment.earlier_percent, attainment.later_percent].map(|s| s.unwrap().to_string());
    assert_eq!(shown, ["40.00", "52.92"]);
    let by = [attainment.by_people, attainment.by_reference].map(|rate| rate.unwrap().to_string());
    assert_eq!(by, ["10.80", "2.12"]);
    let before = ask(&view, Axis::AsOf, "2023-01-01", "2024-04-01", None);
    assert_eq!((before.coverage[0].earlier_of, before.coverage[0].by_people), (None, None));
}

#[test]
fn a_change_answer_can_be_read_back_and_its_days_are_in_order() {
    let view = eventful().view(TODAY);
    let answer = ask(&view, Axis::KnownAt, "2024-03-01", "2024-04-01", None);
    let json = serde_json::to_string_pretty(&answer).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), answer);
    let code = "18.71".parse().unwrap();
    let (from, to) = (date("2024-03-02"), date("2024-03-01"));
    assert_eq!(
        change(&view, code, Axis::AsOf, (from, to), (None, false)),
        Err(QueryError::EndsBeforeItBegins { from, to })
    );
}
