//! A region's pace, and that of every region, as tables for people.

use comfy_table::Cell;

use super::{bounds_words, days, heading, number, of_target, percent, right, with_header};
use crate::domain::rate::Rate;
use crate::query::figures::goal::TRAILING;
use crate::query::figures::pace::{Pace, PaceOver, Unanswered};
use crate::query::figures::pace_list::PaceList;

/// How fast a region goes: a column of figures for each window, and what is required.
#[must_use]
pub fn pace(answer: &Pace) -> String {
    let bounds = bounds_words(answer.bounds);
    let bounds = if bounds.is_empty() { bounds } else { format!(", {bounds}") };
    let mut lines = vec![format!("Activated {}{bounds}", number(answer.activated))];
    if let Some(target) = &answer.target {
        let share = percent(target.attainment_percent);
        lines.push(format!("Target    {share} {}", of_target(target)));
    }
    match &answer.goal {
        Some(goal) => {
            lines.push(format!(
                "Required  {} a day, {} a month: {} to go in {} days, by {}",
                rate(goal.required_per_day),
                rate(goal.required_per_month),
                number(goal.to_go),
                goal.days_left,
                goal.by
            ));
        }
        None => lines.push("Required  no target applies".to_owned()),
    }
    let mut table = with_header(&[
        "From",
        "To",
        "Days",
        "Change",
        "A day",
        "A month",
        "Forecast",
        "Target met",
    ]);
    for window in &answer.windows {
        table.add_row([
            Cell::new(window.from),
            Cell::new(window.to),
            right(window.days.to_string()),
            right(number(window.change)),
            right(rate(window.per_day)),
            right(rate(window.per_month)),
            Cell::new(forecast(window)),
            Cell::new(target_met(window)),
        ]);
    }
    let heading = heading(&answer.region, answer.as_of, answer.known_at);
    format!("{heading}\n\n{}\n\n{}\n\n{}", lines.join("\n"), table.trim_fmt(), answer.link)
}

/// How fast several regions go, and how fast their targets require them to: a row for each.
#[must_use]
pub fn pace_list(answer: &PaceList) -> String {
    let mut names =
        ["Region", "Name", "Activated", "To go", "By", "Needed a day"].map(str::to_owned).to_vec();
    for days in TRAILING {
        names.extend([format!("A day, {days} days"), "of needed".to_owned(), "Enough".to_owned()]);
    }
    let mut table = with_header(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &answer.rows {
        let goal = row.goal.as_ref();
        let mut cells = vec![
            Cell::new(row.region.code),
            Cell::new(&row.region.name),
            right(number(row.activated)),
            right(goal.map_or(String::new(), |goal| number(goal.to_go))),
            Cell::new(goal.map_or(String::new(), |goal| goal.by.to_string())),
            right(goal.map_or(String::new(), |goal| rate(goal.required_per_day))),
        ];
        for window in &row.windows {
            let is_enough = window.is_enough.map_or("", |enough| if enough { "yes" } else { "no" });
            let share = window.percent_of_required.map(|share| format!("{share} %"));
            cells.extend([
                right(rate(window.per_day)),
                right(share.unwrap_or_default()),
                Cell::new(is_enough),
            ]);
        }
        table.add_row(cells);
    }
    let days = days(answer.as_of, answer.known_at);
    format!("{days}\n\n{}\n\n{}", table.trim_fmt(), answer.link)
}

fn rate(rate: Option<Rate>) -> String {
    rate.map_or("?".to_owned(), |rate| rate.to_string())
}

fn forecast(window: &PaceOver) -> String {
    let Some(forecast) = &window.forecast else { return reason(window.no_forecast.as_ref()) };
    let mut text = format!("{} on {}", number(forecast.activated), forecast.on);
    for interval in &forecast.intervals {
        let (lower, upper) = (number(interval.lower), number(interval.upper));
        text.push_str(&format!("\n{} %: {lower} to {upper}", interval.percent));
    }
    text
}

fn target_met(window: &PaceOver) -> String {
    let Some(day) = window.target_met_on else { return reason(window.no_target_day.as_ref()) };
    let end = |day: Option<jiff::civil::Date>| day.map_or("?".to_owned(), |day| day.to_string());
    match window.target_met_between {
        Some(days) => format!("{day}\n95 %: {} to {}", end(days.earliest), end(days.latest)),
        None => day.to_string(),
    }
}

fn reason(unanswered: Option<&Unanswered>) -> String {
    unanswered.map_or(String::new(), |unanswered| format!("none: {}", unanswered.detail))
}
