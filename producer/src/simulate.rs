//! Synthetic kiosks: a stream of events with the troubles of the field in it, for tests, load and
//! demonstrations.
//!
//! It is pure and the same for the same [`Scenario`]: time and seed are arguments, nothing is
//! sent. Citizens are random pseudonyms derived from the seed; only a simulation that goes through
//! real agents invents NIKs for them ([`invented`]). Region weights are populations; nothing else about the regions is claimed.

mod bad;
mod citizen;
mod generator;
pub mod invented;
mod kiosk;
mod random;

use laju_schemas::codec::{EncodeError, Encoder};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{ActivationEvent, SubjectId, TimestampMs};
use thiserror::Error;

pub use generator::Generator;

/// How often what happens, each as a share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Of all records: the same event once more.
    pub duplicates: f64,
    /// Of all events: held back by a kiosk without connection, and sent late and out of order.
    pub disorder: f64,
    /// Of all records: events that cannot be counted, of every kind in turn.
    pub bad: f64,
    /// Of a kiosk's days: out on an outreach visit.
    pub outreach: f64,
    /// Of new citizens: registered elsewhere than where they are served.
    pub outside: f64,
    /// Of all facts: asked, but not activated.
    pub deferred: f64,
    /// Of all facts: recordings, requests and prints of cards, in equal parts.
    pub cards: f64,
    /// Of all facts: deactivations.
    pub deactivated: f64,
    /// Of all facts: moves to another region.
    pub relocated: f64,
    /// Of all facts: retractions.
    pub retracted: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            duplicates: 0.01,
            disorder: 0.05,
            bad: 0.0,
            outreach: 0.2,
            outside: 0.08,
            deferred: 0.08,
            cards: 0.12,
            deactivated: 0.02,
            relocated: 0.02,
            retracted: 0.01,
        }
    }
}

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// The same seed gives the same stream.
    pub seed: u64,
    /// How many records there are in all; `None`: the stream does not end.
    pub events: Option<u64>,
    /// How many kiosks there are, spread over the regions by population.
    pub kiosks: u32,
    /// How many citizens there are at most.
    pub subjects: u64,
    /// When the first record reaches Kafka.
    pub from: TimestampMs,
    /// When the last one does.
    pub to: TimestampMs,
    /// How often what happens.
    pub shares: Shares,
}

/// A scenario that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// A share below 0 or above 1.
    #[error("the share of {0} must be from 0 to 1")]
    Share(&'static str),
    /// Shares of facts that are more than all facts.
    #[error(
        "the shares of deferred, cards, deactivated, relocated and retracted add up to more than 1"
    )]
    Facts,
    /// Shares of records that are more than all records.
    #[error("the shares of duplicates and bad add up to 1 or more")]
    Records,
    /// Nobody to simulate.
    #[error("there must be at least one kiosk and one citizen")]
    Nobody,
    /// An end before the beginning.
    #[error("the simulation must end after it begins")]
    Period,
}

impl Scenario {
    /// Whether it can be played.
    ///
    /// # Errors
    /// Says which part of it cannot.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let shares = &self.shares;
        let named = [
            ("duplicates", shares.duplicates),
            ("disorder", shares.disorder),
            ("bad", shares.bad),
            ("outreach", shares.outreach),
            ("outside", shares.outside),
            ("deferred", shares.deferred),
            ("cards", shares.cards),
            ("deactivated", shares.deactivated),
            ("relocated", shares.relocated),
            ("retracted", shares.retracted),
        ];
        if let Some((name, _)) = named.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(ScenarioError::Share(name));
        }
        if named[5..].iter().map(|(_, share)| share).sum::<f64>() > 1.0 + 1e-9 {
            return Err(ScenarioError::Facts);
        }
        if shares.duplicates + shares.bad >= 1.0 {
            return Err(ScenarioError::Records);
        }
        if self.kiosks == 0 || self.subjects == 0 {
            return Err(ScenarioError::Nobody);
        }
        if self.to <= self.from {
            return Err(ScenarioError::Period);
        }
        Ok(())
    }
}

/// What is wrong with a record, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// An event that was in the stream before.
    Duplicate,
    /// An event held back while its kiosk was offline, out of its order.
    Late,
    /// An event that a worker must put into quarantine, for this reason.
    Bad(Reason),
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An event, to be encoded as the installation does it.
    Event(ActivationEvent),
    /// Bytes as they are, because no event has them.
    Bytes(Vec<u8>),
}

/// One record of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedRecord {
    /// The message key.
    pub key: SubjectId,
    /// The message.
    pub payload: Payload,
    /// When it reaches Kafka; never earlier than the record before it.
    pub recorded_at: TimestampMs,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
}

impl SimulatedRecord {
    /// Appends the message's value to `out`.
    ///
    /// # Errors
    /// If the encoder is not one for events.
    pub fn encode(&self, encoder: &Encoder, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.payload {
            Payload::Event(event) => encoder.event(event, out),
            Payload::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The partition that it has to be put into, on a topic of `partitions` partitions: the
    /// key's, but for a record that is to be in a wrong one (if there is another).
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn partition(&self, partitions: u32) -> u32 {
        let right = partition_for(&self.key.0, partitions);
        match self.trouble {
            Some(Trouble::Bad(Reason::WrongPartition)) => (right + 1) % partitions,
            _ => right,
        }
    }
}
