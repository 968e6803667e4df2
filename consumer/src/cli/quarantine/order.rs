//! What a release or a discard is asked for, and what is published for a record.

use clap::Args;
use laju_kafka::read::headers::Headers;
use laju_schemas::decision::{Decision, MAX_DECIDED_BY, MAX_REASON};
use laju_schemas::quarantine::Origin;
use laju_schemas::text::{self, Lines};
use laju_schemas::{DecisionId, EventId, QuarantineDecision, SubjectId, TimestampMs};

use super::select::Filter;
use super::source::Source;
use crate::cli::id::id_at;
use crate::ingest::decide::{Order, Republish};

/// A record that is to be decided about.
pub(super) struct SelectedRecord {
    pub(super) origin: Origin,
    pub(super) event_id: Option<EventId>,
    /// The event to be sent again, if it is released.
    pub(super) event: Option<Event>,
}

impl SelectedRecord {
    /// How many bytes of it are kept, and sent.
    pub(super) fn bytes(&self) -> usize {
        self.event.as_ref().map_or(0, |event| event.value.len())
    }
}

pub(super) struct Event {
    pub(super) subject: SubjectId,
    pub(super) value: Vec<u8>,
    pub(super) headers: Headers,
}

/// Which records, who decides, and why.
#[derive(Clone, Debug, Args)]
pub(super) struct DecideArgs {
    /// The records' places on the events topic, as `laju quarantine list` has them.
    #[arg(value_name = "PARTITION/OFFSET",
          conflicts_with_all = ["reasons", "kiosk", "region", "from", "to", "all"])]
    pub origins: Vec<Origin>,

    #[command(flatten)]
    pub filter: Filter,

    /// Every record that nobody has decided about.
    #[arg(long, conflicts_with_all = ["reasons", "kiosk", "region", "from", "to"])]
    pub all: bool,

    /// Who decides: a person's name, written down with the decision.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| written(text, MAX_DECIDED_BY))]
    pub by: String,

    /// Why, written down with the decision.
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| written(text, MAX_REASON))]
    pub because: String,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask.
    #[arg(long)]
    pub yes: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub source: Source,
}

/// A text to be written down for ever, which a NIK must not be.
fn written(text: &str, most: usize) -> Result<String, String> {
    text::check(text, most, Lines::One).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

impl DecideArgs {
    pub(super) fn order<'c>(
        &self,
        action: Decision,
        now: TimestampMs,
        chosen: &'c SelectedRecord,
    ) -> Order<'c> {
        let decision = QuarantineDecision {
            decision_id: DecisionId(id_at(now)),
            origin_partition: chosen.origin.partition,
            origin_offset: chosen.origin.offset,
            decision: action,
            event_id: chosen.event_id,
            released_partition: None,
            released_offset: None,
            decided_by: self.by.clone(),
            reason: self.because.clone(),
            decided_at: now,
            origin_topic_id: None,
        };
        let republish = chosen.event.as_ref().map(|event| Republish {
            subject: event.subject,
            value: &event.value,
            headers: &event.headers,
        });
        Order { decision, republish }
    }
}
