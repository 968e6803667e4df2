//! What was decided about a record that could not be counted: see [`crate::quarantine`].

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, DecodeError};
use crate::datum::{fault, offset, record};
use crate::id::{DecisionId, EventId};
use crate::known::{OwnSchema, QUARANTINE_DECISION, TopicValue, ValueReader};
use crate::nik::masked;
use crate::quarantine::Origin;
use crate::symbols::symbols;
use crate::time::TimestampMs;

/// The longest name of who decided, in characters.
pub const MAX_DECIDED_BY: usize = 100;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;

symbols! {
    /// What is to become of a quarantined record.
    Decision {
        /// Sent to the events topic again.
        Released = "released",
        /// Not to be counted, by the rules that refuse it: should later rules count it where it
        /// stands, it has to be retracted.
        Discarded = "discarded",
        /// A verdict, which a node writes and nobody else: the schema registry had no schema of its
        /// id. The record is refused where it stands, by every node and for ever. Always in
        /// single-object encoding, so that reading it asks nobody.
        UnknownSchema = "unknown_schema",
        /// A decision of a later version.
        Unknown = "unknown",
    }
}

/// One decision about one quarantined record. Of several by people about one origin the first on
/// the topic stands; of several verdicts ([`Decision::UnknownSchema`]) the first as well, beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineDecision {
    /// A UUID of version 7.
    pub decision_id: DecisionId,
    /// The partition of the events topic where the record stands that could not be counted.
    pub origin_partition: u32,
    /// Its offset there.
    pub origin_offset: i64,
    /// What was decided.
    pub decision: Decision,
    /// The event's id, where the record decodes.
    pub event_id: Option<EventId>,
    /// The partition of the events topic that a released event was sent to.
    pub released_partition: Option<u32>,
    /// Its offset there.
    pub released_offset: Option<i64>,
    /// Who decided: a person's name, or a node's of a verdict; 1 to [`MAX_DECIDED_BY`] characters.
    pub decided_by: String,
    /// Why: 1 to [`MAX_REASON`] characters.
    pub reason: String,
    /// When, by the clock of who decided.
    pub decided_at: TimestampMs,
    /// The id of the events topic where the record stands, as Kafka's tools write it: a topic made
    /// again has another one, and other records at its places. None of people's decisions, nor where
    /// the brokers give topics no ids.
    pub origin_topic_id: Option<String>,
}

/// A text of a decision, if it has the shape that the contract asks for: 1 to `most` characters,
/// not blank, and no control characters (it is shown on terminals and goes into headers).
///
/// # Errors
/// Says which of it is wrong.
pub fn check_text(text: &str, most: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length == 0 || length > most {
        return Err(format!("must have 1 to {most} characters, but has {length}"));
    }
    if text.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

impl QuarantineDecision {
    /// The record that it is about.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { partition: self.origin_partition, offset: self.origin_offset }
    }

    /// Whether it is about a record of the topic with this id. Where one of both has none, the
    /// brokers gave none then, or do not now.
    #[must_use]
    pub fn is_of_topic(&self, id: Option<&str>) -> bool {
        let named = self.origin_topic_id.as_deref();
        named.is_none() || id.is_none() || named == id
    }

    /// Where a released event was sent to, if it says so.
    #[must_use]
    pub fn released(&self) -> Option<Origin> {
        let (partition, offset) = (self.released_partition?, self.released_offset?);
        Some(Origin { partition, offset })
    }
}

record!(QuarantineDecision {
    decision_id,
    origin_partition,
    origin_offset: offset,
    decision,
    event_id,
    released_partition,
    released_offset: |at: &mut Cursor<'_>, field| at.nullable(field, |at| offset(at, field)),
    decided_by: words::<MAX_DECIDED_BY>,
    reason: words::<MAX_REASON>,
    decided_at,
    origin_topic_id: |at: &mut Cursor<'_>, field| at.nullable(field, |at| topic_id(at, field)),
});

fn words<const MOST: usize>(
    at: &mut Cursor<'_>,
    field: &'static str,
) -> Result<String, DecodeError> {
    let text = at.text(field)?;
    check_text(text, MOST).map_err(|why| fault(field, &why))?;
    Ok(masked(text).into_owned())
}

/// A topic's id: 16 bytes in base64, as Kafka's tools write them.
fn topic_id(at: &mut Cursor<'_>, field: &'static str) -> Result<String, DecodeError> {
    let text = at.text(field)?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.len() == 22 && text.bytes().all(is_letter) {
        Ok(text.to_owned())
    } else {
        Err(fault(field, &"must have 22 letters, digits, - and _"))
    }
}

impl TopicValue for QuarantineDecision {
    const OWN: &'static LazyLock<OwnSchema> = &QUARANTINE_DECISION;
}

/// Reads the values of the decisions topic, in either framing.
pub type DecisionReader = ValueReader<QuarantineDecision>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::known::{KIOSK_STATUS_AVSC, QUARANTINE_DECISION_AVSC, ReadError};

    fn decision() -> QuarantineDecision {
        QuarantineDecision {
            decision_id: DecisionId([7; 16]),
            origin_partition: 3,
            origin_offset: 41,
            decision: Decision::Released,
            event_id: None,
            released_partition: Some(1),
            released_offset: Some(99),
            decided_by: "Sri Rahayu".to_owned(),
            reason: "partitioner mended".to_owned(),
            decided_at: TimestampMs(1_700_000_000_000),
            origin_topic_id: None,
        }
    }

    fn again(decision: &QuarantineDecision) -> Result<QuarantineDecision, String> {
        let value = Encoder::decisions(None).value(decision).unwrap();
        DecisionReader::new().unwrap().read(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_field_that_holds_what_it_cannot_is_named() {
        assert_eq!(again(&decision()).unwrap(), decision());
        assert_eq!(decision().origin().to_string(), "3/41");
        assert_eq!(decision().released(), Some(Origin { partition: 1, offset: 99 }));
        let of_topic =
            |id: &str| QuarantineDecision { origin_topic_id: Some(id.to_owned()), ..decision() };
        let named = [
            ("origin_offset", QuarantineDecision { origin_offset: -1, ..decision() }),
            ("released_offset", QuarantineDecision { released_offset: Some(-1), ..decision() }),
            ("decided_by", QuarantineDecision { decided_by: String::new(), ..decision() }),
            ("decided_by", QuarantineDecision { decided_by: "n".repeat(101), ..decision() }),
            ("decided_by", QuarantineDecision { decided_by: "a\nb".to_owned(), ..decision() }),
            ("reason", QuarantineDecision { reason: " ".to_owned(), ..decision() }),
            ("reason", QuarantineDecision { reason: "é".repeat(501), ..decision() }),
            ("origin_topic_id", of_topic("AQID")),
            ("origin_topic_id", of_topic("AQIDBAUGBwj/_________w")),
        ];
        for (field, wrong) in named {
            let read = again(&wrong);
            assert!(read.as_ref().is_err_and(|why| why.starts_with(field)), "{field}: {read:?}");
        }
        // Characters are counted, and not bytes.
        let long = QuarantineDecision { reason: "é".repeat(500), ..decision() };
        assert_eq!(again(&long).unwrap(), long);
        let named = of_topic("AQIDBAUGBwj-_________w");
        assert_eq!(again(&named).unwrap(), named);
    }

    #[test]
    fn a_decision_is_of_the_topic_that_it_names_and_of_any_where_one_has_no_id() {
        let named = QuarantineDecision { origin_topic_id: Some("a".to_owned()), ..decision() };
        assert!(named.is_of_topic(Some("a")) && named.is_of_topic(None));
        assert!(!named.is_of_topic(Some("b")));
        assert!(decision().is_of_topic(Some("a")) && decision().is_of_topic(None));
    }

    #[test]
    fn a_decision_of_a_later_version_is_unknown_and_its_new_fields_are_passed_over() {
        let mut later: serde_json::Value = serde_json::from_str(QUARANTINE_DECISION_AVSC).unwrap();
        let ticket =
            serde_json::json!({"name": "ticket", "type": ["null", "string"], "default": null});
        let fields = later["fields"].as_array_mut().unwrap();
        fields.push(ticket);
        fields[3]["type"]["symbols"] =
            serde_json::json!(["postponed", "released", "discarded", "unknown_schema", "unknown"]);
        // `released` is the first symbol of ours, `postponed` of theirs.
        let value = Encoder::decisions(Some(9)).value(&decision()).unwrap();
        let value = [&value[..], &[2, 2, b'x']].concat();
        let mut reader = DecisionReader::new().unwrap();
        assert!(matches!(reader.read(&value), Err(ReadError::Unlearned(9))));
        reader.learn(9, Some(&later.to_string()));
        let unknown = QuarantineDecision { decision: Decision::Unknown, ..decision() };
        assert_eq!(reader.read(&value).unwrap(), unknown);
        reader.learn(9, Some(KIOSK_STATUS_AVSC));
        assert!(matches!(reader.read(&value), Err(ReadError::UnknownSchema(_))));
    }

    #[test]
    fn an_encoder_of_another_topic_writes_no_decision() {
        assert!(Encoder::decisions(None).value(&decision()).is_ok());
        assert!(Encoder::figures(None).value(&decision()).is_err());
        assert!(Encoder::events(Some(1)).value(&decision()).is_err());
    }
}
