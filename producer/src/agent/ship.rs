//! From the outbox to Kafka: in order of sequence, acknowledged by all replicas, retried without
//! end.
//!
//! An event leaves the outbox when Kafka has acknowledged it, and is kept as rejected when Kafka
//! refuses it permanently. After a crash some are sent again, with the same event id and sequence:
//! the fold makes that harmless. The shipper also sends the kiosk's status, and learns from every
//! acknowledgement how far the kiosk's clock is from the broker's.

mod compare;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use laju_schemas::position::LogDigest;
use laju_schemas::topic::EVENTS;
use rand::RngExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::blocking::blocking;
use super::report::Reporter;
use super::rollback::RollbackFile;
use super::shipping::{Command, Shipping};
use super::timekeeper::Timekeeper;
use super::window::{Next, Window};
use crate::outbox::{
    Counts, Outbox, OutboxError, Outcome, Pending, Rejection, RejectionReason, Retry, Unsent,
};
use laju_kafka::connection::Connection;
use laju_kafka::publish::{DeliveryError, PublishError, PublishSettings, Publisher, Receipt};

/// Events on their way at the same time.
const WINDOW_EVENTS: usize = 10_000;
/// Events read from the outbox at once.
const PAGE_EVENTS: usize = 1_000;
/// Outcomes written to the outbox at once.
const SETTLE_BATCH: usize = 5_000;
/// A round trip longer than this says nothing of the clock.
const MAX_CLOCK_ROUND_TRIP: Duration = Duration::from_secs(2);

/// How long the end waits for the kiosk's last status.
const FINAL_STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the producer is checked for a fatal error while something is under way: it does not
/// always give back what it has.
const FATAL_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Something that was sent, and what came of it.
enum Completed {
    Event { sequence: u32, began: Instant, result: Result<Receipt, DeliveryError> },
    Status { began: Instant, result: Result<Receipt, DeliveryError> },
}

/// Events whose outcome is known, by their sequences.
type Outcomes = Vec<(u32, Outcome)>;

type InFlight = Pin<Box<dyn Future<Output = Completed> + Send>>;

/// Ships until a stop is commanded.
pub(super) struct Shipper {
    outbox: Outbox,
    connection: Connection,
    settings: PublishSettings,
    /// None after a fatal error, until another can be made.
    publisher: Option<Arc<Publisher>>,
    window: Window,
    in_flight: FuturesUnordered<InFlight>,
    outcomes: Outcomes,
    settling: Option<(Outcomes, Pending<()>)>,
    backoff: Backoff,
    unauthorised: bool,
    reporter: Reporter,
    shipping: Arc<Shipping>,
    time: Arc<Timekeeper>,
    commands: mpsc::UnboundedReceiver<Command>,
    stop_at: Option<Instant>,
    rollbacks: RollbackFile,
}

impl Shipper {
    pub(super) fn new(
        outbox: Outbox,
        connection: Connection,
        reporter: Reporter,
        shipping: Arc<Shipping>,
        time: Arc<Timekeeper>,
        commands: mpsc::UnboundedReceiver<Command>,
        rollbacks: RollbackFile,
    ) -> Result<Self, PublishError> {
        let settings = PublishSettings {
            // Without end: a kiosk may be offline for days.
            delivery_timeout: Duration::ZERO,
            queue_messages: 2 * WINDOW_EVENTS as u32,
            ..PublishSettings::default()
        };
        let publisher = Publisher::new(&connection, &settings)?;
        shipping.listen_to(publisher.broker_events());
        let unauthorised = outbox.counts().rejected > 0;
        Ok(Self {
            outbox,
            connection,
            settings,
            publisher: Some(Arc::new(publisher)),
            window: Window::new(WINDOW_EVENTS),
            in_flight: FuturesUnordered::new(),
            outcomes: Vec::new(),
            settling: None,
            backoff: Backoff::new(Instant::now()),
            unauthorised,
            reporter,
            shipping,
            time,
            commands,
            stop_at: None,
            rollbacks,
        })
    }

    pub(super) async fn run(mut self) {
        if !self.compare().await {
            return;
        }
        self.shipping.compared();
        let mut changed = self.outbox.changed();
        loop {
            if let Err(why) = self.send().await {
                self.hold_off(&why);
            }
            self.report_if_due(false).await;
            self.note_doubts().await;
            self.settle();
            if self.is_over() {
                break;
            }
            self.wait(&mut changed).await;
        }
        self.end().await;
    }

    /// Waits until something has happened that there may be more to do for.
    async fn wait(&mut self, changed: &mut watch::Receiver<Counts>) {
        let wake = self.wake_at();
        let settling = async {
            match &mut self.settling {
                Some((_, pending)) => pending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(completed) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                self.completed(completed);
                while let Some(Some(completed)) = self.in_flight.next().now_or_never() {
                    self.completed(completed);
                }
            }
            result = settling => self.settled(result),
            command = self.commands.recv() => match command {
                Some(Command::Rewind(sequence)) => self.window.rewind(sequence),
                Some(Command::Stop(at)) => self.stop_at = Some(at),
                None => self.stop_at = Some(Instant::now()),
            },
            // The outbox does not go before its shipper.
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }

    fn wake_at(&self) -> Instant {
        let mut wake = self.reporter.due();
        if let Some(again) = self.backoff.wake_at() {
            wake = wake.min(again);
        }
        if self.window.in_flight_count() > 0 {
            wake = wake.min(Instant::now() + FATAL_CHECK_INTERVAL);
        }
        self.stop_at.map_or(wake, |stop| wake.min(stop))
    }

    fn is_over(&self) -> bool {
        let Some(at) = self.stop_at else { return false };
        let nothing_left = self.outbox.counts().unsent == 0 && self.settling.is_none();
        nothing_left || Instant::now() >= at
    }

    /// Sends as much as there is and as there is room for.
    async fn send(&mut self) -> Result<(), String> {
        if self.backoff.look(Instant::now()) {
            return Ok(());
        }
        let publisher = self.working_publisher()?;
        while self.window.room() > 0 {
            let (outbox, after) = (self.outbox.clone(), self.window.cursor());
            let limit = self.window.room().min(PAGE_EVENTS);
            let page = blocking(move || outbox.unsent_after(after, limit)).await;
            let page = page.map_err(|error| self.outbox_failed("read", &error))?;
            if page.is_empty() {
                return Ok(());
            }
            let mut now = Vec::with_capacity(page.len());
            let mut wait = false;
            for event in page {
                match self.window.offer(event.sequence) {
                    Next::Send => now.push(event),
                    Next::Skip => {}
                    Next::Wait => {
                        wait = true;
                        break;
                    }
                }
            }
            if !now.is_empty() {
                self.publish(Arc::clone(&publisher), now).await?;
            }
            if wait {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands events to the producer as they are stored. What could not be handed over is offered
    /// again.
    async fn publish(
        &mut self,
        publisher: Arc<Publisher>,
        events: Vec<Unsent>,
    ) -> Result<(), String> {
        let (sent, failed) = blocking(move || {
            let mut sent = Vec::with_capacity(events.len());
            for (place, Unsent { sequence, entry, value }) in events.iter().enumerate() {
                match publisher.publish_stored(entry.event_id, entry.subject, value) {
                    Ok(delivery) => sent.push((*sequence, Ok(delivery))),
                    Err(error) => match rejection(&error) {
                        Some(reason) => sent.push((*sequence, Err((reason, error.to_string())))),
                        None => {
                            let rest = events[place..].iter().map(|event| event.sequence);
                            let failed = Some((rest.collect::<Vec<_>>(), error.to_string()));
                            return (sent, failed);
                        }
                    },
                }
            }
            (sent, None)
        })
        .await;
        let began = Instant::now();
        for (sequence, result) in sent {
            match result {
                Ok(delivery) => {
                    let completed =
                        delivery.map(move |result| Completed::Event { sequence, began, result });
                    self.in_flight.push(Box::pin(completed));
                }
                Err((reason, detail)) => self.reject(sequence, reason, detail),
            }
        }
        self.note_in_flight();
        let Some((rest, why)) = failed else { return Ok(()) };
        for sequence in rest {
            self.window.again(sequence);
        }
        Err(why)
    }

    /// Takes note of what came back.
    fn completed(&mut self, completed: Completed) {
        match completed {
            Completed::Event { sequence, began, result: Ok(receipt) } => {
                self.window.completed(sequence);
                let believed = self.time.believed(receipt);
                self.outcomes.push((sequence, Outcome::Acknowledged(believed)));
                self.measure_clock(began, &receipt);
                let now = self.time.kiosk_clock();
                self.shipping.update(|state| {
                    (state.last_acknowledged_at, state.obstacle) = (Some(now), None);
                });
                self.note_log();
                self.backoff.ease();
                if std::mem::take(&mut self.unauthorised) {
                    let which = Retry::Because(RejectionReason::NotAuthorised);
                    let (outbox, shipping) = (self.outbox.clone(), Arc::clone(&self.shipping));
                    tokio::spawn(try_again(outbox, shipping, which));
                }
            }
            Completed::Event { sequence, result: Err(error), .. } => {
                match self.window.failed(sequence, &error) {
                    Some(reason) => self.reject(sequence, reason, error.to_string()),
                    None => match error {
                        DeliveryError::TooLarge(_) | DeliveryError::Refused(_) => {
                            tracing::debug!(sequence, %error, "to be sent once more, alone");
                        }
                        _ => self.hold_off(&error.to_string()),
                    },
                }
            }
            Completed::Status { began, result } => {
                match &result {
                    Ok(receipt) => self.measure_clock(began, receipt),
                    Err(error) => {
                        tracing::warn!(%error, "the kiosk's status was not delivered");
                        self.shipping.update(|state| state.obstacle = Some(error.to_string()));
                    }
                }
                self.reporter.completed(result.is_ok(), began);
                if result.is_ok() {
                    let now = self.time.kiosk_clock();
                    self.shipping.update(|state| {
                        (state.last_reported_at, state.obstacle) = (Some(now), None);
                    });
                }
            }
        }
        self.note_in_flight();
    }

    fn note_in_flight(&self) {
        let in_flight = self.window.in_flight_count();
        self.shipping.update(|state| state.in_flight = in_flight);
    }

    /// Takes note of which log it is, once that is known.
    fn note_log(&self) {
        let log = &self.shipping.log;
        if log.get().is_none()
            && let Some(cluster) = self.publisher.as_ref().and_then(|it| it.cluster_id())
        {
            log.get_or_init(|| LogDigest::of(&cluster, &self.connection.topic(&EVENTS)));
        }
    }

    fn reject(&mut self, sequence: u32, reason: RejectionReason, detail: String) {
        tracing::warn!(sequence, obstacle = reason.as_str(), detail, "an event is set aside");
        self.window.completed(sequence);
        let rejection = Rejection { reason, detail, at: self.time.kiosk_clock() };
        self.outcomes.push((sequence, Outcome::Rejected(rejection)));
    }

    /// Writes what is known to the outbox, one write at a time. After a failed write the disk is
    /// given time.
    fn settle(&mut self) {
        let disk_rests = self.shipping.outbox_failed() && self.backoff.holds();
        if self.settling.is_some() || self.outcomes.is_empty() || disk_rests {
            return;
        }
        let rest = self.outcomes.split_off(self.outcomes.len().min(SETTLE_BATCH));
        let outcomes = std::mem::replace(&mut self.outcomes, rest);
        let pending = self.outbox.settle(outcomes.clone());
        self.settling = Some((outcomes, pending));
    }

    fn settled(&mut self, result: Result<(), OutboxError>) {
        let Some((outcomes, _)) = self.settling.take() else { return };
        match result {
            Ok(()) => {
                self.shipping.update(|state| state.outbox_failed = false);
                for (sequence, outcome) in outcomes {
                    self.window.settled(sequence);
                    // Not before it can be found among those rejected.
                    self.unauthorised |= is_unauthorised(&outcome);
                }
            }
            Err(error) => {
                self.outcomes.splice(..0, outcomes);
                self.shipping.update(|state| state.outbox_failed = true);
                let why = self.outbox_failed("written", &error);
                self.hold_off(&why);
            }
        }
    }

    /// Describes a failed outbox. Where it cannot recover, the agent ends.
    fn outbox_failed(&self, what: &str, error: &OutboxError) -> String {
        if !error.passes() {
            self.shipping.fail(error.to_string());
        }
        format!("the outbox cannot be {what}: {error}")
    }

    /// Sends the kiosk's status if it is time for it, or at once.
    async fn report_if_due(&mut self, now: bool) {
        if !self.reporter.begin(now) {
            return;
        }
        if self.unauthorised {
            probe_authorisation(self.outbox.clone(), Arc::clone(&self.shipping)).await;
        }
        let Some(publisher) = self.publisher.clone() else {
            return self.reporter.completed(false, Instant::now());
        };
        let counts = self.outbox.counts();
        let moment = self.time.moment();
        let status = self.reporter.status(&counts, moment.offset_ms(), moment.reading.clock);
        let began = Instant::now();
        match blocking(move || publisher.publish_status(&status)).await {
            Ok(delivery) => {
                let completed = delivery.map(move |result| Completed::Status { began, result });
                self.in_flight.push(Box::pin(completed));
            }
            Err(error) => {
                tracing::warn!(%error, "the kiosk's status cannot be sent");
                self.shipping.update(|state| state.obstacle = Some(error.to_string()));
                self.reporter.completed(false, began);
            }
        }
    }

    /// Waits a while before anything else is sent, a little longer each time.
    fn hold_off(&mut self, why: &str) {
        let jitter = rand::rng().random_range(0.5..1.0);
        let Some(is_first) = self.backoff.hold(Instant::now(), jitter) else { return };
        if is_first {
            tracing::warn!(why, "sending is interrupted; it is tried again for ever");
        }
        self.shipping.update(|state| state.obstacle = Some(why.to_owned()));
    }

    /// The producer; a new one if the brokers have lost track of it.
    fn working_publisher(&mut self) -> Result<Arc<Publisher>, String> {
        if let Some(why) = self.publisher.as_ref().and_then(|publisher| publisher.fatal_error()) {
            tracing::warn!(why, "the producer cannot go on: a new one takes over");
            self.window.forget_in_flight();
            self.in_flight.clear();
            self.reporter.forget();
            self.publisher = None;
        }
        if let Some(publisher) = &self.publisher {
            return Ok(Arc::clone(publisher));
        }
        let publisher = Publisher::new(&self.connection, &self.settings);
        let publisher = Arc::new(publisher.map_err(|error| error.to_string())?);
        self.shipping.listen_to(publisher.broker_events());
        self.publisher = Some(Arc::clone(&publisher));
        Ok(publisher)
    }

    fn measure_clock(&self, began: Instant, receipt: &Receipt) {
        let round_trip = began.elapsed();
        let Some(broker) = receipt.timestamp.filter(|_| receipt.by_broker) else { return };
        if round_trip <= MAX_CLOCK_ROUND_TRIP {
            self.time.measured(broker, round_trip / 2);
        }
    }

    /// Writes down which events have doubtful times, before the outbox learns that they are sent:
    /// those that are not are looked at again after a crash.
    async fn note_doubts(&mut self) {
        if self.time.is_unsaved() {
            let time = Arc::clone(&self.time);
            blocking(move || time.save()).await;
        }
    }

    /// Before the end what came back is stored, and the kiosk says where it stands.
    async fn end(mut self) {
        let until = Instant::now() + FINAL_STATUS_TIMEOUT;
        // There is no later attempt to wait for.
        self.backoff.release();
        self.note_doubts().await;
        while self.settling.is_some() || !self.outcomes.is_empty() {
            self.settle();
            if let Some((_, pending)) = &mut self.settling {
                let result = pending.await;
                let failed = result.is_err();
                self.settled(result);
                if failed {
                    break;
                }
            }
        }
        self.report_if_due(true).await;
        while !self.in_flight.is_empty() && self.reporter.is_under_way() {
            match tokio::time::timeout_at(until, self.in_flight.next()).await {
                Ok(Some(completed)) => self.completed(completed),
                Ok(None) | Err(_) => break,
            }
        }
        self.note_doubts().await;
        // What was acknowledged together with the last status.
        if !self.outcomes.is_empty() {
            let outcomes = std::mem::take(&mut self.outcomes);
            if let Err(error) = self.outbox.settle(outcomes).await {
                tracing::warn!(%error, "some events will be sent again at the next start");
            }
        }
    }
}

/// Why Kafka will never take an event that could not be handed over; none if it may later.
fn rejection(error: &PublishError) -> Option<RejectionReason> {
    match error {
        PublishError::TooLarge { .. } => Some(RejectionReason::TooLarge),
        PublishError::Encode(_) | PublishError::Reference(_) | PublishError::Stored(_) => {
            Some(RejectionReason::Refused)
        }
        PublishError::Connection(_) | PublishError::Registry(_) | PublishError::Queue { .. } => {
            None
        }
    }
}

fn is_unauthorised(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected(Rejection { reason: RejectionReason::NotAuthorised, .. }))
}

/// Puts rejected events back among the unsent.
async fn try_again(outbox: Outbox, shipping: Arc<Shipping>, which: Retry) {
    match outbox.retry(which).await {
        Ok(Some((lowest, _))) => shipping.rewind(lowest),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "what was set aside cannot be tried again"),
    }
}

/// Finds out with one event whether this user is authorised by now.
async fn probe_authorisation(outbox: Outbox, shipping: Arc<Shipping>) {
    let of = outbox.clone();
    let first = blocking(move || of.first_rejected(RejectionReason::NotAuthorised)).await;
    if let Ok(Some(event_id)) = first {
        try_again(outbox, shipping, Retry::Event(event_id)).await;
    }
}
