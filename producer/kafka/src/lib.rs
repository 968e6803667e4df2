//! What the programs `laju` and `laju-kiosk` share: the [`connection`] to Kafka, [`publish`]ing to it,
//! [`read`]ing [`topics`] and its schema [`registry`]; [`settings`] and [`secret`]s; and what both are as programs: the
//! [`http_client`], [`serve`] and [`problem`]s over HTTP, [`signal`]s, the [`terminal`].
//!
//! It knows neither outbox nor fold, and nothing of what records say beyond their schema.

pub mod connection;
pub mod copy;
pub mod embedded;
pub mod http_client;
pub mod learning;
pub mod lock;
pub mod problem;
pub mod publish;
pub mod read;
pub mod registry;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod signal;
pub mod terminal;
pub mod text;
pub mod topic_id;
pub mod topics;
pub mod trouble;
