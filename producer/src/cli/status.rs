//! `laju-kiosk status`: where the kiosk stands, for people.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use laju_schemas::TimestampMs;

use super::agent::AgentAddress;
use crate::agent::{ClockState, DoubtfulEvents, Status};
use crate::outbox::Rejected;
use laju_kafka::settings::Environment;
use laju_kafka::terminal::{self, shown};

/// How the program ends if something deserves attention.
pub(super) const ATTENTION_EXIT_CODE: u8 = 3;

/// The options of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 3 if something deserves attention (also events in quarantine, and a \
                  wrong clock), and with 1 if no agent answers."
)]
pub(super) struct StatusArgs {
    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    agent: AgentAddress,
}

impl StatusArgs {
    pub(super) fn run(&self, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        let status: Status = self.agent.client().get("/v1/status")?.read()?;
        if self.json {
            writeln!(terminal::stdout(), "{}", serde_json::to_string(&status)?)?;
        } else {
            let plain = env("NO_COLOR").is_some_and(|value| !value.is_empty());
            print!("{}", text(&status, !plain && std::io::stdout().is_terminal()));
        }
        let well = status.attention.is_empty();
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(ATTENTION_EXIT_CODE) })
    }
}

fn text(status: &Status, colour: bool) -> String {
    let style = |style: Style| if colour { style } else { Style::new() };
    let yellow = style(AnsiColor::Yellow.on_default().bold());
    let green = style(AnsiColor::Green.on_default());
    let ago = |at: Option<TimestampMs>| at.map_or("never".to_owned(), |at| since(at, status.now));
    let clock = match (&status.clock, status.clock_offset_ms) {
        (ClockState::Wrong { detail }, _) => format!("wrong: {detail}"),
        (_, Some(offset)) => format!("{offset} ms from the broker's"),
        (_, None) => "not confirmed by a broker".to_owned(),
    };
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let rows = [
        ("kiosk", format!("{} of {}", status.kiosk_id, status.service_region)),
        ("agent", format!("{}, started {}", status.agent_version, ago(Some(status.started_at)))),
        ("accepted", format!("{} events", status.highest_sequence)),
        ("acknowledged", format!("{} events", status.acknowledged)),
        ("unsent", format!("{} events, {} on their way", status.unsent, status.in_flight)),
        (
            "waiting since",
            status.waiting_since.map_or("none".to_owned(), |at| since(at, status.now)),
        ),
        ("passed over", format!("{} numbers", status.passed_over)),
        ("set aside", format!("{} events", status.set_aside)),
        ("outbox", format!("{} of {}", mib(status.outbox_bytes), mib(status.outbox_limit_bytes))),
        ("key", status.key_id.map_or("not said".to_owned(), |id| id.to_string())),
        ("last acknowledged", ago(status.last_acknowledged_at)),
        ("last reported", ago(status.last_reported_at)),
        ("clock", clock),
    ];
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    let mut out = format!("{table}\n");
    if !status.set_aside_events.is_empty() {
        let mut table = table_with(["sequence", "event", "since", "why"]);
        if let Some(column) = table.column_mut(0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for Rejected { event_id, sequence, rejection } in &status.set_aside_events {
            table.add_row([
                sequence.to_string(),
                event_id.to_string(),
                since(rejection.at, status.now),
                format!("{}: {}", rejection.reason.as_str(), shown(&rejection.detail)),
            ]);
        }
        out.push_str(&format!("\nset aside\n{table}\n"));
    }
    out.push_str(&doubtful(&status.doubtful));
    out.push_str(&quarantined(status));
    if status.attention.is_empty() {
        out.push_str(&format!("\n{green}All is well.{green:#}\n"));
    }
    for advice in &status.attention {
        let (what, advice) = (shown(&advice.what), shown(&advice.advice));
        out.push_str(&format!("\n{yellow}{what}{yellow:#}\n  {advice}\n"));
    }
    out
}

fn table_with<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}

/// The events with doubtful times that are shown, if there are any.
fn doubtful(found: &[DoubtfulEvents]) -> String {
    let shown: Vec<_> = found.iter().flat_map(|found| &found.shown).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut table = table_with(["sequence", "event", "time given"]);
    for event in shown {
        table.add_row([
            event.sequence.to_string(),
            event.event_id.to_string(),
            event.occurred_at.to_string(),
        ]);
    }
    format!("\ndoubtful times\n{table}\n")
}

/// The events in quarantine that are shown, if there are any.
fn quarantined(status: &Status) -> String {
    let Some(worker) = status.worker.as_ref().filter(|worker| !worker.latest.is_empty()) else {
        return String::new();
    };
    let mut table = table_with(["sequence", "event", "why"]);
    for event in &worker.latest {
        table.add_row([
            event.sequence.map_or("?".to_owned(), |sequence| sequence.to_string()),
            event.event_id.map_or("?".to_owned(), |id| id.to_string()),
            format!("{}: {}", shown(&event.reason), shown(&event.detail)),
        ]);
    }
    let heard = worker.heard_at.map_or("never".to_owned(), |at| since(at, status.now));
    format!("\nin quarantine, as the worker said {heard}\n{table}\n")
}

/// How long ago something was, as people say it.
fn since(at: TimestampMs, now: TimestampMs) -> String {
    let seconds = (now.0 - at.0) / 1_000;
    match seconds {
        i64::MIN..0 => format!("at {at}, which is ahead of this clock"),
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Advice;
    use crate::outbox::{Rejection, RejectionReason};

    #[test]
    fn what_is_stuck_is_said_with_what_to_do_about_it() {
        let now = TimestampMs(1_770_000_000_000);
        let mut status = Status {
            kiosk_id: "counter-3".to_owned(),
            service_region: "18.71".parse().unwrap(),
            agent_version: "0.1.0".to_owned(),
            started_at: TimestampMs(now.0 - 300_000),
            now,
            highest_sequence: 12,
            unsent: 2,
            oldest_unsent: Some(TimestampMs(now.0 - 900 * 86_400_000)),
            waiting_since: Some(TimestampMs(now.0 - 3 * 86_400_000)),
            in_flight: 1,
            set_aside: 1,
            acknowledged: 9,
            disk_full: false,
            passed_over: 20,
            key_id: Some("07c598c15884ead6".parse().unwrap()),
            outbox_bytes: 1 << 20,
            outbox_limit_bytes: 1 << 30,
            last_acknowledged_at: None,
            last_reported_at: Some(TimestampMs(now.0 - 5_000)),
            clock_offset_ms: Some(-3),
            clock: ClockState::Measured { now },
            doubtful: Vec::new(),
            worker: None,
            obstacle: None,
            set_aside_events: vec![Rejected {
                event_id: laju_schemas::EventId([1; 16]),
                sequence: 7,
                rejection: Rejection {
                    reason: RejectionReason::TooLarge,
                    detail: "the topic takes less".to_owned(),
                    at: now,
                },
            }],
            attention: vec![Advice { what: "One is stuck".to_owned(), advice: "Look.".to_owned() }],
        };
        let said = text(&status, false);
        for words in [
            "counter-3 of 18.71",
            "3 days ago",
            "1.0 MiB of 1024.0 MiB",
            "too_large: the topic takes less",
            "One is stuck\n  Look.",
            "-3 ms from",
            "20 numbers",
            "07c598c15884ead6",
            "never",
        ] {
            assert!(said.contains(words), "no '{words}' in {said}");
        }
        assert!(!said.contains('\u{1b}') && text(&status, true).contains('\u{1b}'));
        status.attention.clear();
        assert!(text(&status, false).contains("All is well"));
    }
}
