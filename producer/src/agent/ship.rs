//! From the outbox to Kafka: in order of sequence, acknowledged by all replicas, tried for ever.
//!
//! An event leaves the outbox when Kafka has acknowledged it, or is set aside when it is refused
//! for good. After a crash some are sent again, with the same event id and sequence: the fold
//! makes that harmless. The shipper also sends the kiosk's status, and learns from every
//! acknowledgement how far the kiosk's clock is from the broker's.

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
use super::progress::Shipping;
use super::publisher::{
    BlockingPublisher, ShipError, Unsendable, blocking, probe_authorisation, try_again,
};
use super::report::Reporter;
use super::setback::{Setback, Setbacks};
use super::timekeeper::Timekeeper;
use super::window::{Failure, Next, Window};
use crate::last_word::{LastWord, LastWordError, Patience, Search};
use crate::outbox::{Obstacle, Outbox, OutboxError, Outcome, Pending, Retry, RolledBack, Unsent};
use laju_kafka::connection::Connection;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::publish::{DeliveryError, PublishSettings, Publisher, Receipt};

/// Events on their way at the same time.
const WINDOW: usize = 10_000;
/// Events read from the outbox at once.
const PAGE: usize = 1_000;
/// Outcomes written to the outbox at once.
const SETTLED: usize = 5_000;
/// A round trip longer than this says nothing of the clock.
const PROMPT: Duration = Duration::from_secs(2);

/// How long one look for the kiosk's last word may take.
const LOOK: Patience = Patience {
    silence: Duration::from_secs(10),
    whole: Duration::from_secs(30),
    schema: Duration::from_secs(5),
};
/// How long it is looked for while the brokers answer: to send is worth more than to know.
const LOOKED_FOR: Duration = Duration::from_secs(5 * 60);
/// No outbox falls back by more numbers than this: who may write to the status topic must not be
/// able to use up another kiosk's numbers.
const FARTHEST: u32 = 100_000_000;

/// How long the end waits for the kiosk's last status.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often it is seen whether the producer can go on while something is under way: one that cannot
/// does not always give back what it has.
const GLANCE: Duration = Duration::from_secs(5);

/// The commands to the shipper.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// Events from this sequence on may have come back among the unsent.
    Rewind(u32),
    /// Send what is left, then stop; at the latest at this instant.
    Stop(Instant),
}

/// Something that was sent, and what came of it.
enum Landed {
    Event { sequence: u32, began: Instant, generation: u64, result: Result<Receipt, DeliveryError> },
    Report { began: Instant, result: Result<Receipt, DeliveryError> },
}

/// Events whose fate is known, by their sequences.
type Outcomes = Vec<(u32, Outcome)>;

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// Ships until it is told to stop.
pub(super) struct Shipper {
    outbox: Outbox,
    connection: Connection,
    settings: PublishSettings,
    publisher: Option<BlockingPublisher>,
    window: Window,
    flights: FuturesUnordered<Flight>,
    /// Counts producers: what an earlier one says no longer matters.
    generation: u64,
    outcomes: Outcomes,
    settling: Option<(Outcomes, Pending<()>)>,
    backoff: Backoff,
    unauthorised: bool,
    reporter: Reporter,
    shipping: Arc<Shipping>,
    time: Arc<Timekeeper>,
    commands: mpsc::UnboundedReceiver<Command>,
    stop_at: Option<Instant>,
    setbacks: Setbacks,
}

/// What the shipper needs to begin.
pub(super) struct ShipperConfig {
    pub(super) outbox: Outbox,
    pub(super) connection: Connection,
    pub(super) reporter: Reporter,
    pub(super) shipping: Arc<Shipping>,
    pub(super) time: Arc<Timekeeper>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) setbacks: Setbacks,
}

impl Shipper {
    pub(super) fn new(equipment: ShipperConfig) -> Result<Self, ShipError> {
        let ShipperConfig { outbox, connection, reporter, shipping, time, commands, setbacks } =
            equipment;
        let settings = PublishSettings {
            // For ever: a kiosk may be offline for days.
            delivery_timeout: Duration::ZERO,
            queue_messages: 2 * WINDOW as u32,
            ..PublishSettings::default()
        };
        let publisher = BlockingPublisher::new(&connection, &settings)?;
        shipping.listen_to(publisher.publisher.broker_events());
        let unauthorised = outbox.counts().set_aside > 0;
        Ok(Self {
            outbox,
            connection,
            settings,
            publisher: Some(publisher),
            window: Window::new(WINDOW),
            flights: FuturesUnordered::new(),
            generation: 0,
            outcomes: Vec::new(),
            settling: None,
            backoff: Backoff::new(Instant::now()),
            unauthorised,
            reporter,
            shipping,
            time,
            commands,
            stop_at: None,
            setbacks,
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

    /// Compares the outbox with this kiosk's last word in Kafka, before anything is sent: what is
    /// said afterwards stands in its place. Says whether anything may be sent; if not, it was told
    /// to stop meanwhile.
    async fn compare(&mut self) -> bool {
        self.remember_setbacks().await;
        let kiosk = self.reporter.kiosk_id().clone();
        let mut search = Search::new(self.connection.clone(), kiosk.clone());
        let mut answered = Duration::ZERO;
        loop {
            let began = Instant::now();
            let look = tokio::task::spawn_blocking(move || {
                let looked = search.look(LOOK);
                (search, looked)
            });
            let looked = tokio::select! {
                looked = look => looked,
                () = Self::told_to_stop(&self.outbox, &mut self.commands, &mut self.stop_at) => return false,
            };
            let why = match looked {
                Ok((_, Ok(None))) => return true,
                Ok((gone_on, Ok(Some(word)))) => {
                    search = gone_on;
                    match self.number_above(&word).await {
                        Ok(()) => return true,
                        Err(error) => self.outbox_failed("written", &error),
                    }
                }
                Ok((gone_on, Err(error))) => {
                    search = gone_on;
                    let why = error.to_string();
                    if given_up(&error, answered + began.elapsed()) {
                        tracing::warn!(
                            why,
                            "it is not known whether this outbox has been set back"
                        );
                        self.shipping.not_compared(why, advice(&error));
                        return true;
                    }
                    if error.is_answer() {
                        answered += began.elapsed().max(self.backoff.pause());
                    }
                    why
                }
                Err(error) => {
                    search = Search::new(self.connection.clone(), kiosk.clone());
                    error.to_string()
                }
            };
            self.hold_off(&why);
            let again = self.backoff.until();
            tokio::select! {
                () = tokio::time::sleep_until(again) => {}
                () = Self::told_to_stop(&self.outbox, &mut self.commands, &mut self.stop_at) => return false,
            }
        }
    }

    /// Waits until it has been told to stop and the time for that is over.
    async fn told_to_stop(
        outbox: &Outbox,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        stop_at: &mut Option<Instant>,
    ) {
        loop {
            let over = async {
                match *stop_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                command = commands.recv() => match command {
                    // Everything is offered from the beginning.
                    Some(Command::Rewind(_)) => {}
                    Some(Command::Stop(at)) => {
                        let nothing_left = outbox.counts().unsent == 0;
                        let soon = Instant::now() + LAST_WORDS;
                        *stop_at = Some(if nothing_left { at.min(soon) } else { at });
                    }
                    None => return,
                },
            }
        }
    }

    /// Numbers go on above those of the kiosk's last word.
    async fn number_above(&mut self, word: &LastWord) -> Result<(), OutboxError> {
        let announced = word.status.highest_sequence;
        let counts = self.outbox.counts();
        let given = counts.highest_sequence;
        let at = word.recorded_at.unwrap_or(word.status.sent_at);
        if announced > given && announced - given > FARTHEST {
            let why = format!(
                "this kiosk's last word in Kafka, of {at}, speaks of {announced} numbers where \
                 this outbox has given {given}, which is not believed"
            );
            tracing::error!(why, "numbers are not changed");
            self.shipping.not_compared(why, OTHERS_WORD);
            return Ok(());
        }
        if announced > given {
            let before = self.outbox.raise(announced).await?;
            let whose = format!("as this kiosk's last word in Kafka says, of {at}");
            self.fell_back(passed_over(before, announced, &whose)).await;
            return Ok(());
        }
        // Every number that was given is unsent, set aside, acknowledged or passed over, and the
        // last two never become fewer.
        let (was_settled, is_settled) = (
            u64::from(announced).saturating_sub(word.status.unsent),
            counts.acknowledged + counts.passed_over,
        );
        if was_settled > is_settled {
            self.fell_back(format!(
                "this outbox knows of {is_settled} numbers that were sent or passed over, but \
                 there were {was_settled}, as this kiosk's last word in Kafka says, of {at}; \
                 meanwhile it has given {given} numbers, of which some had been given before: the \
                 worker names those as conflicts"
            ))
            .await;
        }
        Ok(())
    }

    /// Says what is remembered of setbacks, and what the witness on another volume noticed.
    async fn remember_setbacks(&mut self) {
        let counts = self.outbox.counts();
        if let Some(RolledBack { had_given, were_given }) = self.outbox.rolled_back() {
            let whose = "as the witness on another volume has seen";
            self.fell_back(passed_over(had_given, were_given, whose)).await;
        } else if let Some(setback) = self.setbacks.unsaid(&counts, &self.time.moment()) {
            self.note_setback(setback).await;
        } else if let Some(setback) = self.setbacks.known() {
            self.shipping.set_back(setback.clone());
        }
    }

    async fn fell_back(&mut self, what: String) {
        tracing::error!(what, "the outbox has been set back, or another device has this kiosk id");
        let passed_over = self.outbox.counts().passed_over;
        let setback = Setback::new(what, passed_over, &self.time.moment());
        self.note_setback(setback).await;
    }

    async fn note_setback(&mut self, setback: Setback) {
        self.shipping.set_back(setback.clone());
        let mut setbacks = std::mem::take(&mut self.setbacks);
        self.setbacks = blocking(move || {
            setbacks.note(setback);
            setbacks
        })
        .await;
    }

    /// Waits until something has happened that there may be more to do for.
    async fn wait(&mut self, changed: &mut watch::Receiver<crate::outbox::Counts>) {
        let wake = self.wake_at();
        let settling = async {
            match &mut self.settling {
                Some((_, pending)) => pending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(landed) = self.flights.next(), if !self.flights.is_empty() => {
                self.landed(landed);
                while let Some(Some(landed)) = self.flights.next().now_or_never() {
                    self.landed(landed);
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
        if self.window.in_flight() > 0 {
            wake = wake.min(Instant::now() + GLANCE);
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
        self.renew_if_fatal()?;
        while self.window.room() > 0 {
            let (outbox, after) = (self.outbox.clone(), self.window.cursor());
            let limit = self.window.room().min(PAGE);
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
                self.publish(now).await?;
            }
            if wait {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands events to the producer. What could not be handed over is offered again.
    async fn publish(&mut self, events: Vec<Unsent>) -> Result<(), String> {
        let Some(mut publisher) = self.publisher.take() else {
            return Err("the producer was lost".to_owned());
        };
        let (publisher, sent, failed) = blocking(move || {
            let mut sent = Vec::with_capacity(events.len());
            let mut failed = None;
            let mut events = events.into_iter();
            for event in events.by_ref() {
                match publisher.publish(&event) {
                    Ok(delivery) => sent.push((event.sequence, Ok(delivery))),
                    Err(Unsendable::For(obstacle, detail)) => {
                        sent.push((event.sequence, Err((obstacle, detail))));
                    }
                    Err(Unsendable::Now(why)) => {
                        failed = Some((event.sequence, why));
                        break;
                    }
                }
            }
            let rest: Vec<u32> = events.map(|event| event.sequence).collect();
            (publisher, sent, failed.map(|(sequence, why)| (sequence, rest, why)))
        })
        .await;
        self.publisher = Some(publisher);
        let (began, generation) = (Instant::now(), self.generation);
        for (sequence, result) in sent {
            match result {
                Ok(delivery) => {
                    let flight = delivery.map(move |result| Landed::Event {
                        sequence,
                        began,
                        generation,
                        result,
                    });
                    self.flights.push(Box::pin(flight));
                }
                Err((obstacle, detail)) => self.set_aside(sequence, obstacle, detail),
            }
        }
        self.shipping.set_in_flight(self.window.in_flight());
        let Some((sequence, rest, why)) = failed else { return Ok(()) };
        for sequence in rest.into_iter().chain([sequence]) {
            self.window.again(sequence);
        }
        Err(why)
    }

    /// Takes note of what came back.
    fn landed(&mut self, landed: Landed) {
        match landed {
            Landed::Event { generation, .. } if generation != self.generation => {}
            Landed::Event { sequence, began, result: Ok(receipt), .. } => {
                self.window.landed(sequence);
                let believed = self.time.believed(receipt);
                self.outcomes.push((sequence, Outcome::Acknowledged(believed)));
                self.measure_clock(began, &receipt);
                self.shipping.acknowledged(self.time.kiosk_clock());
                self.note_log();
                self.backoff.ease();
                if std::mem::take(&mut self.unauthorised) {
                    let which = Retry::Because(Obstacle::NotAuthorised);
                    let (outbox, shipping) = (self.outbox.clone(), Arc::clone(&self.shipping));
                    tokio::spawn(try_again(outbox, shipping, which));
                }
            }
            Landed::Event { sequence, result: Err(error), .. } => {
                match self.window.failed(sequence, &error) {
                    Failure::SetAside(obstacle) => {
                        self.set_aside(sequence, obstacle, error.to_string());
                    }
                    Failure::Again => match error {
                        DeliveryError::TooLarge(_) | DeliveryError::Refused(_) => {
                            tracing::debug!(sequence, %error, "to be sent once more, alone");
                        }
                        _ => self.hold_off(&error.to_string()),
                    },
                }
            }
            Landed::Report { began, result } => {
                match &result {
                    Ok(receipt) => self.measure_clock(began, receipt),
                    Err(error) => {
                        tracing::warn!(%error, "the kiosk's status was not delivered");
                        self.shipping.failed(error.to_string());
                    }
                }
                self.reporter.landed(result.is_ok(), began);
                if result.is_ok() {
                    self.shipping.reported(self.time.kiosk_clock());
                }
            }
        }
        self.shipping.set_in_flight(self.window.in_flight());
    }

    /// Takes note of which log it is, once that is known.
    fn note_log(&self) {
        let log = &self.shipping.log;
        let publisher = self.publisher.as_ref().map(|publisher| &publisher.publisher);
        if log.get().is_none()
            && let Some(cluster) = publisher.and_then(Publisher::cluster_id)
        {
            log.get_or_init(|| LogDigest::of(&cluster, &self.connection.topic(&EVENTS)));
        }
    }

    fn set_aside(&mut self, sequence: u32, obstacle: Obstacle, detail: String) {
        tracing::warn!(sequence, obstacle = obstacle.as_str(), detail, "an event is set aside");
        self.window.landed(sequence);
        let at = self.time.kiosk_clock();
        self.outcomes.push((sequence, Outcome::SetAside { obstacle, detail, at }));
    }

    /// Writes what is known to the outbox, one write at a time. After a failed write the disk is
    /// given time.
    fn settle(&mut self) {
        let disk_rests = self.shipping.outbox_failed() && self.backoff.holds();
        if self.settling.is_some() || self.outcomes.is_empty() || disk_rests {
            return;
        }
        let rest = self.outcomes.split_off(self.outcomes.len().min(SETTLED));
        let outcomes = std::mem::replace(&mut self.outcomes, rest);
        let pending = self.outbox.settle(outcomes.clone());
        self.settling = Some((outcomes, pending));
    }

    fn settled(&mut self, result: Result<(), OutboxError>) {
        let Some((outcomes, _)) = self.settling.take() else { return };
        match result {
            Ok(()) => {
                self.shipping.set_outbox_failed(false);
                for (sequence, outcome) in outcomes {
                    self.window.settled(sequence);
                    // Not before it can be found among those set aside.
                    self.unauthorised |= is_unauthorised(&outcome);
                }
            }
            Err(error) => {
                self.outcomes.splice(..0, outcomes);
                self.shipping.set_outbox_failed(true);
                let why = self.outbox_failed("written", &error);
                self.hold_off(&why);
            }
        }
    }

    /// What is said of a failed outbox. Where it cannot recover, the agent is told to end.
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
        let Some(publisher) = self.publisher.take() else {
            return self.reporter.landed(false, Instant::now());
        };
        let counts = self.outbox.counts();
        let moment = self.time.moment();
        let status = self.reporter.status(&counts, moment.offset_ms(), moment.reading.clock);
        let began = Instant::now();
        let (publisher, sent) = blocking(move || {
            let sent = publisher.publisher.publish_status(&status);
            (publisher, sent)
        })
        .await;
        self.publisher = Some(publisher);
        match sent {
            Ok(delivery) => {
                let flight = delivery.map(move |result| Landed::Report { began, result });
                self.flights.push(Box::pin(flight));
            }
            Err(error) => {
                tracing::warn!(%error, "the kiosk's status cannot be sent");
                self.shipping.failed(error.to_string());
                self.reporter.landed(false, began);
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
        self.shipping.failed(why.to_owned());
    }

    /// A producer that the brokers have lost track of is replaced by a new one.
    fn renew_if_fatal(&mut self) -> Result<(), String> {
        let fatal = self.publisher.as_ref().and_then(|publisher| publisher.publisher.fatal_error());
        if let Some(why) = fatal {
            tracing::warn!(why, "the producer cannot go on: a new one takes over");
            self.generation += 1;
            self.window.forget_flights();
            self.flights.clear();
            self.reporter.forget();
            self.publisher = None;
        }
        if self.publisher.is_none() {
            let publisher = BlockingPublisher::new(&self.connection, &self.settings);
            let publisher = publisher.map_err(|error| error.to_string())?;
            self.shipping.listen_to(publisher.publisher.broker_events());
            self.publisher = Some(publisher);
        }
        Ok(())
    }

    fn measure_clock(&self, began: Instant, receipt: &Receipt) {
        let round_trip = began.elapsed();
        let Some(broker) = receipt.timestamp.filter(|_| receipt.by_broker) else { return };
        if round_trip <= PROMPT {
            self.time.measured(broker, round_trip / 2);
        }
    }

    /// Writes down which events have doubtful times, before the outbox learns that they are sent:
    /// those that are not are looked at once more after a crash.
    async fn note_doubts(&mut self) {
        if self.time.is_unsaved() {
            let time = Arc::clone(&self.time);
            blocking(move || time.save()).await;
        }
    }

    /// The last things: what came back is stored, and the kiosk says where it stands.
    async fn end(mut self) {
        let until = Instant::now() + LAST_WORDS;
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
        while !self.flights.is_empty() && self.reporter.is_under_way() {
            match tokio::time::timeout_at(until, self.flights.next()).await {
                Ok(Some(landed)) => self.landed(landed),
                Ok(None) | Err(_) => break,
            }
        }
        self.note_doubts().await;
        // What was acknowledged together with the last words.
        if !self.outcomes.is_empty() {
            let outcomes = std::mem::take(&mut self.outcomes);
            if let Err(error) = self.outbox.settle(outcomes).await {
                tracing::warn!(%error, "some events will be sent again at the next start");
            }
        }
    }
}

fn is_unauthorised(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::SetAside { obstacle: Obstacle::NotAuthorised, .. })
}

/// Whether a comparison that has failed so far is given up: for good, or after the time that the
/// brokers have had for it.
fn given_up(error: &LastWordError, answered: Duration) -> bool {
    let most = match error {
        error if !error.passes() => return true,
        error if !error.is_answer() => return false,
        LastWordError::NoTopic(_) => ASK_PATIENCE,
        _ => LOOKED_FOR,
    };
    answered >= most
}

fn passed_over(had_given: u32, were_given: u32, whose: &str) -> String {
    format!(
        "this outbox has given the numbers up to {had_given}, but {were_given} were given, \
         {whose}; numbers go on above {were_given}, and those in between count as missing unless \
         their events are in Kafka"
    )
}

const OTHERS_WORD: &str = "look for who writes to ikd.kiosk-status.v1 under this kiosk's id, or give \
    this kiosk another id and a new outbox";

/// What to do where it is not known what the kiosk last said.
fn advice(error: &LastWordError) -> &'static str {
    match error {
        LastWordError::NotAllowed { .. } => {
            "let the kiosk's user read ikd.kiosk-status.v1, or give --witness FILE on another volume"
        }
        LastWordError::NoTopic(_) => {
            "make the topic with `laju topics create`, then start the agent again"
        }
        LastWordError::Unfinished { .. } | LastWordError::Away { .. } => {
            "have ikd.kiosk-status.v1 compacted (`laju topics check` names the settings), then \
             start the agent again, or give --witness FILE on another volume"
        }
        LastWordError::Connection(_)
        | LastWordError::Registry(_)
        | LastWordError::Schema(_)
        | LastWordError::Kafka { .. } => {
            "mend what it says, then start the agent again; until then look for who writes under \
             this kiosk's id, or give --witness FILE on another volume"
        }
    }
}
