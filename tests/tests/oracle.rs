//! The oracle against cases worked out by hand from the rules: who judges the fold is judged here.

use jiff::civil::{Date, date};
use laju_consumer::domain::account::Account;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason,
};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::raw::RawEvent;
use laju_schemas::{EventId, Fact, SubjectId};
use laju_tests::log::LogRecord;
use laju_tests::oracle::Oracle;
use laju_tests::wire;

const CITIZEN: SubjectId = SubjectId([7; 16]);
const LAMPUNG: &str = "18.71"; // UTC+7
const DENPASAR: &str = "51.71"; // UTC+8
const JAYAPURA: &str = "91.71"; // UTC+9

fn ms(instant: &str) -> i64 {
    instant.parse::<jiff::Timestamp>().expect("an instant as RFC 3339 has it").as_millisecond()
}

const fn id(number: u8) -> EventId {
    EventId([number; 16])
}

fn event(
    number: u8,
    occurred: &str,
    home: &'static str,
    fact: Fact<&'static str>,
) -> RawEvent<'static> {
    RawEvent {
        event_id: id(number),
        kiosk_id: "kiosk",
        sequence: number.into(),
        occurred_at: ms(occurred),
        subject: CITIZEN,
        home_region: home,
        service_region: home,
        outreach_id: None,
        fact,
    }
}

const ACTIVATED: Fact<&'static str> =
    Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false };
const DEACTIVATED: Fact<&'static str> = Fact::Deactivated { reason: DeactivationReason::Withdrawn };
const RELOCATED: Fact<&'static str> = Fact::Relocated { from_region: LAMPUNG };
const REQUESTED: Fact<&'static str> = Fact::CardRequested { reason: CardReason::Lost };
const PRINTED: Fact<&'static str> = Fact::CardPrinted { reason: CardReason::Lost };

const fn retracted(number: u8) -> Fact<&'static str> {
    Fact::Retracted { event_id: id(number), reason: RetractionReason::Test }
}

fn record(offset: i64, at: &str, event: &RawEvent<'_>) -> LogRecord {
    LogRecord {
        partition: 0,
        offset,
        timestamp_ms: ms(at),
        key: Some(event.subject.0.to_vec()),
        value: Some(wire::single_object(event)),
    }
}

/// The oracle of a log of one partition.
fn told(events: &[(&str, RawEvent<'_>)]) -> Oracle {
    let log: Vec<LogRecord> = events
        .iter()
        .enumerate()
        .map(|(offset, (at, event))| record(offset as i64, at, event))
        .collect();
    Oracle::read(&log, 1)
}

fn sum(oracle: &Oracle, account: Account, region: &str, as_of: Date, known_at: Date) -> i64 {
    oracle
        .balances(Some(as_of), Some(known_at))
        .into_iter()
        .filter(|((of, at, _), _)| *of == account && at.to_string() == region)
        .map(|(_, amount)| amount)
        .sum()
}

const LATER: &str = "2023-05-01T00:00:00Z";
const END: Date = date(2024, 1, 1);

#[test]
fn a_day_is_that_of_the_home_but_never_before_the_previous_posting() {
    // 15:30Z is half past midnight in Jayapura, and before midnight in Lampung.
    let oracle = told(&[
        (LATER, event(1, "2023-04-01T15:30:00Z", JAYAPURA, ACTIVATED)),
        (LATER, event(2, "2023-04-01T15:40:00Z", LAMPUNG, RELOCATED)),
        (LATER, event(3, "2023-04-01T15:50:00Z", JAYAPURA, DEACTIVATED)),
    ]);
    for (account, region) in [
        (Account::Activations, JAYAPURA),
        (Account::MovesOut, JAYAPURA),
        (Account::MovesIn, LAMPUNG),
        (Account::Deactivations, LAMPUNG),
    ] {
        assert_eq!(sum(&oracle, account, region, date(2023, 4, 1), END), 0, "{account:?}");
        assert_eq!(sum(&oracle, account, region, date(2023, 4, 2), END), 1, "{account:?}");
    }
    assert!(oracle.active(None).is_empty());
}

#[test]
fn what_changes_nothing_posts_nothing() {
    let oracle = told(&[
        (LATER, event(1, "2023-04-01T00:00:00Z", LAMPUNG, RELOCATED)),
        (LATER, event(2, "2023-04-02T00:00:00Z", LAMPUNG, DEACTIVATED)),
        (LATER, event(3, "2023-04-03T00:00:00Z", LAMPUNG, ACTIVATED)),
        (LATER, event(4, "2023-04-04T00:00:00Z", LAMPUNG, ACTIVATED)),
        (LATER, event(5, "2023-04-05T00:00:00Z", LAMPUNG, RELOCATED)),
    ]);
    let balances = oracle.balances(None, None);
    assert_eq!(balances.len(), 1, "{balances:?}");
    assert_eq!(sum(&oracle, Account::Activations, LAMPUNG, date(2023, 4, 3), END), 1);
    assert_eq!(oracle.counts().standing, 5);
}

#[test]
fn a_late_retraction_changes_what_was_true_but_not_what_was_known() {
    let oracle = told(&[
        ("2023-04-01T01:00:00Z", event(1, "2023-04-01T00:00:00Z", LAMPUNG, ACTIVATED)),
        // 16:59Z is still the 9th in Jakarta; the clock that goes back does not take the day back.
        ("2023-04-10T17:00:00Z", event(2, "2023-04-02T00:00:00Z", LAMPUNG, retracted(9))),
        ("2023-04-09T16:59:00Z", event(3, "2023-04-03T00:00:00Z", LAMPUNG, retracted(1))),
    ]);
    let as_of = date(2023, 4, 1);
    assert_eq!(sum(&oracle, Account::Activations, LAMPUNG, as_of, date(2023, 4, 10)), 1);
    assert_eq!(sum(&oracle, Account::Activations, LAMPUNG, as_of, date(2023, 4, 11)), 0);
    assert_eq!(oracle.counts().retracted, 1);
    assert_eq!(oracle.counts().late, 2);
}

#[test]
fn a_retracted_retraction_still_takes_back() {
    let oracle = told(&[
        (LATER, event(3, "2023-04-03T00:00:00Z", LAMPUNG, retracted(2))),
        (LATER, event(2, "2023-04-02T00:00:00Z", LAMPUNG, retracted(1))),
        (LATER, event(1, "2023-04-01T00:00:00Z", LAMPUNG, ACTIVATED)),
    ]);
    assert!(oracle.balances(None, None).is_empty());
    let counts = oracle.counts();
    assert_eq!((counts.standing, counts.retracted, counts.repeats), (1, 2, 0));
}

#[test]
fn of_one_id_the_smallest_by_content_stands_and_of_one_instant_the_smallest_id() {
    let oracle = told(&[
        (LATER, event(5, "2023-04-02T00:00:00Z", LAMPUNG, ACTIVATED)),
        (LATER, event(5, "2023-04-01T00:00:00Z", JAYAPURA, ACTIVATED)),
        (LATER, event(4, "2023-04-01T00:00:00Z", DENPASAR, ACTIVATED)),
        (LATER, event(4, "2023-04-01T00:00:00Z", DENPASAR, ACTIVATED)),
    ]);
    assert_eq!(sum(&oracle, Account::Activations, DENPASAR, date(2023, 4, 1), END), 1);
    assert_eq!(oracle.balances(None, None).len(), 1);
    let counts = oracle.counts();
    assert_eq!((counts.received, counts.standing, counts.repeats), (4, 1, 3));
}

#[test]
fn a_loser_comes_back_when_the_winner_is_taken_back() {
    let oracle = told(&[
        (LATER, event(1, "2023-04-01T00:00:00Z", DENPASAR, ACTIVATED)),
        (LATER, event(2, "2023-04-01T00:00:00Z", LAMPUNG, ACTIVATED)),
        (LATER, event(3, "2023-04-09T00:00:00Z", LAMPUNG, retracted(1))),
    ]);
    assert_eq!(sum(&oracle, Account::Activations, LAMPUNG, date(2023, 4, 1), END), 1);
    assert_eq!(sum(&oracle, Account::Activations, DENPASAR, END, END), 0);
}

#[test]
fn the_print_queue_follows_the_latest_request() {
    let oracle = told(&[
        (LATER, event(1, "2023-04-01T15:30:00Z", JAYAPURA, REQUESTED)),
        (LATER, event(2, "2023-04-01T15:40:00Z", LAMPUNG, REQUESTED)),
        (LATER, event(3, "2023-04-01T15:50:00Z", LAMPUNG, REQUESTED)),
        (LATER, event(4, "2023-04-05T00:00:00Z", DENPASAR, PRINTED)),
        (LATER, event(5, "2023-04-06T00:00:00Z", DENPASAR, PRINTED)),
    ]);
    let queue = |region, day| sum(&oracle, Account::PrintQueue, region, date(2023, 4, day), END);
    assert_eq!((queue(JAYAPURA, 1), queue(LAMPUNG, 1)), (0, 0));
    assert_eq!((queue(JAYAPURA, 2), queue(LAMPUNG, 2)), (0, 1));
    assert_eq!((queue(LAMPUNG, 4), queue(LAMPUNG, 5), queue(DENPASAR, 6)), (1, 0, 0));
    // The requests themselves are on their own plain days.
    assert_eq!(sum(&oracle, Account::CardsRequested, LAMPUNG, date(2023, 4, 1), END), 2);
    assert_eq!(sum(&oracle, Account::CardsPrinted, DENPASAR, date(2023, 4, 6), END), 2);
}

#[test]
fn a_visit_is_counted_where_it_served_by_the_hour_there() {
    let no_phone = Fact::Deferred { reason: DeferralReason::NoSmartphone };
    let mut deferred = event(1, "2023-04-01T15:30:00Z", LAMPUNG, no_phone);
    deferred.service_region = JAYAPURA;
    deferred.outreach_id = Some("sman-1");
    let mut activated = event(2, "2023-04-01T15:45:00Z", LAMPUNG, ACTIVATED);
    activated.service_region = JAYAPURA;
    activated.outreach_id = Some("sman-1");
    let again = RawEvent { event_id: id(3), occurred_at: activated.occurred_at + 1, ..activated };
    let oracle = told(&[(LATER, deferred), (LATER, activated), (LATER, again)]);
    let balances = oracle.balances(Some(date(2023, 4, 2)), None);
    for account in [Account::VisitActivations, Account::VisitDeferrals] {
        let of_account: Vec<_> = balances.iter().filter(|((of, ..), _)| *of == account).collect();
        let [((_, region, detail), 1)] = of_account[..] else { panic!("{of_account:?}") };
        assert_eq!(region.to_string(), JAYAPURA);
        assert_eq!(detail, "visit sman-1, kiosk kiosk, hour 0");
        assert_eq!(sum(&oracle, account, JAYAPURA, date(2023, 4, 1), END), 0);
    }
    assert_eq!(sum(&oracle, Account::Deferrals, LAMPUNG, date(2023, 4, 1), END), 1);
    assert_eq!(sum(&oracle, Account::Activations, LAMPUNG, date(2023, 4, 1), END), 1);
}

#[test]
fn the_first_reason_is_given_and_what_decodes_is_received() {
    let good = event(1, "2023-04-01T00:00:00Z", LAMPUNG, ACTIVATED);
    let at = "2023-04-01T00:00:00Z";
    let refused = |event: &RawEvent<'_>, change: &dyn Fn(&mut LogRecord)| {
        let mut log = [record(0, at, event)];
        change(&mut log[0]);
        let oracle = Oracle::read(&log, 2);
        let received = oracle.kiosks().len();
        (oracle.refused.first().map(|refused| refused.reason), received)
    };
    let placed = partition_for(&CITIZEN.0, 2);
    let as_is = move |record: &mut LogRecord| record.partition = placed;
    assert_eq!(refused(&good, &as_is), (None, 1));
    let cases: [(RawEvent<'_>, Reason, usize); 9] = [
        (RawEvent { home_region: "18", sequence: 0, ..good }, Reason::UnknownRegion, 0),
        (RawEvent { service_region: "18.99", ..good }, Reason::UnknownRegion, 1),
        (RawEvent { sequence: 0, occurred_at: 0, ..good }, Reason::SequenceOutOfRange, 0),
        (RawEvent { sequence: 1 << 32, ..good }, Reason::SequenceOutOfRange, 0),
        (event(1, "2021-12-31T16:59:59.999Z", LAMPUNG, ACTIVATED), Reason::BeforeProgramme, 1),
        (event(1, "2023-04-02T00:00:00.001Z", LAMPUNG, ACTIVATED), Reason::InFuture, 1),
        (RawEvent { kiosk_id: "", ..good }, Reason::MalformedField, 0),
        (RawEvent { outreach_id: Some("a\n"), ..good }, Reason::MalformedField, 1),
        (
            RawEvent { fact: Fact::Relocated { from_region: "1871" }, ..good },
            Reason::MalformedField,
            1,
        ),
    ];
    for (event, reason, received) in cases {
        assert_eq!(refused(&event, &as_is), (Some(reason), received), "{event:?}");
    }
    for fine in ["2021-12-31T17:00:00Z", "2023-04-02T00:00:00Z"] {
        assert_eq!(refused(&event(1, fine, LAMPUNG, ACTIVATED), &as_is), (None, 1));
    }
    type Change = (&'static dyn Fn(&mut LogRecord), Reason, usize);
    let changes: [Change; 7] = [
        (&|r| r.value.as_mut().unwrap().resize((1 << 20) + 1, 0), Reason::TooLarge, 0),
        (&|r| r.value.as_mut().unwrap().resize(1 << 20, 0), Reason::Undecodable, 0),
        (&|r| r.value = None, Reason::Undecodable, 0),
        (&|r| r.value = Some(vec![0, 0, 0, 0, 1, 2]), Reason::UnknownSchema, 0),
        (&|r| r.key = None, Reason::WrongKey, 1),
        (&|r| r.key = Some(vec![7; 15]), Reason::WrongKey, 1),
        (&|r| r.partition = 1 - r.partition, Reason::WrongPartition, 1),
    ];
    for (change, reason, received) in changes {
        let both = |record: &mut LogRecord| {
            as_is(record);
            change(record);
        };
        assert_eq!(refused(&good, &both), (Some(reason), received));
    }
}
