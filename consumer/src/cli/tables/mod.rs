//! Answers as tables for people. It knows the shapes of answers only, so that a table is the same
//! whether the answer was made here or came over HTTP, and whatever terminal it is printed on.

pub mod change;
pub mod evidence;
pub mod figure;
pub mod flows;
pub mod kiosks;
pub mod outreach;
pub mod pace;
#[cfg(test)]
mod tests;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use jiff::civil::Date;
use laju_schemas::share::Share;

use crate::query::answer::{Bounds, DenominatorShare, Missing, RegionName, TargetShare};
use crate::query::figures::breakdown::{Breakdown, Count};
use crate::query::figures::progress::{Figures, Progress, ProgressList};
use crate::query::figures::series::Series;
use crate::query::kiosks::quarantine::Quarantine;
use crate::query::question::name;
use crate::query::regions::Regions;

pub(crate) use laju_schemas::text::harmless;

/// One line under the header, and no others.
const UNDER_THE_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// How far one region is: a line for each figure.
#[must_use]
pub fn progress(answer: &Progress) -> String {
    let figures = &answer.figures;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut line = |what: &str, count: String, remark: String| {
        table.add_row([Cell::new(what), right(count), Cell::new(remark)]);
    };
    line("Activated", number(figures.activated), bounds(figures));
    for denominator in &figures.denominators {
        line("  coverage", percent(denominator.coverage_percent), of_denominator(denominator));
    }
    if let Some(target) = &figures.target {
        line("  attainment", percent(target.attainment_percent), of_target(target));
    }
    line("  activations", number(figures.activations), String::new());
    line("  deactivations", number(figures.deactivations), String::new());
    line("  moves in", number(figures.moves_in), String::new());
    line("  moves out", number(figures.moves_out), String::new());
    line("Deferrals", number(figures.deferrals), "asked, but not activated".to_owned());
    let cards = &figures.cards;
    let first = format!("{} of them the first", number(cards.recorded_first_time));
    line("Cards recorded", number(cards.recorded), first);
    let printed =
        format!("{} requested, {} printed", number(cards.requested), number(cards.printed));
    line("Print queue", number(cards.queue), printed);
    if let Some(missing) = &figures.missing {
        let plural = if missing.kiosks == 1 { "" } else { "s" };
        let kiosks = format!("not come in, of {} kiosk{plural}", missing.kiosks);
        line("Missing", number(missing.events), kiosks);
        line(
            "Quarantined",
            number(missing.quarantined),
            "events that cannot be counted".to_owned(),
        );
        for kiosk in &missing.silent_kiosks {
            let usual = format!("~{} a day", number(kiosk.usual_per_day));
            let since = format!("{} since {}", harmless(&kiosk.kiosk_id), kiosk.silent_since);
            line("Silent", usual, since);
        }
    }
    let heading = heading(&answer.region, answer.as_of, answer.known_at);
    format!("{heading}\n\n{}\n\n{}", table.trim_fmt(), answer.link)
}

/// How far several regions are: a row for each.
#[must_use]
pub fn progress_list(answer: &ProgressList) -> String {
    let mut table = with_header(&[
        "Region",
        "Name",
        "Activated",
        "Coverage",
        "of",
        "Attainment",
        "of",
        "Unknown",
    ]);
    for row in &answer.rows {
        let figures = &row.figures;
        let target = figures.target.as_ref();
        let lines = |each: fn(&DenominatorShare) -> String| {
            figures.denominators.iter().map(each).collect::<Vec<_>>().join("\n")
        };
        let unknown = figures.missing.as_ref().map(|m| (m.events + m.quarantined).to_string());
        table.add_row([
            Cell::new(row.region.code),
            Cell::new(&row.region.name),
            right(number(figures.activated)),
            right(lines(|denominator| percent(denominator.coverage_percent))),
            Cell::new(lines(|d| format!("{} {}", number(d.value), d.basis))),
            right(target.map_or(String::new(), |target| percent(target.attainment_percent))),
            Cell::new(target.map_or(String::new(), people_of)),
            right(unknown.unwrap_or_default()),
        ]);
    }
    let days = days(answer.as_of, answer.known_at);
    format!("{days}\n\n{}\n\n{}", table.trim_fmt(), answer.link)
}

/// A region's figures over time.
#[must_use]
pub fn series(answer: &Series) -> String {
    let mut table = with_header(&[
        "From",
        "To",
        "Activated",
        "Activations",
        "Deactivations",
        "Moves in",
        "Moves out",
        "Deferrals",
        "Print queue",
    ]);
    for point in &answer.points {
        let mut cells = vec![Cell::new(point.from), Cell::new(point.to)];
        let counts = [
            point.activated,
            point.activations,
            point.deactivations,
            point.moves_in,
            point.moves_out,
            point.deferrals,
            point.cards.queue,
        ];
        cells.extend(counts.map(|count| right(number(count))));
        table.add_row(cells);
    }
    let heading = heading(&answer.region, answer.as_of, answer.known_at);
    let unknown = unknown_words(answer.missing.as_ref());
    format!("{heading}\n\n{}\n\n{unknown}{}", table.trim_fmt(), answer.link)
}

/// A region's figures by one of their dimensions.
#[must_use]
pub fn breakdown(answer: &Breakdown) -> String {
    let by = name(&answer.by).replace('_', " ");
    let cards = matches!(answer.rows.first().map(|row| row.count), Some(Count::Cards { .. }));
    let mut table = match cards {
        true => with_header(&[&by, "requested", "printed"]),
        false => with_header(&[&by, "count"]),
    };
    for row in &answer.rows {
        let key = Cell::new(row.key.as_deref().unwrap_or("(none)"));
        match row.count {
            Count::One { count } => table.add_row([key, right(number(count))]),
            Count::Cards { requested, printed } => {
                table.add_row([key, right(number(requested)), right(number(printed))])
            }
        };
    }
    let heading = heading(&answer.region, answer.as_of, answer.known_at);
    let unknown = unknown_words(answer.missing.as_ref());
    let more = more(answer.rows.len(), answer.total, answer.next.as_deref());
    format!("{heading}\n\n{}\n\n{more}{unknown}{}", table.trim_fmt(), answer.link)
}

/// That there are more rows than these, and how to go on; nothing on the last page.
fn more(shown: usize, total: u64, next: Option<&str>) -> String {
    let Some((_, query)) = next.and_then(|next| next.split_once('?')) else { return String::new() };
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let after = parameters.into_iter().find(|(name, _)| name == "after");
    let after = after.map(|(_, after)| harmless(&after)).unwrap_or_default();
    format!("{} of {}; more with --after '{after}'\n\n", number(shown as u64), number(total))
}

/// What could not be counted.
#[must_use]
pub fn quarantine(answer: &Quarantine) -> String {
    let mut reasons = with_header(&["Reason", "Records"]);
    for row in &answer.reasons {
        reasons.add_row([Cell::new(row.reason), right(number(row.count))]);
    }
    reasons.add_row([Cell::new("all"), right(number(answer.total))]);
    let is_decided = answer.open < answer.total;
    if is_decided {
        for (what, count) in
            [("released", answer.released), ("discarded", answer.discarded), ("open", answer.open)]
        {
            reasons.add_row([Cell::new(format!("  {what}")), right(number(count))]);
        }
    }
    if answer.latest.is_empty() {
        return reasons.trim_fmt();
    }
    let mut header = vec!["Recorded", "Partition", "Offset", "Reason", "Kiosk", "Detail"];
    let is_decided = answer.latest.iter().any(|row| row.decision.is_some());
    if is_decided {
        header.push("Decision");
    }
    let mut latest = with_header(&header);
    for row in &answer.latest {
        let sequence = row.sequence.map(|sequence| format!(" #{sequence}"));
        let kiosk = row.kiosk_id.as_deref().unwrap_or("?");
        let mut cells = vec![
            Cell::new(row.timestamp),
            right(row.partition.to_string()),
            right(row.offset.to_string()),
            Cell::new(row.reason),
            Cell::new(harmless(&format!("{kiosk}{}", sequence.unwrap_or_default()))),
            Cell::new(harmless(&row.detail)),
        ];
        if is_decided {
            let decision = row.decision.as_ref();
            let decision =
                decision.map(|d| format!("{} by {}: {}", d.decision, d.decided_by, d.reason));
            cells.push(Cell::new(harmless(&decision.unwrap_or_default())));
        }
        latest.add_row(cells);
    }
    format!("{}\n\n{}", reasons.trim_fmt(), latest.trim_fmt())
}

/// The regions that there are.
#[must_use]
pub fn regions(answer: &Regions) -> String {
    let mut table = with_header(&["Region", "Name", "Level", "Zone"]);
    for row in &answer.rows {
        table.add_row([
            Cell::new(row.region.code),
            Cell::new(&row.region.name),
            Cell::new(row.region.level),
            Cell::new(row.zone.as_deref().unwrap_or_default()),
        ]);
    }
    table.trim_fmt()
}

pub(super) fn with_header(names: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UNDER_THE_HEADER);
    table.set_header(names);
    table
}

pub(super) fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

pub(super) fn heading(region: &RegionName, as_of: Date, known_at: Option<Date>) -> String {
    format!("{} ({}), {}", region.name, region.code, days(as_of, known_at))
}

pub(super) fn days(as_of: Date, known_at: Option<Date>) -> String {
    match known_at {
        Some(known_at) => format!("as of {as_of}, as known at {known_at}"),
        None => format!("as of {as_of}"),
    }
}

fn bounds(figures: &Figures) -> String {
    bounds_words(figures.bounds)
}

/// What is not known of counts, for the line below their table; nothing where nothing is missing,
/// or it is not known any more.
pub(super) fn unknown_words(missing: Option<&Missing>) -> String {
    let unknown = missing.map_or(0, |missing| missing.events + missing.quarantined);
    match missing {
        Some(missing) if unknown > 0 => format!(
            "{} events unknown ({} not come in, {} quarantined): every count may be so many less or more\n\n",
            number(unknown),
            number(missing.events),
            number(missing.quarantined)
        ),
        _ => String::new(),
    }
}

/// Between which numbers a figure lies; nothing where that is one, or not known.
pub(super) fn bounds_words(bounds: Option<Bounds>) -> String {
    match bounds {
        Some(bounds) if bounds.lower != bounds.upper => {
            format!("between {} and {}", number(bounds.lower), number(bounds.upper))
        }
        _ => String::new(),
    }
}

pub(super) fn of_denominator(denominator: &DenominatorShare) -> String {
    let DenominatorShare { basis, value, valid_from, source, .. } = denominator;
    format!("of {} {basis}, from {valid_from}; {source}", number(*value))
}

pub(super) fn of_target(target: &TargetShare) -> String {
    let inherited = target.inherited_from.map(|region| format!(", inherited from {region}"));
    let until = target.valid_to.map(|day| format!(" to {day}"));
    format!(
        "of {}{}, from {}{}; {}",
        people_of(target),
        inherited.unwrap_or_default(),
        target.valid_from,
        until.unwrap_or_default(),
        target.source
    )
}

fn people_of(target: &TargetShare) -> String {
    match target.percent {
        Some(percent) => format!("{} ({percent} % of {})", number(target.people), target.basis),
        None => number(target.people),
    }
}

pub(super) fn percent(share: Option<Share>) -> String {
    share.map_or("?".to_owned(), |share| format!("{share} %"))
}

/// A count with its thousands set apart.
pub(crate) fn number(count: impl ToString) -> String {
    let text = count.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let mut grouped = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
