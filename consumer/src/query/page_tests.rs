//! Pages of every list that has them: together they are the list, each row is on one of them, also
//! where something comes in between, and no other list's cursor is taken.

use laju_schemas::RegionCode;
use laju_schemas::event::{Channel, Venue};
use serde_json::{Value, json};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::days::Days;
use crate::query::explanations::postings::{ActiveAccount, PostingsQuestion};
use crate::query::figures::breakdown::{BreakdownQuestion, By};
use crate::query::figures::flows::FlowsQuestion;
use crate::query::fixtures::{Fixture, activation, region};
use crate::query::question::Question;
use crate::query::view::View;

const CODES: [&str; 5] = ["18.71", "18.72", "17.71", "36.04", "19.71"];

/// Activations and moves between five regions, at visits whose ids hold what cursors are made of.
fn busy() -> Fixture {
    let mut f = Fixture::new(3);
    for number in 0..60_usize {
        let (home, service) = (CODES[number % 5], CODES[number / 5 % 5]);
        let partition = number as u32 % 3;
        let visit = format!("SMA, {}", number % 7);
        let outreach = if number % 4 == 0 { 0 } else { f.outreach(partition, &visit) };
        let venue = Some(Venue::School).filter(|_| number % 3 == 0);
        let detail = activation(service, Channel::Outreach, venue, outreach);
        let (day, late) = (1 + number % 6, 10 + number % 3);
        let days = (format!("2024-03-{day:02}"), format!("2024-03-{late}"));
        let days = (&*days.0, &*days.1);
        f.post(partition, Account::Activations, home, days, detail, 1 + number as i32 % 3);
        if number % 9 == 0 {
            f.post(partition, Account::Activations, home, days, detail, -1);
        }
        if home != service && number % 2 == 0 {
            f.post(partition, Account::MovesOut, home, days, Detail::Move(region(service)), 1);
            f.post(partition, Account::MovesIn, service, days, Detail::Move(region(home)), 1);
        }
    }
    f
}

/// What a link asks for: the parameters of its query.
fn after_of(answer: &Value) -> Option<String> {
    let (_, query) = answer["next"].as_str()?.split_once('?')?;
    let given: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
    given.into_iter().find(|(name, _)| name == "after").map(|(_, after)| after)
}

/// The rows of an answer's lists, each with its list's name.
fn rows(answer: &Value, lists: &[&str]) -> Vec<Value> {
    let of = |list: &&str| {
        let rows = answer[*list].as_array().unwrap().clone();
        rows.into_iter().map(|row| json!({ *list: row })).collect::<Vec<_>>()
    };
    lists.iter().flat_map(of).collect()
}

/// Every page of two rows, with something done to the state after each.
fn walk<Q: Question>(
    view: &mut View,
    lists: &[&str],
    days: &Q::Days,
    page: impl Fn(u32, Option<String>) -> Q,
    mut between: impl FnMut(&mut View),
) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let question = page(2, after.clone());
        let answer = serde_json::to_value(question.answer(days, view).unwrap()).unwrap();
        let shown = rows(&answer, lists);
        assert!(shown.len() <= 2);
        all.extend(shown);
        after = after_of(&answer);
        if after.is_none() {
            return all;
        }
        between(view);
    }
}

fn check<Q: Question>(
    lists: &[&str],
    days: &Q::Days,
    page: impl Fn(u32, Option<String>) -> Q + Copy,
) {
    let mut view = busy().view("2024-08-02");
    let answer = page(10_000, None).answer(days, &view).unwrap();
    let whole = rows(&serde_json::to_value(answer).unwrap(), lists);
    assert!(whole.len() > 4, "{whole:?}");
    assert_eq!(walk(&mut view, lists, days, page, |_| {}), whole, "the pages are the list");

    // A row before all others and one behind them: what stays is there once.
    let more = |view: &mut View| {
        let mut f = busy();
        let early = activation("11.01", Channel::Outreach, None, 0);
        f.post(0, Account::Activations, "11.01", ("2024-01-01", "2024-01-02"), early, 500);
        let late = activation("96.71", Channel::Outreach, None, 0);
        f.post(0, Account::Activations, "96.71", ("2024-07-01", "2024-07-02"), late, 1);
        *view = f.view("2024-08-02");
    };
    let found = walk(&mut view, lists, days, page, more);
    for row in &whole {
        assert_eq!(found.iter().filter(|other| *other == row).count(), 1, "{row} in {found:?}");
    }

    for wrong in ["", "x", "1,2,3", "services,18.71", "zz00,SMA", "2024-13-01,18.71,x"] {
        let question = page(2, Some(wrong.to_owned()));
        let refused = matches!(question.answer(days, &view), Err(QueryError::NoPlace(_)));
        // "1,2,3" is a count and the key of a row that is not there: the place is known all the same.
        assert!(refused || (wrong == "1,2,3" && lists == ["rows"]), "{wrong:?}");
    }
}

#[test]
fn pages_of_flows_are_the_matrices() {
    let within = RegionCode::NATION;
    check(&["services", "moves"], &Days::default(), |limit, after| FlowsQuestion {
        within,
        limit: Some(limit),
        after,
    });
}

#[test]
fn pages_of_a_breakdown_are_its_rows() {
    for by in [By::Outreach, By::ServiceRegion] {
        check(&["rows"], &Days::default(), |limit, after| BreakdownQuestion {
            limit: Some(limit),
            after,
            ..BreakdownQuestion::of(RegionCode::NATION, by)
        });
    }
    // Of a closed list the keys are the places.
    let mut view = busy().view("2024-08-02");
    let page = |limit, after| BreakdownQuestion {
        limit: Some(limit),
        after,
        ..BreakdownQuestion::of(RegionCode::NATION, By::Venue)
    };
    let whole = page(100, None).answer(&Days::default(), &view).unwrap();
    assert_eq!(whole.total, whole.rows.len() as u64);
    let found = walk(&mut view, &["rows"], &Days::default(), page, |_| {});
    assert_eq!(found, rows(&serde_json::to_value(&whole).unwrap(), &["rows"]));
    let wrong = page(2, Some("colour".to_owned())).answer(&Days::default(), &view);
    assert!(matches!(wrong, Err(QueryError::NoPlace(_))));
}

#[test]
fn pages_of_postings_are_the_ledgers_rows() {
    let days = crate::query::days::NoDays {};
    for (account, sign) in [(ActiveAccount::Activations, None), (ActiveAccount::MovesIn, None)] {
        check(&["rows"], &days, |limit, after| PostingsQuestion {
            sign,
            limit: Some(limit),
            after,
            ..PostingsQuestion::of(RegionCode::NATION, account)
        });
    }
}
