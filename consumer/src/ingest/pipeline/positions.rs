//! Where a pipeline stands in each of its partitions, and which partitions stand still.
//!
//! A partition whose next records cannot be had is paused: nothing behind them is taken, as the
//! position of a store says that everything before it was folded. The others go on. It is looked at
//! again every few seconds, and goes on once its records can be had.
//!
//! Of librdkafka 2.12 nothing is to be believed behind a batch with a wrong checksum: it skips to a
//! place that is none, takes what stands there for a batch, and goes on at any offset.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use laju_kafka::connection::ask::patiently;
use laju_kafka::read::{PATIENCE_ASIDE, PATIENCE_OF_ONE, Probed, fetch_error, probe};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client_context::IngestContext;
use crate::ingest::progress::{Progress, now_ms};

/// How often partitions that stand still are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a partition's ends are asked for.
const ASK_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked whether partitions get on.
const PROGRESS_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a partition may bring nothing although there is more.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a partition's broker may not be heard of before the silence is the broker's.
const HEARD_MS: i64 = 5_000;

/// A pipeline's places.
pub(super) struct ReadPositions {
    topic: String,
    client: ClientConfig,
    /// The number of the first of the partitions, which follow each other.
    first: u32,
    places: Vec<Place>,
    still: BTreeSet<u32>,
    looked: Instant,
    looking: Option<JoinHandle<KafkaResult<Probed>>>,
    ticked: Instant,
    has_read: bool,
    /// Partitions whose ends could not be told at the start.
    pub(super) unasked: BTreeSet<u32>,
}

#[derive(Clone, Copy)]
struct Place {
    /// The offset behind the last record taken; where reading begins before the first.
    next: i64,
    /// What `next` was when it was last looked at, and since when.
    seen: (i64, Instant),
}

impl ReadPositions {
    /// At these offsets of the partitions of a topic (by its full name) from the `first` on, which a
    /// client reads that is configured so.
    #[must_use]
    pub(super) fn new(
        topic: &str,
        first: u32,
        from: impl Iterator<Item = i64>,
        client: ClientConfig,
    ) -> Self {
        let now = Instant::now();
        let place = |next| Place { next, seen: (next, now) };
        Self {
            topic: topic.to_owned(),
            client,
            first,
            places: from.map(place).collect(),
            still: BTreeSet::new(),
            looked: now,
            looking: None,
            ticked: now,
            has_read: false,
            unasked: BTreeSet::new(),
        }
    }

    /// The pipeline's partitions, each from where it stands.
    #[must_use]
    pub(super) fn assignment(&self) -> TopicPartitionList {
        self.list(self.partitions())
    }

    fn partitions(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.places.len() as u32
    }

    #[inline]
    fn place(&self, partition: u32) -> Option<&Place> {
        self.places.get(partition.checked_sub(self.first)? as usize)
    }

    #[inline]
    fn place_mut(&mut self, partition: u32) -> Option<&mut Place> {
        self.places.get_mut(partition.checked_sub(self.first)? as usize)
    }

    fn list(&self, partitions: impl Iterator<Item = u32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let next = Offset::Offset(self.next(partition));
            // An offset below i64::MAX is always taken.
            let _ = list.add_partition_offset(&self.topic, partition as i32, next);
        }
        list
    }

    /// Everything before this offset of a partition has been taken.
    #[inline]
    pub(super) fn passed(&mut self, partition: u32, next: i64) {
        self.has_read = true;
        if let Some(place) = self.place_mut(partition) {
            // A client that was told to read on elsewhere does not know where it stands at an end.
            place.next = place.next.max(next);
        }
    }

    /// A partition is to be read again from its beginning.
    pub(super) fn again(&mut self, partition: u32) {
        if let Some(place) = self.place_mut(partition) {
            *place = Place { next: 0, seen: (0, Instant::now()) };
        }
    }

    /// The offset behind the last record taken of a partition.
    #[must_use]
    pub(super) fn next(&self, partition: u32) -> i64 {
        self.place(partition).map_or(0, |place| place.next)
    }

    /// Whether a partition stands still: whatever still comes of it is not what comes next.
    #[must_use]
    #[inline]
    pub(super) fn stands_still(&self, partition: u32) -> bool {
        !self.still.is_empty() && self.still.contains(&partition)
    }

    /// Whether any record came, or any end: what is refused since then is no wrong setting.
    #[must_use]
    pub(super) fn has_read(&self) -> bool {
        self.has_read
    }

    /// An error came that may be one of records: finds out of which partitions, and lets those
    /// stand still. All others are read again from where we stand, because the client may have gone
    /// on behind what it could not read.
    ///
    /// # Errors
    /// If no client can be made that looks, or the client does not read from where we stand.
    pub(super) fn examine(
        &mut self,
        code: RDKafkaErrorCode,
        consumer: &BaseConsumer<IngestContext>,
        progress: &Progress,
    ) -> KafkaResult<()> {
        if code == RDKafkaErrorCode::TopicAuthorizationFailed {
            // It is one of the whole topic.
            for (partition, place) in (self.first..).zip(&self.places) {
                progress.begin_trouble(partition, fetch_error::unauthorized(place.next));
                self.still.insert(partition);
                self.pause(consumer, partition);
            }
            return Ok(());
        }
        let at: BTreeMap<_, _> = (self.first..)
            .zip(&self.places)
            .filter(|(partition, _)| !self.still.contains(partition))
            .map(|(partition, place)| (partition, place.next))
            .collect();
        let mut probed = probe(&self.client, &self.topic, &at, PATIENCE_OF_ONE)?;
        probed.blame_the_open(&at);
        // Somebody may have let one go on meanwhile that waited for something else as well.
        self.still.iter().for_each(|partition| self.pause(consumer, *partition));
        let mut others = Vec::new();
        for &partition in at.keys() {
            if let Some(trouble) = probed.troubled.remove(&partition) {
                progress.begin_trouble(partition, trouble);
                self.still.insert(partition);
                self.pause(consumer, partition);
            } else {
                others.push(partition);
            }
        }
        self.looked = Instant::now();
        self.restart(consumer, &others)
    }

    /// The client says that what it asks for is not there. It does so as well where it has lost its
    /// way behind a damaged batch: then where *we* stand is there, and all is read from there again.
    /// Says whether that was it.
    ///
    /// # Errors
    /// If the client does not read from there.
    pub(super) fn is_there(&mut self, consumer: &BaseConsumer<IngestContext>) -> KafkaResult<bool> {
        let is_going = |partition: &u32| !self.still.contains(partition);
        let going: Vec<u32> = self.partitions().filter(is_going).collect();
        let is_within = |partition: &u32| {
            let next = self.next(*partition);
            let marks = patiently(ASK_WAIT, |timeout| {
                consumer.fetch_watermarks(&self.topic, *partition as i32, timeout)
            });
            marks.is_ok_and(|(low, end)| (low..=end).contains(&next))
        };
        let is_there = going.iter().all(is_within);
        if is_there {
            self.restart(consumer, &going)?;
        }
        Ok(is_there)
    }

    /// Looks now and then at the partitions that stand still, and for others that do; says whether
    /// it was time to.
    ///
    /// # Errors
    /// If no client can be made that looks.
    pub(super) fn look(
        &mut self,
        consumer: &BaseConsumer<IngestContext>,
        progress: &Progress,
    ) -> KafkaResult<bool> {
        let now = Instant::now();
        if now.saturating_duration_since(self.ticked) < PROGRESS_CHECK_INTERVAL {
            return Ok(false);
        }
        self.look_for_silence(progress, now);
        self.ticked = now;
        if let Some(looking) = self.looking.take_if(|looking| looking.is_finished()) {
            // A panic of it has said so on stderr; it is looked again.
            let probed = looking.join().unwrap_or_else(|_| Ok(Probed::default()))?;
            self.go_on(&probed, consumer, progress)?;
        }
        if self.looking.is_none()
            && !self.still.is_empty()
            && now.saturating_duration_since(self.looked) >= LOOK_EVERY
        {
            self.looked = now;
            let at = self.still.iter().map(|p| (*p, self.next(*p))).collect();
            let (client, topic) = (self.client.clone(), self.topic.clone());
            self.looking =
                Some(std::thread::spawn(move || probe(&client, &topic, &at, PATIENCE_ASIDE)));
        }
        Ok(true)
    }

    /// Lets those partitions go on whose records can be had again.
    fn go_on(
        &mut self,
        probed: &Probed,
        consumer: &BaseConsumer<IngestContext>,
        progress: &Progress,
    ) -> KafkaResult<()> {
        for &partition in &probed.sound {
            if self.still.remove(&partition) {
                progress.troubles.forget(&self.topic, partition);
                self.restart(consumer, &[partition])?;
            }
        }
        for (&partition, trouble) in probed.troubled.iter().filter(|(p, _)| self.still.contains(p))
        {
            let was = progress.troubles.of(&self.topic, partition);
            for kind in was.iter().map(|was| was.trouble.kind).filter(|kind| *kind != trouble.kind)
            {
                progress.end_trouble(partition, kind);
            }
            progress.begin_trouble(partition, trouble.clone());
        }
        Ok(())
    }

    /// What librdkafka cannot make sense of it may ask for again and again, without a word.
    fn look_for_silence(&mut self, progress: &Progress, now: Instant) {
        // A thread that was kept from polling knows nothing of who was silent.
        let was_away = now.saturating_duration_since(self.ticked) > 5 * PROGRESS_CHECK_INTERVAL;
        for (partition, place) in (self.first..).zip(&mut self.places) {
            let at = &progress.partitions[partition as usize];
            let is_heard = at.heard_ms().is_some_and(|heard| now_ms() - heard < HEARD_MS);
            let end = at.stable_end().filter(|end| place.next < *end);
            // One that waits for a schema is silent because we are.
            let is_still = self.still.contains(&partition)
                || !progress.troubles.of(&self.topic, partition).is_empty();
            let (Some(end), false, true, false) = (end, is_still, is_heard, was_away) else {
                place.seen = (place.next, now);
                continue;
            };
            if place.seen.0 != place.next {
                place.seen = (place.next, now);
            }
            let silence = now.saturating_duration_since(place.seen.1);
            if silence >= SILENCE {
                let trouble = fetch_error::silent(place.next, end, SILENCE.as_secs());
                progress.begin_trouble(partition, trouble);
            }
        }
    }

    /// Nothing more is taken of a partition: what has come already is dropped. One that is not
    /// assigned has nothing to pause.
    fn pause(&self, consumer: &BaseConsumer<IngestContext>, partition: u32) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition as i32);
        if let Err(error) = consumer.pause(&list) {
            tracing::debug!(%error, partition, "not paused");
        }
    }

    /// Has partitions read from where we stand, wherever the client has got to. It is given them
    /// again, because it may have stopped for good where it found nothing. One that stands still is
    /// read on from there once it can be.
    ///
    /// # Errors
    /// If the client does not: what it would bring then is not what follows.
    pub(super) fn restart(
        &self,
        consumer: &BaseConsumer<IngestContext>,
        partitions: &[u32],
    ) -> KafkaResult<()> {
        let list = self.list(partitions.iter().copied().filter(|p| !self.still.contains(p)));
        if list.count() == 0 {
            return Ok(());
        }
        // A pause outlasts the assignment.
        consumer.resume(&list)?;
        consumer.incremental_unassign(&list)?;
        consumer.incremental_assign(&list)
    }
}
