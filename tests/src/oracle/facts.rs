//! What one citizen's facts say, by the rules' "Which facts stand" and "What they post": from all
//! facts, every time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use laju_consumer::domain::account::Account;
use laju_schemas::event::FactKind;
use laju_schemas::{EventId, Fact, RegionCode, RegionTable};

use super::DetailText;
use crate::text;

/// A fact as the rules compare those with the same event id: the order of the fields is the order of
/// "smallest by content". The event id comes last, so that two are equal if all of them is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content {
    pub(super) occurred_at: i64,
    pub(super) kind: FactKind,
    pub(super) home: RegionCode,
    pub(super) service: RegionCode,
    pub(super) outreach: Option<String>,
    pub(super) kiosk: String,
    pub(super) sequence: i64,
    pub(super) fact: Fact,
    pub(super) event_id: EventId,
}

/// An amount on a day.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) account: Account,
    pub(super) region: RegionCode,
    pub(super) day: Date,
    pub(super) detail: DetailText,
    pub(super) amount: i64,
}

/// The event ids that the subject's retractions name, standing or not.
pub(super) fn taken_back(facts: &BTreeSet<Content>) -> BTreeSet<EventId> {
    facts
        .iter()
        .filter_map(|fact| match fact.fact {
            Fact::Retracted { event_id, .. } => Some(event_id),
            _ => None,
        })
        .collect()
}

/// The facts that stand, as a timeline.
pub(super) fn standing(facts: &BTreeSet<Content>) -> Vec<&Content> {
    let taken_back = taken_back(facts);
    let mut by_id: BTreeMap<EventId, &Content> = BTreeMap::new();
    for fact in facts {
        if !taken_back.contains(&fact.event_id) {
            // The set goes from the smallest by content to the largest.
            by_id.entry(fact.event_id).or_insert(fact);
        }
    }
    let mut by_instant: BTreeMap<(i64, FactKind), &Content> = BTreeMap::new();
    for fact in by_id.into_values() {
        // The map goes from the smallest event id to the largest.
        by_instant.entry((fact.occurred_at, fact.kind)).or_insert(fact);
    }
    by_instant.into_values().collect()
}

/// What one subject's facts add to the figures.
pub(super) fn contributions(facts: &BTreeSet<Content>) -> Vec<Line> {
    let standing = standing(facts);
    let mut lines = timeline(&standing);
    lines.extend(print_queue(&standing));
    for fact in standing {
        let plain = |account, detail| Line {
            account,
            region: fact.home,
            day: local_day(fact.occurred_at, fact.home),
            detail,
            amount: 1,
        };
        match fact.fact {
            Fact::Deferred { reason } => {
                let detail = text::deferral(reason, fact.service, fact.outreach.as_deref());
                lines.push(plain(Account::Deferrals, detail));
                lines.extend(visit(Account::VisitDeferrals, fact));
            }
            Fact::CardRecorded { first_time_holder } => {
                lines.push(plain(Account::CardsRecorded, text::recorded(first_time_holder)));
            }
            Fact::CardRequested { reason } => {
                lines.push(plain(Account::CardsRequested, text::card(reason)));
            }
            Fact::CardPrinted { reason } => {
                lines.push(plain(Account::CardsPrinted, text::card(reason)));
            }
            _ => {}
        }
    }
    lines
}

/// Activations, deactivations and moves.
fn timeline(standing: &[&Content]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut active_at: Option<RegionCode> = None;
    let mut previous = Date::MIN;
    for fact in standing {
        match (fact.fact, active_at) {
            (Fact::Activated { channel, venue, first_time_holder }, None) => {
                previous = previous.max(local_day(fact.occurred_at, fact.home));
                let outreach = fact.outreach.as_deref();
                lines.push(Line {
                    account: Account::Activations,
                    region: fact.home,
                    day: previous,
                    detail: text::activation(
                        fact.service,
                        channel,
                        venue,
                        outreach,
                        first_time_holder,
                    ),
                    amount: 1,
                });
                lines.extend(visit(Account::VisitActivations, fact));
                active_at = Some(fact.home);
            }
            (Fact::Activated { .. } | Fact::Relocated { .. }, Some(old)) if old != fact.home => {
                previous = previous.max(local_day(fact.occurred_at, fact.home));
                for (account, region, other) in
                    [(Account::MovesOut, old, fact.home), (Account::MovesIn, fact.home, old)]
                {
                    let detail = text::moved(other);
                    lines.push(Line { account, region, day: previous, detail, amount: 1 });
                }
                active_at = Some(fact.home);
            }
            (Fact::Deactivated { reason }, Some(home)) => {
                previous = previous.max(local_day(fact.occurred_at, home));
                lines.push(Line {
                    account: Account::Deactivations,
                    region: home,
                    day: previous,
                    detail: text::deactivation(reason),
                    amount: 1,
                });
                active_at = None;
            }
            _ => {}
        }
    }
    lines
}

/// Who waits for a printed card: since their latest request, where they lived then.
fn print_queue(standing: &[&Content]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut waits_at: Option<RegionCode> = None;
    let mut previous = Date::MIN;
    for fact in standing {
        let now_at = match fact.fact {
            Fact::CardRequested { .. } => Some(fact.home),
            Fact::CardPrinted { .. } => None,
            _ => continue,
        };
        if now_at == waits_at {
            continue;
        }
        previous = previous.max(local_day(fact.occurred_at, fact.home));
        for (region, amount) in [(waits_at, -1), (now_at, 1)] {
            if let Some(region) = region {
                let (account, detail) = (Account::PrintQueue, text::queue());
                lines.push(Line { account, region, day: previous, detail, amount });
            }
        }
        waits_at = now_at;
    }
    lines
}

/// The counter of an outreach visit, by kiosk and hour, where it served.
fn visit(account: Account, fact: &Content) -> Option<Line> {
    let outreach = fact.outreach.as_deref()?;
    let there = local(fact.occurred_at, zone_of(fact.service));
    Some(Line {
        account,
        region: fact.service,
        day: there.date(),
        detail: text::visit(outreach, &fact.kiosk, there.hour()),
        amount: 1,
    })
}

fn local_day(ms: i64, region: RegionCode) -> Date {
    local(ms, zone_of(region)).date()
}

fn zone_of(region: RegionCode) -> &'static str {
    let table = RegionTable::get();
    table.at(table.index_of(region).expect("checked before it is counted")).zone.iana()
}

/// The wall clock in a zone of the tz database.
pub(super) fn local(ms: i64, zone: &str) -> jiff::civil::DateTime {
    let zone = TimeZone::get(zone).expect("a zone of the tz database");
    let instant = Timestamp::from_millisecond(ms).expect("within the years that can be told");
    zone.to_datetime(instant)
}
