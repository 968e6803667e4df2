//! Quoted figures as tables for people.

use comfy_table::Cell;
use comfy_table::presets::NOTHING;

use super::{
    harmless, heading, more, number, of_denominator, of_target, percent, right, with_header,
};
use crate::query::answer::Age;
use crate::query::figures::progress::Progress;
use crate::query::quoted::{
    Figure, FigureDifference, FigureList, FigurePartKind, FigureThenAndNow,
};

/// A figure as it was quoted: a line for each number.
#[must_use]
pub fn figure(figure: &Figure) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING);
    let mut line = |what: &str, count: String, remark: String| {
        table.add_row([Cell::new(what), right(count), Cell::new(harmless(&remark))]);
    };
    let bounds = figure.bounds.filter(|bounds| bounds.lower != bounds.upper);
    let bounds = bounds
        .map(|bounds| format!("between {} and {}", number(bounds.lower), number(bounds.upper)));
    line("Activated", number(figure.activated), bounds.unwrap_or_default());
    for share in &figure.denominators {
        line("  coverage", percent(share.coverage_percent), of_denominator(share));
    }
    if let Some(target) = &figure.target {
        line("  attainment", percent(target.attainment_percent), of_target(target));
    }
    line("  activations", number(figure.activations), String::new());
    line("  deactivations", number(figure.deactivations), String::new());
    line("  moves in", number(figure.moves_in), String::new());
    line("  moves out", number(figure.moves_out), String::new());
    let by = figure.quoted_by.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    let note = figure.note.as_ref().map(|note| format!("\nnote: {note}")).unwrap_or_default();
    let lines: Vec<_> = format!(
        "{}\n{}\nquoted {}{by}{note}\nid {}, digest {}",
        heading(&figure.region, figure.as_of, figure.known_at),
        table.trim_fmt(),
        figure.quoted_at,
        figure.figure_id,
        figure.digest
    )
    .lines()
    .map(harmless)
    .collect();
    lines.join("\n")
}

/// A figure, and why the same question answers something else now.
#[must_use]
pub fn then_and_now(answer: &FigureThenAndNow) -> String {
    let mut text = figure(&answer.figure);
    match (&answer.now, &answer.difference) {
        (Some(now), Some(why)) => {
            text.push_str("\n\n");
            text.push_str(&difference(&answer.figure, now, why));
        }
        _ => {
            let why = answer.without_now.as_deref().unwrap_or("this node does not say why");
            text.push_str(&format!("\n\nWhat the same question answers now is not known: {why}"));
        }
    }
    text
}

fn difference(figure: &Figure, now: &Progress, why: &FigureDifference) -> String {
    let mut table = with_header(&["Activated", "People"]);
    table.add_row([Cell::new("as quoted"), right(number(figure.activated))]);
    for part in &why.parts {
        let mut what = format!("  {}", words(part.kind));
        if let Some(age) = part.age {
            what.push_str(&format!(", {}", late(age)));
        }
        if let Some(reason) = part.reason {
            what.push_str(&format!(", {reason}"));
        }
        let sign = if part.amount > 0 { "+" } else { "" };
        table.add_row([Cell::new(what), right(format!("{sign}{}", number(part.amount)))]);
    }
    table.add_row([Cell::new("now"), right(number(now.figures.activated))]);
    let mut text = table.trim_fmt();
    for row in why.denominators.iter().filter(|row| row.changed) {
        let of = |share: Option<&_>| share.map_or("none".to_owned(), of_denominator);
        let (then, now) = (of(row.then.as_ref()), of(row.now.as_ref()));
        text.push_str(&format!("\ncoverage was {then}; is {now}"));
    }
    if let Some(row) = why.target.as_ref().filter(|row| row.changed) {
        let of = |target: Option<&_>| target.map_or("none".to_owned(), of_target);
        let (then, now) = (of(row.then.as_ref()), of(row.now.as_ref()));
        text.push_str(&format!("\nattainment was {then}; is {now}"));
    }
    if let Some(of) = &why.copy_of {
        text.push_str(&format!(
            "\nThe log is a copy, restored {}, of {} on the cluster {}, from which the figure was \
             quoted: its offsets are the same.",
            of.restored_at, of.topic, of.cluster_id
        ));
    }
    if !why.same_log {
        text.push_str("\nThe figure rests on another log than the one that is folded now.");
    }
    if !why.same_rules {
        text.push_str("\nEvents are counted by other rules now.");
    }
    let lines: Vec<_> = text.lines().map(harmless).collect();
    lines.join("\n")
}

const fn words(kind: FigurePartKind) -> &'static str {
    match kind {
        FigurePartKind::Activations => "new activations",
        FigurePartKind::MovesIn => "moves in",
        FigurePartKind::MovesOut => "moves out",
        FigurePartKind::Deactivations => "deactivations",
        FigurePartKind::ReversedActivations => "activations taken back",
        FigurePartKind::ReversedMovesIn => "moves in taken back",
        FigurePartKind::ReversedMovesOut => "moves out taken back",
        FigurePartKind::ReversedDeactivations => "deactivations taken back",
    }
}

fn late(age: Age) -> String {
    match age {
        Age { from_days: 0, .. } => "recorded on the day or the next".to_owned(),
        Age { from_days, to_days: Some(to) } => format!("{from_days} to {to} days late"),
        Age { from_days, to_days: None } => format!("{from_days} days late and more"),
    }
}

/// Figures, a line each.
#[must_use]
pub fn figures(answer: &FigureList) -> String {
    let mut table = with_header(&["Quoted", "Region", "As of", "Activated", "Id", "Note"]);
    for row in &answer.rows {
        table.add_row([
            Cell::new(row.quoted_at),
            Cell::new(format!("{} {}", row.region.code, row.region.name)),
            Cell::new(row.as_of),
            right(number(row.activated)),
            Cell::new(row.figure_id),
            Cell::new(harmless(row.note.as_deref().unwrap_or_default())),
        ]);
    }
    let plural = if answer.total == 1 { "" } else { "s" };
    let mut text = format!("{} figure{plural}\n\n{}", number(answer.total), table.trim_fmt());
    let more = more(answer.rows.len(), answer.total, answer.next.as_deref());
    if !more.is_empty() {
        text.push_str(&format!("\n\n{}", more.trim_end()));
    }
    for damaged in &answer.damaged {
        let why = harmless(&damaged.detail);
        text.push_str(&format!("\ndamaged: {}: {why}", damaged.figure_id));
    }
    let untold = answer.damaged_total.saturating_sub(answer.damaged.len() as u64);
    if untold > 0 {
        text.push_str(&format!("\nand {} more damaged; --limit shows more", number(untold)));
    }
    text
}
