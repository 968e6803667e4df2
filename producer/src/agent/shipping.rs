//! What the shipper shares with the rest of the agent: its state, and the commands to it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use laju_schemas::TimestampMs;
use laju_schemas::position::LogDigest;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::rollback::RollbackNotice;
use laju_kafka::connection::BrokerEvents;

/// How long after the start nothing is numbered before the outbox has been compared with what the
/// kiosk last said in Kafka.
const COMPARISON_WAIT: Duration = Duration::from_secs(5);

/// The commands to the shipper.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// Events from this sequence on may have come back among the unsent.
    Rewind(u32),
    /// Send what is left, then stop; at the latest at this instant.
    Stop(Instant),
}

/// What is known of shipping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShippingState {
    /// Events on their way.
    pub in_flight: usize,
    /// When Kafka last acknowledged an event, by the kiosk's clock.
    pub last_acknowledged_at: Option<TimestampMs>,
    /// When the kiosk's status was last delivered, by the kiosk's clock.
    pub last_reported_at: Option<TimestampMs>,
    /// What was last in the way; none once something has been acknowledged after it.
    pub obstacle: Option<String>,
    /// What shows that the outbox has fallen back, or that another device has this kiosk's id.
    pub rollback: Option<RollbackNotice>,
    /// Why it is not known whether the outbox has fallen back, and what to do about that.
    pub not_compared: Option<(String, &'static str)>,
    /// Whether the outbox could not be written when last tried.
    pub outbox_failed: bool,
}

/// The state that shipper and readers share.
pub(super) struct Shipping {
    state: Mutex<ShippingState>,
    /// What the present producer's brokers complain about.
    brokers: Mutex<BrokerEvents>,
    /// Why the agent cannot go on, once it cannot.
    failure: watch::Sender<Option<String>>,
    compared: watch::Sender<bool>,
    began: Instant,
    commands: UnboundedSender<Command>,
    /// The log that is written to, once the brokers have said whose it is.
    pub(super) log: OnceLock<LogDigest>,
}

impl Shipping {
    pub(super) fn new(commands: UnboundedSender<Command>) -> Self {
        Self {
            state: Mutex::default(),
            brokers: Mutex::default(),
            failure: watch::Sender::default(),
            compared: watch::Sender::default(),
            began: Instant::now(),
            commands,
            log: OnceLock::new(),
        }
    }

    pub(super) fn state(&self) -> ShippingState {
        let mut state = self.lock().clone();
        let brokers = self.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        state.obstacle = state.obstacle.or_else(|| brokers.last_error());
        state
    }

    /// The agent cannot go on.
    pub(super) fn fail(&self, why: String) {
        tracing::error!(why, "the agent cannot go on");
        self.failure.send_replace(Some(why));
    }

    /// Waits until the agent cannot go on.
    pub(super) async fn failure(&self) -> String {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // The sender is part of this very state.
            Err(_) => std::future::pending().await,
        }
    }

    /// Another producer takes over.
    pub(super) fn listen_to(&self, brokers: BrokerEvents) {
        *self.brokers.lock().unwrap_or_else(PoisonError::into_inner) = brokers;
    }

    /// Sends the shipper a command; one that has stopped needs none.
    pub(super) fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    pub(super) fn rewind(&self, sequence: u32) {
        self.command(Command::Rewind(sequence));
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut ShippingState)) {
        change(&mut self.lock());
    }

    /// The outbox has been compared with the kiosk's latest status, or cannot be.
    pub(super) fn compared(&self) {
        self.compared.send_replace(true);
    }

    /// Waits until it has been compared, so that no number is given twice; but a kiosk without
    /// a connection goes on after a short while.
    pub(super) async fn comparison(&self) {
        let mut compared = self.compared.subscribe();
        let done = compared.wait_for(|compared| *compared);
        // The sender is part of this very state.
        let _ = tokio::time::timeout_at(self.began + COMPARISON_WAIT, done).await;
    }

    pub(super) fn outbox_failed(&self) -> bool {
        self.lock().outbox_failed
    }

    fn lock(&self) -> MutexGuard<'_, ShippingState> {
        // Every field is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
