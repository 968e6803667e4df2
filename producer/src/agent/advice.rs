//! What deserves attention, in words.

use serde::{Deserialize, Serialize};

/// Something that deserves attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// So many events, in words.
pub(super) fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}
