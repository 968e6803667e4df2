//! A node's store taken from another node: asked for over HTTP, verified chunk by chunk, and gone on
//! with after whatever interrupts it. What comes of it is opened and loaded like any other store.
//!
//! The other node goes on folding meanwhile. Chunks are only ever added, so that those below the counts
//! of its position rows are one state, whenever they come; the digests in these rows say whether they are
//! the right ones.

mod error;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::projection::format::{FORMAT_VERSION, Kind, PositionRow};
use crate::projection::store::{Begun, Log, Seeding, Store};
use crate::query::store_manifest::StoreManifest;

use error::Failure;
pub use error::SeedError;
pub use origin::SeedFrom;
use origin::{Origin, Run};

/// The pauses between tries: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often in a row damage is borne with, and how often chunks that do not add up.
const TRIES: u32 = 5;
/// How often it is looked whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How far it is: numbers that anyone may read at any time.
#[derive(Debug, Default)]
pub struct SeedProgress {
    under_way: AtomicBool,
    chunks: AtomicU64,
    total: AtomicU64,
    bytes: AtomicU64,
}

impl SeedProgress {
    /// The chunks that are here, how many there are, and the bytes that have come; while it goes on.
    pub fn how_far(&self) -> Option<(u64, u64, u64)> {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let is_under_way = self.under_way.load(Ordering::Acquire);
        is_under_way.then(|| (load(&self.chunks), load(&self.total), load(&self.bytes)))
    }
}

/// Takes a store from another node, and makes it one's own.
///
/// # Errors
/// If the other node may not be asked, is of another log or other rules, is away for too long, or sends
/// what is not a store; if the disk does not take it; or if asked to stop. What is here by then is gone
/// on with the next time.
pub fn take(
    mut seeding: Seeding,
    from: &SeedFrom,
    progress: &SeedProgress,
    stop: &AtomicBool,
) -> Result<Store, SeedError> {
    let origin = Arc::new(Origin::new(from)?);
    progress.under_way.store(true, Ordering::Release);
    let begun = Instant::now();
    let mut attempt = Attempt { origin, progress, stop, restarts: BTreeMap::new() };
    let taken = attempt.until_whole(&mut seeding, from.patience);
    let rows = match taken {
        Ok(rows) => rows,
        Err(error) => {
            // What came so far is there the next time, if the disk takes it.
            drop(seeding.flush());
            return Err(error);
        }
    };
    let store = seeding.finish(&rows)?;
    let [chunks, bytes] =
        [&progress.total, &progress.bytes].map(|number| number.load(Ordering::Relaxed));
    let seconds = begun.elapsed().as_secs_f64();
    tracing::info!(from = %from.url, chunks, bytes, seconds, "the store is here, and this node's own");
    progress.under_way.store(false, Ordering::Release);
    Ok(store)
}

struct Attempt<'a> {
    origin: Arc<Origin>,
    progress: &'a SeedProgress,
    stop: &'a AtomicBool,
    /// How often the chunks of a partition and kind did not add up.
    restarts: BTreeMap<(u32, &'static str), u32>,
}

impl Attempt<'_> {
    /// Tries until all chunks are here; gives the positions that they are of.
    fn until_whole(
        &mut self,
        seeding: &mut Seeding,
        patience: Duration,
    ) -> Result<Vec<PositionRow>, SeedError> {
        let (mut since, mut pause, mut damages) = (Instant::now(), FIRST_PAUSE, 0);
        loop {
            let before = self.progress.bytes.load(Ordering::Relaxed);
            let failure = match self.all(seeding) {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            if self.progress.bytes.load(Ordering::Relaxed) > before {
                (since, pause, damages) = (Instant::now(), FIRST_PAUSE, 0);
            }
            let url = self.origin.url().to_owned();
            match failure {
                Failure::Refused(error) => return Err(*error),
                Failure::Damaged(what) => {
                    damages += 1;
                    tracing::warn!(url, "{what}; it is asked for again");
                    if damages >= TRIES {
                        return Err(SeedError::Damaged { url, what });
                    }
                    self.wait(FIRST_PAUSE)?;
                }
                Failure::Away(why) => {
                    if since.elapsed() >= patience {
                        let seconds = patience.as_secs_f64().ceil() as u64;
                        return Err(SeedError::Away { url, why, seconds });
                    }
                    tracing::warn!(url, why, "the store does not come; trying again");
                    self.wait(pause.min(patience.saturating_sub(since.elapsed())))?;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn wait(&self, time: Duration) -> Result<(), SeedError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.go_on()?;
            let left = until.saturating_duration_since(Instant::now());
            std::thread::sleep(STOP_CHECK_INTERVAL.min(left));
        }
        self.go_on()
    }

    fn go_on(&self) -> Result<(), SeedError> {
        if self.stop.load(Ordering::Acquire) { Err(SeedError::Interrupted) } else { Ok(()) }
    }

    /// Takes what is not here yet of what the other node has now.
    fn all(&mut self, seeding: &mut Seeding) -> Result<Vec<PositionRow>, Failure> {
        self.go_on()?;
        let manifest = origin::manifest(&self.origin, STOP_CHECK_INTERVAL, || self.go_on())?;
        let rows = checked(&manifest, seeding.log(), self.origin.url())?;
        let begun = seeding.begin(&manifest.node_id)?;
        let places = || (0..).zip(&rows).flat_map(|(n, row)| Kind::ALL.map(|kind| (n, kind, row)));
        let total = places().map(|(_, kind, row)| row.chains[kind as usize].count).sum();
        self.progress.total.store(total, Ordering::Relaxed);
        self.tell(seeding);
        let here = self.progress.chunks.load(Ordering::Relaxed);
        let (url, node) = (self.origin.url(), &*manifest.node_id);
        match begun {
            Begun::Empty => tracing::info!(url, node, chunks = total, "taking the store of a node"),
            Begun::GoesOn if here > 0 => {
                tracing::info!(
                    url,
                    node,
                    chunks = total,
                    here,
                    "going on with the store of a node"
                );
            }
            Begun::GoesOn => {}
            Begun::OfAnotherNode => tracing::warn!(
                url,
                node,
                "what is here was taken from another node: it begins again, with the store of this one"
            ),
        }
        for (partition, kind, row) in places() {
            self.chunks(seeding, node, (partition, kind), row)?;
        }
        Ok(rows)
    }

    /// Notes how many chunks are here.
    fn tell(&self, seeding: &Seeding) {
        let partitions = 0..seeding.log().partitions;
        let here =
            partitions.flat_map(|n| Kind::ALL.map(|kind| seeding.chain(n, kind).count)).sum();
        self.progress.chunks.store(here, Ordering::Relaxed);
    }

    /// Takes what is not here yet of a partition's chunks of a kind, and sees whether they are those
    /// that the position was made with.
    fn chunks(
        &mut self,
        seeding: &mut Seeding,
        node: &str,
        (partition, kind): (u32, Kind),
        row: &PositionRow,
    ) -> Result<(), Failure> {
        let wanted = row.chains[kind as usize];
        let mut begins_again = seeding.chain(partition, kind).count == 0;
        loop {
            let here = seeding.chain(partition, kind);
            if here.count < wanted.count {
                let numbers = here.count..wanted.count;
                self.run(seeding, Run { node: node.to_owned(), partition, kind, numbers })?;
                seeding.flush()?;
            }
            if seeding.chain(partition, kind) == wanted {
                return Ok(());
            }
            seeding.restart(partition, kind)?;
            self.tell(seeding);
            if std::mem::replace(&mut begins_again, true) {
                break;
            }
            tracing::warn!(
                partition,
                kind = kind.as_str(),
                "what is here is not of the node's store as it is now, which was made again: it is \
                 taken from the beginning"
            );
        }
        let kind = kind.as_str();
        let restarts = self.restarts.entry((partition, kind)).or_default();
        *restarts += 1;
        if *restarts >= TRIES {
            let url = self.origin.url().to_owned();
            return Err(Failure::refused(SeedError::NoSum { url, partition, kind }));
        }
        Err(Failure::Away(format!("the {kind} chunks of partition {partition} do not add up")))
    }

    fn run(&self, seeding: &mut Seeding, run: Run) -> Result<(), Failure> {
        let (partition, kind, numbers) = (run.partition, run.kind, run.numbers.clone());
        let mut left = numbers.end - numbers.start;
        let mut pieces = origin::receive(Arc::clone(&self.origin), run)?;
        while left > 0 {
            let Some(piece) = pieces.next(STOP_CHECK_INTERVAL, || self.go_on())? else {
                // Nothing comes at the moment: what has come is safe meanwhile.
                seeding.flush()?;
                continue;
            };
            if piece.is_empty() || piece.len() as u64 > left {
                return Err(Failure::Away(
                    "it sends another number of chunks than asked".to_owned(),
                ));
            }
            seeding.add(partition, kind, &piece)?;
            left -= piece.len() as u64;
            let bytes = piece.iter().map(|chunk| chunk.value().len() as u64).sum();
            self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.progress.chunks.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The position rows of a manifest, if it is of this log, folded by these rules.
fn checked(manifest: &StoreManifest, log: &Log, url: &str) -> Result<Vec<PositionRow>, Failure> {
    let partitions = manifest.partitions.len().to_string();
    let topic_id = manifest.topic_id.as_ref().or(log.topic_id.as_ref());
    let differences = [
        ("store format", manifest.format_version.to_string(), FORMAT_VERSION.to_string()),
        ("fold version", manifest.fold_version.clone(), log.fold_version.clone()),
        ("cluster", manifest.cluster_id.clone(), log.cluster_id.clone()),
        ("topic", manifest.topic.clone(), log.topic.clone()),
        (
            "topic id",
            topic_id.cloned().unwrap_or_default(),
            log.topic_id.as_ref().or(topic_id).cloned().unwrap_or_default(),
        ),
        ("number of partitions", partitions, log.partitions.to_string()),
    ];
    for (what, theirs, ours) in differences {
        if theirs != ours {
            let url = url.to_owned();
            return Err(Failure::refused(SeedError::Another { url, what, theirs, ours }));
        }
    }
    let rows = (0..)
        .zip(&manifest.partitions)
        .map(|(number, partition)| partition.position().filter(|_| partition.partition == number));
    let rows: Option<Vec<_>> = rows.collect();
    rows.ok_or_else(|| Failure::Damaged("what the store is arrived damaged".to_owned()))
}
