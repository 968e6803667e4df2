//! What a pipeline does about schemas that it does not know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::Lookups;
use laju_kafka::registry::Registry;
use laju_schemas::QuarantineDecision;
use laju_schemas::quarantine::Origin;

use super::registrar::Registrar;
use crate::ingest::error::WorkerError;

/// What a pipeline does about schemas that it does not know.
pub(super) struct Learning {
    pub(super) registrar: Registrar,
    /// Of all pipelines: what one was answered, none asks for again.
    pub(super) lookups: SharedLookups,
    /// Who writes a verdict.
    pub(super) node: String,
    /// The events topic's own id, which a verdict names.
    pub(super) topic_id: Option<String>,
    /// The records about which verdicts were sent that were not read back yet; with the verdict where
    /// it is not known to be on its way, and has to be sent again. Whatever a registry answers
    /// meanwhile, these are not judged: a verdict may be in the topic although that is not confirmed.
    pub(super) sent: HashMap<Origin, Option<QuarantineDecision>>,
}

/// What all pipelines of a worker know of ids. It is asked only where a record waits.
#[derive(Clone)]
pub(super) struct SharedLookups(Arc<Mutex<Lookups>>);

impl SharedLookups {
    /// Gives an id up after this time.
    pub(super) fn new(patience: Duration) -> Self {
        Self(Arc::new(Mutex::new(Lookups::new(patience))))
    }

    /// A thread that panicked with it left it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Lookups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Learning {
    /// Starts to ask a registry.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(
        connection: &Connection,
        registry: Registry,
        lookups: SharedLookups,
        node: &str,
        topic_id: Option<String>,
    ) -> Result<Self, WorkerError> {
        Ok(Self {
            registrar: Registrar::start(connection, registry)?,
            lookups,
            node: format!("worker {node}"),
            topic_id,
            sent: HashMap::new(),
        })
    }
}
