//! One decision to be made, and the event that goes with it.

use laju_kafka::read::headers::Headers;
use laju_schemas::quarantine::{
    HEADER_DECIDED_BY, HEADER_DECISION_ID, HEADER_PREFIX, HEADER_RELEASED_ORIGIN,
};
use laju_schemas::topic::EVENTS;
use laju_schemas::{QuarantineDecision, SubjectId};

/// What Kafka adds to a single message at most.
const OVERHEAD: usize = 128;

/// An event to be sent again.
#[derive(Clone, Debug)]
pub struct Republish<'a> {
    /// Its citizen: the key.
    pub subject: SubjectId,
    /// Its bytes as they were.
    pub value: &'a [u8],
    /// Its own headers, as the quarantine topic has them.
    pub headers: &'a Headers,
}

/// One decision to be made. Where a released event was sent to is filled in.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The decision.
    pub decision: QuarantineDecision,
    /// The event, if it is released.
    pub republish: Option<Republish<'a>>,
}

impl Order<'_> {
    /// Whether the event is too large for the events topic with what is added to it.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let Some(republish) = &self.republish else { return false };
        let own = own_headers(republish.headers)
            .map(|(name, value)| (name, value.map_or(0, <[u8]>::len)));
        let ours = released_headers(&self.decision);
        let ours = ours.iter().map(|(name, value)| (*name, value.len()));
        let headers: usize = own.chain(ours).map(|(name, value)| name.len() + value + 8).sum();
        let bytes = republish.value.len() + republish.subject.0.len() + headers + OVERHEAD;
        bytes > EVENTS.max_message_bytes as usize
    }
}

/// An event's own headers as they go to the events topic again. One whose name began as ours do came
/// to quarantine as `original-…`, and keeps that name.
pub(super) fn own_headers(headers: &Headers) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    let own = headers.iter().filter(|(name, _)| !name.starts_with(HEADER_PREFIX));
    own.map(|(name, value)| (name.as_str(), value.as_deref()))
}

/// What a release adds to an event's headers.
pub(super) fn released_headers(decision: &QuarantineDecision) -> [(&'static str, String); 3] {
    [
        (HEADER_RELEASED_ORIGIN, decision.origin().to_string()),
        (HEADER_DECISION_ID, decision.decision_id.to_string()),
        (HEADER_DECIDED_BY, decision.decided_by.clone()),
    ]
}
