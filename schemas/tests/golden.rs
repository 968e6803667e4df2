//! The bytes of the contract, held still: what `golden/` has is what we write and what we read,
//! and what other implementations of Avro write and read (`golden/check.py` asks fastavro).

mod common;

use std::collections::BTreeSet;
use std::fmt::Debug;

use laju_schemas::codec::Encoder;
use laju_schemas::decision::{Decision, DecisionReader};
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, FactKind, RetractionReason, Venue,
};
use laju_schemas::known::{
    self, ACTIVATION_EVENT_GOLDEN as EVENTS, EventReader, TopicValue, ValueReader,
};
use laju_schemas::quoted::{FigureReader, TargetKind};
use laju_schemas::reference::{Basis, ReferenceReader};
use laju_schemas::status::StatusReader;
use laju_schemas::{
    ActivationEvent, Fact, KioskStatus, LogCopy, QuarantineDecision, QuotedFigure, ReferenceFigure,
};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

const CONFLUENT_ID: u32 = 7;

const FIGURES: &str = include_str!("../golden/v1/reference_figure.jsonl");
const QUOTED: &str = include_str!("../golden/v1/quoted_figure.jsonl");
const DECISIONS: &str = include_str!("../golden/v2/quarantine_decision.jsonl");
const COPIES: &str = include_str!("../golden/v1/log_copy.jsonl");
const DECISIONS_V1: &str = include_str!("../golden/v1/quarantine_decision.jsonl");
const FORMER_STATUSES: &str = include_str!("../golden/v1/kiosk_status.jsonl");
const STATUSES: &str = include_str!("../golden/v2/kiosk_status.jsonl");

#[derive(Deserialize)]
struct Golden {
    name: String,
    #[serde(deserialize_with = "from_hex")]
    single_object: Vec<u8>,
    #[serde(deserialize_with = "from_hex")]
    confluent: Vec<u8>,
    value: Value,
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
}

impl Golden {
    fn value<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.value.clone())
            .unwrap_or_else(|fault| panic!("{}: {fault}", self.name))
    }
}

fn golden(lines: &str) -> Vec<Golden> {
    let parse = |line| serde_json::from_str(line).expect("a line of a golden file");
    lines.lines().map(parse).collect()
}

fn avsc_in_v1(name: &str) -> String {
    avsc_in("v1", name)
}

fn avsc_in(version: &str, name: &str) -> String {
    let path = format!("{}/golden/{version}/{name}.avsc", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect("a frozen schema")
}

/// Whether a value's ids are such as ids have to be by now.
fn is_of_today(value: &serde_json::Value) -> bool {
    ["kiosk_id", "outreach_id"]
        .iter()
        .all(|name| value[name].as_str().is_none_or(|id| laju_schemas::KioskId::check(id).is_ok()))
}

fn events_of_today() -> Vec<Golden> {
    golden(EVENTS).into_iter().filter(|golden| is_of_today(&golden.value)).collect()
}

fn assert_bytes(golden: &Golden, framing: &str, ours: &[u8], theirs: &[u8]) {
    let name = &golden.name;
    assert_eq!(hex::encode(ours), hex::encode(theirs), "{name}: what we write with {framing}");
}

#[test]
fn the_fingerprints_are_those_of_java_and_fastavro() {
    // From Java (org.apache.avro 1.12.0, SchemaNormalization.parsingFingerprint64) and from
    // fastavro 1.13.1 (`schemas/golden/check.py` prints them).
    assert_eq!(known::ACTIVATION_EVENT.fingerprint, 0xc929_631b_c488_1ebb);
    assert_eq!(known::REFERENCE_FIGURE.fingerprint, 0x182e_7102_1c63_c70e);
    // From fastavro alone.
    assert_eq!(known::KIOSK_STATUS.fingerprint, 0x33e0_a274_958b_73bf);
    assert_eq!(known::QUOTED_FIGURE.fingerprint, 0xdcac_87e8_f24b_5f44);
    assert_eq!(known::QUARANTINE_DECISION.fingerprint, 0x767d_e0ff_ab70_a8c1);
    assert_eq!(known::LOG_COPY.fingerprint, 0xeb06_bb28_be9d_b995);
}

#[test]
fn events_have_exactly_these_bytes() {
    let (single_object, confluent) = (Encoder::events(None), Encoder::events(Some(CONFLUENT_ID)));
    let bytes = |encoder: &Encoder, event: &ActivationEvent| {
        let mut out = Vec::new();
        encoder.event(event, &mut out).unwrap();
        out
    };
    for golden in events_of_today() {
        let event: ActivationEvent = golden.value();
        let framed = bytes(&single_object, &event);
        assert_bytes(&golden, "single-object encoding", &framed, &golden.single_object);
        let framed = bytes(&confluent, &event);
        assert_bytes(&golden, "Confluent framing", &framed, &golden.confluent);
    }
}

#[test]
fn an_encoder_of_another_topic_leaves_no_bytes() {
    let event: ActivationEvent = golden(EVENTS)[0].value();
    for wrong in [Encoder::reference(None), Encoder::status(Some(CONFLUENT_ID))] {
        let mut out = b"before".to_vec();
        assert!(wrong.event(&event, &mut out).is_err());
        assert_eq!(out, b"before");
    }
}

#[test]
fn events_are_read_from_exactly_these_bytes() {
    let mut reader = EventReader::new(&[]).unwrap();
    reader.book.learn(CONFLUENT_ID, Some(known::ACTIVATION_EVENT_AVSC));
    for golden in events_of_today() {
        for bytes in [&golden.single_object, &golden.confluent] {
            let event = common::checked(&reader.read(bytes).unwrap());
            assert_eq!(event, golden.value(), "{}", golden.name);
            assert_eq!(serde_json::to_value(&event).unwrap(), golden.value, "{}", golden.name);
        }
    }
}

#[test]
fn events_of_every_version_are_read_without_a_registry() {
    let mut reader = EventReader::new(&[]).unwrap();
    let versions = (1..).map(|version| {
        let folder = format!("{}/golden/v{version}", env!("CARGO_MANIFEST_DIR"));
        (std::fs::exists(&folder).unwrap(), format!("{folder}/activation_event.jsonl"))
    });
    let files = versions.take_while(|(is_there, _)| *is_there).map(|(_, file)| file);
    let written: Vec<_> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    assert!(written.last().is_some_and(|latest| latest == EVENTS));
    for golden in written.iter().flat_map(|lines| golden(lines)) {
        if is_of_today(&golden.value) {
            let event = common::checked(&reader.read(&golden.single_object).unwrap());
            assert_eq!(event, golden.value(), "{}", golden.name);
        }
    }
}

/// Ids took any character once. Such bytes are still read, field by field, and refused by the rule
/// that ids are held to since.
#[test]
fn events_whose_ids_are_of_before_are_read_and_not_counted() {
    let mut reader = EventReader::new(&[]).unwrap();
    let before: Vec<_> =
        golden(EVENTS).into_iter().filter(|golden| !is_of_today(&golden.value)).collect();
    assert!(!before.is_empty());
    for golden in before {
        let raw = reader.read(&golden.single_object).unwrap();
        assert_eq!(raw.kiosk_id, golden.value["kiosk_id"]);
        assert_eq!(raw.outreach_id, golden.value["outreach_id"].as_str());
        let refused = raw.check().unwrap_err().to_string();
        assert!(refused.contains("_id: must have letters"), "{refused}");
    }
}

/// Each golden value of today has exactly these bytes in both framings, and is read from them.
fn assert_written_and_read<T>(
    lines: &str,
    encoder: fn(Option<u32>) -> Encoder,
    avsc: &str,
) -> Vec<T>
where
    T: TopicValue + DeserializeOwned + Serialize + PartialEq + Debug,
{
    let (single_object, confluent) = (encoder(None), encoder(Some(CONFLUENT_ID)));
    let mut reader = ValueReader::<T>::new().expect("our schemas");
    reader.learn(CONFLUENT_ID, Some(avsc));
    let mut values = Vec::new();
    for golden in golden(lines) {
        if !is_of_today(&golden.value) {
            let refused =
                reader.read(&golden.single_object).expect_err("an id of before").to_string();
            assert!(refused.contains("kiosk_id: must have letters"), "{refused}");
            continue;
        }
        let value: T = golden.value();
        let framed = single_object.value(&value).expect("its encoder");
        assert_bytes(&golden, "single-object encoding", &framed, &golden.single_object);
        let framed = confluent.value(&value).expect("its encoder");
        assert_bytes(&golden, "Confluent framing", &framed, &golden.confluent);
        for bytes in [&golden.single_object, &golden.confluent] {
            let read = reader.read(bytes).expect("a golden value");
            assert_eq!(read, value, "{}", golden.name);
            assert_eq!(serde_json::to_value(&read).expect("JSON"), golden.value, "{}", golden.name);
        }
        values.push(value);
    }
    assert!(!values.is_empty());
    values
}

#[test]
fn reference_figures_have_exactly_these_bytes_and_are_read_from_them() {
    let avsc = avsc_in_v1("reference_figure");
    for figure in assert_written_and_read::<ReferenceFigure>(FIGURES, Encoder::reference, &avsc) {
        assert_eq!(figure.check(), Ok(()), "{figure:?}");
    }
}

#[test]
fn kiosk_statuses_have_exactly_these_bytes_and_are_read_from_them() {
    let avsc = avsc_in("v2", "kiosk_status");
    assert_written_and_read::<KioskStatus>(STATUSES, Encoder::status, &avsc);
}

/// Agents of the first version say so without the id of their key, for as long as they run.
#[test]
fn former_kiosk_statuses_are_read_as_without_a_key() {
    let mut reader = StatusReader::new().unwrap();
    reader.learn(CONFLUENT_ID, Some(&avsc_in_v1("kiosk_status")));
    for golden in golden(FORMER_STATUSES).into_iter().filter(|g| is_of_today(&g.value)) {
        let status: KioskStatus = golden.value();
        assert_eq!(status.key_id, None);
        for bytes in [&golden.single_object, &golden.confluent] {
            assert_eq!(reader.read(bytes).unwrap(), status, "{}", golden.name);
        }
    }
}

#[test]
fn quoted_figures_have_exactly_these_bytes_and_digests_and_are_read_from_them() {
    let avsc = avsc_in_v1("quoted_figure");
    let mut seen = BTreeSet::new();
    for figure in assert_written_and_read::<QuotedFigure>(QUOTED, Encoder::figures, &avsc) {
        // Taken by fastavro's side, from the JSON alone.
        assert_eq!(figure.check(), Ok(()), "{figure:?}");
        for row in &figure.content.deactivations_by_reason {
            seen.insert(format!("reason {}", row.reason));
        }
        seen.extend(figure.content.denominators.iter().map(|d| format!("basis {}", d.basis)));
        let target = figure.content.target.into_iter();
        seen.extend(
            target.flat_map(|t| [format!("basis {}", t.basis), format!("kind {}", t.kind)]),
        );
    }
    let known = |basis: &&Basis| **basis != Basis::Unknown;
    let mut all: BTreeSet<_> =
        DeactivationReason::ALL.iter().map(|reason| format!("reason {reason}")).collect();
    all.extend(Basis::ALL.iter().filter(known).map(|basis| format!("basis {basis}")));
    all.extend([TargetKind::Percent, TargetKind::Absolute].map(|kind| format!("kind {kind}")));
    assert_eq!(seen, all);
}

#[test]
fn decisions_have_exactly_these_bytes_and_are_read_from_them() {
    let avsc = avsc_in("v2", "quarantine_decision");
    let values =
        assert_written_and_read::<QuarantineDecision>(DECISIONS, Encoder::decisions, &avsc);
    let seen: BTreeSet<_> = values.iter().map(|decision| decision.decision).collect();
    assert!(seen.iter().eq(Decision::ALL), "{seen:?}");
}

#[test]
fn decisions_of_the_first_version_are_read_in_both_framings() {
    let mut reader = DecisionReader::new().unwrap();
    reader.learn(CONFLUENT_ID, Some(&avsc_in_v1("quarantine_decision")));
    for golden in golden(DECISIONS_V1) {
        for bytes in [&golden.single_object, &golden.confluent] {
            assert_eq!(reader.read(bytes).unwrap(), golden.value(), "{}", golden.name);
        }
    }
}

/// A program of the first version matches symbols by name: what it does not have is `unknown` to
/// it, and the record open; people's decisions are what they are.
#[test]
fn the_first_version_reads_later_decisions_and_takes_a_verdict_for_unknown() {
    let (ours, theirs) = (avsc_in_v1("quarantine_decision"), avsc_in("v2", "quarantine_decision"));
    known::compatible(&ours, &theirs).unwrap();
    known::compatible(&theirs, &ours).unwrap();
}

#[test]
fn copies_have_exactly_these_bytes_and_are_read_from_them() {
    let encoder = Encoder::copies();
    for golden in golden(COPIES) {
        let copy: LogCopy = golden.value();
        let framed = encoder.value(&copy).unwrap();
        assert_bytes(&golden, "single-object encoding", &framed, &golden.single_object);
        let read = LogCopy::read(&golden.single_object).unwrap().unwrap();
        assert_eq!(read, copy, "{}", golden.name);
        assert_eq!(serde_json::to_value(&read).unwrap(), golden.value, "{}", golden.name);
        // It is never framed with a registry's id: that is nothing to who reads it.
        assert_eq!(LogCopy::read(&golden.confluent), None, "{}", golden.name);
    }
}

/// A kind of fact or a symbol without a golden value is one whose bytes nobody holds still.
#[test]
fn every_kind_of_fact_and_every_symbol_has_its_bytes() {
    let mut seen = BTreeSet::new();
    for golden in events_of_today() {
        let fact = golden.value::<ActivationEvent>().fact;
        seen.insert(fact.kind().to_string());
        match fact {
            Fact::Activated { channel, venue, .. } => {
                seen.insert(format!("channel {channel}"));
                seen.extend(venue.map(|venue| format!("venue {venue}")));
            }
            Fact::Deactivated { reason } => drop(seen.insert(format!("deactivated {reason}"))),
            Fact::Deferred { reason } => drop(seen.insert(format!("deferred {reason}"))),
            Fact::CardRequested { reason } => drop(seen.insert(format!("requested {reason}"))),
            Fact::CardPrinted { reason } => drop(seen.insert(format!("printed {reason}"))),
            Fact::Retracted { reason, .. } => drop(seen.insert(format!("retracted {reason}"))),
            Fact::Relocated { .. } | Fact::CardRecorded { .. } => {}
        }
    }
    let mut all: BTreeSet<_> = FactKind::ALL.iter().map(ToString::to_string).collect();
    all.extend(Channel::ALL.iter().map(|s| format!("channel {s}")));
    all.extend(Venue::ALL.iter().map(|s| format!("venue {s}")));
    all.extend(DeactivationReason::ALL.iter().map(|s| format!("deactivated {s}")));
    all.extend(DeferralReason::ALL.iter().map(|s| format!("deferred {s}")));
    all.extend(CardReason::ALL.iter().map(|s| format!("requested {s}")));
    all.extend(CardReason::ALL.iter().map(|s| format!("printed {s}")));
    all.extend(RetractionReason::ALL.iter().map(|s| format!("retracted {s}")));
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Every cut of a golden value is refused, and so is every golden value with a byte behind it.
#[test]
fn cut_and_extended_values_are_refused() {
    let mut events = EventReader::new(&[]).unwrap();
    let (figures, statuses) = (ReferenceReader::new().unwrap(), StatusReader::new().unwrap());
    let (quoted, decisions) = (FigureReader::new().unwrap(), DecisionReader::new().unwrap());
    let check = |lines: &str, accepts: &mut dyn FnMut(&[u8]) -> bool| {
        for mut golden in golden(lines) {
            for length in 0..golden.single_object.len() {
                assert!(!accepts(&golden.single_object[..length]), "{} {length}", golden.name);
            }
            golden.single_object.push(0);
            assert!(!accepts(&golden.single_object), "{}", golden.name);
        }
    };
    check(EVENTS, &mut |bytes| events.read(bytes).is_ok());
    check(FIGURES, &mut |bytes| figures.read(bytes).is_ok());
    check(STATUSES, &mut |bytes| statuses.read(bytes).is_ok());
    check(QUOTED, &mut |bytes| quoted.read(bytes).is_ok());
    check(DECISIONS, &mut |bytes| decisions.read(bytes).is_ok());
    check(COPIES, &mut |bytes| LogCopy::read(bytes).is_some_and(|read| read.is_ok()));
}
