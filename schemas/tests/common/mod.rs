//! What several of the contract's tests need: events out of what a reader gives.

use laju_schemas::{ActivationEvent, RawEvent};

/// The event with every field checked, as a program would take it.
pub(crate) fn checked(raw: &RawEvent<'_>) -> ActivationEvent {
    raw.check().expect("an event with the contract's shapes")
}
