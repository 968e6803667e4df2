//! Tables of answers to states made by hand.

use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Reason;
use laju_schemas::{RegionCode, RegionLevel};

use crate::query::days::Days;
use crate::query::explanations::parts::Axis;
use crate::query::explanations::{change_tests, evidence_tests};
use crate::query::figures::breakdown::{BreakdownQuestion, By};
use crate::query::figures::series::{SeriesQuestion, Step};
use crate::query::figures::{
    breakdown, flow_tests, flows, outreach, outreach_tests, pace, pace_list, pace_list_tests,
    pace_tests, progress, series,
};
use crate::query::fixtures::{Fixture, date};
use crate::query::folded_log::{ACTIVATED, FoldedLog, id};
use crate::query::kiosks::{event, event_tests, list, missing_tests, quarantine};
use crate::query::question::Level;
use crate::query::{quoted, regions, tests as states};

fn code(text: &str) -> RegionCode {
    text.parse().unwrap()
}

#[test]
fn thousands_are_set_apart() {
    let shown = [0, 7, 999, 1_000, 90_000, 1_234_567, -1_234].map(super::number);
    assert_eq!(shown, ["0", "7", "999", "1,000", "90,000", "1,234,567", "-1,234"]);
}

#[test]
fn tables_say_what_the_answers_say() {
    let mut f = missing_tests::kiosks_with_gaps();
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.72")));
    let view = f.view(states::TODAY);
    let days = states::asked(Some("2023-12-31"), None);
    let region = code("18.71");
    let list = progress::progress_list(&view, Level::Province, code("17"), &days);
    let span = (date("2023-11-01"), date("2023-12-31"));
    let series = series::series(
        &view,
        &SeriesQuestion { code: region, from: span.0, to: span.1, step: Step::Month },
        &days,
    );
    let cards =
        breakdown::breakdown(&view, &BreakdownQuestion::of(code("17.71"), By::CardReason), &days);
    let channels = breakdown::breakdown(&view, &BreakdownQuestion::of(region, By::Channel), &days);
    let tables = [
        super::progress(&progress::progress(&view, region, &days).unwrap()),
        super::progress_list(&list.unwrap()),
        super::series(&series.unwrap()),
        super::breakdown(&cards.unwrap()),
        super::breakdown(&channels.unwrap()),
        super::kiosks::kiosks(&missing_tests::all_kiosks(&view)),
        super::kiosks::kiosk(&list::kiosk(&view, "K-1").unwrap()),
        super::quarantine(&quarantine::quarantine(&view, None, RegionCode::NATION, 5).unwrap()),
        super::regions(&regions::regions(Some(RegionLevel::Province), code("18")).unwrap()),
    ];
    insta::assert_snapshot!(tables.join("\n\n"));
}

#[test]
fn what_was_decided_stands_beside_what_could_not_be_counted() {
    let mut f = states::five_cities();
    f.quarantine(0, Reason::InFuture, "2024-07-01", Some(("18.71", "18.72")));
    f.quarantine(1, Reason::WrongPartition, "2024-07-03", Some(("18.71", "17.71")));
    f.quarantine(1, Reason::Undecodable, "2024-07-02", None);
    let next = |f: &Fixture, partition: u32| f.snapshot().partitions[&partition].next_offset;
    f.decide((1, next(&f, 1) - 2), Decision::Released, Some((1, next(&f, 1))));
    f.decide((0, next(&f, 0) - 1), Decision::Discarded, None);
    f.activate(1, "18.71", "2024-07-05", 1);
    let all = quarantine::quarantine(&f.view(states::TODAY), None, RegionCode::NATION, 9);
    insta::assert_snapshot!(super::quarantine(&all.unwrap()));
}

#[test]
fn a_quoted_figure_is_shown_as_it_was_quoted() {
    let figure = quoted::tests::quoted(
        &quoted::tests::state().view("2024-08-02"),
        "18.71",
        &Days::default(),
    );
    let text = super::figure::figure(&quoted::figure(&figure).unwrap());
    for words in ["90,009", "11.74 %", "46.94 %", &figure.figure_id.to_string()] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (figure, f) = quoted::tests::outgrown();
    let answer = quoted::then_and_now(&f.view("2024-08-05"), &figure).unwrap();
    let text = super::figure::then_and_now(&answer);
    for words in ["as quoted", "2 to 7 days late", "+7", "deceased", "780,000"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn outreach_answers_have_every_name_in_their_order_and_tables() {
    let view = outreach_tests::visited();
    let all = outreach_tests::ask(&view, "ID", Some("2024-04-01"), None);
    let one = outreach::visit(&view, "SMA-3", &Days::default()).unwrap();
    let json = serde_json::to_string_pretty(&one).unwrap();
    assert_eq!(serde_json::from_str::<outreach::VisitDetail>(&json).unwrap(), one);
    insta::assert_snapshot!(format!(
        "{}\n\n{json}\n\n{}\n\n{}",
        serde_json::to_string_pretty(&all).unwrap(),
        super::outreach::outreach(&all),
        super::outreach::visit(&one)
    ));
}

#[test]
fn flow_answers_have_every_name_in_their_order_and_tables() {
    let view = flow_tests::served();
    let all = flows::flows(&view, &flow_tests::asked(code("17")), &Days::default()).unwrap();
    let city = flows::region_flows(&view, code("18.71"), &Days::default()).unwrap();
    insta::assert_snapshot!(format!(
        "{}\n\n{}\n\n{}\n\n{}",
        serde_json::to_string_pretty(&all).unwrap(),
        serde_json::to_string_pretty(&city).unwrap(),
        super::flows::flows(&all),
        super::flows::region_flows(&city)
    ));
}

#[test]
fn a_pace_answer_has_every_name_in_its_order_and_a_table() {
    let view = pace_tests::serang().view(pace_tests::TODAY);
    let span = Some((date("2024-01-01"), date("2024-08-02")));
    let code = "36.04".parse().unwrap();
    let answer = pace::pace(&view, code, span, &Days::default()).unwrap();
    let trailing = pace::pace(&view, code, None, &pace_tests::as_of("2024-08-01")).unwrap();
    let json = serde_json::to_string_pretty(&answer).unwrap();
    assert_eq!(serde_json::from_str::<pace::Pace>(&json).unwrap(), answer);
    let tables = [super::pace::pace(&answer), super::pace::pace(&trailing)].join("\n\n");
    insta::assert_snapshot!(format!("{json}\n\n{tables}"));
}

#[test]
fn a_list_of_paces_has_every_name_in_its_order_and_a_table() {
    let view = pace_list_tests::islands().view(pace_list_tests::TODAY);
    let answer = pace_list_tests::ask(&view, Level::Regency, "19", pace_tests::as_of("2024-08-02"));
    let json = serde_json::to_string_pretty(&answer).unwrap();
    assert_eq!(serde_json::from_str::<pace_list::PaceList>(&json).unwrap(), answer);
    let first = serde_json::to_string_pretty(&answer.rows[0]).unwrap();
    insta::assert_snapshot!(format!("{first}\n\n{}", super::pace::pace_list(&answer)));
}

#[test]
fn an_evidence_answer_has_every_name_in_its_order_and_a_table() {
    let answer = evidence_tests::ask(&evidence_tests::state(), "18.71", Days::default());
    let json = serde_json::to_string_pretty(&answer).unwrap();
    insta::assert_snapshot!(format!("{json}\n\n{}", super::evidence::evidence(&answer)));
}

#[test]
fn a_change_answer_has_every_name_in_its_order_and_a_table() {
    let mut f = change_tests::eventful();
    let ask = |f: &Fixture| {
        let view = f.view(change_tests::TODAY);
        change_tests::ask(&view, Axis::KnownAt, "2024-03-01", "2024-04-01", None)
    };
    let answer = ask(&f);
    let json = serde_json::to_string_pretty(&answer).unwrap();
    insta::assert_snapshot!(format!("{json}\n\n{}", super::change::change(&answer)));
    change_tests::release(&mut f);
    let words = super::change::change(&ask(&f));
    assert!(words.contains("activations released from quarantine"), "{words}");
}

#[test]
fn what_became_of_an_event_is_said_in_a_table() {
    let mut log = FoldedLog::new(2, event_tests::NOON);
    log.refuse(1, 5, "K-1", 9);
    log.refuse(1, 6, "K-1", 0);
    log.refuse(0, 7, "K-1", 10);
    log.event((1, 7), (7, "K-1", 10), ("2024-06-29T05:00:00Z", "18.71"), ACTIVATED);
    let view = event_tests::view(log);
    let table = |number| super::kiosks::event(&event::fate(&view, id(number)).unwrap());
    insta::assert_snapshot!([table(5), table(7), table(9)].join("\n\n"));
}
