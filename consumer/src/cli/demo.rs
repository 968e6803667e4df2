//! `laju demo`: kiosks, broker, worker and live figures, from nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use laju_schemas::RegionCode;
use serde_json::{Value, json};

use super::output::{exit_code, styled_bar};
use super::stop;
use super::tables::number;
use crate::demo::check::{Asker, Finding};
use crate::demo::play::{Demo, DemoError};
use crate::demo::scenario::{SEED, Scenario};
use crate::domain::cell::Detail;
use crate::ingest::stop::Stop;

/// How long a day of the calendar lasts once the figures are shown.
const DAY: Duration = Duration::from_secs(2);

/// Play three years of five offices' kiosks on an embedded broker, and show the figures.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to answer HTTP: for this machine only, since its figures are made up.
    #[arg(long, env = "LAJU_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080",
          value_parser = loopback)]
    pub listen: SocketAddr,

    /// End after the table; exit code 1 if a figure is not as expected. Listens on any free port.
    #[arg(long)]
    pub once: bool,

    /// Print the figures in JSON.
    #[arg(long)]
    pub json: bool,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("'{text}' is not ADDRESS:PORT, e.g. 127.0.0.1:8080"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!("{} is not a loopback address: the demo is for this machine only", address.ip()))
}

impl DemoArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let stop = stop::on_signal()?;
        let listen = if self.once { SocketAddr::new(self.listen.ip(), 0) } else { self.listen };
        let begun = Instant::now();
        let mut demo = Demo::start(Scenario::new(SEED), listen, stop.clone())?;
        let result = self.play(&mut demo, begun, &stop, out);
        stop.stop();
        demo.node.join()?;
        result
    }

    fn play(
        &self,
        demo: &mut Demo,
        begun: Instant,
        stop: &Stop,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        play_calendar(demo, stop)?;
        demo.publish_statuses(&demo.scenario.statuses())?;
        demo.settle()?;
        let asker = Asker::new(demo.node.address);
        let findings = asker.check(&demo.scenario.expected())?;
        let happened = happened(&asker, demo)?;
        let seconds = begun.elapsed().as_secs_f64();
        let all_right = findings.iter().all(|finding| finding.ok);
        if self.json {
            let answer = json!({
                "ok": all_right,
                "records": demo.published(),
                "seconds": (seconds * 100.0).round() / 100.0,
                "figures": findings,
                "happened": happened,
            });
            serde_json::to_writer_pretty(&mut *out, &answer)?;
            writeln!(out)?;
        } else {
            print_table(&asker, &findings, &happened, demo, seconds, out)?;
        }
        out.flush()?;
        if !self.once {
            self.stay(demo, stop, out)?;
        }
        Ok(exit_code(all_right))
    }

    /// Goes on with the calendar, a handful of events a day, until asked to stop.
    fn stay(&self, demo: &mut Demo, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
        if !self.json {
            let address = demo.node.address;
            writeln!(
                out,
                "\nThe calendar goes on, a day every {} s. Ask, for example:",
                DAY.as_secs()
            )?;
            for path in [
                "/v1/regions/18.71/progress",
                "/v1/regions/18.71/progress?as_of=2023-12-31&known_at=2023-12-31",
                "/v1/regions/19.71/breakdown?by=venue",
                "/v1/progress?level=province",
                "/v1/kiosks",
                "/v1/quarantine",
            ] {
                writeln!(out, "  curl 'http://{address}{path}'")?;
            }
            writeln!(out, "Ctrl-C ends it.")?;
            out.flush()?;
        }
        let mut trickle = demo.scenario.trickle();
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        while let Some(day) = trickle.next() {
            let until = Instant::now() + DAY;
            demo.play(&day)?;
            // Kiosks with nothing to send report all the same: they are not silent.
            demo.publish_statuses(&trickle.statuses())?;
            bar.set_message(format!("{}  {}", day.date, live_figures(demo)));
            while Instant::now() < until {
                if stop.is_stopped() {
                    bar.finish_and_clear();
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

fn play_calendar(demo: &mut Demo, stop: &Stop) -> anyhow::Result<()> {
    let days: Vec<_> = demo.scenario.days().collect();
    let template = "{prefix} {wide_bar} {percent:>3} %  {msg}";
    let bar = styled_bar(template, days.len() as u64, false);
    let mut shown = Instant::now();
    for day in &days {
        if stop.is_stopped() {
            bar.finish_and_clear();
            return Err(DemoError::Stopped.into());
        }
        demo.play(day)?;
        bar.inc(1);
        if shown.elapsed() > Duration::from_millis(100) {
            shown = Instant::now();
            bar.set_prefix(day.date.to_string());
            bar.set_message(live_figures(demo));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// How many are active in each of the demo's cities, from what readers see at this moment.
fn live_figures(demo: &Demo) -> String {
    use crate::domain::account::Account;
    let snapshot = demo.node.live.snapshot.load();
    let table = laju_schemas::RegionTable::get();
    let active = |code: RegionCode| -> i64 {
        let Some(index) = table.index_of(code) else { return 0 };
        let sum = |account| -> i64 {
            snapshot.ledger.of(index, account).map(|cell| i64::from(cell.amount)).sum()
        };
        sum(Account::Activations) - sum(Account::Deactivations) + sum(Account::MovesIn)
            - sum(Account::MovesOut)
    };
    let offices = demo.scenario.offices();
    let named = offices.iter().filter(|(code, _)| active(*code) > 0);
    named
        .map(|(code, name)| format!("{} {}", shorten(name), number(active(*code))))
        .collect::<Vec<_>>()
        .join(" · ")
}

fn shorten(name: &str) -> &str {
    name.trim_start_matches("Kota ").trim_start_matches("Kabupaten ")
}

/// What else was in the input, as the node has counted it.
fn happened(asker: &Asker, demo: &Demo) -> Result<Value, DemoError> {
    let nation = asker.get("/v1/regions/ID/progress")?;
    let quarantine = asker.get("/v1/quarantine")?;
    let snapshot = demo.node.live.snapshot.load();
    let mut tallies = crate::domain::fold::Tallies::default();
    snapshot.partitions.values().for_each(|view| tallies.add(&view.tallies));
    let by_kind = |kind: laju_schemas::event::FactKind| tallies.by_kind[kind as usize];
    let served_elsewhere: i64 = snapshot
        .ledger
        .all()
        .filter(|cell| match cell.key.detail() {
            Detail::Activation { service, .. } => service != cell.key.region(),
            _ => false,
        })
        .map(|cell| i64::from(cell.amount))
        .sum();
    Ok(json!({
        "events": tallies.received,
        "repeats": tallies.repeats(),
        "late": tallies.late,
        "retractions": by_kind(laju_schemas::event::FactKind::Retracted),
        "retracted": tallies.retracted,
        "moves": nation["moves_in"],
        "served_elsewhere": served_elsewhere,
        "deactivations": nation["deactivations"],
        "deferrals": nation["deferrals"],
        "missing": nation["missing"]["events"],
        "quarantined": tallies.quarantined,
        "quarantined_by_reason": quarantine["reasons"],
        "subjects": snapshot.partitions.values().map(|view| view.subjects).sum::<u64>(),
    }))
}

/// One line of the table: what a region's progress answer says.
fn row(answer: &Value, ok: bool) -> [String; 8] {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let count = |value: &Value| value.as_i64().map(number).unwrap_or_default();
    let target = &answer["target"];
    let coverage = answer["denominators"].as_array().and_then(|all| all.first()).map(|own| {
        format!(
            "{} % of {} {}",
            text(&own["coverage_percent"]),
            count(&own["value"]),
            text(&own["basis"])
        )
    });
    let goal = match (target["percent"].as_str(), target["inherited_from"].as_str()) {
        (Some(percent), None) => format!("{percent} % of {}", text(&target["basis"])),
        (Some(percent), Some(from)) => {
            format!("{percent} % of {}, from {from}", text(&target["basis"]))
        }
        (None, _) if target.is_null() => String::new(),
        (None, _) => "absolute".to_owned(),
    };
    let attainment = if target.is_null() {
        String::new()
    } else {
        format!("{} % of {}", text(&target["attainment_percent"]), count(&target["people"]))
    };
    [
        format!("{} {}", text(&answer["region"]["code"]), text(&answer["region"]["name"])),
        text(&answer["as_of"]),
        count(&answer["activated"]),
        coverage.unwrap_or_default(),
        goal,
        attainment,
        format!(
            "{} / {}",
            count(&answer["cards"]["recorded_first_time"]),
            count(&answer["cards"]["queue"])
        ),
        if ok { "✓" } else { "✗" }.to_owned(),
    ]
}

fn print_table(
    asker: &Asker,
    findings: &[Finding],
    happened: &Value,
    demo: &Demo,
    seconds: f64,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "region",
        "as of",
        "active",
        "coverage",
        "target",
        "attainment",
        "first cards / queue",
        "",
    ]);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut questions: Vec<_> = findings.iter().map(|f| (f.region, f.as_of)).collect();
    questions.sort_unstable();
    questions.dedup();
    for (region, as_of) in questions {
        let ok = findings.iter().all(|f| f.ok || (f.region, f.as_of) != (region, as_of));
        table.add_row(row(&asker.progress(region, as_of)?, ok));
    }
    writeln!(out, "{table}")?;
    for finding in findings.iter().filter(|f| f.measure.contains("activations since")) {
        let found = finding.found.as_str().map_or(finding.found.to_string(), str::to_owned);
        writeln!(out, "{} as of {}: {}: {found}", finding.name, finding.as_of, finding.measure)?;
    }
    let count = |name: &str| happened[name].as_i64().map_or_else(|| "?".to_owned(), number);
    writeln!(
        out,
        "\n{} records in {seconds:.1} s, nothing dropped: {} events of {} people, among them {} \
         repeats, {} late,\n{} retractions, {} moves, {} activated in another region than home, {} \
         deactivations, {} deferrals; {} quarantined, {} missing.",
        number(demo.published() as i64),
        count("events"),
        count("subjects"),
        count("repeats"),
        count("late"),
        count("retractions"),
        count("moves"),
        count("served_elsewhere"),
        count("deactivations"),
        count("deferrals"),
        count("quarantined"),
        count("missing"),
    )?;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    writeln!(
        out,
        "{} of {} figures are as the offices reported them.",
        findings.len() - wrong.len(),
        findings.len()
    )?;
    for finding in wrong {
        writeln!(
            out,
            "✗ {} {} as of {}: {}: {} instead of {}",
            finding.region,
            finding.name,
            finding.as_of,
            finding.measure,
            finding.found,
            finding.expected
        )?;
    }
    Ok(())
}
