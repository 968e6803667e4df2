//! What is kept of visits says what a plain pass over the ledger says, and its pages are the list.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use laju_schemas::event::{Channel, DeferralReason, Venue};
use laju_schemas::{RegionIndex, RegionTable};
use proptest::prelude::*;

use super::VisitBook;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::domain::day::Day;
use crate::query::days::{DayRange, Days};
use crate::query::figures::outreach::{OutreachQuestion, outreach, visit};
use crate::query::fixtures::{Fixture, activation, region};
use crate::query::scope::Scope;
use crate::query::view::View;

const OFFICES: [&str; 3] = ["18.71", "18.72", "17.71"];
const IDS: [&str; 4] = ["SMA-3", "pasar, 1/2", "", "desa"];
const KIOSKS: [&str; 2] = ["V-1", "V-2"];

/// Something that a visit did, or that is taken back of it.
#[derive(Clone, Debug)]
struct Step {
    partition: u32,
    places: (usize, usize, usize, usize),
    hour: u8,
    day: u16,
    late: u16,
    is_deferral: bool,
    amount: i32,
    at_counter: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        (0..2_u32, 0..OFFICES.len(), 0..OFFICES.len(), 0..IDS.len(), 0..KIOSKS.len()),
        (8..10_u8, 100..108_u16, prop_oneof![Just(0), 0..6_u16]),
        (any::<bool>(), prop_oneof![Just(1), Just(1), Just(-1), Just(2)], any::<bool>()),
    );
    let step = step.prop_map(|((partition, office, home, id, kiosk), (hour, day, late), rest)| {
        let (is_deferral, amount, at_counter) = rest;
        let places = (office, home, id, kiosk);
        Step { partition, places, hour, day, late, is_deferral, amount, at_counter }
    });
    prop::collection::vec(step, 0..60)
}

fn post(f: &mut Fixture, step: &Step) {
    let (office, home, id, kiosk) = step.places;
    let (office, home, id, kiosk) = (OFFICES[office], OFFICES[home], IDS[id], KIOSKS[kiosk]);
    let (day, recorded) = (Day(step.day).to_string(), Day(step.day + step.late).to_string());
    let days = (day.as_str(), recorded.as_str());
    let partition = step.partition;
    if step.at_counter {
        let detail = activation(office, Channel::Office, None, 0);
        f.post(partition, Account::Activations, home, days, detail, step.amount);
        return;
    }
    let outreach = f.outreach(partition, id);
    let at = Detail::Visit { visit: f.visit(partition, id, kiosk), hour: step.hour };
    if step.is_deferral {
        let (reason, service) = (DeferralReason::NoSmartphone, region(office));
        let detail = Detail::Deferral { reason, service, outreach };
        f.post(partition, Account::Deferrals, home, days, detail, step.amount);
        f.post(partition, Account::VisitDeferrals, office, days, at, step.amount);
    } else {
        let venue = Some(if step.hour == 8 { Venue::School } else { Venue::Village });
        let detail = activation(office, Channel::Outreach, venue, outreach);
        f.post(partition, Account::Activations, home, days, detail, step.amount);
        f.post(partition, Account::VisitActivations, office, days, at, step.amount);
    }
}

/// What is said of a visit: last day, id, office; activations and deferrals; first and last day, days,
/// hours, hours of kiosks, activations at the counter; the venue and the deferrals by reason.
type Told = ((Reverse<Day>, String, RegionIndex), [i64; 2], [u64; 5], (Option<Venue>, Vec<i64>));

/// One pass over the whole ledger.
fn plain(view: &View, within: &str, range: DayRange, days: &Days) -> Vec<Told> {
    type Slots = BTreeMap<(Day, u8, String), [i64; 2]>;
    let mut visits: BTreeMap<(String, RegionIndex), Slots> = BTreeMap::new();
    let mut venues: BTreeMap<(String, RegionIndex), BTreeMap<Venue, i64>> = BTreeMap::new();
    let mut deferred: BTreeMap<(String, RegionIndex), i64> = BTreeMap::new();
    let mut counters: BTreeMap<(RegionIndex, Day), i64> = BTreeMap::new();
    let (window, numbers) = (days.window(), range.numbers());
    let names = &view.snapshot.names;
    for group in view.sums.groups(&Scope::nation()) {
        let name = |outreach| names.outreach(outreach).map(str::to_owned);
        let counts = |day: Day| numbers.contains(&u32::from(day.0));
        for cell in window.cells(group.cells).filter(|cell| counts(cell.key.day())) {
            let amount = i64::from(cell.amount);
            match cell.key.detail() {
                Detail::Visit { visit, hour } => {
                    let (kiosk, outreach) = names.visit(visit);
                    let slot = (cell.key.day(), hour, names.kiosk(kiosk).to_owned());
                    let slots = visits.entry((name(outreach).unwrap(), group.region)).or_default();
                    let column = usize::from(group.account == Account::VisitDeferrals);
                    slots.entry(slot).or_default()[column] += amount;
                }
                Detail::Activation { service, channel, venue, outreach, .. } => {
                    if channel == Channel::Office {
                        *counters.entry((service, cell.key.day())).or_default() += amount;
                    }
                    if let (Some(id), Some(venue)) = (name(outreach), venue) {
                        let venues = venues.entry((id, service)).or_default();
                        *venues.entry(venue).or_default() += amount;
                    }
                }
                Detail::Deferral { service, outreach, .. } => {
                    if let Some(id) = name(outreach) {
                        *deferred.entry((id, service)).or_default() += amount;
                    }
                }
                _ => {}
            }
        }
    }
    let scope = Scope::of(within.parse().unwrap()).unwrap();
    let told = visits.into_iter().filter_map(|((id, office), mut slots)| {
        slots.retain(|_, counts| *counts != [0, 0]);
        let (first, last) = (slots.keys().next()?.0, slots.keys().last()?.0);
        let is_inside = scope.indices().contains(&office.0);
        let days: std::collections::BTreeSet<_> = slots.keys().map(|slot| slot.0).collect();
        let hours: std::collections::BTreeSet<_> =
            slots.keys().map(|slot| (slot.0, slot.1)).collect();
        let sum = |column: usize| slots.values().map(|counts| counts[column]).sum();
        let counter: i64 = days.iter().filter_map(|day| counters.get(&(office, *day))).sum();
        let key = (id.clone(), office);
        let venue = venues.get(&key).and_then(|venues| {
            let some = venues.iter().filter(|(_, count)| **count > 0);
            some.rev().max_by_key(|(_, count)| **count).map(|(venue, _)| *venue)
        });
        let reasons = deferred.get(&key).copied().filter(|count| *count != 0);
        let numbers = [
            u64::from(first.0),
            days.len() as u64,
            hours.len() as u64,
            slots.len() as u64,
            counter as u64,
        ];
        let place = (Reverse(last), id, office);
        let told = (place, [sum(0), sum(1)], numbers, (venue, reasons.into_iter().collect()));
        is_inside.then_some(told)
    });
    let mut told: Vec<Told> = told.collect();
    told.sort();
    told
}

fn told(visit: &super::Visit) -> Told {
    let day = |date| Day::of_date(date).unwrap();
    let office = RegionTable::get().index_of(visit.region.code).unwrap();
    let numbers = [
        u64::from(day(visit.first_day).0),
        visit.days,
        visit.hours,
        visit.kiosk_hours,
        visit.office.activations as u64,
    ];
    let reasons = visit.deferral_reasons.iter().map(|reason| reason.count).collect();
    (
        (Reverse(day(visit.last_day)), visit.outreach_id.clone(), office),
        [visit.activations, visit.deferrals],
        numbers,
        (visit.venue, reasons),
    )
}

/// Every page of a list, each but the last of two visits.
fn pages(view: &View, asked: &OutreachQuestion, days: &Days) -> (Vec<Told>, u64) {
    let mut asked = OutreachQuestion { limit: Some(2), ..asked.clone() };
    let mut all = Vec::new();
    loop {
        let page = outreach(view, &asked, days).unwrap();
        all.extend(page.rows.iter().map(told));
        let Some(next) = page.next else { return (all, page.total) };
        assert_eq!(page.rows.len(), 2, "{next}");
        let (_, query) = next.split_once('?').unwrap();
        let given: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        asked.after = given.into_iter().find(|(name, _)| name == "after").map(|(_, text)| text);
        assert!(asked.after.is_some());
    }
}

fn some_day() -> impl Strategy<Value = Option<Day>> {
    prop_oneof![Just(None), (98..114_u16).prop_map(|day| Some(Day(day)))]
}

proptest! {
    #[test]
    fn what_is_kept_of_visits_is_what_a_plain_pass_finds(
        steps in steps(),
        (from, length, as_of, known_at) in (some_day(), 0..9_u16, some_day(), some_day()),
        within in prop::sample::select(vec!["ID", "18", "18.71"]),
    ) {
        let book = Arc::new(VisitBook::default());
        let mut f = Fixture::new(2);
        let range = DayRange {
            from: from.map(Day::date),
            to: from.filter(|_| length > 0).map(|from| Day(from.0 + length - 1).date()),
        };
        let days = Days {
            as_of: as_of.map(Day::date),
            known_at: known_at.map(Day::date),
            ahead: false,
        };
        let DayRange { from, to } = range;
        let within_code = within.parse().unwrap();
        let asked = OutreachQuestion { within: within_code, from, to, limit: None, after: None };
        // What is kept is asked as it grows.
        for part in steps.chunks(20).chain([&[][..]]) {
            part.iter().for_each(|step| post(&mut f, step));
            let mut view = f.view("2024-08-02");
            view.visits = Arc::clone(&book);
            let expected = plain(&view, within, range, &days);
            let (found, total) = pages(&view, &asked, &days);
            prop_assert_eq!(total, expected.len() as u64);
            prop_assert_eq!(found, expected);
            for id in IDS {
                let everywhere = plain(&view, "ID", DayRange::default(), &days);
                let expected: Vec<Told> =
                    everywhere.into_iter().filter(|visit| visit.0.1 == id).collect();
                let found = visit(&view, id, &days).map(|answer| answer.visits);
                let mut found: Vec<Told> =
                    found.unwrap_or_default().iter().map(|visit| told(&visit.visit)).collect();
                found.sort();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
