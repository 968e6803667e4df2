//! A position: up to where each topic has been taken into account, as a short token.
//!
//! `1b2c3d4f.0:123,1:456;r17;s8;d2` is: of the log with this digest, the events topic up to offset
//! 123 of partition 0 and 456 of partition 1, the reference topic up to 17, the kiosk statuses up to
//! 8, the quarantine decisions up to 2. Who has quoted a figure is given the figures topic as well
//! (`;q5`). Each offset is that of the first record that is not in yet.
//! What stands at 0 may be left out, so `1b2c3d4f.1:456` is a position as well: a client that
//! has published an event knows that much. Clients hand tokens on as they are.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The name of the header that an answer bears its position in.
pub const POSITION_HEADER: &str = "laju-position";
/// The name of the header in which a request says up to where it wants an answer to go at least.
pub const AT_LEAST_HEADER: &str = "laju-at-least";

/// Which log a position is of: a digest of the cluster's id and the events topic's full name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogDigest(pub u32);

/// Up to where each topic has been taken into account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The log.
    pub log: LogDigest,
    /// By partition of the events topic.
    pub events: BTreeMap<u32, i64>,
    /// Of the reference topic.
    pub reference: i64,
    /// Of the topic of kiosk statuses.
    pub statuses: i64,
    /// Of the topic of quarantine decisions.
    pub decisions: i64,
    /// Of the topic of quoted figures, where that matters: no other figure rests on it.
    pub figures: i64,
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a position: one comes in the header Laju-Position of an answer, and is handed on as it is"
)]
pub struct NoPosition;

impl LogDigest {
    /// Of the log of a cluster's events topic, by its full name.
    #[must_use]
    pub fn of(cluster_id: &str, topic: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(cluster_id.as_bytes());
        hash.update([0]);
        hash.update(topic.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Position {
    /// The longest token that is taken, in bytes: of some two thousand partitions. In a parameter
    /// there is room for fewer.
    pub const MAX_LENGTH: usize = 32 << 10;

    /// Right behind one record of the events topic.
    #[must_use]
    pub fn behind(log: LogDigest, partition: u32, offset: i64) -> Self {
        let events = BTreeMap::from([(partition, offset.saturating_add(1))]);
        Self { log, events, ..Self::default() }
    }

    /// Whether everything before another position is before this one; no matter the figures topic,
    /// which other figures do not rest on. False for two logs.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let reaches = |(partition, offset): (&u32, &i64)| {
            *offset <= self.events.get(partition).copied().unwrap_or(0)
        };
        self.log == other.log
            && other.events.iter().all(reaches)
            && other.reference <= self.reference
            && other.statuses <= self.statuses
            && other.decisions <= self.decisions
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.", self.log.0)?;
        let mut separator = "";
        for (partition, offset) in self.events.iter().filter(|(_, offset)| **offset > 0) {
            write!(f, "{separator}{partition}:{offset}")?;
            separator = ",";
        }
        let others = [
            ('r', self.reference),
            ('s', self.statuses),
            ('d', self.decisions),
            ('q', self.figures),
        ];
        for (topic, offset) in others.into_iter().filter(|(_, offset)| *offset > 0) {
            write!(f, ";{topic}{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let read = || {
            let (log, rest) = text.split_once('.').filter(|_| text.len() <= Self::MAX_LENGTH)?;
            let digest = u32::from_str_radix(log, 16).ok()?;
            let mut position = Self { log: LogDigest(digest), ..Self::default() };
            let mut parts = rest.split(';');
            for part in parts.next()?.split(',').filter(|part| !part.is_empty()) {
                let (partition, offset) = part.split_once(':')?;
                position.events.insert(partition.parse().ok()?, offset.parse().ok()?);
            }
            for part in parts {
                let offset = part.get(1..)?.parse().ok()?;
                match part.as_bytes().first()? {
                    b'r' => position.reference = offset,
                    b's' => position.statuses = offset,
                    b'd' => position.decisions = offset,
                    b'q' => position.figures = offset,
                    _ => return None,
                }
            }
            // One way to write each, so that none of them is two tokens.
            (position.to_string() == text).then_some(position)
        };
        read().ok_or(NoPosition)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn a_position_is_written_as_the_page_says() {
        let log = LogDigest::of("a-cluster", "ikd.events.v1");
        assert_eq!(log, LogDigest(0xeff2_800d));
        let events = BTreeMap::from([(0, 123), (1, 456), (2, 0)]);
        let whole = Position { log, events, reference: 17, statuses: 8, decisions: 2, figures: 5 };
        assert_eq!(whole.to_string(), "eff2800d.0:123,1:456;r17;s8;d2;q5");
        assert_eq!(Position::behind(log, 1, 455).to_string(), "eff2800d.1:456");
        assert_eq!(Position { log, ..Position::default() }.to_string(), "eff2800d.");
    }

    #[test]
    fn one_covers_another_that_is_behind_it_in_every_topic() {
        let here = position("00000001.0:5,1:7;r3");
        for behind in
            ["00000001.0:5,1:7;r3", "00000001.;q9", "00000001.0:4", "00000001.", "00000001.;r1"]
        {
            assert!(here.covers(&position(behind)), "{behind}");
        }
        for ahead in [
            "00000001.0:6",
            "00000001.2:1",
            "00000001.0:5,1:7;r4",
            "00000001.;s1",
            "00000001.;d1",
            "00000002.",
        ] {
            assert!(!here.covers(&position(ahead)), "{ahead}");
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        let long = format!("00000001.{}", "0:1,".repeat(Position::MAX_LENGTH));
        for text in [
            "",
            ".",
            "x",
            "1.",
            "00000001",
            "00000001.0",
            "00000001.0:",
            "00000001.0:-1",
            "00000001.0:0",
            "00000001.1:1,0:1",
            "00000001.0:1,0:1",
            "00000001.+0:1",
            "00000001.0:1;",
            "00000001.0:1;x3",
            "00000001.0:1;r",
            "00000001.0:1;d1;r1",
            "00000001.0:9223372036854775808",
            "00000001.4294967296:1",
            "00000001.é",
            " 00000001.",
            "0000000A.",
            &long,
        ] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            log: u32,
            events in prop::collection::btree_map(any::<u32>(), 1..i64::MAX, 0..20),
            others: [u16; 4],
        ) {
            let [reference, statuses, decisions, figures] = others.map(i64::from);
            let log = LogDigest(log);
            let position = Position { log, events, reference, statuses, decisions, figures };
            prop_assert_eq!(position.to_string().parse(), Ok(position.clone()));
            prop_assert!(position.covers(&position));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }
}
