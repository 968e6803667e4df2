//! `RawEvent::decode`, which reads by hand, checked against apache-avro: both accept the same bytes
//! and give the same event, and no bytes make either panic.

mod common;

use std::sync::LazyLock;

use apache_avro::reader::datum::GenericDatumReader;
use common::checked;
use laju_schemas::codec::Encoder;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::framing::Framing;
use laju_schemas::known::{ACTIVATION_EVENT, EventReader};
use laju_schemas::quoted::FigureReader;
use laju_schemas::reference::ReferenceReader;
use laju_schemas::status::StatusReader;
use laju_schemas::{ActivationEvent, EventId, Fact, RawEvent, RegionCode, SubjectId, TimestampMs};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use serde::Deserialize;

/// An event as apache-avro's serde path gives it, with nothing about it checked.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename = "ActivationEvent")]
struct JudgedEvent {
    event_id: EventId,
    kiosk_id: String,
    sequence: i64,
    occurred_at: i64,
    subject: SubjectId,
    home_region: String,
    service_region: String,
    outreach_id: Option<String>,
    fact: Fact<String>,
}

impl From<RawEvent<'_>> for JudgedEvent {
    fn from(raw: RawEvent<'_>) -> Self {
        Self {
            event_id: raw.event_id,
            kiosk_id: raw.kiosk_id.to_owned(),
            sequence: raw.sequence,
            occurred_at: raw.occurred_at,
            subject: raw.subject,
            home_region: raw.home_region.to_owned(),
            service_region: raw.service_region.to_owned(),
            outreach_id: raw.outreach_id.map(str::to_owned),
            fact: raw.fact.try_map_region(|text| Some(text.to_owned())).expect("never none"),
        }
    }
}

/// What apache-avro makes of the bytes; none if it refuses them or leaves a rest.
fn judge(payload: &[u8]) -> Option<JudgedEvent> {
    static READER: LazyLock<GenericDatumReader<'static>> = LazyLock::new(|| {
        // A hostile length is allocated before it is found to be too long.
        apache_avro::util::max_allocation_bytes(1 << 20);
        GenericDatumReader::builder(&ACTIVATION_EVENT.schema).build().expect("our schema")
    });
    let mut rest = payload;
    let event = READER.read_deser(&mut rest).ok()?;
    rest.is_empty().then_some(event)
}

fn assert_agreement(payload: &[u8]) -> Result<(), TestCaseError> {
    let ours = RawEvent::decode(payload);
    let judged = judge(payload);
    prop_assert_eq!(ours.clone().ok().map(JudgedEvent::from), judged, "{:?}", ours);
    Ok(())
}

fn text(most_bytes: usize) -> impl Strategy<Value = String> {
    prop::string::string_regex("[A-Za-z0-9._-]{1,16}")
        .expect("a pattern")
        .prop_filter("an id", move |text| {
            text.len() <= most_bytes && laju_schemas::KioskId::check(text).is_ok()
        })
}

fn regency() -> impl Strategy<Value = RegionCode> {
    (1_u16..100, 1_u16..100).prop_map(|(province, regency)| {
        RegionCode::from_number(province * 100 + regency).expect("a regency")
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        (select(Channel::ALL), prop::option::of(select(Venue::ALL)), any::<bool>()).prop_map(
            |(channel, venue, first_time_holder)| Fact::Activated {
                channel,
                venue,
                first_time_holder
            }
        ),
        select(DeactivationReason::ALL).prop_map(|reason| Fact::Deactivated { reason }),
        regency().prop_map(|from_region| Fact::Relocated { from_region }),
        select(DeferralReason::ALL).prop_map(|reason| Fact::Deferred { reason }),
        any::<bool>().prop_map(|first_time_holder| Fact::CardRecorded { first_time_holder }),
        select(CardReason::ALL).prop_map(|reason| Fact::CardRequested { reason }),
        select(CardReason::ALL).prop_map(|reason| Fact::CardPrinted { reason }),
        (any::<[u8; 16]>(), select(RetractionReason::ALL))
            .prop_map(|(id, reason)| Fact::Retracted { event_id: EventId(id), reason }),
    ]
}

prop_compose! {
    fn event()(
        ids in any::<([u8; 16], [u8; 16])>(),
        kiosk_id in text(64),
        sequence in 1..=i64::from(u32::MAX),
        occurred_at in any::<i64>(),
        home_region in regency(),
        service_region in regency(),
        outreach_id in prop::option::of(text(64)),
        fact in fact(),
    ) -> ActivationEvent {
        ActivationEvent {
            event_id: EventId(ids.0),
            kiosk_id: kiosk_id.parse().expect("a kiosk id"),
            sequence: sequence.try_into().expect("a sequence"),
            occurred_at: TimestampMs(occurred_at),
            subject: SubjectId(ids.1),
            home_region,
            service_region,
            outreach_id: outreach_id.map(|text| text.parse().expect("an outreach id")),
            fact,
        }
    }
}

fn framed(event: &ActivationEvent, schema_id: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::events(schema_id).event(event, &mut out).expect("an event fits its schema");
    out
}

fn payload(event: &ActivationEvent) -> Vec<u8> {
    Framing::split(&framed(event, None)).expect("framed").1.to_vec()
}

/// A change to some bytes: what a torn write, a bad link or an ill will would make.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
    /// A number becomes the same number in more bytes than it needs, or in too many.
    Lengthen(prop::sample::Index, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(place, byte) => bytes[place.index(length)] = *byte,
            Self::Flip(place, bit) => bytes[place.index(length)] ^= 1 << (bit % 8),
            Self::Insert(place, byte) => bytes.insert(place.index(length), *byte),
            Self::Remove(place) => drop(bytes.remove(place.index(length))),
            Self::Cut(place) => bytes.truncate(place.index(length)),
            Self::Append(more) => bytes.extend_from_slice(more),
            Self::Lengthen(place, zeros) => {
                let place = place.index(length);
                if bytes[place] < 0x80 {
                    bytes[place] |= 0x80;
                    let mut more = vec![0x80; *zeros];
                    more.push(0);
                    bytes.splice(place + 1..place + 1, more);
                }
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (place(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        place().prop_map(Damage::Remove),
        place().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..8).prop_map(Damage::Append),
        (place(), 0_usize..12).prop_map(|(at, zeros)| Damage::Lengthen(at, zeros)),
    ]
}

/// Bytes in the shape of an event, each part of which may be wrong: random bytes alone seldom
/// get past the first text.
fn near_event() -> impl Strategy<Value = Vec<u8>> {
    let number = || {
        prop_oneof![
            4 => any::<i8>().prop_map(|n| vec![n as u8]),
            2 => any::<i64>().prop_map(varint),
            1 => prop::collection::vec(0x80_u8..=0xff, 9..=11)
                .prop_flat_map(|head| any::<u8>().prop_map(move |last| [&head[..], &[last]].concat())),
            1 => Just(varint(i64::from(i32::MAX) + 1)),
            1 => Just(varint(i64::MIN)),
        ]
    };
    let text = || {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| counted(&bytes)),
            4 => "[a-z0-9.é]{0,6}".prop_map(|text| counted(text.as_bytes())),
            1 => number(),
        ]
    };
    let parts = (
        any::<[u8; 16]>().prop_map(Vec::from),
        text(),
        number(),
        number(),
        any::<[u8; 16]>().prop_map(Vec::from),
        text(),
        text(),
        prop_oneof![Just(vec![0]), text().prop_map(|text| [vec![2], text].concat()), number()],
        (0_u8..20).prop_map(|branch| vec![branch]),
        prop::collection::vec(0_u8..20, 0..4),
    );
    parts.prop_map(|(a, b, c, d, e, f, g, h, i, j)| [a, b, c, d, e, f, g, h, i, j].concat())
}

fn varint(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut out = Vec::new();
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as i64), bytes.to_vec()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_event_comes_back_in_both_framings(event in event(), id in any::<u32>()) {
        let mut reader = EventReader::new(&[]).unwrap();
        prop_assert_eq!(&checked(&reader.read(&framed(&event, None)).unwrap()), &event);
        reader.book.learn(id, Some(laju_schemas::known::ACTIVATION_EVENT_AVSC));
        prop_assert_eq!(&checked(&reader.read(&framed(&event, Some(id))).unwrap()), &event);
    }

    #[test]
    fn whole_events_are_judged_alike(event in event()) {
        let payload = payload(&event);
        prop_assert!(judge(&payload).is_some());
        assert_agreement(&payload)?;
    }

    #[test]
    fn damaged_events_are_judged_alike(
        event in event(),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let mut payload = payload(&event);
        for damage in damages {
            damage.apply(&mut payload);
        }
        assert_agreement(&payload)?;
    }

    #[test]
    fn bytes_like_an_event_are_judged_alike(payload in near_event()) {
        assert_agreement(&payload)?;
    }

    #[test]
    fn random_bytes_are_judged_alike(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_agreement(&payload)?;
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut events = EventReader::new(&[]).unwrap();
        let (mut figures, mut statuses) =
            (ReferenceReader::new().unwrap(), StatusReader::new().unwrap());
        events.book.learn(7, Some(laju_schemas::known::ACTIVATION_EVENT_AVSC));
        figures.learn(7, Some(laju_schemas::known::REFERENCE_FIGURE_AVSC));
        statuses.learn(7, Some(laju_schemas::known::KIOSK_STATUS_AVSC));
        let mut quoted = FigureReader::new().unwrap();
        quoted.learn(7, Some(laju_schemas::known::QUOTED_FIGURE_AVSC));
        let mut decisions = laju_schemas::decision::DecisionReader::new().unwrap();
        decisions.learn(7, Some(laju_schemas::known::QUARANTINE_DECISION_AVSC));
        for value in [bytes.clone(), [vec![0, 0, 0, 0, 7], bytes].concat()] {
            let _ = (events.read(&value).is_ok(), figures.read(&value), statuses.read(&value));
            let _ = (quoted.read(&value), decisions.read(&value), events.book.explain(&value));
        }
    }
}

/// An event of each kind, with and without what can be null.
fn one_of_each_kind() -> Vec<Vec<u8>> {
    let facts = [
        Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
        Fact::Activated {
            channel: Channel::Outreach,
            venue: Some(Venue::School),
            first_time_holder: true,
        },
        Fact::Deactivated { reason: DeactivationReason::Error },
        Fact::Relocated { from_region: "31.71".parse().expect("a regency") },
        Fact::Deferred { reason: DeferralReason::Other },
        Fact::CardRecorded { first_time_holder: true },
        Fact::CardRequested { reason: CardReason::Lost },
        Fact::CardPrinted { reason: CardReason::Lost },
        Fact::Retracted { event_id: EventId([3; 16]), reason: RetractionReason::Test },
    ];
    let event = |(place, fact)| ActivationEvent {
        event_id: EventId([1; 16]),
        kiosk_id: "k".parse().expect("a kiosk id"),
        sequence: 1.try_into().expect("a sequence"),
        occurred_at: TimestampMs(1),
        subject: SubjectId([2; 16]),
        home_region: "18.71".parse().expect("a regency"),
        service_region: "18.72".parse().expect("a regency"),
        outreach_id: (place % 2 == 1).then(|| "v".parse().expect("an outreach id")),
        fact,
    };
    facts.into_iter().enumerate().map(|indexed| payload(&event(indexed))).collect()
}

#[test]
fn every_single_byte_is_judged_alike() {
    for payload in one_of_each_kind() {
        assert!(judge(&payload).is_some());
        let mut bytes = payload.clone();
        for place in 16..payload.len() {
            for byte in 0..=u8::MAX {
                bytes[place] = byte;
                assert_agreement(&bytes).unwrap();
            }
            bytes[place] = payload[place];
        }
    }
}

/// Each class of doubtful numbers that a decoder might see otherwise, in every place.
#[test]
fn doubtful_numbers_are_judged_alike() {
    let numbers: [&[u8]; 10] = [
        &[0x80, 0x00],
        &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        &[0x80, 0x80, 0x80, 0x80, 0x20],
        &[0x86, 0x80, 0x80, 0x80, 0x10],
        &[0x01],
        &[0x87, 0x00],
    ];
    for payload in one_of_each_kind() {
        for place in 16..payload.len() {
            for number in numbers {
                let mut bytes = payload.clone();
                bytes.splice(place..=place, number.iter().copied());
                assert_agreement(&bytes).unwrap();
            }
        }
    }
}
