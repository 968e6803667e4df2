//! The kiosk agent: takes events in, keeps them safe, and ships them.
//!
//! [`submission`] reads what a client says and turns a NIK into a pseudonym; the
//! [`outbox`](crate::outbox) numbers the event and keeps it, synced to the disk, before anybody
//! learns that it was accepted; the shipper sends it and takes it out when Kafka has acknowledged
//! it. A Rust integration embeds [`Agent`]; all others talk to it over loopback HTTP ([`http`]).
//! The NIK and the programme's key are in this process's memory and nowhere else.

mod backoff;
pub mod best_clock;
mod doubt;
mod fate;
pub mod http;
mod metrics;
mod progress;
mod publisher;
mod report;
mod setback;
mod ship;
mod status;
pub mod submission;
mod timekeeper;
mod verdicts;
mod window;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use laju_schemas::event::RetractionReason;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{EventId, Fact, TimestampMs};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use crate::clock;
use crate::outbox::{
    Accepted, Draft, IdempotencyKey, Known, Outbox, OutboxError, OutboxSettings, Refusal, Retry,
};
use best_clock::{Moment, TimeSource, Untimely};
use laju_kafka::connection::Connection;
use laju_kafka::publish::PublishError;
use progress::Shipping;
use report::Reporter;
use setback::Setbacks;
use ship::{Command, Shipper, ShipperConfig};
use submission::{Drafted, Fault, Kiosk, Submission};
use timekeeper::Timekeeper;
use verdicts::Heard;

pub use doubt::{Doubtful, DoubtfulTimes};
use laju_kafka::problem::Words;

pub use fate::{Fate, Whereabouts, WorkerAddress};
pub use progress::ShippingState;
pub use publisher::ShipError;
pub use setback::Setback;
pub use verdicts::{QuarantinedEvent, Verdicts};

pub use status::{Advice, ClockState, DoubtfulEvents, SetAsideEvent, Status};

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;

/// What an agent needs to know.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// The kiosk that events are of.
    pub kiosk: Kiosk,
    /// The outbox's directory.
    pub outbox: PathBuf,
    /// How large the outbox may grow, and how long what was shipped is remembered.
    pub outbox_settings: OutboxSettings,
    /// How to reach Kafka.
    pub connection: Connection,
    /// A worker that can be asked what became of an event.
    pub worker: Option<WorkerAddress>,
    /// How often the kiosk says where it stands.
    pub report_every: Duration,
}

/// Events written to the outbox in one step: clients that send single events wait no longer for
/// one that sends a history.
const STEP: usize = 1_000;

impl AgentSettings {
    /// Whether an agent can start with these settings, as far as that can be told without
    /// opening anything.
    ///
    /// # Errors
    /// If there is no such region, or the connection's options are wrong.
    pub fn check(&self) -> Result<(), AgentError> {
        crate::intake::region("service_region", self.kiosk.service_region)?;
        self.connection.client_config().map_err(PublishError::from)?;
        self.connection.registry_client().map_err(PublishError::from)?;
        Ok(())
    }
}

/// Why an agent cannot start.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The shipper.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// The kiosk's own region.
    #[error(transparent)]
    Region(#[from] crate::intake::IntakeError),
    /// Metrics.
    #[error("metrics cannot be collected: {0}")]
    Metrics(String),
}

/// Why one event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// A field is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Nobody can tell whether its time is right: the kiosk's clock is wrong, or may be. The same
    /// event may be sent again.
    #[error("{0}")]
    Clock(Untimely),
    /// The outbox has no room.
    #[error(
        "the outbox is full ({limit_bytes} bytes): events leave it when Kafka can be reached; see `laju-kiosk status`"
    )]
    Full {
        /// Its limit.
        limit_bytes: u64,
    },
    /// The idempotency key was used before, for another event.
    #[error(
        "the key was used for another event ({event_id}), of other content: each event needs a key of its own"
    )]
    KeyReused {
        /// The event that it was used for.
        event_id: EventId,
    },
    /// The kiosk has given out its last number.
    #[error("this kiosk has used all its 4294967295 sequence numbers: give it another id")]
    Numbers,
    /// Larger than the outbox takes.
    #[error("the event is too large: {bytes} bytes")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// The outbox failed at it, after earlier events of the same request had been accepted.
    /// Whether it is in the outbox is not known.
    #[error("{0}; send it again, with the same idempotency_key")]
    NotStored(String),
}

impl Refused {
    /// Why, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        let indonesian = match self {
            Self::Fault(fault) => return fault.detail.clone(),
            Self::Full { limit_bytes } => format!(
                "kotak keluar penuh ({limit_bytes} bita): peristiwa keluar dari sana begitu Kafka terjangkau; lihat `laju-kiosk status`"
            ),
            Self::KeyReused { event_id } => format!(
                "kunci ini sudah dipakai peristiwa lain ({event_id}) dengan isi lain: setiap peristiwa perlu kuncinya sendiri"
            ),
            Self::Numbers => {
                "kios ini sudah memakai semua 4294967295 nomor urutnya: beri kios id lain"
                    .to_owned()
            }
            Self::TooLarge { bytes } => format!("peristiwa terlalu besar: {bytes} bita"),
            Self::Clock(Untimely::Unconfirmed { at, clock }) => format!(
                "occurred_at: {at} lebih dari 24 jam setelah jam kios ini, {clock}, yang belum dipastikan broker mana pun: salah satunya keliru; setel jamnya (NTP) atau sambungkan kios, lalu kirim peristiwa ini lagi"
            ),
            Self::Clock(Untimely::Disputed { at, broker, clock }) => format!(
                "occurred_at: {at} lebih dari 24 jam setelah jam broker, {broker}, sedangkan jam kios ini {clock}: salah satunya keliru; setel keduanya (NTP), lalu kirim peristiwa ini lagi"
            ),
            Self::Clock(_) => {
                "jam kios ini tidak mungkin benar: setel jamnya (NTP) atau sambungkan kios, lalu kirim peristiwa ini lagi, atau kirim sekarang dengan occurred_at"
                    .to_owned()
            }
            Self::NotStored(_) => {
                "kotak keluar gagal menyimpan; kirim lagi, dengan idempotency_key yang sama"
                    .to_owned()
            }
        };
        Words::new(self.to_string(), indonesian)
    }
}

impl RetractError {
    /// Why, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Unknown(id) => {
                let indonesian = format!(
                    "kios ini tidak punya peristiwa {id}, atau sudah terlalu lama dikirim: untuk menariknya, kirim fakta Retracted dengan NIK penduduk"
                );
                Words::new(self.to_string(), indonesian)
            }
            Self::Refused(refused) => refused.words(),
            Self::Outbox(error) => error.to_string().into(),
        }
    }
}

/// Why an event cannot be retracted.
#[derive(Debug, Error)]
pub enum RetractError {
    /// This agent does not know the event (any more).
    #[error(
        "this kiosk has no event {0}, or shipped it too long ago: to retract it, send a Retracted fact with the citizen's NIK"
    )]
    Unknown(EventId),
    /// The retraction was not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

struct Inner {
    kiosk: Kiosk,
    key: ProgrammeKey,
    outbox: Outbox,
    time: Arc<Timekeeper>,
    shipping: Arc<Shipping>,
    metrics: metrics::Metrics,
    worker: Option<WorkerAddress>,
    heard: Arc<Heard>,
    listening: Option<AbortHandle>,
    started_at: TimestampMs,
    shipper: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    fn stop_listening(&self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }

    /// The answer to an event that has no time now: a repetition needs none.
    fn accepted_before(
        &self,
        draft: &Draft,
        untimely: Untimely,
    ) -> Result<Result<Accepted, Refused>, OutboxError> {
        let Some(key) = &draft.key else { return Ok(Err(Refused::Clock(untimely))) };
        let before = self.outbox.accepted_before(key)?;
        Ok(before.map_or(Err(Refused::Clock(untimely)), |answer| answer.map_err(Refused::from)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_listening();
        // A caller that forgets to shut an agent down gets its outbox back all the same.
        self.shipping.tell(Command::Stop(tokio::time::Instant::now()));
    }
}

/// A running agent; a clone is the same one.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

impl Agent {
    /// Opens the outbox and begins to ship. Needs a tokio runtime to run on. It does not wait for
    /// a broker: a kiosk may start without a connection.
    ///
    /// # Errors
    /// If the outbox cannot be opened or the connection's options are wrong.
    pub fn start(
        settings: AgentSettings,
        key: ProgrammeKey,
        clock: Clock,
    ) -> Result<Self, AgentError> {
        // Before an outbox is made that belongs to a kiosk for ever.
        settings.check()?;
        let kiosk = settings.kiosk;
        let outbox_settings = OutboxSettings { key_id: Some(key.id()), ..settings.outbox_settings };
        let outbox = Outbox::open(&settings.outbox, &kiosk.id, outbox_settings)?;
        let mut unconfirmed = Vec::new();
        outbox.unsent_dates(|event| timekeeper::add_unconfirmed(&mut unconfirmed, &event))?;
        let latest = outbox.counts().newest_receipt;
        let time = Arc::new(Timekeeper::new(clock, &settings.outbox, latest, unconfirmed));
        let (sender, commands) = mpsc::unbounded_channel();
        let shipping = Arc::new(Shipping::new(sender));
        let shipper = Shipper::new(ShipperConfig {
            outbox: outbox.clone(),
            connection: settings.connection,
            reporter: Reporter::new(kiosk.clone(), key.id(), settings.report_every),
            shipping: Arc::clone(&shipping),
            time: Arc::clone(&time),
            commands,
            setbacks: Setbacks::of(&settings.outbox),
        })?;
        let metrics = metrics::Metrics::new().map_err(AgentError::Metrics)?;
        let started_at = time.kiosk_clock();
        let heard = Arc::new(Heard::of(&settings.outbox));
        let listening = settings.worker.clone().map(|worker| {
            let (heard, time) = (Arc::clone(&heard), Arc::clone(&time));
            let listening = heard.listen(worker, kiosk.id.clone(), time, settings.report_every);
            tokio::spawn(listening).abort_handle()
        });
        let watched = Arc::clone(&shipping);
        let shipper = tokio::spawn(async move {
            // Without a shipper the outbox would fill up, and nobody would know why.
            if AssertUnwindSafe(shipper.run()).catch_unwind().await.is_err() {
                watched
                    .fail("the shipper panicked; what it had not shipped is in the outbox".into());
            }
        });
        Ok(Self(Arc::new(Inner {
            kiosk,
            key,
            outbox,
            time,
            shipping,
            metrics,
            worker: settings.worker,
            heard,
            listening,
            started_at,
            shipper: Mutex::new(Some(shipper)),
        })))
    }

    /// The kiosk that events are of.
    #[must_use]
    pub fn kiosk(&self) -> &Kiosk {
        &self.0.kiosk
    }

    /// Takes events in; when it answers, those accepted are on the disk. Answer i is about
    /// submission i. An event that is refused leaves the others untouched.
    ///
    /// # Errors
    /// If the outbox cannot be written: then none of them is known to be accepted, and the same
    /// request may be sent again if every event has an idempotency key.
    pub async fn submit(
        &self,
        submissions: Vec<Result<Submission, Fault>>,
    ) -> Result<Vec<Result<Accepted, Refused>>, OutboxError> {
        self.0.shipping.comparison().await;
        let inner = Arc::clone(&self.0);
        let work = move || {
            let moment = inner.time.moment();
            let mut answers: Vec<Option<Result<Accepted, Refused>>> =
                Vec::with_capacity(submissions.len());
            let mut drafts = Vec::with_capacity(submissions.len());
            let mut sources = Vec::with_capacity(submissions.len());
            for submission in submissions {
                let drafted = submission.and_then(|submission| {
                    submission.draft(&inner.kiosk, &inner.key, clock::new_event_id(), &moment)
                });
                answers.push(match drafted {
                    Ok(Drafted { draft, time: Ok(source) }) => {
                        drafts.push(draft);
                        sources.push(source);
                        None
                    }
                    Ok(Drafted { draft, time: Err(untimely) }) => {
                        Some(inner.accepted_before(&draft, untimely)?)
                    }
                    Err(fault) => Some(Err(fault.into())),
                });
            }
            Ok::<_, OutboxError>((answers, drafts, (moment, sources)))
        };
        let (answers, drafts, times) = publisher::blocking(work).await?;
        let stored = self.store(drafts).await?;
        self.took(&stored, times).await;
        let mut stored = stored.into_iter();
        let answers = answers.into_iter().map(|answer| match answer {
            Some(answer) => answer,
            // The outbox answers every draft.
            None => stored.next().unwrap_or(Err(Refused::Numbers)),
        });
        let answers: Vec<_> = answers.collect();
        self.0.metrics.count(&answers);
        Ok(answers)
    }

    /// Takes an event back: it is to count as never happened. The citizen is known from the
    /// outbox, so that no NIK is needed.
    ///
    /// # Errors
    /// If the event is not known, or the retraction is not accepted.
    pub async fn retract(
        &self,
        event_id: EventId,
        reason: RetractionReason,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, RetractError> {
        self.0.shipping.comparison().await;
        let known = self.find(event_id).await?.ok_or(RetractError::Unknown(event_id))?;
        let moment = self.0.time.moment();
        let key = |purpose, text: &str| self.0.key.digest(purpose, text.as_bytes());
        // Without a key of the client's the event itself is one: taking it back twice is the same.
        let own = format!("retraction of {event_id}");
        let (occurred_at, time) = match moment.time(None) {
            Ok(timed) => (timed.occurred_at, Ok(timed.source)),
            Err(untimely) => (moment.reading.clock, Err(untimely)),
        };
        let draft = Draft {
            event_id: clock::new_event_id(),
            occurred_at,
            subject: known.subject,
            home_region: known.home_region,
            service_region: known.service_region,
            outreach_id: None,
            fact: Fact::Retracted { event_id, reason },
            accepted_at: moment.reading.clock,
            key: Some(IdempotencyKey {
                key: key("retraction key", idempotency_key.unwrap_or(&own)),
                content: key("idempotency content", &own),
            }),
        };
        let source = match time {
            Ok(source) => source,
            Err(untimely) => {
                let inner = Arc::clone(&self.0);
                let before = publisher::blocking(move || inner.accepted_before(&draft, untimely));
                return Ok(before.await??);
            }
        };
        let mut stored = self.store(vec![draft]).await?;
        self.took(&stored, (moment, vec![source])).await;
        Ok(stored.pop().unwrap_or(Err(Refused::Numbers))?)
    }

    async fn store(
        &self,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Accepted, Refused>>, OutboxError> {
        let count = drafts.len();
        let mut answers = Vec::with_capacity(count);
        let mut drafts = drafts.into_iter();
        loop {
            let step: Vec<_> = drafts.by_ref().take(STEP).collect();
            if step.is_empty() {
                return Ok(answers);
            }
            match self.0.outbox.accept(step).await {
                Ok(stored) => {
                    answers.extend(stored.into_iter().map(|answer| answer.map_err(Refused::from)));
                }
                Err(error) if answers.is_empty() => return Err(error),
                Err(error) => {
                    let refused = Refused::NotStored(error.to_string());
                    answers.resize(count, Err(refused));
                    return Ok(answers);
                }
            }
        }
    }

    /// Remembers which of the events that are stored now have doubtful times.
    async fn took(
        &self,
        stored: &[Result<Accepted, Refused>],
        (moment, sources): (Moment, Vec<TimeSource>),
    ) {
        for (answer, source) in stored.iter().zip(sources) {
            if let Ok(Accepted { sequence, repeated: false, .. }) = answer {
                self.0.time.took(sequence.get(), source, &moment);
            }
        }
        if self.0.time.is_unsaved() {
            let time = Arc::clone(&self.0.time);
            publisher::blocking(move || time.save()).await;
        }
    }

    /// What the worker said of this kiosk when it last answered; nothing without one.
    #[must_use]
    pub fn verdicts(&self) -> Option<Verdicts> {
        self.0.worker.as_ref().map(|_| self.0.heard.verdicts())
    }

    /// What a client that sends an event once more learns besides: whether it, or others of this kiosk,
    /// could not be counted.
    #[must_use]
    pub fn warning(&self, accepted: &Accepted) -> Option<String> {
        if !accepted.repeated {
            return None;
        }
        self.verdicts()?.warning(accepted.event_id, self.0.time.kiosk_clock())
    }

    /// Waits until the agent cannot go on, and tells why: its outbox has failed for good or its
    /// shipper has panicked, and only a new start can help.
    pub async fn failed(&self) -> String {
        self.0.shipping.failure().await
    }

    /// What the outbox knows of an event.
    ///
    /// # Errors
    /// If the outbox cannot be read.
    pub async fn find(&self, event_id: EventId) -> Result<Option<Known>, OutboxError> {
        let outbox = self.0.outbox.clone();
        publisher::blocking(move || outbox.find(event_id)).await
    }

    /// Puts events that were set aside back among those to be sent; answers how many.
    ///
    /// # Errors
    /// If the outbox cannot be written.
    pub async fn retry(&self, which: Retry) -> Result<u64, OutboxError> {
        let Some((lowest, count)) = self.0.outbox.retry(which).await? else { return Ok(0) };
        self.0.shipping.rewind(lowest);
        Ok(count)
    }

    /// Sends what is left, but for no longer than `grace`; says where the kiosk stands; closes the
    /// outbox. Answers how many events stay in it.
    ///
    /// # Errors
    /// If the outbox cannot be closed in order.
    pub async fn shutdown(&self, grace: Duration) -> Result<u64, OutboxError> {
        self.0.stop_listening();
        self.0.shipping.tell(Command::Stop(tokio::time::Instant::now() + grace));
        let shipper = self.0.shipper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shipper) = shipper
            && let Err(error) = shipper.await
        {
            tracing::warn!(%error, "the shipper ended early; what is left stays in the outbox");
        }
        let counts = self.0.outbox.counts();
        let outbox = self.0.outbox.clone();
        publisher::blocking(move || outbox.close()).await?;
        Ok(counts.unsent + counts.set_aside)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full { limit_bytes } => Self::Full { limit_bytes },
            Refusal::KeyReused { event_id } => Self::KeyReused { event_id },
            Refusal::Numbers => Self::Numbers,
            Refusal::TooLarge { bytes, .. } => Self::TooLarge { bytes },
        }
    }
}

impl From<PublishError> for AgentError {
    fn from(error: PublishError) -> Self {
        Self::Ship(error.into())
    }
}
