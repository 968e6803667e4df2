//! What each step of the fold costs without Kafka: events a second of decoding, of judging and
//! folding in memory, and of that with the store on disk; reopening the store; memory and disk
//! for a subject.
//!
//! `cargo bench -p laju-consumer --bench fold -- [--events N] [--rounds N] [--seed N] [--json]`
//!
//! Processor time is of all threads, sled's included, and says more than the clock does where other
//! programs are running.
//!
//! The store is written by the thread that folds, where a worker has a thread for each: the
//! figure is the sum of what both do.

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use laju_consumer::domain::admission::{Verdict, clamp_timestamp, judge};
use laju_consumer::domain::version::fold_version;
use laju_consumer::ingest::batch::Batch;
use laju_consumer::projection::format::Kind;
use laju_consumer::projection::node_ledger::NodeLedger;
use laju_consumer::projection::partition::{PartitionState, RecordMark};
use laju_consumer::projection::partition_view::PartitionView;
use laju_consumer::projection::store::{Log, Store, StoreError};
use laju_schemas::known::EventReader;
use support::{PARTITIONS, Report, bytes_in, median, memory, play, processor_seconds, scenario};

/// Records between two commits, as a worker that replays has them at most.
const COMMIT_RECORDS: usize = 200_000;
/// Records that are judged before they are folded, as a worker does it.
const BATCH_RECORDS: usize = 512;
/// Kafka gives a partition's records in runs of about this size.
const RUN: usize = 10_000;

#[derive(Parser)]
struct Options {
    /// How many events are folded.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// How often each step is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The same seed gives the same log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the store is made for the time of a measurement.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// `cargo bench` gives this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The log in memory.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    records: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    key: [u8; 16],
    start: usize,
    length: u32,
    partition: u32,
    offset: i64,
    timestamp: i64,
}

impl Records {
    fn make(events: u64, seed: u64) -> Self {
        let mut this = Self::default();
        let mut offsets = [0_i64; PARTITIONS as usize];
        let Ok(()) = play(scenario(events, seed), |record, value| {
            let partition = record.partition(PARTITIONS);
            let offset = &mut offsets[partition as usize];
            this.records.push(Place {
                key: record.key().0,
                start: this.bytes.len(),
                length: value.len() as u32,
                partition,
                offset: *offset,
                timestamp: record.recorded_at.0,
            });
            *offset += 1;
            this.bytes.extend_from_slice(value);
            Ok::<(), std::convert::Infallible>(())
        });
        for part in this.records.chunks_mut(RUN * PARTITIONS as usize) {
            part.sort_by_key(|place| place.partition);
        }
        this
    }

    fn value(&self, place: &Place) -> &[u8] {
        &self.bytes[place.start..place.start + place.length as usize]
    }
}

fn decode(log: &Records, reader: &mut EventReader) -> u64 {
    let read = |place| reader.read(log.value(place)).map_or(0, |event| event.sequence as u64);
    log.records.iter().map(read).sum()
}

/// Judges and folds, and calls `commit` as often as a worker commits.
fn fold<E>(
    log: &Records,
    reader: &mut EventReader,
    partitions: &mut [PartitionState],
    mut commit: impl FnMut(&mut [PartitionState]) -> Result<(), E>,
) -> Result<(), E> {
    for part in log.records.chunks(COMMIT_RECORDS) {
        let mut batch = Batch::default();
        for records in part.chunks(BATCH_RECORDS) {
            judge_all(log, records, reader, &mut batch);
            batch.apply(0, partitions);
        }
        commit(partitions)?;
    }
    Ok(())
}

fn judge_all(log: &Records, records: &[Place], reader: &mut EventReader, batch: &mut Batch) {
    for place in records {
        let value = log.value(place);
        let mark = RecordMark {
            offset: place.offset,
            timestamp: place.timestamp,
            digest: RecordMark::digest(Some(&place.key), Some(value)),
        };
        let timestamp = clamp_timestamp(place.timestamp);
        let key = Some(&place.key[..]);
        match judge(reader, key, Some(value), place.partition, PARTITIONS, timestamp) {
            Verdict::Counted(event) => batch.counted(place.partition, mark, &event),
            other => panic!("the log has no bad records, but: {other:?}"),
        }
    }
}

fn new_partitions() -> Vec<PartitionState> {
    (0..PARTITIONS).map(PartitionState::new).collect()
}

fn commit(
    store: &mut Store,
    partitions: &mut [PartitionState],
    views: &mut [PartitionView],
    ledger: &mut NodeLedger,
) -> Result<(), StoreError> {
    let mut commits: Vec<_> = partitions.iter_mut().filter_map(|p| p.take_commit()).collect();
    store.commit(&commits)?;
    for mut commit in commits.drain(..) {
        ledger.note(commit.partition, &commit.names, commit.cells.drain(..));
        let view = &mut views[commit.partition as usize];
        *view = view.after(commit);
    }
    ledger.post();
    Ok(())
}

fn open(path: &Path, reader: &EventReader) -> Result<Store, StoreError> {
    let log = Log {
        cluster_id: "bench".to_owned(),
        topic: "bench".to_owned(),
        topic_id: None,
        partitions: PARTITIONS,
        fold_version: fold_version(&reader.book.fingerprints(), false),
    };
    Store::open(path, &log, false, || "bench".to_owned())
}

/// Bytes of the chunks of facts, and of all others, without what the database needs for them.
fn chunk_bytes(store: &Store) -> Result<(usize, usize), StoreError> {
    let (reader, mut bytes) = (store.reader(), (0, 0));
    for partition in 0..PARTITIONS {
        let row = reader.position(partition)?;
        for (kind, chain) in Kind::ALL.into_iter().zip(row.chains) {
            let of_kind = if kind == Kind::Facts { &mut bytes.0 } else { &mut bytes.1 };
            reader.read(partition, kind, 0..chain.count, |value| {
                *of_kind += value.len();
                true
            })?;
        }
    }
    Ok(bytes)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut reader = EventReader::new(&[])?;
    let log = Records::make(options.events, options.seed);
    let events = log.records.len() as f64;

    let (mut decoded, mut folded, mut stored, mut reopened) = (vec![], vec![], vec![], vec![]);
    let (mut fold_processor, mut store_processor) = (vec![], vec![]);
    let mut reopen_processor = vec![];
    let mut report = Report::default();
    let mut sizes = None;
    for _ in 0..options.rounds {
        let begun = Instant::now();
        black_box(decode(&log, &mut reader));
        decoded.push(events / begun.elapsed().as_secs_f64());

        let before = memory("VmRSS");
        let mut partitions = new_partitions();
        let (begun, processor) = (Instant::now(), processor_seconds());
        let Ok(()) = fold(&log, &mut reader, &mut partitions, |partitions| {
            partitions.iter_mut().for_each(|partition| drop(black_box(partition.take_commit())));
            Ok::<(), std::convert::Infallible>(())
        });
        folded.push(events / begun.elapsed().as_secs_f64());
        fold_processor.push((processor_seconds() - processor) * 1e6 / events);
        let subjects: usize = partitions.iter().map(|p| p.fold().subjects().len()).sum();
        let subjects = subjects as f64;
        let own: usize = partitions.iter().map(|p| p.fold().subjects().memory()).sum();
        let resident = memory("VmRSS").saturating_sub(before);
        drop(partitions);

        let directory = tempfile::tempdir_in(&options.dir)?;
        let mut partitions = new_partitions();
        let mut views: Vec<_> = (0..PARTITIONS).map(PartitionView::empty).collect();
        let mut ledger = NodeLedger::default();
        let (begun, processor) = (Instant::now(), processor_seconds());
        let mut store = open(directory.path(), &reader)?;
        store.load_node(&|_| {})?;
        fold(&log, &mut reader, &mut partitions, |partitions| {
            commit(&mut store, partitions, &mut views, &mut ledger)
        })?;
        store.sync()?;
        stored.push(events / begun.elapsed().as_secs_f64());
        store_processor.push((processor_seconds() - processor) * 1e6 / events);
        let cells = ledger.ledger().len();
        drop((store, partitions, views, ledger));

        let (begun, processor) = (Instant::now(), processor_seconds());
        let mut store = open(directory.path(), &reader)?;
        let loaded = store.load_node(&|_| {})?;
        reopened.push(subjects / begun.elapsed().as_secs_f64());
        reopen_processor.push((processor_seconds() - processor) * 1e6 / subjects);
        drop(black_box(loaded));
        let chunks = chunk_bytes(&store)?;
        drop(store);
        // The first round's resident memory is the one without what earlier rounds left behind.
        sizes.get_or_insert((subjects, own, resident, bytes_in(directory.path()), chunks, cells));
    }
    report.add("events", events, "");
    report.add("bytes of value", log.bytes.len() as f64 / events, "B/event");
    report.add("decode", median(&decoded), "events/s");
    report.add("judge and fold", median(&folded), "events/s");
    report.add("judge, fold and store", median(&stored), "events/s");
    report.add("processors of judge and fold", median(&fold_processor), "µs/event");
    report.add("processors with store", median(&store_processor), "µs/event");
    report.add("reopen", median(&reopened), "subjects/s");
    report.add("processors of reopen", median(&reopen_processor), "µs/subject");
    if let Some((subjects, own, resident, disk, (facts, rest), cells)) = sizes {
        report.add("subjects", subjects, "");
        report.add("memory of subjects", own as f64 / subjects, "B/subject");
        report.add("resident memory of fold", resident as f64 / subjects, "B/subject");
        report.add("store", disk as f64 / subjects, "B/subject");
        report.add("store of events", disk as f64 / events, "B/event");
        report.add("chunks of facts", facts as f64 / events, "B/event");
        report.add("other chunks", rest as f64 / events, "B/event");
        report.add("ledger cells", cells as f64, "");
    }
    report.print(options.json);
    Ok(())
}
