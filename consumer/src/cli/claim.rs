//! What is compared: a partition's ledger as a worker sends it, or as a store holds it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use laju_kafka::http_client::{self, Trust};

use super::output::bar;
use super::query::Node;
use crate::ingest::recompute::RecomputeError;
use crate::projection::partition_ledger::PartitionLedger;
use crate::projection::store::{Store, StoreError};
use crate::query::ledger::compare::Rows;
use crate::query::ledger::lines::{LedgerDigest, LedgerLine, LinesError, lines, receive};
use crate::query::ledger::summary::Ledger;
use crate::query::ledger::{LedgerHead, LedgerRefused, refused};

/// How long nothing of a worker's ledger may come. It may wait for its turn behind others.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it is looked whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Where a ledger is.
#[derive(Clone, Debug)]
pub enum Side {
    /// A worker's address.
    Worker(String),
    /// A store's directory.
    Store(PathBuf),
}

impl FromStr for Side {
    type Err = http_client::AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("http://") || text.starts_with("https://") {
            http_client::address(text).map(Self::Worker)
        } else {
            Ok(Self::Store(text.into()))
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(url) => write!(f, "the worker at {url}"),
            Self::Store(path) => write!(f, "the store {}", path.display()),
        }
    }
}

/// A partition's ledger as somebody says it is.
pub(super) struct Claim {
    pub(super) head: LedgerHead,
    pub(super) digest: LedgerDigest,
    rows: Source,
}

enum Source {
    /// Its lines, in a file without a name.
    Lines(File),
    /// A store's state.
    State(Box<PartitionLedger>),
}

impl Claim {
    /// All of its rows.
    pub(super) fn rows(&self) -> Result<Rows, LinesError> {
        match &self.rows {
            Source::Lines(file) => Rows::read(lines(from_the_start(file)?)),
            Source::State(part) => Ok(Rows::of(part)),
        }
    }

    /// The latest records that could not be counted: all that the digest does not cover.
    pub(super) fn refused(&self) -> Result<Vec<LedgerRefused>, LinesError> {
        let file = match &self.rows {
            Source::State(part) => return Ok(refused(&part.view).collect()),
            Source::Lines(file) => file,
        };
        let mut found = Vec::new();
        for line in from_the_start(file)?.split(b'\n') {
            let line = line?;
            if line.starts_with(b"{\"refused\"") {
                for line in lines(line.as_slice()) {
                    if let LedgerLine::Refused(row) = line? {
                        found.push(row);
                    }
                }
            }
        }
        Ok(found)
    }
}

fn from_the_start(file: &File) -> std::io::Result<BufReader<&File>> {
    let mut file = file;
    file.rewind()?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Those of the partitions that are wanted, of all that there are.
fn wanted(all: &[u32], only: &[u32]) -> anyhow::Result<Vec<u32>> {
    if let Some(none) = only.iter().find(|partition| !all.contains(partition)) {
        bail!("--partitions: the ledger has no partition {none}; it has {}", all.len());
    }
    let is_wanted = |partition: &&u32| only.is_empty() || only.contains(partition);
    Ok(all.iter().filter(is_wanted).copied().collect())
}

/// How ledgers are got.
pub(super) struct Ledgers<'a> {
    pub(super) token_file: &'a Option<PathBuf>,
    pub(super) trust: &'a Trust,
    pub(super) json: bool,
    pub(super) stop: &'a AtomicBool,
}

impl Ledgers<'_> {
    /// What somebody has of each partition, or of these only.
    pub(super) fn claims(&self, side: &Side, only: &[u32]) -> anyhow::Result<Vec<Claim>> {
        match side {
            Side::Worker(url) => of_worker(&self.node(url), only, self.json, self.stop),
            Side::Store(path) => of_store(path, only, self.json),
        }
    }

    /// The worker at an address.
    pub(super) fn node(&self, url: &str) -> Node {
        let (token_file, trust) = (self.token_file.clone(), self.trust.clone());
        Node { url: url.to_owned(), token_file, trust, json: false, position_file: None }
    }
}

/// What a running worker has of each partition, whole and under its own digest.
fn of_worker(
    node: &Node,
    only: &[u32],
    json: bool,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Claim>> {
    let answer = node.ask("/v1/ledger")?;
    let sizes: Ledger = serde_json::from_str(&answer)
        .with_context(|| format!("{} does not say what its ledger consists of", node.url))?;
    let all: Vec<u32> = sizes.partitions.iter().map(|row| row.partition).collect();
    let wanted = wanted(&all, only)?;
    let parts = sizes.partitions.iter().filter(|row| wanted.contains(&row.partition));
    let bar = bar("receiving", parts.map(|row| row.subjects + row.kiosks).sum(), json);
    let claims = wanted.into_iter().map(|partition| received(node, partition, &bar, stop));
    let claims = claims.collect::<anyhow::Result<_>>()?;
    bar.finish_and_clear();
    Ok(claims)
}

/// Receives a partition's ledger in a thread of its own, which is left to itself when it is not
/// wanted any more: a read from a socket cannot be called off.
fn received(
    node: &Node,
    partition: u32,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> anyhow::Result<Claim> {
    let (sender, receiver) = mpsc::channel();
    let (bar_of_thread, node_of_thread) = (bar.clone(), node.clone());
    std::thread::Builder::new().name("laju-ledger".to_owned()).spawn(move || {
        // A caller that has given up does not listen any more.
        drop(sender.send(receive_all(&node_of_thread, partition, bar_of_thread)));
    })?;
    let (mut last, mut since) = (bar.position(), Instant::now());
    loop {
        match receiver.recv_timeout(STOP_CHECK_INTERVAL) {
            Ok(claim) => {
                return claim.with_context(|| format!("the ledger of partition {partition}"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                bail!("the ledger of partition {partition} could not be received")
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if stop.load(Ordering::Acquire) {
            return Err(RecomputeError::Interrupted.into());
        }
        if bar.position() != last {
            (last, since) = (bar.position(), Instant::now());
        } else if since.elapsed() > READ_TIMEOUT {
            bail!(
                "nothing came of the ledger of partition {partition} for {} s",
                READ_TIMEOUT.as_secs()
            );
        }
    }
}

fn receive_all(node: &Node, partition: u32, bar: ProgressBar) -> anyhow::Result<Claim> {
    let stream = node.stream(&format!("/v1/ledger/{partition}"))?;
    let mut kept = BufWriter::with_capacity(
        1 << 16,
        tempfile::tempfile().context("no room for the ledger in the directory for such files")?,
    );
    let counted = BufReader::with_capacity(1 << 16, Counted { stream, bar });
    let (head, digest) = receive(counted, &mut kept)?;
    if head.partition != partition {
        bail!("it is that of partition {}", head.partition);
    }
    kept.flush()?;
    let file = kept.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(Claim { head, digest, rows: Source::Lines(file) })
}

/// Shows how many lines have come.
struct Counted<R> {
    stream: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.stream.read(buffer)?;
        let lines = buffer[..length].iter().filter(|byte| **byte == b'\n').count();
        self.bar.inc(lines as u64);
        Ok(length)
    }
}

/// What the store of a stopped worker has of each partition.
fn of_store(path: &Path, only: &[u32], json: bool) -> anyhow::Result<Vec<Claim>> {
    let mut store = match Store::open_existing(path) {
        Err(error @ StoreError::InUse(_)) => {
            let advice = "a running worker's own address is to be given: --worker URL (verify), or URL (diff)";
            return Err(anyhow::Error::new(error).context(advice));
        }
        opened => opened?,
    };
    let identity = store.identity().clone();
    let all: Vec<u32> = (0..identity.partitions).collect();
    let wanted = wanted(&all, only)?;
    let bar = bar("loading the store", store.chunks(), json);
    let stored = store.load(&|chunks| bar.inc(chunks))?;
    bar.finish_and_clear();
    let parts = stored.into_iter().map(|part| part.ledger);
    let claim = |part: PartitionLedger| {
        let view = &part.view;
        Claim {
            head: LedgerHead {
                cluster_id: identity.cluster_id.clone(),
                topic: identity.topic.clone(),
                topic_id: identity.topic_id.clone(),
                partitions: identity.partitions,
                fold_version: identity.fold_version.clone(),
                partition: view.partition,
                next_offset: view.next_offset,
            },
            digest: LedgerDigest::of(&part),
            rows: Source::State(Box::new(part)),
        }
    };
    Ok(parts.filter(|part| wanted.contains(&part.view.partition)).map(claim).collect())
}
