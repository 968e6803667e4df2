//! The topics: names, keys, and how each has to be configured.

/// What a topic keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Every record, for ever.
    KeepAll,
    /// The last record of every key.
    Compact,
}

impl Cleanup {
    /// The value of the topic's `cleanup.policy`.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::KeepAll => "delete",
            Self::Compact => "compact",
        }
    }
}

/// A topic of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, without the prefix that an installation may use.
    pub name: &'static str,
    /// What the message key is.
    pub key: &'static str,
    /// What it keeps.
    pub cleanup: Cleanup,
    /// The largest message that it takes, in bytes.
    pub max_message_bytes: u32,
    /// Whether it has as many partitions as the events topic (otherwise one).
    pub partitioned: bool,
    /// After how long a segment is closed at the latest, in milliseconds: only closed ones are
    /// compacted. None: whatever the broker has.
    pub segment_ms: Option<u32>,
}

/// Facts from kiosks: the source of truth.
pub const EVENTS: Topic = Topic {
    name: "ikd.events.v1",
    key: "subject (16 bytes)",
    cleanup: Cleanup::KeepAll,
    max_message_bytes: 1 << 20,
    partitioned: true,
    segment_ms: None,
};

/// Denominators and targets, dated and with their source.
pub const REFERENCE: Topic = Topic {
    name: "ikd.reference.v1",
    key: "region code",
    cleanup: Cleanup::KeepAll,
    max_message_bytes: 1 << 20,
    partitioned: false,
    segment_ms: None,
};

/// What each kiosk says of itself.
pub const KIOSK_STATUS: Topic = Topic {
    name: "ikd.kiosk-status.v1",
    key: "kiosk id",
    cleanup: Cleanup::Compact,
    max_message_bytes: 1 << 20,
    partitioned: false,
    segment_ms: Some(60 * 60 * 1_000),
};

/// What could not be counted: original bytes, with reason and origin in headers
/// (see [`crate::quarantine`]).
pub const QUARANTINE: Topic = Topic {
    name: "ikd.quarantine.v1",
    key: "as the original",
    cleanup: Cleanup::KeepAll,
    max_message_bytes: 4 << 20,
    partitioned: false,
    segment_ms: None,
};

/// Figures once quoted.
pub const FIGURES: Topic = Topic {
    name: "ikd.figures.v1",
    key: "figure id",
    cleanup: Cleanup::KeepAll,
    max_message_bytes: 1 << 20,
    partitioned: false,
    segment_ms: None,
};

/// What was decided about quarantined records (see [`crate::decision`]).
pub const DECISIONS: Topic = Topic {
    name: "ikd.quarantine-decisions.v1",
    key: "origin: partition and offset",
    cleanup: Cleanup::KeepAll,
    max_message_bytes: 1 << 20,
    partitioned: false,
    segment_ms: None,
};

/// Every topic that an installation needs.
pub const ALL: [Topic; 6] = [EVENTS, REFERENCE, KIOSK_STATUS, QUARANTINE, FIGURES, DECISIONS];

impl Topic {
    /// The topic's configuration: every property that matters and its value.
    #[must_use]
    pub fn config(&self) -> Vec<(&'static str, String)> {
        let mut config = vec![
            ("cleanup.policy", self.cleanup.policy().to_owned()),
            ("retention.ms", "-1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
            // When something was recorded is the broker's word and not a kiosk's.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", self.max_message_bytes.to_string()),
        ];
        config.extend(self.segment_ms.map(|ms| ("segment.ms", ms.to_string())));
        config
    }

    /// The topic's full name under an installation's prefix (which may be empty).
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.name)
    }
}
