//! Quoted figures against states made by hand.

use std::sync::Arc;

use laju_schemas::TimestampMs;
use laju_schemas::event::Channel;
use laju_schemas::reference::Basis;
use proptest::prelude::*;

use super::*;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::domain::figure_book::{FigureRecord, Kept};
use crate::query::answer::Age;
use crate::query::explanations::parts::AGES;
use crate::query::fixtures::{Fixture, activation, date, region};
use crate::query::quoted::{FigurePart, FigurePartKind as Kind};

const TODAY: &str = "2024-08-02";

pub(crate) fn quoted(view: &View, code: &str, days: &Days) -> QuotedFigure {
    quote(view, code.parse().unwrap(), days, (None, None)).unwrap()
}

pub(crate) fn post(f: &mut Fixture, account: Account, on: (&str, &str), amount: i32) {
    let detail = match account {
        Account::Activations => activation("18.71", Channel::Office, None, 0),
        Account::Deactivations => Detail::Deactivation(DeactivationReason::Deceased),
        _ => Detail::Move(region("18.72")),
    };
    f.post(1, account, "18.71", on, detail, amount);
}

pub(crate) fn state() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.percent_target("ID", Basis::WajibKtp, "25", "2023-01-01");
    f.activate(0, "18.71", "2023-12-31", 90_000);
    post(&mut f, Account::Activations, ("2024-07-20", "2024-08-01"), 12);
    post(&mut f, Account::Deactivations, ("2024-07-30", "2024-07-31"), 5);
    post(&mut f, Account::MovesIn, ("2024-07-30", "2024-08-01"), 3);
    post(&mut f, Account::MovesOut, ("2024-07-30", "2024-08-01"), 1);
    f
}

#[test]
fn a_quoted_figure_says_what_the_progress_answer_says() {
    let view = state().view(TODAY);
    let figure = quoted(&view, "18.71", &Days::default());
    assert_eq!(figure.check(), Ok(()));
    let progress = progress(&view, "18.71".parse().unwrap(), &Days::default()).unwrap();
    let shown = super::figure(&figure).unwrap();
    assert_eq!((shown.as_of, shown.known_at), (date(TODAY), None), "of today, for ever");
    assert_eq!(shown.activated, 90_009);
    assert_eq!(shown.activated, progress.figures.activated);
    assert_eq!(shown.denominators, progress.figures.denominators);
    assert_eq!(shown.target, progress.figures.target);
    assert_eq!(shown.evidence, progress.evidence);
    assert_eq!(
        (shown.bounds, &shown.missing),
        (progress.figures.bounds, &progress.figures.missing)
    );
    let ages: Vec<_> = shown.activations_by_age.iter().map(|row| row.count).collect();
    assert_eq!(ages, [90_000, 0, 12, 0]);
    assert_eq!(shown.deactivations_by_reason[2].count, 5);
    assert_eq!(figure.quoted_at, view.now);
}

#[test]
fn what_was_released_is_counted_once_by_reason() {
    let mut f = Fixture::new(1);
    f.activate(0, "18.71", "2024-01-01", 9);
    let on = ("2024-01-02", "2024-01-03");
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    f.post(0, Account::Deactivations, "18.71", on, lost, 3);
    f.post(0, Account::ReleasedDeactivations, "18.71", on, lost, 2);
    let view = f.view("2024-08-02");
    let content = content(&view, "18.71".parse().unwrap(), &Days::default()).unwrap();
    let by_reason = content.deactivations_by_reason.iter().map(|of| of.count);
    assert_eq!((content.deactivations, by_reason.sum::<i64>()), (3, 3));
}

#[test]
fn the_same_answer_has_the_same_id_and_another_answer_another() {
    let mut state = state();
    let one = quoted(&state.view(TODAY), "18.71", &Days::default());
    let mut later = state.view(TODAY);
    later.now = TimestampMs(later.now.0 + 60_000);
    let two = quote(&later, "18.71".parse().unwrap(), &Days::default(), (None, Some("n".into())));
    let two = two.unwrap();
    assert_eq!((one.figure_id, one.digest), (two.figure_id, two.digest));
    assert_ne!(one.quoted_at, two.quoted_at);
    let known = Days { known_at: Some(date(TODAY)), ..Days::default() };
    assert_ne!(quoted(&later, "18.71", &known).figure_id, one.figure_id);
    assert_ne!(quoted(&later, "18", &Days::default()).figure_id, one.figure_id);
    // An event of another region moves an offset, and with it what the figure rests on.
    state.activate(0, "36.04", "2024-08-01", 1);
    assert_ne!(quoted(&state.view(TODAY), "18.71", &Days::default()).figure_id, one.figure_id);
}

#[test]
fn ages_are_those_of_the_change_answer() {
    let ages: Vec<_> = AGES.iter().map(|age| (age.from_days, age.to_days)).collect();
    assert_eq!(ages, ACTIVATION_AGES);
}

fn part(kind: Kind, amount: i64) -> FigurePart {
    FigurePart { kind, age: None, reason: None, amount }
}

fn late(from_days: u32, to_days: Option<u32>, amount: i64) -> FigurePart {
    let age = Some(Age { from_days, to_days });
    FigurePart { age, ..part(Kind::Activations, amount) }
}

fn reason(kind: Kind, amount: i64) -> FigurePart {
    FigurePart { reason: Some(DeactivationReason::Deceased), ..part(kind, amount) }
}

/// A figure, and what became of the ledger since.
pub(crate) fn outgrown() -> (QuotedFigure, Fixture) {
    let mut f = state();
    let figure = quoted(&f.view(TODAY), "18.71", &Days::default());
    // On the day of the last record of the partition that was quoted: by what is left of it.
    post(&mut f, Account::Activations, ("2024-08-01", "2024-08-01"), 4);
    post(&mut f, Account::Activations, ("2024-07-20", "2024-08-01"), -2);
    // After it, posted and taken back stay apart.
    post(&mut f, Account::Activations, ("2024-07-29", "2024-08-03"), 7);
    post(&mut f, Account::Activations, ("2024-07-28", "2024-08-04"), -3);
    post(&mut f, Account::Activations, ("2023-12-31", "2024-08-03"), 2);
    post(&mut f, Account::Deactivations, ("2024-08-02", "2024-08-02"), 6);
    post(&mut f, Account::Deactivations, ("2024-07-30", "2024-08-03"), -1);
    post(&mut f, Account::MovesOut, ("2024-08-02", "2024-08-03"), 2);
    post(&mut f, Account::MovesIn, ("2024-07-30", "2024-08-03"), -1);
    // What happens after the day of the figure is no matter of it.
    post(&mut f, Account::Activations, ("2024-08-03", "2024-08-03"), 100);
    f.denominator("18.71", Basis::WajibKtp, 780_000, "2024-08-01");
    (figure, f)
}

#[test]
fn the_parts_of_a_difference_are_told_apart_and_add_up() {
    let (figure, f) = outgrown();
    let answer = then_and_now(&f.view("2024-08-05"), &figure).unwrap();
    let (now, why) = (answer.now.unwrap(), answer.difference.unwrap());
    assert_eq!(now.as_of, date(TODAY), "the same days");
    assert_eq!(
        why.parts,
        [
            late(0, Some(1), 4),
            late(2, Some(7), 7),
            late(31, None, 2),
            part(Kind::MovesOut, -2),
            reason(Kind::Deactivations, -6),
            part(Kind::ReversedActivations, -5),
            part(Kind::ReversedMovesIn, -1),
            reason(Kind::ReversedDeactivations, 1),
        ]
    );
    assert_eq!(why.activated, 0, "the parts say what the whole does not");
    assert_eq!(why.parts.iter().map(|part| part.amount).sum::<i64>(), why.activated);
    assert_eq!(why.late_arrivals, Some(9));
    assert_eq!((why.same_log, why.same_rules), (true, true));
    assert!(why.denominators[0].changed);
    assert_eq!(why.denominators[0].now.as_ref().unwrap().value, 780_000);
    let target = why.target.as_ref().unwrap();
    assert!(target.changed, "its people are of the denominator");
    let link =
        "/v1/regions/18.71/change?from=2024-08-01&to=2024-08-05&axis=known_at&as_of=2024-08-02";
    assert_eq!(why.link.as_deref(), Some(link));
}

#[test]
fn a_figure_of_what_was_known_on_a_past_day_does_not_differ() {
    let mut f = state();
    let days =
        Days { as_of: Some(date("2023-12-31")), known_at: Some(date("2024-07-31")), ahead: false };
    let figure = quoted(&f.view(TODAY), "18.71", &days);
    assert_eq!((figure.bounds, &figure.missing), (None, &None));
    post(&mut f, Account::Activations, ("2023-12-31", "2024-08-03"), 50);
    let answer = then_and_now(&f.view("2024-08-05"), &figure).unwrap();
    let why = answer.difference.unwrap();
    assert_eq!((why.activated, why.parts.as_slice()), (0, &[][..]));
    assert!(!why.denominators[0].changed && !why.target.unwrap().changed);
}

/// Of another log or other rules nothing is claimed that the counters do not say.
#[test]
fn another_log_and_other_rules_are_told_and_the_parts_still_add_up() {
    let mut f = state();
    let figure = quoted(&f.view(TODAY), "18.71", &Days::default());
    post(&mut f, Account::Activations, ("2024-07-29", "2024-08-03"), 7);
    post(&mut f, Account::Activations, ("2024-07-28", "2024-08-03"), -3);
    let mut view = f.view("2024-08-05");
    view.cluster_id = "another".into();
    let why = then_and_now(&view, &figure).unwrap().difference.unwrap();
    assert_eq!(
        (why.same_log, why.same_rules, why.late_arrivals, why.link),
        (false, true, None, None)
    );
    assert_eq!(why.parts, [late(2, Some(7), 4)]);
    let mut view = f.view("2024-08-05");
    view.fold_version = "2-other".into();
    let why = then_and_now(&view, &figure).unwrap().difference.unwrap();
    assert_eq!((why.same_log, why.same_rules, why.activated), (true, false, 4));
    // A store that was set back to before the figure does not have all of it.
    let why = then_and_now(&state().view(TODAY), &figure).unwrap().difference.unwrap();
    assert!(why.same_log);
    // As many records, whose latest is earlier than that of the figure's, are not the same ones.
    let mut earlier = figure.clone();
    let until = &mut earlier.content.evidence.partitions[1].recorded_until;
    *until = until.map(|until| TimestampMs(until.0 + 1));
    let why = then_and_now(&state().view(TODAY), &earlier).unwrap().difference.unwrap();
    assert!(!why.same_log && why.late_arrivals.is_none() && why.link.is_none());
    let empty = Fixture::new(2).view(TODAY);
    let why = then_and_now(&empty, &figure).unwrap().difference.unwrap();
    assert!(!why.same_log);
    assert_eq!(why.activated, -90_009);
    assert_eq!(why.parts.iter().map(|part| part.amount).sum::<i64>(), -90_009);
}

#[test]
fn a_recomputation_that_differs_is_told_field_by_field() {
    let mut f = state();
    let content = quoted(&f.view(TODAY), "18.71", &Days::default()).content;
    assert_eq!(differences(&content, &content), []);
    let days = question_of(&content);
    let again = super::content(&f.view("2024-12-31"), content.region, &days).unwrap();
    assert_eq!(differences(&content, &again), [], "on whatever day it is asked");
    f.denominator("18.71", Basis::RecordedKtp, 5, "2024-08-01");
    let again = super::content(&f.view(TODAY), content.region, &days).unwrap();
    let found = differences(&content, &again);
    let fields: Vec<_> = found.iter().map(|difference| difference.field.as_str()).collect();
    assert_eq!(fields, ["denominators[1]", "evidence.reference_next_offset"]);
    assert!(found[0].quoted.is_null() && found[0].recomputed["value"] == 5);
}

#[tokio::test]
async fn a_store_of_figures_answers_once_it_is_read_and_lets_one_wait() {
    let figure = quoted(&state().view(TODAY), "18.71", &Days::default());
    let id = figure.figure_id;
    let figure_store = Arc::new(FigureStore::default());
    figure_store.set_trouble("no topic".to_owned());
    let error = figure_store.find(id).unwrap_err().to_string();
    assert!(error.contains("not been read") && error.ends_with("no topic"), "{error}");
    assert!(figure_store.latest(None, None, 5).is_err() && figure_store.damaged(5).is_err());
    let patience = std::time::Duration::from_secs(30);
    let waiting = tokio::spawn({
        let figure_store = Arc::clone(&figure_store);
        async move { figure_store.wait_for(id, patience).await }
    });
    tokio::task::yield_now().await;
    let key = Some(id.0.to_vec());
    assert_eq!(figure_store.put(FigureRecord { offset: 3, key, figure: Ok(figure.clone()) }), None);
    let found = waiting.await.unwrap().unwrap();
    assert_eq!((found.offset, &*found.figure), (3, &figure));
    figure_store.set_read();
    assert!(matches!(figure_store.find(id), Ok(Some(Kept::Sound { offset: 3, .. }))));
    assert_eq!(figure_store.latest(None, None, 5).unwrap().total, 1);
    let other = laju_schemas::FigureId([0; 16]);
    assert_eq!(figure_store.wait_for(other, std::time::Duration::ZERO).await, None);
}

/// A posting that comes after a figure was quoted: account, days from happening to recording, days
/// from the quoted partition's last day to recording, amount.
fn later_posting() -> impl Strategy<Value = (usize, u32, u32, i32)> {
    (0..4_usize, 0..60_u32, 0..5_u32, prop_oneof![1..40_i32, -5..0_i32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_later_the_parts_add_up(later in prop::collection::vec(later_posting(), 0..25)) {
        let mut f = state();
        let figure = quoted(&f.view(TODAY), "18.71", &Days::default());
        let (mut expected, mut expected_late) = (0, 0);
        let as_of = date(TODAY);
        let last_day = date("2024-08-01");
        let on_last_day = later.iter().any(|(_, _, after, _)| *after == 0);
        let taken_back = later.iter().any(|(_, _, _, amount)| *amount < 0);
        for (account, age, after, amount) in later {
            let account = crate::query::explanations::postings::ACTIVE[account];
            let recorded = last_day.checked_add(jiff::Span::new().days(i64::from(after))).unwrap();
            let happened = recorded.checked_sub(jiff::Span::new().days(i64::from(age))).unwrap();
            let on = (happened.to_string(), recorded.to_string());
            post(&mut f, account, (&on.0, &on.1), amount);
            if happened <= as_of {
                let takes = matches!(account, Account::Deactivations | Account::MovesOut);
                expected += i64::from(if takes { -amount } else { amount });
                if account == Account::Activations && age >= 2 {
                    expected_late += i64::from(amount);
                }
            }
        }
        let why = then_and_now(&f.view("2024-09-01"), &figure).unwrap().difference.unwrap();
        prop_assert_eq!(why.activated, expected);
        prop_assert_eq!(why.parts.iter().map(|part| part.amount).sum::<i64>(), expected);
        if !on_last_day && !taken_back {
            prop_assert_eq!(why.late_arrivals, Some(expected_late));
        }
        for part in &why.parts {
            let takes = matches!(
                part.kind,
                Kind::MovesOut | Kind::Deactivations | Kind::ReversedActivations | Kind::ReversedMovesIn
            );
            prop_assert_eq!(part.amount < 0, takes, "{:?}", part);
        }
    }
}
