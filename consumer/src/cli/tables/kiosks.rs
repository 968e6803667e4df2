//! Kiosks and the fates of their events as tables for people: in the ways of [`super`].

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Table};

use super::{harmless, more, number, right, with_header};
use crate::query::kiosks::event::{EffectKind, EventFate, FateKind};
use crate::query::kiosks::list::{KioskDetail, KioskRow, Kiosks};

/// The kiosks asked for.
#[must_use]
pub fn kiosks(answer: &Kiosks) -> String {
    let mut table = with_header(&[
        "Kiosk",
        "Region",
        "Events",
        "Highest",
        "Missing",
        "Unsent",
        "A day",
        "Last heard",
        "Remarks",
    ]);
    for row in &answer.rows {
        let status = row.status.as_ref();
        table.add_row([
            Cell::new(harmless(&row.kiosk_id)),
            Cell::new(row.service_region.map_or(String::new(), |code| code.to_string())),
            right(number(row.received)),
            right(number(row.highest_sequence)),
            right(number(row.missing)),
            right(status.map_or("?".to_owned(), |status| number(status.unsent))),
            right(row.usual_per_day.map_or("?".to_owned(), number)),
            Cell::new(row.last_heard.map_or("never".to_owned(), |at| at.to_string())),
            Cell::new(remarks(row, row.conflicts)),
        ]);
    }
    let more = more(answer.rows.len(), answer.total, answer.next.as_deref());
    format!("{}\n\n{more}", table.trim_fmt()).trim_end().to_owned()
}

/// All that is known of a kiosk: a line for each.
#[must_use]
pub fn kiosk(answer: &KioskDetail) -> String {
    let row = &answer.row;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut line = |what: &str, text: String, remark: String| {
        table.add_row([Cell::new(what), right(text), Cell::new(remark)]);
    };
    let or_never =
        |at: Option<laju_schemas::TimestampMs>| at.map_or("never".to_owned(), |at| at.to_string());
    line("Events", number(row.received), "repeats and quarantined ones included".to_owned());
    line("  sequences", number(row.sequences), "distinct".to_owned());
    line("  highest", number(row.highest_received), "received".to_owned());
    let announced = row.highest_announced.map_or("?".to_owned(), number);
    line("  announced", announced, "the highest that it has given to an event".to_owned());
    let lacks = spans(&row.gaps) + if answer.gaps_cut { ", and more" } else { "" };
    if let Some(fall) = &row.announced_fall {
        let what = format!(
            "was announced after {}, on {}: its outbox was set back, or another device has its id",
            number(fall.from),
            fall.recorded_at
        );
        line("  fell", number(fall.to), what);
    }
    line("Missing", number(row.missing), lacks);
    let days = format!("heard of on {} days", number(answer.days_heard));
    line("A day", row.usual_per_day.map_or("?".to_owned(), number), days);
    line("Last heard", or_never(row.last_heard), String::new());
    match &row.status {
        Some(status) => {
            let unsent = number(status.unsent);
            let key = status.key_id.as_deref().map_or("?".to_owned(), harmless);
            let other = if row.other_key { "another than most kiosks'" } else { "" };
            let retired = if status.retired { "; retired" } else { "" };
            let version = harmless(&status.agent_version);
            line(
                "Last status",
                status.recorded_at.to_string(),
                format!("agent {version}{retired}"),
            );
            let oldest = status.oldest_unsent.map(|at| format!("the oldest of {at}"));
            line("  unsent", unsent, oldest.unwrap_or_default());
            let offset = status.clock_offset_ms.map(|ms| format!("{ms} ms"));
            let clock = "its clock before the broker's".to_owned();
            line("  clock", offset.unwrap_or_else(|| "?".to_owned()), clock);
            line("  key", key, other.to_owned());
        }
        None => line("Last status", "never".to_owned(), String::new()),
    }
    if let Some(since) = row.silent_since {
        line("Silent", String::new(), format!("since {since}, longer than is usual for it"));
    }
    let quarantined = &answer.quarantined;
    let why = quarantined.latest.first().map(|row| format!("the latest: {}", row.reason));
    line("Quarantined", number(quarantined.open), why.unwrap_or_default());
    let conflicts = &row.conflicts;
    line("Conflicts", number(conflicts.events), conflicts.note.clone().unwrap_or_default());
    for conflict in &conflicts.sequences {
        let ids = conflict.event_ids.iter().flatten();
        let ids: Vec<_> = ids.map(ToString::to_string).collect();
        line("  sequence", number(conflict.sequence), ids.join(", "));
    }
    let region = row.service_region.map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{}{region}\n\n{}", harmless(&row.kiosk_id), table.trim_fmt())
}

/// What became of an event: a line for each thing that is known of it.
#[must_use]
pub fn event(answer: &EventFate) -> String {
    let fate = match (answer.fate, answer.effect) {
        (FateKind::Counted, Some(EffectKind::None)) => "counted; it changed nothing",
        (FateKind::Counted, _) => "counted",
        (FateKind::Repeat, _) => "a repeat: another event stands in its place",
        (FateKind::Retracted, _) => "retracted: it counts as never happened",
        (FateKind::Quarantined, _) => "in quarantine: it could not be counted",
        (FateKind::NotSeen, _) => "not seen",
    };
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut line = |what: &str, text: Option<String>| {
        if let Some(text) = text {
            table.add_row([what.to_owned(), harmless(&text)]);
        }
    };
    line("Fate", Some(fate.to_owned()));
    line("Happened", answer.kind.map(|kind| kind.record_name().to_owned()));
    line("  at", answer.occurred_at.map(|at| at.to_string()));
    line("Day", answer.day.map(|day| day.to_string()));
    line("Region", answer.region.as_ref().map(|r| format!("{} ({})", r.name, r.code)));
    line("Recorded", answer.recorded.map(|day| day.to_string()));
    let sequence = answer.sequence.map(|sequence| format!(" #{sequence}")).unwrap_or_default();
    line("Kiosk", answer.kiosk_id.as_ref().map(|kiosk| format!("{kiosk}{sequence}")));
    line("Repeat of", answer.repeat_of.map(|id| id.to_string()));
    line("Retracted by", answer.retracted_by.map(|id| id.to_string()));
    line("Reason", answer.reason.clone());
    line("Detail", answer.detail.clone());
    let place = |record: &crate::query::kiosks::event::QuarantinedEvent| {
        format!("partition {}, offset {}: {}", record.partition, record.offset, record.reason)
    };
    line("Quarantine", answer.quarantine.as_ref().map(place));
    line("Remembered", answer.remembered_since.map(|day| format!("since {day}")));
    format!("{}\n\n{}", answer.event_id, table.trim_fmt())
}

fn remarks<C>(row: &KioskRow<C>, conflicts: u64) -> String {
    let mut remarks = Vec::new();
    if row.status.as_ref().is_some_and(|status| status.retired) {
        remarks.push("retired".to_owned());
    } else if !row.gaps.is_empty() {
        remarks.push(format!("lacks {}", spans(&row.gaps)));
    }
    if let Some(since) = row.silent_since {
        remarks.push(format!("silent since {since}"));
    }
    if row.other_key {
        remarks.push("another key than most".to_owned());
    }
    if let Some(fall) = &row.announced_fall {
        remarks.push(format!("announced {} after {}", number(fall.to), number(fall.from)));
    }
    if conflicts > 0 {
        remarks.push(format!("{} events share sequences", number(conflicts)));
    }
    remarks.join("; ")
}

fn spans(gaps: &[(u32, u32)]) -> String {
    let span = |&(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    gaps.iter().map(span).collect::<Vec<_>>().join(", ")
}
