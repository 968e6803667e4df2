//! Who serves whom, and who moves where: checked against the figures of progress.

use laju_schemas::RegionCode;
use laju_schemas::event::Channel;

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::days::Days;
use crate::query::figures::flows::{FlowRow, FlowsQuestion, flows, region_flows};
use crate::query::figures::progress::progress;
use crate::query::fixtures::{Fixture, activation, date, region};
use crate::query::view::View;

fn code(text: &str) -> RegionCode {
    text.parse().unwrap()
}

/// Bandar Lampung serves itself, Metro and Bengkulu; Metro serves one of Bandar Lampung.
pub(crate) fn served() -> View {
    let mut f = Fixture::new(2);
    let mut serve = |partition, home: &str, service: &str, on: &str, amount| {
        let detail = activation(service, Channel::Office, None, 0);
        f.post(partition, Account::Activations, home, (on, on), detail, amount);
    };
    serve(0, "18.71", "18.71", "2024-01-01", 50);
    serve(1, "18.71", "18.71", "2024-01-02", 10);
    serve(0, "18.72", "18.71", "2024-01-02", 7);
    serve(1, "17.71", "18.71", "2024-01-03", 5);
    serve(1, "17.71", "18.71", "2024-01-04", -1);
    serve(0, "18.71", "18.72", "2024-01-04", 1);
    serve(1, "18.71", "17.71", "2024-01-05", 3);
    serve(1, "18.71", "17.71", "2024-01-06", -3);
    serve(1, "36.04", "36.04", "2024-01-06", 100);
    let on = ("2024-02-01", "2024-02-01");
    for (from, to, people) in [("18.71", "18.72", 4), ("18.71", "17.71", 2), ("36.04", "18.72", 6)]
    {
        f.post(1, Account::MovesOut, from, on, Detail::Move(region(to)), people);
        f.post(1, Account::MovesIn, to, on, Detail::Move(region(from)), people);
    }
    f.view("2024-08-02")
}

pub(crate) fn asked(within: RegionCode) -> FlowsQuestion {
    FlowsQuestion { within, limit: None, after: None }
}

fn ends(rows: &[FlowRow]) -> Vec<(String, i64)> {
    rows.iter().map(|row| (row.region.code.to_string(), row.count)).collect()
}

fn pairs(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
    rows.iter().map(|(region, count)| ((*region).to_owned(), *count)).collect()
}

#[test]
fn a_region_sees_whom_it_serves_and_who_serves_its_people() {
    let view = served();
    let of = |region: &str| region_flows(&view, code(region), &Days::default()).unwrap();
    let city = of("18.71");
    assert_eq!((city.own_served_here, city.own_served_elsewhere, city.guests_served), (60, 1, 11));
    assert_eq!(ends(&city.served_by), pairs(&[("18.72", 1)]), "what was taken back is gone");
    assert_eq!(ends(&city.guests_from), pairs(&[("18.72", 7), ("17.71", 4)]));
    assert_eq!((city.moved_in, city.moved_out), (0, 6));
    assert_eq!(ends(&city.moved_out_to), pairs(&[("18.72", 4), ("17.71", 2)]));
    let province = of("18");
    assert_eq!((province.own_served_here, province.own_served_elsewhere), (68, 0));
    assert_eq!((province.guests_served, province.moved_in, province.moved_out), (4, 6, 2));
    let nation = of("ID");
    assert_eq!((nation.own_served_here, nation.guests_served, nation.moved_in), (172, 0, 0));
}

#[test]
fn rows_of_the_matrices_add_up_to_the_figures_of_progress() {
    let view = served();
    for day in ["2024-01-02", "2024-01-05", "2024-03-01"] {
        let days = Days { as_of: Some(date(day)), known_at: None, ahead: false };
        let all = flows(&view, &asked(RegionCode::NATION), &days).unwrap();
        for region in ["18.71", "18.72", "17.71", "36.04", "18", "ID"].map(code) {
            let figures = progress(&view, region, &days).unwrap().figures;
            let at_home = all.services.iter().filter(|row| row.home_region.is_within(region));
            assert_eq!(at_home.map(|row| row.activations).sum::<i64>(), figures.activations);
            let moved_in = all.moves.iter().filter(|row| row.to_region.is_within(region));
            assert_eq!(moved_in.map(|row| row.moves).sum::<i64>(), figures.moves_in);
            let moved_out = all.moves.iter().filter(|row| row.from_region.is_within(region));
            assert_eq!(moved_out.map(|row| row.moves).sum::<i64>(), figures.moves_out);
        }
        let within = flows(&view, &asked(code("17")), &days).unwrap();
        let touches =
            |a: RegionCode, b: RegionCode| a.is_within(code("17")) || b.is_within(code("17"));
        let mut services = all.services.clone();
        services.retain(|row| touches(row.home_region, row.service_region));
        assert_eq!(within.services, services);
    }
}
