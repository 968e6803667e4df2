//! The kiosk agent: takes events in, keeps them safe, and ships them.
//!
//! [`submission`] reads what a client says and turns a NIK into a pseudonym; the
//! [`outbox`](crate::outbox) numbers the event and keeps it, synced to the disk, before anybody is
//! told that it was accepted; the shipper sends it and takes it out when Kafka has acknowledged
//! it. A Rust integration embeds [`Agent`]; all others talk to it over loopback HTTP ([`http`]).
//! The NIK and the programme's key are in this process's memory and nowhere else.

mod backoff;
mod fate;
mod hands;
pub mod http;
mod metrics;
mod progress;
pub mod redact;
mod report;
mod ship;
mod status;
pub mod submission;
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
use tokio::task::JoinHandle;

use crate::clock;
use crate::connection::Connection;
use crate::outbox::{
    Accepted, Draft, IdempotencyKey, Known, Outbox, OutboxError, OutboxSettings, Refusal, Retry,
};
use crate::publish::PublishError;
use progress::Shipping;
use report::Reporter;
use ship::{Command, Equipment, Shipper};
use submission::{Fault, Kiosk, Submission};

pub use fate::{Fate, Whereabouts, WorkerAddress};
pub use hands::ShipError;
pub use progress::ShippingState;
pub use status::{Advice, SetAsideEvent, Status};

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
    /// If there is no such region, the kiosk's id may be a citizen's number, or the connection's
    /// options are wrong.
    pub fn check(&self) -> Result<(), AgentError> {
        if redact::holds_nik(self.kiosk.id.as_str()) {
            return Err(AgentError::KioskId);
        }
        crate::intake::region("service_region", self.kiosk.service_region)?;
        self.connection.client_config().map_err(PublishError::from)?;
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
    /// The kiosk's id holds what may be a citizen's number, and would be in every event.
    #[error("the kiosk id holds digits like a NIK's: give the kiosk another name")]
    KioskId,
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
    clock: Clock,
    shipping: Arc<Shipping>,
    metrics: metrics::Metrics,
    worker: Option<WorkerAddress>,
    started_at: TimestampMs,
    shipper: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever forgets to shut an agent down gets its outbox back all the same.
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
        let outbox = Outbox::open(&settings.outbox, &kiosk.id, settings.outbox_settings)?;
        let (sender, commands) = mpsc::unbounded_channel();
        let shipping = Arc::new(Shipping::new(sender));
        let shipper = Shipper::new(Equipment {
            outbox: outbox.clone(),
            connection: settings.connection,
            reporter: Reporter::new(kiosk.clone(), settings.report_every),
            shipping: Arc::clone(&shipping),
            clock: Arc::clone(&clock),
            commands,
        })?;
        let metrics = metrics::Metrics::new().map_err(AgentError::Metrics)?;
        let started_at = clock();
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
            clock,
            shipping,
            metrics,
            worker: settings.worker,
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
        let inner = Arc::clone(&self.0);
        let work = move || {
            let now = (inner.clock)();
            let mut answers: Vec<Option<Refused>> = Vec::with_capacity(submissions.len());
            let mut drafts = Vec::with_capacity(submissions.len());
            for submission in submissions {
                let draft = submission.and_then(|submission| {
                    submission.draft(&inner.kiosk, &inner.key, clock::new_event_id(), now)
                });
                match draft {
                    Ok(draft) => {
                        drafts.push(draft);
                        answers.push(None);
                    }
                    Err(fault) => answers.push(Some(fault.into())),
                }
            }
            (answers, drafts)
        };
        let (answers, drafts) = hands::blocking(work).await;
        let mut stored = self.store(drafts).await?.into_iter();
        let answers = answers.into_iter().map(|refused| match refused {
            Some(refused) => Err(refused),
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
        let known = self.find(event_id).await?.ok_or(RetractError::Unknown(event_id))?;
        let now = (self.0.clock)();
        let key = |purpose, text: &str| self.0.key.digest(purpose, text.as_bytes());
        // Without a key of the client's the event itself is one: taking it back twice is the same.
        let own = format!("retraction of {event_id}");
        let draft = Draft {
            event_id: clock::new_event_id(),
            occurred_at: now,
            subject: known.subject,
            home_region: known.home_region,
            service_region: known.service_region,
            outreach_id: None,
            fact: Fact::Retracted { event_id, reason },
            accepted_at: now,
            key: Some(IdempotencyKey {
                key: key("retraction key", idempotency_key.unwrap_or(&own)),
                content: key("idempotency content", &own),
            }),
        };
        let mut stored = self.store(vec![draft]).await?;
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
        hands::blocking(move || outbox.find(event_id)).await
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
        self.0.shipping.tell(Command::Stop(tokio::time::Instant::now() + grace));
        let shipper = self.0.shipper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shipper) = shipper
            && let Err(error) = shipper.await
        {
            tracing::warn!(%error, "the shipper ended early; what is left stays in the outbox");
        }
        let counts = self.0.outbox.counts();
        let outbox = self.0.outbox.clone();
        hands::blocking(move || outbox.close()).await?;
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
