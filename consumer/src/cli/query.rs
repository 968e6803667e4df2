//! `laju query`: asks a running worker over HTTP, and prints a table for people or, with
//! `--json`, the answer as it came.

mod insight;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use laju_producer::http_client::{self, HttpError, Times, Trust};
use laju_producer::secret;
use laju_schemas::position::{AT_LEAST_HEADER, POSITION_HEADER, Position};
use laju_schemas::{EventId, FigureId, RegionCode};
use serde::de::DeserializeOwned;

use crate::api::problem::ProblemBody;
use crate::query::answer::{By, Step};
use crate::query::kiosks::{KiosksQuestion, PAGE, escaped};
use crate::query::table::harmless;
use crate::query::{
    change_table, evidence_table, figure_table, flow_table, kiosk_table, outreach_table,
    pace_table, table,
};
pub use insight::{ChangeArgs, EvidenceArgs, FlowsArgs, OutreachArgs, PaceArgs, PostingsArgs};

const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read: far above that of all regions.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Ask a running worker.
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// What to ask.
    #[command(subcommand)]
    pub command: QueryCommand,
}

/// What to ask.
#[derive(Clone, Debug, Subcommand)]
pub enum QueryCommand {
    /// How far is a region, or every region?
    Progress(ProgressArgs),
    /// How did a region get where it is?
    Series(SeriesArgs),
    /// What brought a region's figures, who served, and why not?
    Breakdown(BreakdownArgs),
    /// Is a region's pace enough, or that of every region?
    Pace(PaceArgs),
    /// Why does a region's figure differ between two days?
    Change(ChangeArgs),
    /// What does a region's figure rest on?
    Evidence(EvidenceArgs),
    /// Which postings does a region's figure consist of?
    Postings(PostingsArgs),
    /// Who serves whom, and who moves where?
    Flows(FlowsArgs),
    /// What did outreach visits bring?
    Outreach(OutreachArgs),
    /// Is anything missing of any kiosk?
    Kiosks(KiosksArgs),
    /// What is known of one kiosk?
    Kiosk(KioskArgs),
    /// What became of an event?
    Event(EventArgs),
    /// What was once quoted, what is it now, and why do the two differ?
    Figure(FigureArgs),
    /// Which figures were quoted?
    Figures(FiguresArgs),
    /// What could not be counted, and why?
    Quarantine(QuarantineArgs),
    /// Which regions are there?
    Regions(RegionsArgs),
}

/// Whom to ask, and how to print the answer.
#[derive(Clone, Debug, Args)]
pub struct Node {
    /// The worker's address, by http or https.
    #[arg(long, env = "LAJU_URL", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = http_client::address)]
    pub url: String,

    /// Holds the token that the worker asks for.
    #[arg(long, env = "LAJU_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Whose certificates are trusted for https.
    #[command(flatten)]
    pub trust: Trust,

    /// Print the answer in JSON, as it came.
    #[arg(long)]
    pub json: bool,

    /// Keeps the position of the answer: the next question with this file is answered from there or
    /// later, by whichever node. May hold one from elsewhere, and need not be there yet.
    #[arg(long, env = "LAJU_POSITION_FILE", value_name = "FILE")]
    pub position_file: Option<PathBuf>,
}

/// The two days of a question.
#[derive(Clone, Copy, Debug, Args)]
pub struct Days {
    /// The day whose truth is asked for [default: all there is].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub as_of: Option<Date>,

    /// The day whose knowledge is asked for [default: all that is known].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub known_at: Option<Date>,
}

/// A level of regions below the nation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Provinces.
    Province,
    /// Regencies and cities.
    Regency,
}

/// How far is a region, or every region?
#[derive(Clone, Debug, Args)]
pub struct ProgressArgs {
    /// A regency or city (18.71), a province (18) or the nation (ID) [default: every region].
    #[arg(value_name = "REGION")]
    pub region: Option<RegionCode>,

    /// Which regions get a row [default: regency].
    #[arg(long, conflicts_with = "region")]
    pub level: Option<Level>,

    /// The region within which they lie [default: ID].
    #[arg(long, value_name = "REGION", conflicts_with = "region")]
    pub within: Option<RegionCode>,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// How did a region get where it is?
#[derive(Clone, Debug, Args)]
pub struct SeriesArgs {
    /// The region.
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Date,

    /// The last day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Date,

    /// How long each step is: day, week or month.
    #[arg(long, default_value = "month")]
    pub step: Step,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What brought a region's figures, who served, and why not?
#[derive(Clone, Debug, Args)]
pub struct BreakdownArgs {
    /// The region.
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// channel, venue, outreach, service_region, first_time, deferral_reason, card_reason or
    /// deactivation_reason.
    #[arg(long)]
    pub by: By,

    /// The two days.
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// Is anything missing of any kiosk?
#[derive(Clone, Debug, Args)]
pub struct KiosksArgs {
    /// Only kiosks whose own region lies within this one.
    #[arg(long, value_name = "REGION")]
    pub within: Option<RegionCode>,

    /// Only kiosks that are silent beyond their habit.
    #[arg(long)]
    pub silent: bool,

    /// Only kiosks of which something is missing.
    #[arg(long)]
    pub missing: bool,

    /// Only kiosks behind this one.
    #[arg(long, value_name = "KIOSK")]
    pub after: Option<String>,

    /// How many to show at most.
    #[arg(long, value_name = "N", default_value_t = PAGE)]
    pub limit: usize,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What is known of one kiosk?
#[derive(Clone, Debug, Args)]
pub struct KioskArgs {
    /// The kiosk's id.
    #[arg(value_name = "KIOSK")]
    pub kiosk: String,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What became of an event?
#[derive(Clone, Debug, Args)]
pub struct EventArgs {
    /// The event's id.
    #[arg(value_name = "UUID")]
    pub event_id: EventId,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What was once quoted, what is it now, and why do the two differ?
#[derive(Clone, Debug, Args)]
pub struct FigureArgs {
    /// The figure's id.
    #[arg(value_name = "UUID")]
    pub figure_id: FigureId,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// Which figures were quoted?
#[derive(Clone, Debug, Args)]
pub struct FiguresArgs {
    /// Only those of this region.
    #[arg(long, value_name = "REGION")]
    pub region: Option<RegionCode>,

    /// How many to show at most, the latest first [default: 50].
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// What could not be counted, and why?
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    /// Only what was recorded up to this day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub known_at: Option<Date>,

    /// Only records that name this region as home or service region.
    #[arg(long, value_name = "REGION")]
    pub within: Option<RegionCode>,

    /// How many of the latest records to show [default: 50].
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

/// Which regions are there?
#[derive(Clone, Debug, Args)]
pub struct RegionsArgs {
    /// Only regions of this level.
    #[arg(long)]
    pub level: Option<Level>,

    /// Only regions within this one.
    #[arg(long, value_name = "REGION")]
    pub within: Option<RegionCode>,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl QueryArgs {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    /// If nobody answers, the worker has no answer (it says why), or `out` cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let path = self.command.path();
        match &self.command {
            QueryCommand::Progress(ProgressArgs { region: Some(_), node, .. }) => {
                node.print(&path, table::progress, out)
            }
            QueryCommand::Progress(args) => args.node.print(&path, table::progress_list, out),
            QueryCommand::Series(args) => args.node.print(&path, table::series, out),
            QueryCommand::Breakdown(args) => args.node.print(&path, table::breakdown, out),
            QueryCommand::Pace(PaceArgs { region: Some(_), node, .. }) => {
                node.print(&path, pace_table::pace, out)
            }
            QueryCommand::Pace(args) => args.node.print(&path, pace_table::pace_list, out),
            QueryCommand::Change(args) => args.node.print(&path, change_table::change, out),
            QueryCommand::Evidence(args) => args.node.print(&path, evidence_table::evidence, out),
            QueryCommand::Postings(args) => args.node.print(&path, change_table::postings, out),
            QueryCommand::Flows(FlowsArgs { region: Some(_), node, .. }) => {
                node.print(&path, flow_table::region_flows, out)
            }
            QueryCommand::Flows(args) => args.node.print(&path, flow_table::flows, out),
            QueryCommand::Outreach(OutreachArgs { id: Some(_), node, .. }) => {
                node.print(&path, outreach_table::visit, out)
            }
            QueryCommand::Outreach(args) => args.node.print(&path, outreach_table::outreach, out),
            QueryCommand::Kiosks(args) => args.node.print(&path, kiosk_table::kiosks, out),
            QueryCommand::Kiosk(args) => args.node.print(&path, kiosk_table::kiosk, out),
            QueryCommand::Event(args) => args.node.print(&path, kiosk_table::event, out),
            QueryCommand::Figure(args) => args.node.print(&path, figure_table::then_and_now, out),
            QueryCommand::Figures(args) => args.node.print(&path, figure_table::figures, out),
            QueryCommand::Quarantine(args) => args.node.print(&path, table::quarantine, out),
            QueryCommand::Regions(args) => args.node.print(&path, table::regions, out),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl QueryCommand {
    /// Path and parameters of the question. Of the values only kiosks' ids need escaping.
    fn path(&self) -> String {
        let mut parameters = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            parameters.extend(value.map(|value| format!("{name}={value}")));
        };
        let path = match self {
            Self::Progress(ProgressArgs { region, level, within, days, .. }) => {
                add("level", level.map(|level| level.to_string()));
                add("within", within.map(|code| code.to_string()));
                days.add(add);
                match region {
                    Some(region) => format!("/v1/regions/{region}/progress"),
                    None => "/v1/progress".to_owned(),
                }
            }
            Self::Series(SeriesArgs { region, from, to, step, days, .. }) => {
                add("from", Some(from.to_string()));
                add("to", Some(to.to_string()));
                add("step", Some(step.to_string()));
                days.add(add);
                format!("/v1/regions/{region}/series")
            }
            Self::Breakdown(BreakdownArgs { region, by, days, .. }) => {
                add("by", Some(by.to_string()));
                days.add(add);
                format!("/v1/regions/{region}/breakdown")
            }
            Self::Pace(args) => {
                args.add(add);
                match args.region {
                    Some(region) => format!("/v1/regions/{region}/pace"),
                    None => "/v1/pace".to_owned(),
                }
            }
            Self::Change(args) => {
                args.add(add);
                format!("/v1/regions/{}/change", args.region)
            }
            Self::Evidence(args) => {
                args.days.add(add);
                format!("/v1/regions/{}/evidence", args.region)
            }
            Self::Postings(args) => return args.path(),
            Self::Flows(args) => {
                add("within", args.within.map(|code| code.to_string()));
                args.days.add(add);
                match args.region {
                    Some(region) => format!("/v1/regions/{region}/flows"),
                    None => "/v1/flows".to_owned(),
                }
            }
            Self::Outreach(args) => {
                args.add(add);
                match &args.id {
                    Some(id) => format!("/v1/outreach/{}", escaped(id)),
                    None => "/v1/outreach".to_owned(),
                }
            }
            Self::Kiosks(KiosksArgs { within, silent, missing, after, limit, .. }) => {
                return KiosksQuestion {
                    within: *within,
                    silent: silent.then_some(true),
                    missing: missing.then_some(true),
                    after: after.clone(),
                    limit: *limit,
                }
                .path();
            }
            Self::Kiosk(KioskArgs { kiosk, .. }) => format!("/v1/kiosks/{}", escaped(kiosk)),
            Self::Event(EventArgs { event_id, .. }) => format!("/v1/events/{event_id}"),
            Self::Figure(FigureArgs { figure_id, .. }) => format!("/v1/figures/{figure_id}"),
            Self::Figures(FiguresArgs { region, limit, .. }) => {
                add("region", region.map(|code| code.to_string()));
                add("limit", limit.map(|limit| limit.to_string()));
                "/v1/figures".to_owned()
            }
            Self::Quarantine(QuarantineArgs { known_at, within, limit, .. }) => {
                add("within", within.map(|code| code.to_string()));
                add("known_at", known_at.map(|day| day.to_string()));
                add("limit", limit.map(|limit| limit.to_string()));
                "/v1/quarantine".to_owned()
            }
            Self::Regions(RegionsArgs { level, within, .. }) => {
                add("level", level.map(|level| level.to_string()));
                add("within", within.map(|code| code.to_string()));
                "/v1/regions".to_owned()
            }
        };
        if parameters.is_empty() { path } else { format!("{path}?{}", parameters.join("&")) }
    }
}

impl Days {
    fn add(self, mut add: impl FnMut(&str, Option<String>)) {
        add("as_of", self.as_of.map(|day| day.to_string()));
        add("known_at", self.known_at.map(|day| day.to_string()));
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Province => "province",
            Self::Regency => "regency",
        })
    }
}

impl Node {
    fn print<T: DeserializeOwned>(
        &self,
        path: &str,
        table: impl FnOnce(&T) -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        self.show(self.ask(path)?, table, out)
    }

    /// Sends a body in JSON, and prints the answer.
    pub(super) fn print_posted<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        table: impl FnOnce(&T) -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        self.show(self.exchange(path, Some(body))?, table, out)
    }

    fn show<T: DeserializeOwned>(
        &self,
        body: String,
        table: impl FnOnce(&T) -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{body}")?;
        } else {
            let answer = serde_json::from_str(&body).with_context(|| {
                format!("{} gave an answer that this version cannot read; try --json", self.url)
            })?;
            writeln!(out, "{}", table(&answer))?;
        }
        Ok(())
    }

    pub(super) fn ask(&self, path: &str) -> anyhow::Result<String> {
        self.exchange(path, None)
    }

    fn exchange(&self, path: &str, body: Option<&serde_json::Value>) -> anyhow::Result<String> {
        let mut response = self.send(path, body, Some(TIMEOUT))?;
        response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_string()
            .with_context(|| format!("the answer of {}{path} broke off", self.url))
    }

    /// Asks for something that may be long: a stream that ends when it ends.
    ///
    /// # Errors
    /// If there is no answer, or none but a problem.
    pub(super) fn stream(&self, path: &str) -> anyhow::Result<impl std::io::Read + use<>> {
        let response = self.send(path, None, None)?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// The position in the file, if there is one.
    fn position(&self) -> anyhow::Result<Option<Position>> {
        let Some(file) = &self.position_file else { return Ok(None) };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", file.display()));
            }
        };
        match text.trim() {
            "" => Ok(None),
            text => Ok(Some(text.parse().with_context(|| file.display().to_string())?)),
        }
    }

    /// Puts an answer's position into the file.
    fn keep_position(&self, headers: &ureq::http::HeaderMap) -> anyhow::Result<()> {
        let position = headers.get(POSITION_HEADER).and_then(|position| position.to_str().ok());
        if let (Some(file), Some(position)) = (&self.position_file, position) {
            std::fs::write(file, format!("{position}\n"))
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
        Ok(())
    }

    /// The answer to a request that succeeds.
    fn send(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
        timeout: Option<Duration>,
    ) -> anyhow::Result<ureq::http::Response<ureq::Body>> {
        let times = Times { whole: timeout, connect: Some(TIMEOUT) };
        let agent = http_client::client(&self.trust.read()?, times);
        let url = format!("{}{path}", self.url);
        let token = self.token_file.as_deref().map(secret::token).transpose()?;
        let position = self.position()?;
        let answered = match body {
            None => by(agent.get(&url), token.as_ref(), position.as_ref()).call(),
            Some(body) => by(agent.post(&url), token.as_ref(), position.as_ref()).send_json(body),
        };
        let mut response = answered.map_err(HttpError::from).with_context(|| {
            format!(
                "no worker answers at {}; start one (laju worker, laju demo), or give another address",
                self.url
            )
        })?;
        let status = response.status();
        if status.is_success() {
            self.keep_position(response.headers())?;
            return Ok(response);
        }
        if let Some(elsewhere) = http_client::elsewhere(&response) {
            bail!("no worker answers at {}: {}", self.url, harmless(&elsewhere));
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_string()
            .with_context(|| format!("the answer of {url} broke off"))?;
        if status == axum::http::StatusCode::UNAUTHORIZED {
            bail!(
                "{} wants a token that it knows: give --token-file FILE or LAJU_TOKEN_FILE",
                self.url
            );
        }
        match serde_json::from_str::<ProblemBody>(&body) {
            Ok(problem) => bail!("{}: {}", problem.title, problem.detail),
            Err(_) => bail!("{url} answered {status}, and not as a Laju worker does"),
        }
    }
}

/// A request by whoever has a token, if one was given, to be answered from a position on.
fn by<B>(
    request: ureq::RequestBuilder<B>,
    token: Option<&secret::Token>,
    position: Option<&Position>,
) -> ureq::RequestBuilder<B> {
    let request = match token {
        Some(token) => request.header("authorization", token.authorization().as_str()),
        None => request,
    };
    match position {
        Some(position) => request.header(AT_LEAST_HEADER, position.to_string()),
        None => request,
    }
}
