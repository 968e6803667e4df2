//! `laju query`: asks a running worker over HTTP, and prints a table for people or, with
//! `--json`, the answer as it came.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use laju_kafka::http_client::{self, HttpError, Times, Trust};
use laju_kafka::problem::ProblemBody;
use laju_kafka::secret;
use laju_schemas::position::{AT_LEAST_HEADER, POSITION_HEADER, Position};
use serde::de::DeserializeOwned;

use super::tables::{self, harmless};
use crate::query::explanations::change::ChangeQuestion;
use crate::query::explanations::evidence::EvidenceQuestion;
use crate::query::explanations::postings::PostingsQuestion;
use crate::query::figures::breakdown::BreakdownQuestion;
use crate::query::figures::flows::{FlowsQuestion, RegionFlowsQuestion};
use crate::query::figures::outreach::{OutreachQuestion, VisitQuestion};
use crate::query::figures::pace::PaceQuestion;
use crate::query::figures::pace_list::PaceListQuestion;
use crate::query::figures::progress::{ProgressListQuestion, ProgressQuestion};
use crate::query::figures::series::SeriesQuestion;
use crate::query::kiosks::event::EventQuestion;
use crate::query::kiosks::list::{KioskQuestion, KiosksQuestion};
use crate::query::kiosks::quarantine::QuarantineQuestion;
use crate::query::question::Endpoint;
use crate::query::quoted::{FigureQuestion, FiguresQuestion};
use crate::query::regions::RegionsQuestion;

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
    Progress(OneOrAll<ProgressQuestion, ProgressListQuestion>),
    /// How did a region get where it is?
    Series(Ask<SeriesQuestion>),
    /// What brought a region's figures, who served, and why not?
    Breakdown(Ask<BreakdownQuestion>),
    /// Is a region's pace enough, or that of every region?
    Pace(OneOrAll<PaceQuestion, PaceListQuestion>),
    /// Why does a region's figure differ between two days?
    Change(Ask<ChangeQuestion>),
    /// What does a region's figure rest on?
    Evidence(Ask<EvidenceQuestion>),
    /// Which postings does a region's figure consist of?
    Postings(Ask<PostingsQuestion>),
    /// Who serves whom, and who moves where?
    Flows(OneOrAll<RegionFlowsQuestion, FlowsQuestion>),
    /// What did outreach visits bring?
    Outreach(OneOrAll<VisitQuestion, OutreachQuestion>),
    /// Is anything missing of any kiosk?
    Kiosks(Ask<KiosksQuestion>),
    /// What is known of one kiosk?
    Kiosk(Ask<KioskQuestion>),
    /// What became of an event?
    Event(Ask<EventQuestion>),
    /// What was once quoted, what is it now, and why do the two differ?
    Figure(Ask<FigureQuestion>),
    /// Which figures were quoted?
    Figures(Ask<FiguresQuestion>),
    /// What could not be counted, and why?
    Quarantine(Ask<QuarantineQuestion>),
    /// Which regions are there?
    Regions(Ask<RegionsQuestion>),
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

/// A question, its days, and whom to ask it.
#[derive(Clone, Debug, Args)]
pub struct Ask<Q: Endpoint> {
    #[command(flatten)]
    question: Q,
    #[command(flatten)]
    days: Q::Days,
    #[command(flatten)]
    node: Node,
}

/// What is asked of one (a region, a visit), or else of all of them.
#[derive(Clone, Debug)]
pub enum OneOrAll<One: Endpoint, All: Endpoint<Days = One::Days>> {
    /// Of the one that is named first.
    One(Ask<One>),
    /// Of all, as none is named.
    All(Ask<All>),
}

impl QueryArgs {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    /// If nobody answers, the worker has no answer (it says why), or `out` cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        use QueryCommand as Of;
        match &self.command {
            Of::Progress(ask) => ask.print(tables::progress, tables::progress_list, out),
            Of::Series(ask) => ask.print(tables::series, out),
            Of::Breakdown(ask) => ask.print(tables::breakdown, out),
            Of::Pace(ask) => ask.print(tables::pace::pace, tables::pace::pace_list, out),
            Of::Change(ask) => ask.print(tables::change::change, out),
            Of::Evidence(ask) => ask.print(tables::evidence::evidence, out),
            Of::Postings(ask) => ask.print(tables::change::postings, out),
            Of::Flows(ask) => ask.print(tables::flows::region_flows, tables::flows::flows, out),
            Of::Outreach(ask) => {
                ask.print(tables::outreach::visit, tables::outreach::outreach, out)
            }
            Of::Kiosks(ask) => ask.print(tables::kiosks::kiosks, out),
            Of::Kiosk(ask) => ask.print(tables::kiosks::kiosk, out),
            Of::Event(ask) => ask.print(tables::kiosks::event, out),
            Of::Figure(ask) => ask.print(tables::figure::then_and_now, out),
            Of::Figures(ask) => ask.print(tables::figure::figures, out),
            Of::Quarantine(ask) => ask.print(tables::quarantine, out),
            Of::Regions(ask) => ask.print(tables::regions, out),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl<Q: Endpoint> Ask<Q> {
    fn path(&self) -> String {
        self.question.link(&self.days)
    }

    fn print(
        &self,
        table: impl FnOnce(&Q::Answer) -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        self.node.print(&self.path(), table, out)
    }
}

impl<One: Endpoint, All: Endpoint<Days = One::Days>> OneOrAll<One, All> {
    #[cfg(test)]
    fn path(&self) -> String {
        match self {
            Self::One(ask) => ask.path(),
            Self::All(ask) => ask.path(),
        }
    }

    fn print(
        &self,
        one: impl FnOnce(&One::Answer) -> String,
        all: impl FnOnce(&All::Answer) -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        match self {
            Self::One(ask) => ask.print(one, out),
            Self::All(ask) => ask.print(all, out),
        }
    }

    /// What names the one: the argument without a dash.
    fn name(command: &Command) -> clap::Id {
        let mut named = command.get_positionals().map(|argument| argument.get_id().clone());
        named.next().expect("what is asked of one names it")
    }
}

/// Those of both: the one is named, or not; what only one of the two takes is refused with the other.
impl<One: Endpoint, All: Endpoint<Days = One::Days>> Args for OneOrAll<One, All> {
    fn augment_args(command: Command) -> Command {
        let ids = |command: &Command| -> Vec<clap::Id> {
            command.get_arguments().map(|argument| argument.get_id().clone()).collect()
        };
        let mut command = One::augment_args(command);
        let (name, of_one) = (Self::name(&command), ids(&command));
        command = command.mut_arg(name.clone(), |argument| argument.required(false));
        for id in of_one.iter().filter(|id| **id != name) {
            command = command.mut_arg(id.clone(), |argument| argument.requires(name.clone()));
        }
        command = All::augment_args(command);
        for id in ids(&command).into_iter().filter(|id| !of_one.contains(id)) {
            command = command.mut_arg(id, |argument| argument.conflicts_with_all(of_one.clone()));
        }
        Node::augment_args(One::Days::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<One: Endpoint, All: Endpoint<Days = One::Days>> FromArgMatches for OneOrAll<One, All> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let name = Self::name(&One::augment_args(Command::new("one")));
        Ok(if matches.contains_id(name.as_str()) {
            Self::One(Ask::from_arg_matches(matches)?)
        } else {
            Self::All(Ask::from_arg_matches(matches)?)
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
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

/// A request with a token, if one was given, to be answered from a position on.
fn by<B>(
    request: ureq::RequestBuilder<B>,
    token: Option<&secret::Authorization>,
    position: Option<&Position>,
) -> ureq::RequestBuilder<B> {
    let request = match token {
        Some(token) => request.header("authorization", token.header()),
        None => request,
    };
    match position {
        Some(position) => request.header(AT_LEAST_HEADER, position.to_string()),
        None => request,
    }
}
