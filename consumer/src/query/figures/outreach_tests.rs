//! What did outreach bring? A visit worked out by hand.

use laju_schemas::RegionCode;
use laju_schemas::event::{Channel, DeferralReason, Venue};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::days::Days;
use crate::query::figures::outreach::{Outreach, OutreachQuestion, outreach, visit};
use crate::query::fixtures::{Fixture, activation, date, region};
use crate::query::view::View;

const OFFICE: &str = "18.71";

/// People of a region served at a visit of Bandar Lampung's office, in one hour of a kiosk.
fn serve(
    f: &mut Fixture,
    partition: u32,
    (id, kiosk): (&str, &str),
    (on, hour): (&str, u8),
    (home, activated, deferred): (&str, i32, i32),
) {
    let outreach = f.outreach(partition, id);
    let at = Detail::Visit { visit: f.visit(partition, id, kiosk), hour };
    let on = (on, on);
    let school = activation(OFFICE, Channel::Outreach, Some(Venue::School), outreach);
    f.post(partition, Account::Activations, home, on, school, activated);
    f.post(partition, Account::VisitActivations, OFFICE, on, at, activated);
    let (reason, service) = (DeferralReason::NoSmartphone, region(OFFICE));
    let no_phone = Detail::Deferral { reason, service, outreach };
    f.post(partition, Account::Deferrals, home, on, no_phone, deferred);
    f.post(partition, Account::VisitDeferrals, OFFICE, on, at, deferred);
}

/// A school on two days, with two kiosks in both partitions; a later visit; and the counter.
pub(crate) fn visited() -> View {
    let mut f = Fixture::new(2);
    f.outreach(1, "numbers differ");
    serve(&mut f, 0, ("SMA-3", "V-1"), ("2024-03-04", 9), (OFFICE, 20, 3));
    serve(&mut f, 1, ("SMA-3", "V-1"), ("2024-03-04", 9), ("18.72", 4, 1));
    serve(&mut f, 1, ("SMA-3", "V-2"), ("2024-03-04", 9), (OFFICE, 6, 0));
    serve(&mut f, 0, ("SMA-3", "V-1"), ("2024-03-05", 13), (OFFICE, 7, 0));
    serve(&mut f, 0, ("SMA-3", "V-1"), ("2024-03-06", 8), (OFFICE, 1, 0));
    serve(&mut f, 0, ("SMA-3", "V-1"), ("2024-03-06", 8), (OFFICE, -1, 0));
    serve(&mut f, 1, ("pasar 1/2", "V-2"), ("2024-04-01", 10), (OFFICE, 5, 0));
    f.activate(0, OFFICE, "2024-03-04", 11);
    f.activate(1, OFFICE, "2024-03-05", 4);
    f.activate(1, OFFICE, "2024-03-06", 100);
    f.activate(1, "18.72", "2024-03-04", 1_000);
    f.view("2024-08-02")
}

pub(crate) fn ask(view: &View, within: &str, from: Option<&str>, to: Option<&str>) -> Outreach {
    let (from, to) = (from.map(date), to.map(date));
    let (within, limit) = (within.parse().unwrap(), Some(10));
    let asked = OutreachQuestion { within, from, to, limit, after: None };
    outreach(view, &asked, &Days::default()).unwrap()
}

#[test]
fn a_visit_is_told_with_its_hours_and_held_against_the_office() {
    let view = visited();
    let all = ask(&view, "18", None, None);
    let ids: Vec<_> = all.rows.iter().map(|row| row.outreach_id.as_str()).collect();
    assert_eq!((all.total, ids), (2, vec!["pasar 1/2", "SMA-3"]), "the latest first");
    let school = &all.rows[1];
    assert_eq!(
        (school.region.code.to_string().as_str(), school.venue),
        (OFFICE, Some(Venue::School))
    );
    assert_eq!((school.first_day, school.last_day), (date("2024-03-04"), date("2024-03-05")));
    assert_eq!(
        (school.days, school.hours, school.kiosk_hours),
        (2, 2, 3),
        "what was taken back is gone"
    );
    assert_eq!(school.kiosks, ["V-1", "V-2"]);
    assert_eq!((school.activations, school.deferrals), (37, 4));
    let reasons: Vec<_> = school.deferral_reasons.iter().map(|r| (r.reason, r.count)).collect();
    assert_eq!(reasons, [(DeferralReason::NoSmartphone, 4)]);
    assert_eq!(school.activations_per_hour.unwrap().to_string(), "18.50");
    assert_eq!(school.activations_per_kiosk_hour.unwrap().to_string(), "12.33");
    assert_eq!(school.office.activations, 15);
    assert_eq!(school.office.activations_per_day.unwrap().to_string(), "7.50");
}

#[test]
fn days_and_regions_narrow_it_down() {
    let view = visited();
    let first = ask(&view, OFFICE, Some("2024-03-01"), Some("2024-03-04"));
    assert_eq!((first.total, first.rows[0].activations, first.rows[0].deferrals), (1, 30, 4));
    assert_eq!(first.rows[0].office.activations, 11);
    assert_eq!(ask(&view, "18.72", None, None).total, 0, "who serves counts, not who is served");
    let before = Days { as_of: Some(date("2024-03-04")), known_at: None, ahead: false };
    assert_eq!(visit(&view, "SMA-3", &before).unwrap().visits[0].visit.activations, 30);
    assert_eq!(
        visit(&view, "SMA-4", &Days::default()),
        Err(QueryError::UnknownOutreach("SMA-4".to_owned()))
    );
    let asked = OutreachQuestion {
        within: RegionCode::NATION,
        from: Some(date("2024-03-04")),
        to: Some(date("2024-03-03")),
        limit: None,
        after: None,
    };
    let wrong = outreach(&view, &asked, &Days::default());
    assert!(matches!(wrong, Err(QueryError::EndsBeforeItBegins { .. })));
}
