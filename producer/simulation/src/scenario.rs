//! What is simulated.

use clap::Args;
use laju_schemas::TimestampMs;
use thiserror::Error;

/// How often what happens, each as a share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Args)]
pub struct Shares {
    /// Of all records: the same event once more.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.duplicates, value_parser = share)]
    pub duplicates: f64,

    /// Of all events: held back by a kiosk without connection, sent late and out of order.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.disorder, value_parser = share)]
    pub disorder: f64,

    /// Of a kiosk's days: out on an outreach visit.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.outreach, value_parser = share)]
    pub outreach: f64,

    /// Of new citizens: registered elsewhere than where they are served.
    #[arg(skip = Self::DEFAULT.outside)]
    pub outside: f64,

    /// Of all facts: asked, but not activated.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.deferred, value_parser = share)]
    pub deferred: f64,

    /// Of all facts: recordings, requests and prints of cards.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.cards, value_parser = share)]
    pub cards: f64,

    /// Of all facts: deactivations.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.deactivated, value_parser = share)]
    pub deactivated: f64,

    /// Of all facts: moves to another region.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.relocated, value_parser = share)]
    pub relocated: f64,

    /// Of all facts: retractions of an earlier event.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.retracted, value_parser = share)]
    pub retracted: f64,

    /// Of all records: events that cannot be counted and go to quarantine.
    #[arg(long, value_name = "SHARE", default_value_t = Self::DEFAULT.bad, value_parser = share)]
    pub bad: f64,
}

impl Shares {
    const DEFAULT: Self = Self {
        duplicates: 0.01,
        disorder: 0.05,
        outreach: 0.2,
        outside: 0.08,
        deferred: 0.08,
        cards: 0.12,
        deactivated: 0.02,
        relocated: 0.02,
        retracted: 0.01,
        bad: 0.0,
    };
}

impl Default for Shares {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1, e.g. 0.05".to_owned()),
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
    pub shares: Shares,
}

/// A scenario that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    #[error("the share of {0} must be from 0 to 1")]
    Share(&'static str),
    #[error(
        "the shares of deferred, cards, deactivated, relocated and retracted add up to more than 1"
    )]
    Facts,
    #[error("the shares of duplicates and bad add up to 1 or more")]
    Records,
    #[error("there must be at least one kiosk and one citizen")]
    Nobody,
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
        let of_facts = [
            ("deferred", shares.deferred),
            ("cards", shares.cards),
            ("deactivated", shares.deactivated),
            ("relocated", shares.relocated),
            ("retracted", shares.retracted),
        ];
        let others = [
            ("duplicates", shares.duplicates),
            ("disorder", shares.disorder),
            ("bad", shares.bad),
            ("outreach", shares.outreach),
            ("outside", shares.outside),
        ];
        let mut all = others.iter().chain(&of_facts);
        if let Some((name, _)) = all.find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(ScenarioError::Share(name));
        }
        if of_facts.iter().map(|(_, share)| share).sum::<f64>() > 1.0 + 1e-9 {
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
