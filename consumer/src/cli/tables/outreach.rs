//! Outreach visits as tables for people.

use comfy_table::Cell;

use super::{days, harmless, more, number, right, unknown_words, with_header};
use crate::query::figures::outreach::{Outreach, VisitDetail};
use crate::query::figures::visits::Visit;

/// Visits, a line for each.
#[must_use]
pub fn outreach(answer: &Outreach) -> String {
    let rows = visits(answer.rows.iter());
    let days = days(answer.as_of, answer.known_at);
    let total = number(answer.total);
    let unknown = unknown_words(answer.missing.as_ref());
    let more = more(answer.rows.len(), answer.total, answer.next.as_deref());
    format!("{}, {days}: {total} visits\n\n{rows}\n\n{more}{unknown}{}", answer.within, answer.link)
}

/// One visit, with a line for each hour of each kiosk.
#[must_use]
pub fn visit(answer: &VisitDetail) -> String {
    let mut slots = with_header(&["Day", "Hour", "Region", "Kiosk", "Activations", "Deferrals"]);
    for hours in &answer.visits {
        for slot in &hours.slots {
            slots.add_row([
                Cell::new(slot.day),
                right(slot.hour.to_string()),
                Cell::new(hours.visit.region.code),
                Cell::new(harmless(&slot.kiosk_id)),
                right(number(slot.activations)),
                right(number(slot.deferrals)),
            ]);
        }
    }
    let visits = visits(answer.visits.iter().map(|hours| &hours.visit));
    let unknown = answer.visits.iter().map(|hours| unknown_words(hours.missing.as_ref()));
    let unknown: String = unknown.collect();
    format!("{visits}\n\n{}\n\n{unknown}{}", slots.trim_fmt(), answer.link)
}

fn visits<'a>(rows: impl Iterator<Item = &'a Visit>) -> String {
    let mut table = with_header(&[
        "Visit",
        "Region",
        "Venue",
        "From",
        "To",
        "Hours",
        "Kiosks",
        "Activations",
        "an hour",
        "a day",
        "Office a day",
        "Deferrals",
    ]);
    for row in rows {
        let rate = |rate: Option<_>| rate.map_or(String::new(), |rate| format!("{rate}"));
        let reasons = row.deferral_reasons.iter().map(|r| format!("\n{} {}", r.reason, r.count));
        table.add_row([
            Cell::new(harmless(&row.outreach_id)),
            Cell::new(row.region.code),
            Cell::new(row.venue.map_or(String::new(), |venue| venue.to_string())),
            Cell::new(row.first_day),
            Cell::new(row.last_day),
            right(number(row.hours)),
            right(row.kiosks.len().to_string()),
            right(number(row.activations)),
            right(rate(row.activations_per_hour)),
            right(rate(row.activations_per_day)),
            right(rate(row.office.activations_per_day)),
            right(format!("{}{}", number(row.deferrals), reasons.collect::<String>())),
        ]);
    }
    table.trim_fmt()
}
