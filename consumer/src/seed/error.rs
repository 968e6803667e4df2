//! Why a store cannot be taken from another node, and what to do about it.

use laju_kafka::http_client::HttpError;
use laju_kafka::secret::SecretError;
use thiserror::Error;

use crate::projection::store::StoreError;

/// Why a store cannot be taken from another node.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The token cannot be read.
    #[error("--seed-token-file: {0}")]
    Token(#[from] SecretError),
    /// The node cannot be asked, and time does not mend it.
    #[error("--seed: {url} cannot be asked: {source}")]
    Http {
        /// The node.
        url: String,
        /// Why not.
        source: HttpError,
    },
    /// It wants a token.
    #[error(
        "--seed: {url} wants a token that it knows: give --seed-token-file FILE (or LAJU_SEED_TOKEN_FILE) with one of the role seed, which `laju token new --role seed` makes there"
    )]
    NoToken {
        /// The node.
        url: String,
    },
    /// The token is good for less.
    #[error(
        "--seed: {url} does not give its store to this token ({detail}): a store holds every subject's pseudonym and facts. `laju token new --role seed` makes a token for it there"
    )]
    Forbidden {
        /// The node.
        url: String,
        /// What it says.
        detail: String,
    },
    /// Something else answers.
    #[error(
        "--seed: {url} does not answer as a node that gives its store ({what}): is the address a worker's, and that worker of this version?"
    )]
    NotANode {
        /// The address.
        url: String,
        /// What it says.
        what: String,
    },
    /// It has folded another log, or by other rules.
    #[error(
        "--seed: the store of {url} is not of this log and these rules: its {what} is {theirs}, this worker's is {ours}. Seed from a node of the same version on the same topic, or leave --seed out, which folds the log"
    )]
    Another {
        /// The node.
        url: String,
        /// What differs.
        what: &'static str,
        /// What that node has.
        theirs: String,
        /// What this one has.
        ours: String,
    },
    /// The answers are of several nodes.
    #[error(
        "--seed: {url} answers for several nodes, whose stores do not go together: give one node's own address, not a balancer's"
    )]
    Several {
        /// The address.
        url: String,
    },
    /// It does not answer, or nothing comes.
    #[error(
        "--seed: the store did not come from {url} for {seconds} s ({why}). What has come is kept: start again with --seed, which goes on from there, or with --rebuild, which folds the log"
    )]
    Away {
        /// The node.
        url: String,
        /// What went wrong last.
        why: String,
        /// How long it was tried.
        seconds: u64,
    },
    /// What comes is damaged, every time.
    #[error(
        "--seed: what comes from {url} is damaged again and again ({what}): check the way there, and that node's disk (`laju verify --worker {url}`). Nothing damaged was kept"
    )]
    Damaged {
        /// The node.
        url: String,
        /// What is.
        what: String,
    },
    /// The chunks are not those that the node says.
    #[error(
        "--seed: the {kind} chunks of partition {partition} that come from {url} do not add up to what it says, every time: check the way there, and that node (`laju verify --worker {url}`), or leave --seed out and give --rebuild, which folds the log"
    )]
    NoSum {
        /// The node.
        url: String,
        /// The partition.
        partition: u32,
        /// The kind of chunks.
        kind: &'static str,
    },
    /// Asked to stop.
    #[error("interrupted; the next start with --seed goes on from here")]
    Interrupted,
    /// The store cannot be written.
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
