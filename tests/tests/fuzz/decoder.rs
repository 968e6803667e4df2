//! The readers of the topics: of events, in every schema that they know, of reference figures and
//! of kiosk statuses.

use laju_consumer::domain::admission::{Admitted, admit, clamp_timestamp};
use laju_schemas::codec::Encoder;
use laju_schemas::framing::Framing;
use laju_schemas::known::{
    ACTIVATION_EVENT_AVSC, EventReader, KIOSK_STATUS_AVSC, REFERENCE_FIGURE_AVSC,
};
use laju_schemas::partition::partition_for;
use laju_schemas::raw::RawEvent;
use laju_schemas::reference::ReferenceReader;
use laju_schemas::status::StatusReader;
use laju_schemas::{ActivationEvent, RegionTable, TimestampMs};
use laju_tests::fuzz::run;
use laju_tests::fuzz::wire::{LATER_ID, NESTED_ID, OWN_ID, Value, Values};
use laju_tests::wire;

const EVENTS: &str = "events";
const UNCOUNTED: &str = "events that cannot be counted";
const LATER: &str = "events of later schemas";
const FIGURES: &str = "reference figures";
const STATUSES: &str = "kiosk statuses";
const AMBIGUOUS: &str = "read as more than one";
const REFUSED: &str = "refused";

const ORDINARILY: u64 = 300_000;
const PARTITIONS: u32 = 12;
/// A record's timestamp, later than every golden event: 2026-05-03.
const RECORDED: i64 = 1_777_766_400_000;

fn event_reader() -> EventReader {
    let mut reader = EventReader::new(&[]).unwrap();
    reader.book.learn(OWN_ID, Some(ACTIVATION_EVENT_AVSC));
    for (id, avsc) in Values::later_schemas() {
        reader.book.learn(id, Some(&avsc));
    }
    reader
}

/// An event that counts, as a program would have made it.
fn typed(event: &Admitted<'_>) -> ActivationEvent {
    let region = |index| RegionTable::get().at(index).code;
    ActivationEvent {
        event_id: event.event_id,
        kiosk_id: event.kiosk.parse().unwrap(),
        sequence: i64::from(event.sequence).try_into().unwrap(),
        occurred_at: TimestampMs(event.occurred_at),
        subject: event.subject,
        home_region: region(event.home),
        service_region: region(event.service),
        outreach_id: event.outreach.map(|id| id.parse().unwrap()),
        fact: event.fact,
    }
}

/// That an event means one thing: written again, by hand or by the encoder, it is the same.
fn check_event(event: &RawEvent<'_>, again: &mut EventReader, encoder: &Encoder) -> bool {
    let by_hand = wire::framed(event, Framing::Confluent(OWN_ID));
    assert_eq!(&again.read(&by_hand).unwrap(), event);
    let key = event.subject.0;
    let partition = partition_for(&key, PARTITIONS);
    match admit(event, Some(&key), partition, PARTITIONS, clamp_timestamp(RECORDED)) {
        Err(refusal) => {
            assert!(!refusal.detail.is_empty());
            false
        }
        Ok(admitted) => {
            let mut value = Vec::new();
            encoder.event(&typed(&admitted), &mut value).unwrap();
            assert_eq!(&again.read(&value).unwrap(), event);
            true
        }
    }
}

#[test]
fn no_bytes_make_a_reader_panic_and_what_is_read_is_read_again_as_the_same() {
    let values = Values::new();
    let (mut events, mut again) = (event_reader(), event_reader());
    let (mut figures, mut statuses) =
        (ReferenceReader::new().unwrap(), StatusReader::new().unwrap());
    figures.learn(OWN_ID, Some(REFERENCE_FIGURE_AVSC));
    statuses.learn(OWN_ID, Some(KIOSK_STATUS_AVSC));
    let event_encoder = Encoder::events(None);
    let (figure_encoder, status_encoder) = (Encoder::reference(None), Encoder::status(None));

    let answers = run(
        "decoder",
        ORDINARILY,
        |random| values.value(random),
        |Value(value)| {
            let figure = figures.read(value).ok();
            if let Some(figure) = &figure {
                let written = figure_encoder.value(figure).unwrap();
                assert_eq!(&figures.read(&written).unwrap(), figure);
                // Whatever it says, it is no reason to panic.
                drop(figure.check());
            }
            let status = statuses.read(value).ok();
            if let Some(status) = &status {
                let written = status_encoder.value(status).unwrap();
                assert_eq!(&statuses.read(&written).unwrap(), status);
            }
            let event = events.read(value).ok();
            let event = event.map(|event| check_event(&event, &mut again, &event_encoder));
            let is_later = matches!(
                Framing::split(value),
                Some((Framing::Confluent(LATER_ID | NESTED_ID), _))
            );
            match (event, figure, status) {
                (Some(_), None, None) if is_later => LATER,
                (Some(true), None, None) => EVENTS,
                (Some(false), None, None) => UNCOUNTED,
                (None, Some(_), None) => FIGURES,
                (None, None, Some(_)) => STATUSES,
                (None, None, None) => REFUSED,
                // Nothing else than the topic says what is behind an id.
                _ => AMBIGUOUS,
            }
        },
    );

    // Not everything is refused at the door, or this would test nothing.
    let all: u64 = answers.values().sum();
    for what in [EVENTS, UNCOUNTED, LATER, FIGURES, STATUSES, REFUSED] {
        let share = answers.get(what).copied().unwrap_or_default() * 1_000 / all.max(1);
        assert!(all < 10_000 || share >= 10, "{what}: {share} in a thousand of {answers:?}");
    }
}
