//! `laju-kiosk emit`: events through the agent on this machine; one, or an office's whole list.

mod list;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_schemas::{Fact, OutreachId, RegionCode, TimestampMs};
use serde_json::{Value, json};

use super::agent::AgentAddress;
use super::fact::FactCommand;
use super::status::ATTENTION_EXIT_CODE;
use crate::agent::http::OneAnswer;
use laju_kafka::secret;
use laju_kafka::settings::Environment;
use laju_kafka::terminal::{self, shown};

/// The options of `emit`, which stand before the fact.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  \
    printf 1871010101900001 | laju-kiosk emit --nik-file - --home-region 18.71 activated --channel office\n  \
    laju-kiosk emit --file list.ndjson\n\n\
    Ends with 1 if anything was refused, and with 3 if a repeated event, or others of this kiosk, \
    could not be counted.",
    subcommand_value_name = "FACT",
    subcommand_help_heading = "Facts"
)]
pub(super) struct Emit {
    /// Events in NDJSON, a line each as for the agent's POST /v1/events; - is standard input. A
    /// line without an idempotency_key is given one made of its text, so that the same file may
    /// be sent again.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nik_file", "home_region", "outreach_id", "occurred_at", "idempotency_key"])]
    file: Option<PathBuf>,

    /// A file that holds the citizen's NIK, - for standard input; else LAJU_NIK is taken. Never
    /// given as an argument, because other users can read those.
    #[arg(long, value_name = "FILE")]
    nik_file: Option<PathBuf>,

    /// Where the citizen is registered: a regency or city, e.g. 18.71.
    #[arg(long, value_name = "CODE")]
    home_region: Option<RegionCode>,

    /// The outreach visit at which it happened.
    #[arg(long, value_name = "ID")]
    outreach_id: Option<OutreachId>,

    /// When it happened, e.g. 2024-05-03T09:30:00+07:00 (default: now).
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<TimestampMs>,

    /// Your own name of this event; the same name sent again counts once.
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    agent: AgentAddress,

    #[command(subcommand)]
    fact: Option<FactCommand>,
}

impl Emit {
    pub(super) fn run(self, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        match (&self.file, &self.fact) {
            (Some(_), Some(_)) => bail!("give either --file or a fact, not both"),
            (None, None) => bail!("give a fact (see `laju-kiosk emit --help`), or --file"),
            (Some(file), None) => self.send_file(file),
            (None, Some(fact)) => self.send_one(Fact::from(fact.clone()), env),
        }
    }

    fn send_one(&self, fact: Fact, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        let home_region = self.home_region.context("--home-region is needed")?;
        let nik = secret::nik_text(self.nik_file.as_deref(), env("LAJU_NIK"))?;
        let mut event = json!({ "nik": nik.as_str(), "home_region": home_region, "fact": fact });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                event[name] = value;
            }
        };
        set("outreach_id", self.outreach_id.as_ref().map(|id| json!(id)));
        set("occurred_at", self.occurred_at.map(|at| json!(at)));
        set("idempotency_key", self.idempotency_key.as_ref().map(|key| json!(key)));
        let accepted: OneAnswer = self.agent.client().post_json("/v1/events", &event)?.read()?;
        if self.json {
            writeln!(terminal::stdout(), "{}", serde_json::to_string(&accepted)?)?;
        } else {
            println!("event     {}", accepted.event_id);
            println!("sequence  {}", accepted.sequence);
            if accepted.repeated {
                println!("accepted before, under the same idempotency key");
            }
        }
        noted(&accepted.note);
        Ok(warned(accepted.warning.as_deref()))
    }

    fn send_file(&self, path: &Path) -> anyhow::Result<ExitCode> {
        let (report, sent) = list::send(path, &self.agent.client())?;
        if self.json {
            writeln!(terminal::stdout(), "{}", serde_json::to_string(&report)?)?;
        } else {
            report.print();
        }
        noted(&report.notes);
        sent?;
        let code = warned(report.warning.as_deref());
        Ok(if report.refused.is_empty() { code } else { ExitCode::FAILURE })
    }
}

/// Says what is good to know.
pub(super) fn noted<'a>(notes: impl IntoIterator<Item = &'a String>) {
    for note in notes {
        eprintln!("note: {}", shown(note));
    }
}

/// How the program ends, where the agent gave a warning.
pub(super) fn warned(warning: Option<&str>) -> ExitCode {
    match warning {
        Some(warning) => {
            eprintln!("warning: {}", shown(warning));
            ExitCode::from(ATTENTION_EXIT_CODE)
        }
        None => ExitCode::SUCCESS,
    }
}
