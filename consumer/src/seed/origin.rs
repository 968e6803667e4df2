//! The node that a store is taken from, as it is asked over HTTP.

use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use laju_kafka::http_client::{self, HttpError, Times, Trust};
use laju_kafka::problem::ProblemBody;
use laju_kafka::secret::{self, Authorization};
use laju_schemas::text::shown;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::error::{Failure, SeedError};
use crate::api::store::NODE_HEADER;
use crate::projection::format::Kind;
use crate::projection::store::Chunk;
use crate::query::store_manifest::{StoreManifest, read_frame};

/// How long connecting may take, and a short answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(40);
/// How long nothing may come of a run of chunks. It may wait for its turn behind others.
const STALLED: Duration = Duration::from_secs(40);
/// The largest short answer that is read: a row of a few hundred bytes for each partition.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// Chunks that are handed over together.
const PIECE: usize = 64;
/// Pieces that have come and are not written yet.
const AHEAD: usize = 16;

/// From where a store is taken.
#[derive(Clone, Debug)]
pub struct SeedFrom {
    /// The other node's address: its own, not that of a balancer.
    pub url: String,
    /// Holds a token of the role seed, where that node wants one.
    pub token_file: Option<PathBuf>,
    /// Whose certificates are trusted for https.
    pub trust: Trust,
    /// How long it is tried again while nothing comes.
    pub patience: Duration,
}

pub(super) struct Origin {
    url: String,
    /// For short answers, and for those that last.
    agents: (Agent, Agent),
    token: Option<Authorization>,
}

/// Chunks that are asked for together.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The node that they are of, by its name.
    pub(super) node: String,
    pub(super) partition: u32,
    pub(super) kind: Kind,
    pub(super) numbers: Range<u64>,
}

impl Origin {
    pub(super) fn new(from: &SeedFrom) -> Result<Self, SeedError> {
        let url = from.url.clone();
        let authorities =
            from.trust.read().map_err(|source| SeedError::Http { url: url.clone(), source })?;
        let agent =
            |whole| http_client::client(&authorities, Times { whole, connect: Some(CONNECT) });
        let token = from.token_file.as_deref().map(secret::token).transpose()?;
        Ok(Self { url, agents: (agent(Some(ANSWER)), agent(None)), token })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What its store is now.
    fn manifest(&self) -> Result<StoreManifest, Failure> {
        let mut response = self.ask(&self.agents.0, "/v1/store")?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        let body = body.map_err(|error| Failure::Away(HttpError::from(error).to_string()))?;
        serde_json::from_str(&body).map_err(|_| self.is_none("it does not say what its store is"))
    }

    fn chunks(&self, run: &Run) -> Result<impl Read + use<>, Failure> {
        let Run { node, partition, kind, numbers } = run;
        let (kind, from, to) = (kind.as_str(), numbers.start, numbers.end);
        let path = format!("/v1/store/{partition}/{kind}?from={from}&to={to}");
        let response = self.ask(&self.agents.1, &path)?;
        if response.headers().get(NODE_HEADER).is_none_or(|name| name.as_bytes() != node.as_bytes())
        {
            return Err(Failure::refused(SeedError::Several { url: self.url.clone() }));
        }
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    fn ask(&self, agent: &Agent, path: &str) -> Result<Response<Body>, Failure> {
        let request = agent.get(format!("{}{path}", self.url));
        let request = match &self.token {
            Some(token) => request.header("authorization", token.header()),
            None => request,
        };
        let mut response = request.call().map_err(|error| self.unreached(error.into()))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        if let Some(elsewhere) = http_client::elsewhere(&response) {
            return Err(self.is_none(&elsewhere));
        }
        let body = response.body_mut().with_config().limit(1 << 20).read_to_string();
        let problem = body.ok().and_then(|body| serde_json::from_str::<ProblemBody>(&body).ok());
        let detail = problem.as_ref().map(|problem| shown(&problem.detail));
        let url = self.url.clone();
        Err(match (status, detail) {
            (StatusCode::UNAUTHORIZED, _) => Failure::refused(SeedError::NoToken { url }),
            (StatusCode::FORBIDDEN, Some(detail)) => {
                Failure::refused(SeedError::Forbidden { url, detail })
            }
            // Chunks that it had: it has been rebuilt since.
            (StatusCode::NOT_FOUND, Some(detail)) if path.contains('?') => Failure::Away(detail),
            (status, Some(detail))
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Failure::Away(detail)
            }
            // A proxy in front of it.
            (status, None) if status.is_server_error() => Failure::Away(status.to_string()),
            (status, detail) => {
                self.is_none(format!("{status} {}", detail.unwrap_or_default()).trim())
            }
        })
    }

    fn unreached(&self, error: HttpError) -> Failure {
        match error {
            HttpError::Timeout | HttpError::NoHost | HttpError::Connection(_) => {
                Failure::Away(error.to_string())
            }
            source => Failure::refused(SeedError::Http { url: self.url.clone(), source }),
        }
    }

    fn is_none(&self, what: &str) -> Failure {
        Failure::refused(SeedError::NotANode { url: self.url.clone(), what: shown(what) })
    }
}

/// What the node's store is now, asked for in a thread of its own: see [`Pieces`].
pub(super) fn manifest(
    origin: &Arc<Origin>,
    slice: Duration,
    go_on: impl Fn() -> Result<(), SeedError>,
) -> Result<StoreManifest, Failure> {
    let (sender, receiver) = sync_channel(1);
    let asked = Arc::clone(origin);
    spawn(move || drop(sender.send(asked.manifest())))?;
    loop {
        go_on()?;
        match receiver.recv_timeout(slice) {
            Ok(manifest) => return manifest,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Away("the answer broke off".to_owned()));
            }
        }
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name("laju-seed".to_owned()).spawn(run);
    let failed = |error| Failure::Away(format!("no thread can be started: {error}"));
    thread.map(drop).map_err(failed)
}

/// Chunks on their way: a thread of its own reads them, which is left to itself when they are not wanted
/// any more, as a read from a socket cannot be called off.
pub(super) struct Pieces {
    receiver: Receiver<Result<Vec<Chunk>, Failure>>,
    heard: Instant,
}

/// Asks for chunks.
pub(super) fn receive(origin: Arc<Origin>, run: Run) -> Result<Pieces, Failure> {
    let (sender, receiver) = sync_channel(AHEAD);
    spawn(move || {
        if let Err(failure) = read(&origin, &run, &sender) {
            // A caller that has given up does not listen any more.
            drop(sender.send(Err(failure)));
        }
    })?;
    Ok(Pieces { receiver, heard: Instant::now() })
}

fn read(
    origin: &Origin,
    run: &Run,
    sender: &SyncSender<Result<Vec<Chunk>, Failure>>,
) -> Result<(), Failure> {
    let mut stream = BufReader::with_capacity(1 << 16, origin.chunks(run)?);
    let mut piece = Vec::with_capacity(PIECE);
    for number in run.numbers.clone() {
        let failure = match read_frame(&mut stream) {
            Ok(Some(chunk)) => {
                piece.push(chunk);
                if piece.len() == PIECE && sender.send(Ok(std::mem::take(&mut piece))).is_err() {
                    return Ok(());
                }
                continue;
            }
            Ok(None) => Failure::Away("the answer broke off".to_owned()),
            Err(error) if error.kind() == ErrorKind::InvalidData => Failure::Damaged(format!(
                "chunk {number} of the {} of partition {} arrived damaged",
                run.kind.as_str(),
                run.partition
            )),
            Err(error) => Failure::Away(format!("the answer broke off: {error}")),
        };
        // What came before it is whole.
        if !piece.is_empty() {
            drop(sender.send(Ok(piece)));
        }
        return Err(failure);
    }
    if !piece.is_empty() {
        drop(sender.send(Ok(piece)));
    }
    // To its end, so that the connection can be used again.
    drop(stream.read(&mut [0]));
    Ok(())
}

impl Pieces {
    /// The next ones; none if nothing comes for a while.
    pub(super) fn next(
        &mut self,
        wait: Duration,
        go_on: impl Fn() -> Result<(), SeedError>,
    ) -> Result<Option<Vec<Chunk>>, Failure> {
        go_on()?;
        match self.receiver.recv_timeout(wait) {
            Ok(piece) => {
                self.heard = Instant::now();
                piece.map(Some)
            }
            Err(RecvTimeoutError::Timeout) if self.heard.elapsed() < STALLED => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(Failure::Away(format!("nothing came for {} s", STALLED.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Failure::Away("the answer broke off".to_owned()))
            }
        }
    }
}
