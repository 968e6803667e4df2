//! Why a figure changed, and postings, as tables for people.

use comfy_table::Cell;

use super::{bounds_words, harmless, more, number, percent, right, unknown_words, with_header};
use crate::domain::rate::Rate;
use crate::query::answer::Age;
use crate::query::explanations::change::{Change, ShareChange};
use crate::query::explanations::parts::PartKind;
use crate::query::explanations::postings::Postings;
use crate::query::question::name;

/// Why a figure changed: a line for each part, and one for each share.
#[must_use]
pub fn change(answer: &Change) -> String {
    let axis = name(&answer.axis).replace('_', " ");
    let mut table = with_header(&["Activated", "People", ""]);
    table.add_row([
        Cell::new(format!("{axis} {}", answer.from)),
        right(number(answer.earlier.activated)),
    ]);
    for part in &answer.parts {
        let mut what = format!("  {}", words(part.part));
        if let Some(age) = part.age {
            what.push_str(&format!(", {}", late(age)));
        }
        if let Some(reason) = part.reason {
            what.push_str(&format!(", {reason}"));
        }
        let sign = if part.count > 0 { "+" } else { "" };
        table.add_row([Cell::new(what), right(format!("{sign}{}", number(part.count)))]);
    }
    table.add_row([
        Cell::new(format!("{axis} {}", answer.to)),
        right(number(answer.later.activated)),
        Cell::new(bounds_words(answer.later.bounds)),
    ]);
    let mut text =
        format!("{} ({})\n\n{}", answer.region.name, answer.region.code, table.trim_fmt());
    let coverage = answer.coverage.iter().map(|change| ("coverage", change));
    let attainment = answer.attainment.iter().map(|change| ("attainment", change));
    let shares: Vec<_> = coverage.chain(attainment).collect();
    if !shares.is_empty() {
        let header = ["Share", "of", "Earlier", "Later", "by people", "by what it is of"];
        let mut table = with_header(&header);
        for (what, share) in shares {
            table.add_row([
                Cell::new(what),
                Cell::new(of(share)),
                right(percent(share.earlier_percent)),
                right(percent(share.later_percent)),
                right(points(share.by_people)),
                right(points(share.by_reference)),
            ]);
        }
        text.push_str(&format!("\n\n{}", table.trim_fmt()));
    }
    let unknown = unknown_words(answer.missing.as_ref());
    format!("{text}\n\n{unknown}{}", answer.link)
}

/// Postings, a line for each row.
#[must_use]
pub fn postings(answer: &Postings) -> String {
    let mut table = with_header(&["Recorded", "Happened", "Region", "Amount", "Detail"]);
    for row in &answer.rows {
        let text = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
        let details = [
            row.service_region.map(|region| format!("by {region}")),
            row.channel.map(|channel| channel.to_string()),
            text("venue", row.venue.map(|venue| venue.to_string())),
            text("visit", row.outreach_id.clone()),
            row.first_time_holder.filter(|first| *first).map(|_| "first time".to_owned()),
            row.reason.map(|reason| reason.to_string()),
            text("other region", row.other_region.map(|region| region.to_string())),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        table.add_row([
            Cell::new(row.recorded),
            Cell::new(row.day),
            Cell::new(row.region),
            right(number(row.amount)),
            Cell::new(harmless(&details.join(", "))),
        ]);
    }
    let more = more(answer.rows.len(), answer.rows_total, answer.next.as_deref());
    let text = format!(
        "{} ({}), {}: {} in {} rows\n\n{}\n\n{more}",
        answer.region.name,
        answer.region.code,
        answer.account.replace('_', " "),
        number(answer.total),
        number(answer.rows_total),
        table.trim_fmt()
    );
    text.trim_end().to_owned()
}

const fn words(part: PartKind) -> &'static str {
    match part {
        PartKind::NewActivations => "new activations",
        PartKind::LateActivations => "late activations",
        PartKind::MovesIn => "moves in",
        PartKind::MovesOut => "moves out",
        PartKind::Deactivations => "deactivations",
        PartKind::ReversedActivations => "activations taken back",
        PartKind::ReversedMovesIn => "moves in taken back",
        PartKind::ReversedMovesOut => "moves out taken back",
        PartKind::ReversedDeactivations => "deactivations taken back",
        PartKind::ReleasedActivations => "activations released from quarantine",
        PartKind::ReleasedDeactivations => "deactivations released from quarantine",
        PartKind::ReleasedMovesIn => "moves in released from quarantine",
        PartKind::ReleasedMovesOut => "moves out released from quarantine",
    }
}

fn late(age: Age) -> String {
    match age {
        Age { from_days: 0, to_days: Some(to) } => format!("up to {to} day late"),
        Age { from_days, to_days: Some(to) } => format!("{from_days} to {to} days late"),
        Age { from_days, to_days: None } => format!("{from_days} days late and more"),
    }
}

fn of(share: &ShareChange) -> String {
    let people = |people: Option<u64>| people.map_or("none".to_owned(), number);
    let (earlier, later) = (people(share.earlier_of), people(share.later_of));
    let basis = share.basis;
    if earlier == later {
        format!("{later} {basis}")
    } else {
        format!("{earlier}, then {later} {basis}")
    }
}

fn points(points: Option<Rate>) -> String {
    points.map_or(String::new(), |points| {
        let sign = if points.hundredths() > 0 { "+" } else { "" };
        format!("{sign}{points}")
    })
}
