//! What a pipeline does about schemas that it does not know. It must not wait for the registry: a
//! thread talks to it, and writes verdicts down: that it has no schema of a record's id. A verdict
//! counts once it has been read back from the decisions topic; here it is only confirmed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use laju_kafka::connection::Connection;
use laju_kafka::learning::{Lookups, NoSchema};
use laju_kafka::publish::{LazyPublisher, PublishSettings, Publisher, Record};
use laju_kafka::registry::{Found, Registry};
use laju_schemas::QuarantineDecision;
use laju_schemas::codec::Encoder;
use laju_schemas::quarantine::Origin;
use laju_schemas::topic::DECISIONS;

use crate::ingest::error::WorkerError;

/// How long verdicts may take to be confirmed.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

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

/// What the thread is to do.
pub(super) enum Task {
    /// Ask for the schema with an id.
    Ask(u32),
    /// Write verdicts down.
    Write(Vec<QuarantineDecision>),
}

/// What it has done.
pub(super) enum Done {
    /// The text of the schema with an id.
    Found(u32, String),
    /// No schema.
    NotFound(u32, NoSchema),
    /// These verdicts are confirmed; or not, and why: they may stand in the topic all the same.
    Written(Vec<QuarantineDecision>, Result<(), String>),
}

/// Where tasks go, and what was done comes from.
pub(super) struct Registrar {
    pub(super) tasks: Sender<Task>,
    pub(super) done: Receiver<Done>,
}

impl Registrar {
    /// Starts the thread; it ends when this is dropped. Nobody waits for that: a question under way
    /// may take ten seconds.
    pub(super) fn start(connection: &Connection, registry: Registry) -> Result<Self, WorkerError> {
        let (tasks, to_do) = unbounded();
        let (done_sender, done) = unbounded();
        let writer = Writer::new(connection);
        let run = move || {
            for task in to_do {
                let done = match task {
                    Task::Ask(id) => match registry.find(id) {
                        Ok(Found::Schema(avsc)) => Done::Found(id, avsc),
                        Ok(Found::Missing(lacking)) => {
                            Done::NotFound(id, NoSchema::Missing(lacking))
                        }
                        Err(error) => Done::NotFound(id, NoSchema::Unreachable(error.to_string())),
                    },
                    Task::Write(verdicts) => {
                        let written = writer.write(&verdicts);
                        Done::Written(verdicts, written)
                    }
                };
                if done_sender.send(done).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("laju-registry".to_owned())
            .spawn(run)
            .map_err(|error| WorkerError::Thread(format!("no thread can be started: {error}")))?;
        Ok(Self { tasks, done })
    }
}

/// Writes verdicts onto the decisions topic.
struct Writer {
    topic: String,
    publisher: LazyPublisher,
}

impl Writer {
    fn new(connection: &Connection) -> Self {
        let settings = PublishSettings {
            delivery_timeout: DELIVERY_TIMEOUT,
            max_message_bytes: DECISIONS.max_message_bytes,
            ..PublishSettings::default()
        };
        // In single-object encoding, whatever else is on the topic: reading a verdict must not depend
        // on what a registry answers.
        let plain = Connection { registry: None, ..connection.clone() };
        let publisher = LazyPublisher::new(plain, settings);
        Self { topic: connection.topic(&DECISIONS), publisher }
    }

    /// Writes verdicts and waits until every in-sync replica has them.
    fn write(&self, verdicts: &[QuarantineDecision]) -> Result<(), String> {
        let publisher = self.publisher.get().map_err(|error| error.to_string())?;
        let written = self.attempt(&publisher, verdicts);
        if written.is_err() {
            self.publisher.discard_if_fatal(&publisher);
        }
        written
    }

    fn attempt(
        &self,
        publisher: &Publisher,
        verdicts: &[QuarantineDecision],
    ) -> Result<(), String> {
        let encoder = Encoder::decisions(None);
        let mut deliveries = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            let value = encoder.value(verdict).map_err(|error| error.to_string())?;
            let key = verdict.origin().to_string();
            let record = Record {
                topic: &self.topic,
                key: Some(key.as_bytes()),
                value: Some(&value),
                partition: Some(0),
                ..Record::default()
            };
            deliveries.push(publisher.publish_record(&record).map_err(|error| error.to_string())?);
        }
        for delivery in deliveries {
            delivery.wait().map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
