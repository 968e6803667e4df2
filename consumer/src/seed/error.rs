//! Why a store cannot be taken from another node, and what to do about it.

use laju_kafka::http_client::HttpError;
use laju_kafka::secret::SecretError;
use thiserror::Error;

use crate::projection::store::StoreError;

/// Why a store cannot be taken from another node.
#[derive(Debug, Error)]
pub enum SeedError {
    #[error("--seed-token-file: {0}")]
    Token(#[from] SecretError),
    #[error("--seed: {url} cannot be asked: {source}")]
    Http { url: String, source: HttpError },
    #[error(
        "--seed: {url} wants a token that it knows: give --seed-token-file FILE (or LAJU_SEED_TOKEN_FILE) with one of the role seed, which `laju token new --role seed` makes there"
    )]
    NoToken { url: String },
    #[error(
        "--seed: {url} does not give its store to this token ({detail}): a store holds every subject's pseudonym and facts. `laju token new --role seed` makes a token for it there"
    )]
    Forbidden { url: String, detail: String },
    #[error(
        "--seed: {url} does not answer as a node that gives its store ({what}): is the address a worker's, and that worker of this version?"
    )]
    NotANode { url: String, what: String },
    #[error(
        "--seed: the store of {url} is not of this log and these rules: its {what} is {theirs}, this worker's is {ours}. Seed from a node of the same version on the same topic, or leave --seed out, which folds the log"
    )]
    Another { url: String, what: &'static str, theirs: String, ours: String },
    #[error(
        "--seed: {url} answers for several nodes, whose stores do not go together: give one node's own address, not a balancer's"
    )]
    Several { url: String },
    #[error(
        "--seed: the store did not come from {url} for {seconds} s ({why}). What has come is kept: start again with --seed, which goes on from there, or with --rebuild, which folds the log"
    )]
    Away { url: String, why: String, seconds: u64 },
    #[error(
        "--seed: what comes from {url} is damaged again and again ({what}): check the way there, and that node's disk (`laju verify --worker {url}`). Nothing damaged was kept"
    )]
    Damaged { url: String, what: String },
    #[error(
        "--seed: the {kind} chunks of partition {partition} that come from {url} do not add up to what it says, every time: check the way there, and that node (`laju verify --worker {url}`), or leave --seed out and give --rebuild, which folds the log"
    )]
    NoSum { url: String, partition: u32, kind: &'static str },
    #[error("interrupted; the next start with --seed goes on from here")]
    Interrupted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is away, or has broken off: that is tried again for a while.
    Away(String),
    /// What came is not what was sent.
    Damaged(String),
    /// No further attempt helps.
    Refused(Box<SeedError>),
}

impl Failure {
    pub(super) fn refused(error: SeedError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        Self::refused(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::refused(error.into())
    }
}
