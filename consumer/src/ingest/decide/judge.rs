//! Whether a quarantined record would count now, if it were sent again as a release sends it: with
//! its subject as the key, in the key's partition, at this moment; and whether it counts where it
//! stands.

use laju_kafka::registry::{Registry, RegistryError};
use laju_schemas::framing::SchemaHeader;
use laju_schemas::known::{EventReader, ReadError, SchemaError};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, SubjectId, TimestampMs};

use crate::domain::admission::{
    Beside, MAX_VALUE_BYTES, Refusal, Verdict, clamp_timestamp, judge, refused_unread,
};
use crate::domain::decisions::DecisionBook;
use crate::domain::version::fold_version;
use crate::ingest::quarantine::Quarantined;
use crate::projection::partition::UnverifiedFields;

/// Whose header names the schema of a record, if one does.
fn schema_header(record: &Quarantined) -> Option<SchemaHeader> {
    record.headers.iter().find_map(|(name, _)| SchemaHeader::of(name))
}

/// What the present rules say of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It would count.
    Counts {
        /// Its citizen: the key that it has to have.
        subject: SubjectId,
        /// Its id.
        event_id: EventId,
    },
    /// It would be refused again; with what it says of itself, where it decodes that far.
    Refused(Refusal, Option<UnverifiedFields>),
}

/// Judges by the rules of this program and the schemas that it knows.
pub struct Judge {
    reader: EventReader,
    registry: Option<Registry>,
    partitions: u32,
    rules: String,
}

impl Judge {
    /// A judge that knows this program's schema and those given, each the text of an `.avsc`, and
    /// asks the registry, if there is one, for others.
    ///
    /// # Errors
    /// If one of the schemas cannot be used.
    pub fn new(
        schemas: &[String],
        registry: Option<Registry>,
        partitions: u32,
    ) -> Result<Self, SchemaError> {
        let reader = EventReader::new(schemas)?;
        let rules = fold_version(&reader.book.fingerprints(), registry.is_some());
        Ok(Self { reader, registry, partitions, rules })
    }

    /// The version of the rules: that of a worker with the same schemas and registry.
    #[must_use]
    pub fn rules(&self) -> &str {
        &self.rules
    }

    /// Whether the original counts where it stands, with its own key and timestamp: other rules have
    /// refused it, and by these it is counted by every worker that has them, as they fold the log
    /// again. To release it is in vain then, and to discard it has no effect. A verdict among
    /// the decisions refuses it for ever.
    ///
    /// # Errors
    /// If the registry gives no answer.
    pub fn counts_at_its_place(
        &mut self,
        record: &Quarantined,
        decisions: &DecisionBook,
    ) -> Result<bool, RegistryError> {
        if record.is_cut || record.fold_version == self.rules {
            return Ok(false);
        }
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let verdict = decisions.verdict(record.origin).map(|verdict| &**verdict);
        if refused_unread(value, &Beside { header: schema_header(record), verdict }).is_some() {
            return Ok(false);
        }
        self.reader_for(value.filter(|value| value.len() <= MAX_VALUE_BYTES).unwrap_or_default())?;
        let (partition, timestamp) = (record.origin.partition, clamp_timestamp(record.timestamp.0));
        let verdict = judge(&mut self.reader, key, value, partition, self.partitions, timestamp);
        Ok(matches!(verdict, Verdict::Counted(_)))
    }

    /// Has the reader know the schema that a value names, if anybody does.
    fn learn(&mut self, id: u32) -> Result<(), RegistryError> {
        let avsc = match &self.registry {
            Some(registry) => registry.schema(id)?,
            None => None,
        };
        self.reader.book.learn(id, avsc.as_deref());
        Ok(())
    }

    /// The reader, with the schema learnt that a value names.
    ///
    /// # Errors
    /// If the registry gives no answer.
    pub fn reader_for(&mut self, value: &[u8]) -> Result<&mut EventReader, RegistryError> {
        if let Err(ReadError::Unlearned(id)) = self.reader.read(value) {
            self.learn(id)?;
        }
        Ok(&mut self.reader)
    }

    /// What the rules say of a record sent again at an instant.
    ///
    /// # Errors
    /// If the registry gives no answer: an outage, of which nothing follows for the record.
    pub fn judge(
        &mut self,
        record: &Quarantined,
        now: TimestampMs,
    ) -> Result<Judgement, RegistryError> {
        let value = record.value.as_deref();
        let partitions = self.partitions;
        if record.is_cut {
            let why =
                "value: only a part of the record is in quarantine; the whole is at its origin";
            return Ok(Judgement::Refused(Refusal::new(Reason::TooLarge, why), None));
        }
        // Its headers go with it, and no verdict is about its new place.
        let beside = Beside { header: schema_header(record), verdict: None };
        if let Some(refusal) = refused_unread(value, &beside) {
            return Ok(Judgement::Refused(refusal, None));
        }
        // Above the limit nothing of it is read: whose it is does not matter.
        let subject = match value.filter(|value| value.len() <= MAX_VALUE_BYTES) {
            Some(value) => self.reader_for(value)?.read(value).ok().map(|raw| raw.subject),
            None => None,
        };
        let key = subject.map(|subject| subject.0);
        let right = key.map_or(0, |key| partition_for(&key, partitions));
        let timestamp = clamp_timestamp(now.0);
        let key = key.as_ref().map(|key| &key[..]);
        Ok(match judge(&mut self.reader, key, value, right, partitions, timestamp) {
            Verdict::Counted(event) => {
                Judgement::Counts { subject: event.subject, event_id: event.event_id }
            }
            Verdict::Refused(refusal, raw) => {
                Judgement::Refused(refusal, raw.as_ref().map(UnverifiedFields::from))
            }
            // It was learnt above; a registry cannot have forgotten it meanwhile.
            Verdict::NeedsSchema(id) => {
                let why = format!("schema id {id} is not known");
                Judgement::Refused(Refusal::new(Reason::UnknownSchema, why), None)
            }
        })
    }
}
