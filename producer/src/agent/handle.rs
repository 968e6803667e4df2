//! A running agent: started, given events, stopped.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use laju_schemas::event::RetractionReason;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{EventId, TimestampMs};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use super::best_clock::{Moment, Untimely};
use super::blocking::blocking;
use super::draft::{self, Drafted};
use super::kiosk::Kiosk;
use super::metrics::Metrics;
use super::refused::{Refused, RetractError};
use super::report::Reporter;
use super::rollback::RollbackFile;
use super::ship::Shipper;
use super::shipping::{Command, Shipping};
use super::submission::{Fault, Submission};
use super::timekeeper::{self, Timekeeper};
use super::worker::WorkerAddress;
use super::worker_report::WorkerMonitor;
use crate::clock::{self, Clock};
use crate::outbox::{
    Accepted, Draft, Entry, Known, Outbox, OutboxError, OutboxSettings, Refusal, Retry,
};
use laju_kafka::connection::Connection;
use laju_kafka::publish::PublishError;

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
const STORE_BATCH: usize = 1_000;

impl AgentSettings {
    /// Whether an agent can start with these settings, as far as that is known without
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
    /// The connection's options, or the producer.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The kiosk's own region.
    #[error(transparent)]
    Region(#[from] crate::intake::IntakeError),
    /// Metrics.
    #[error("metrics cannot be collected: {0}")]
    Metrics(String),
}

pub(super) struct Inner {
    pub(super) kiosk: Kiosk,
    pub(super) key: ProgrammeKey,
    pub(super) outbox: Outbox,
    pub(super) time: Arc<Timekeeper>,
    pub(super) shipping: Arc<Shipping>,
    pub(super) metrics: Metrics,
    pub(super) worker: Option<WorkerAddress>,
    pub(super) worker_monitor: Arc<WorkerMonitor>,
    polling: Option<AbortHandle>,
    pub(super) started_at: TimestampMs,
    shipper: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    fn stop_polling(&self) {
        if let Some(polling) = &self.polling {
            polling.abort();
        }
    }

    /// The answer to an event that has no time now: a repetition needs none.
    fn accepted_before(
        &self,
        draft: &Draft,
        untimely: Untimely,
    ) -> Result<Result<Accepted, Refused>, OutboxError> {
        let Some(key) = &draft.entry.key else { return Ok(Err(Refused::Clock(untimely))) };
        let before = self.outbox.accepted_before(key)?;
        Ok(before.map_or(Err(Refused::Clock(untimely)), |answer| answer.map_err(Refused::from)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_polling();
        // A caller that forgets to shut an agent down gets its outbox back all the same.
        self.shipping.command(Command::Stop(tokio::time::Instant::now()));
    }
}

/// A running agent; a clone is the same one.
#[derive(Clone)]
pub struct Agent(pub(super) Arc<Inner>);

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
        // Before an outbox is made that belongs to a kiosk permanently.
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
        let shipper = Shipper::new(
            outbox.clone(),
            settings.connection,
            Reporter::new(kiosk.clone(), key.id(), settings.report_every),
            Arc::clone(&shipping),
            Arc::clone(&time),
            commands,
            RollbackFile::of(&settings.outbox),
        )?;
        let metrics = Metrics::new().map_err(AgentError::Metrics)?;
        let started_at = time.kiosk_clock();
        let worker_monitor = Arc::new(WorkerMonitor::of(&settings.outbox));
        let polling = settings.worker.clone().map(|worker| {
            let (monitor, time) = (Arc::clone(&worker_monitor), Arc::clone(&time));
            let polling = monitor.poll(worker, kiosk.id.clone(), time, settings.report_every);
            tokio::spawn(polling).abort_handle()
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
            worker_monitor,
            polling,
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
        let draft = |inner: &Inner, submission: Result<Submission, Fault>, moment: &Moment| {
            submission?.draft(&inner.kiosk, &inner.key, clock::new_event_id(), moment)
        };
        let answers = self.take(submissions, draft).await?;
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
        let idempotency_key = idempotency_key.map(str::to_owned);
        let draft = move |inner: &Inner, retracted: Entry, moment: &Moment| {
            let (key, id) = (idempotency_key.as_deref(), clock::new_event_id());
            draft::retraction(&retracted, reason, key, &inner.key, id, moment)
        };
        let mut answers = self.take(vec![known.entry], draft).await?;
        Ok(answers.pop().unwrap_or(Err(Refusal::Numbers.into()))?)
    }

    /// Stores what is drafted of each that was given, and answers for each.
    async fn take<T: Send + 'static>(
        &self,
        given: Vec<T>,
        draft: impl Fn(&Inner, T, &Moment) -> Result<Drafted, Fault> + Send + 'static,
    ) -> Result<Vec<Result<Accepted, Refused>>, OutboxError> {
        let inner = Arc::clone(&self.0);
        let work = move || {
            let moment = inner.time.moment();
            // Those that are not to be stored now are answered at once.
            let mut answers = Vec::with_capacity(given.len());
            let (mut drafts, mut sources) = (Vec::new(), Vec::new());
            for given in given {
                answers.push(match draft(&inner, given, &moment) {
                    Ok((draft, Ok(source))) => {
                        drafts.push(draft);
                        sources.push(source);
                        None
                    }
                    Ok((draft, Err(untimely))) => Some(inner.accepted_before(&draft, untimely)?),
                    Err(fault) => Some(Err(fault.into())),
                });
            }
            Ok::<_, OutboxError>((answers, drafts, sources, moment))
        };
        let (answers, drafts, sources, moment) = blocking(work).await?;
        let stored = self.store(drafts).await?;
        // Which of the events that are stored now have doubtful times.
        for (answer, source) in stored.iter().zip(sources) {
            if let Ok(Accepted { sequence, repeated: false, .. }) = answer {
                self.0.time.took(sequence.get(), source, &moment);
            }
        }
        if self.0.time.is_unsaved() {
            let time = Arc::clone(&self.0.time);
            blocking(move || time.save()).await;
        }
        let mut stored = stored.into_iter();
        // The outbox answers every draft.
        let mut next = || stored.next().unwrap_or(Err(Refusal::Numbers.into()));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(&mut next)).collect())
    }

    async fn store(
        &self,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Accepted, Refused>>, OutboxError> {
        let count = drafts.len();
        let mut answers = Vec::with_capacity(count);
        let mut drafts = drafts.into_iter();
        loop {
            let step: Vec<_> = drafts.by_ref().take(STORE_BATCH).collect();
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

    /// Waits until the agent cannot go on, and tells why: its outbox has failed permanently or its
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
        blocking(move || outbox.find(event_id)).await
    }

    /// Puts rejected events back among those to be sent; answers how many.
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
        self.0.stop_polling();
        self.0.shipping.command(Command::Stop(tokio::time::Instant::now() + grace));
        let shipper = self.0.shipper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shipper) = shipper
            && let Err(error) = shipper.await
        {
            tracing::warn!(%error, "the shipper ended early; what is left stays in the outbox");
        }
        let counts = self.0.outbox.counts();
        let outbox = self.0.outbox.clone();
        blocking(move || outbox.close()).await?;
        Ok(counts.unsent + counts.rejected)
    }
}
