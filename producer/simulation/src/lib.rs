//! Events that nobody recorded: a stream of records with the troubles of the field in it, for
//! tests, load and demonstrations.
//!
//! It is pure and the same for the same seed, on every machine and in every version: time and seed
//! are arguments, nothing is sent. A [`Generator`] plays a [`Scenario`]; whoever has a plan of its
//! own, as the demo has, draws from [`Random`] and makes its [`SimulatedRecord`]s.
//!
//! Citizens are random pseudonyms; only a simulation that goes through real agents invents NIKs
//! for them ([`invented`]). Region weights are populations; nothing else about the regions is claimed.

mod citizen;
mod generator;
pub mod invented;
mod kiosk;
mod random;
mod record;
mod scenario;

pub use generator::Generator;
pub use kiosk::Kiosk;
pub use random::Random;
pub use record::{SimulatedRecord, Trouble};
pub use scenario::{Scenario, ScenarioError, Shares};
