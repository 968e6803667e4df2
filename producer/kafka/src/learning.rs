//! Learning schemas of a registry whose word that it has no such schema is believed only after it has
//! said so for a while: for those who read a topic in order and can wait. [`Lookups`] says so without
//! waiting, for those who cannot.

mod lookups;

use std::time::{Duration, Instant};

use laju_schemas::known::{ReadError, SchemaError, TopicValue, ValueReader};
use thiserror::Error;

use crate::registry::{Found, Lacking, Registry, RegistryError};
use crate::trouble::{Trouble, TroubleKind};

pub use lookups::{IdState, Lookups, NoSchema};

/// Why it is not known yet which schema an id names.
#[derive(Debug, Error)]
pub enum NotKnown {
    /// The registry gives no answer: an outage.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the registry says that it has {lacking}; it is asked again for {patience} s")]
    NotYet {
        lacking: Lacking,
        /// How long it is asked for, in seconds.
        patience: u64,
    },
    #[error(
        "the registry has {lacking}; it was asked again for {seconds} s. The record cannot be read \
         without its schema, so there is no answer: register the schema, or check that --registry is \
         the right one"
    )]
    Lacking {
        lacking: Lacking,
        /// For how long it said so.
        seconds: u64,
    },
}

/// How long a command asks for a schema that a registry says it does not have.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);
/// How long until it asks again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The kinds of trouble of a partition that waits for a schema.
pub const WAITING_FOR: [TroubleKind; 2] =
    [TroubleKind::SchemaNotFound, TroubleKind::RegistryUnreachable];

/// What to do while a registry does not answer.
pub const UNREACHABLE_CURE: &str =
    "see to it that it answers: the partition goes on by itself then";

impl NotKnown {
    /// Why a partition stands still at the record at an offset.
    #[must_use]
    pub fn trouble(&self, offset: i64) -> Trouble {
        let (kind, cure) = match self {
            Self::Registry(_) => (TroubleKind::RegistryUnreachable, UNREACHABLE_CURE),
            Self::NotYet { .. } | Self::Lacking { .. } => (
                TroubleKind::SchemaNotFound,
                "register it, if it should be there; else the record is passed over then",
            ),
        };
        Trouble { kind, offset, reason: self.to_string(), cure: cure.to_owned() }
    }
}

/// Reads the values of a topic beside the events, and asks the registry for schemas that it does not
/// know.
pub struct LearningReader<T> {
    reader: ValueReader<T>,
    registry: SchemaFinder,
}

impl<T: TopicValue> LearningReader<T> {
    /// One that asks the registry, if there is one, and believes that it has none after so long.
    ///
    /// # Errors
    /// Never with the schemas that are part of the program.
    pub fn new(registry: Option<Registry>, patience: Duration) -> Result<Self, SchemaError> {
        let registry = SchemaFinder::new(registry, patience);
        Ok(Self { reader: ValueReader::new()?, registry })
    }

    /// One for a command that reads the topic once: it asks the registry for a schema for some
    /// seconds, and then gives an error, as nothing is to be left out in silence.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn once(registry: Option<Registry>) -> Result<Self, SchemaError> {
        let registry = SchemaFinder::insisting(registry);
        Ok(Self { reader: ValueReader::new()?, registry })
    }

    /// A value, or what is wrong with it.
    ///
    /// # Errors
    /// If it is not known yet which schema it has. It may be given again.
    pub fn read(&mut self, value: &[u8]) -> Result<Result<T, ReadError>, NotKnown> {
        let first = self.reader.read(value);
        let Err(ReadError::Unlearned(id)) = first else { return Ok(first) };
        let Some(avsc) = self.registry.schema(id)? else {
            return Ok(Err(self.registry.unknown(id)));
        };
        self.reader.learn(id, Some(&avsc));
        Ok(self.reader.read(value))
    }
}

/// A registry, or none.
pub struct SchemaFinder {
    registry: Option<Registry>,
    lookups: Lookups,
    /// When the caller began.
    since: Instant,
    /// Whether to ask again here, and to fail without the schema.
    insists: bool,
}

impl SchemaFinder {
    /// Believes a registry after this time; none has no schemas.
    #[must_use]
    pub fn new(registry: Option<Registry>, patience: Duration) -> Self {
        let (lookups, since) = (Lookups::new(patience), Instant::now());
        Self { registry, lookups, since, insists: false }
    }

    /// For a command, which waits for some seconds, and then ends with an error.
    #[must_use]
    pub fn insisting(registry: Option<Registry>) -> Self {
        Self { insists: true, ..Self::new(registry, COMMAND_PATIENCE) }
    }

    /// The schema with an id; `None` if nobody has it, so that a record which bears it cannot be read.
    /// That holds for this record alone: it may be registered a moment later.
    ///
    /// # Errors
    /// If that is not known yet: ask again after a pause.
    pub fn schema(&mut self, id: u32) -> Result<Option<String>, NotKnown> {
        let Some(registry) = &self.registry else { return Ok(None) };
        let patience = self.lookups.patience();
        let seconds = patience.as_secs();
        loop {
            let lacking = match registry.find(id)? {
                Found::Schema(avsc) => {
                    self.lookups.found(id);
                    return Ok(Some(avsc));
                }
                Found::Missing(lacking) => lacking,
            };
            self.lookups.answered(id, NoSchema::Missing(lacking.clone()), Instant::now());
            let is_over =
                matches!(self.lookups.state(id, self.since, patience), IdState::GivenUp(_));
            match (is_over, self.insists) {
                (true, false) => return Ok(None),
                (true, true) => return Err(NotKnown::Lacking { lacking, seconds }),
                (false, false) => return Err(NotKnown::NotYet { lacking, patience: seconds }),
                (false, true) => std::thread::sleep(RETRY_INTERVAL),
            }
        }
    }

    /// What is said of a record whose schema nobody has.
    #[must_use]
    pub fn unknown(&self, id: u32) -> ReadError {
        ReadError::UnknownSchema(match &self.registry {
            Some(_) => format!("the registry has {}", self.lookups.lacking(id)),
            None => format!("no registry has a schema with id {id}"),
        })
    }
}
