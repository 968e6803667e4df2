//! The measurements, each taken in a process of its own.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use laju_consumer::domain::version::fold_version;
use laju_consumer::ingest::stop::Stop;
use laju_consumer::ingest::verdicts::Decided;
use laju_consumer::ingest::worker::{self, WorkerConfig};
use laju_consumer::projection::store::{Log, Store};
use laju_kafka::connection::Connection;
use laju_kafka::read::ends;
use laju_kafka::read::reading;
use laju_schemas::known::EventReader;
use laju_schemas::topic::EVENTS;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::support::{PARTITIONS, bytes_in, memory, processor_seconds};

const TIMEOUT: Duration = Duration::from_secs(15);

/// What a measurement found.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Events, or subjects where a store is opened again.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// Seconds of processors, of all threads.
    pub(crate) processor: f64,
    /// Bytes of memory, at the peak.
    pub(crate) peak_memory: u64,
    /// Bytes of keys and values, where they were looked at.
    pub(crate) bytes: u64,
    pub(crate) subjects: u64,
    /// Bytes on disk.
    pub(crate) disk: u64,
}

/// Polls the log to its end, and decodes each record if told to.
pub(crate) fn bare(connection: &Connection, decode: bool) -> anyhow::Result<Figures> {
    let topic = connection.topic(&EVENTS);
    let mut reader = EventReader::new(&[])?;
    let mut config = reading(connection)?;
    let consumer: BaseConsumer = config.set("group.id", "bench").create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        assignment.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    let begun = Instant::now();
    consumer.assign(&assignment)?;
    let mut figures = Figures::default();
    let (mut ends, mut sequences) = (0, 0_i64);
    while ends < PARTITIONS {
        match consumer.poll(TIMEOUT) {
            Some(Ok(message)) => {
                let value = message.payload().unwrap_or_default();
                figures.count += 1;
                figures.bytes += (value.len() + message.key().map_or(0, <[u8]>::len)) as u64;
                if decode {
                    sequences = sequences.wrapping_add(reader.read(value)?.sequence);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => return Err(error.into()),
            None => bail!("no record within {TIMEOUT:?}"),
        }
    }
    std::hint::black_box(sequences);
    figures.seconds = begun.elapsed().as_secs_f64();
    figures.processor = processor_seconds();
    figures.peak_memory = memory("VmHWM");
    Ok(figures)
}

/// Runs a worker on a new store until it has committed the whole log.
pub(crate) fn worker(
    connection: Connection,
    store: &Path,
    pipelines: NonZeroUsize,
) -> anyhow::Result<Figures> {
    let topic = connection.topic(&EVENTS);
    let ends = ends(&connection, &topic)?;
    let ends: Vec<_> = ends.into_values().map(|(_, end)| end).collect();
    let config = WorkerConfig {
        connection,
        store: store.to_owned(),
        rebuild: false,
        schemas: Vec::new(),
        registry_patience: worker::REGISTRY_PATIENCE,
        pipelines,
    };
    let opened = worker::open(config, || "bench".to_owned())?;
    let progress = opened.progress();
    let stop = Stop::default();
    let running = opened.run(
        std::sync::Arc::clone(&progress),
        std::sync::Arc::default(),
        Decided::default(),
        stop.clone(),
    )?;
    let wait = |done: &dyn Fn() -> bool| {
        while !done() && !stop.is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    wait(&|| progress.loaded());
    let begun = Instant::now();
    wait(&|| progress.partitions.iter().zip(&ends).all(|(p, end)| p.next_offset() >= *end));
    let seconds = begun.elapsed().as_secs_f64();
    let processor = processor_seconds();
    let peak_memory = memory("VmHWM");
    let snapshot = running.snapshot.load_full();
    stop.stop();
    running.join()?;
    let tallies = snapshot.partitions.values().map(|view| view.tallies);
    let (count, refused) =
        tallies.fold((0, 0), |(n, q), tallies| (n + tallies.received, q + tallies.quarantined));
    if refused > 0 || count != ends.iter().sum::<i64>() as u64 {
        bail!("{count} events were folded and {refused} refused of a log without a bad one");
    }
    Ok(Figures {
        count,
        seconds,
        processor,
        peak_memory,
        subjects: snapshot.partitions.values().map(|view| view.subjects).sum(),
        disk: bytes_in(store),
        ..Figures::default()
    })
}

/// Opens and loads the store that a worker has left.
pub(crate) fn reopen(connection: &Connection, store: &Path) -> anyhow::Result<Figures> {
    let reader = EventReader::new(&[])?;
    let log = Log {
        cluster_id: connection.check(TIMEOUT)?.cluster_id,
        topic: connection.topic(&EVENTS),
        topic_id: None,
        partitions: PARTITIONS,
        fold_version: fold_version(&reader.book.fingerprints(), false),
    };
    let begun = Instant::now();
    let mut store = Store::open(store, &log, false, String::new).context("opening it again")?;
    let (stored, _ledger) = store.load_node(&|_| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    let subjects = stored.iter().map(|(_, view)| view.subjects).sum();
    Ok(Figures {
        count: subjects,
        seconds,
        processor: processor_seconds(),
        peak_memory: memory("VmHWM"),
        subjects,
        ..Figures::default()
    })
}
