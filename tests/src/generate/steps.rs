//! The steps of a log's making, drawn at random, and what they are drawn from.

use laju_consumer::domain::day::LAST_RECORD_MS;
use laju_schemas::Fact;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::framing::Framing;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// Homes and offices: all three zones, two regions of one province among them, and one under the
/// code that it had before as well.
pub(super) const REGIONS: [&str; 8] =
    ["18.71", "18.72", "31.71", "51.71", "51.03", "91.71", "94.01", "91.04"];
const KIOSKS: [&str; 4] = ["kios-18.71-01", "kios-51.71-01", "Kios_51.b", "k"];
const VISITS: [&str; 3] = ["sman-1-2022-02-28", "Kampus_unila.2", "a"];

/// Times of the day in UTC around midnight in Jayapura (15:00Z), Makassar (16:00Z) and Jakarta
/// (17:00Z), and one in the middle of everybody's day.
const TIMES_OF_DAY_MS: [i64; 9] = [
    3 * HOUR_MS,
    15 * HOUR_MS - 1,
    15 * HOUR_MS,
    15 * HOUR_MS + 30 * MINUTE_MS,
    16 * HOUR_MS - 1,
    16 * HOUR_MS,
    16 * HOUR_MS + 30 * MINUTE_MS,
    17 * HOUR_MS - 1,
    17 * HOUR_MS,
];

/// Ten minutes before midnight in Jayapura.
const EVENING_MS: i64 = 14 * HOUR_MS + 50 * MINUTE_MS;

/// One step of a log's making.
#[derive(Clone, Debug)]
pub(super) enum Step {
    New(Box<Draft>),
    /// An earlier record's bytes again, at a later time.
    Again(Index, Clock),
    /// An earlier event with something else in it.
    Variant(Index, Vec<Edit>, Clock),
}

/// What is different in a variant of an event.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Id,
    Kiosk(&'static str),
    Sequence(i64),
    Later(i64),
    Home(&'static str),
    Service(&'static str),
    Visit(Option<&'static str>),
    Body(u8),
}

#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) subject: u8,
    pub(super) id: Id,
    pub(super) kiosk: &'static str,
    pub(super) sequence: i64,
    pub(super) occurred: Occurred,
    pub(super) home: &'static str,
    pub(super) service: &'static str,
    pub(super) visit: Option<&'static str>,
    pub(super) fact: FactDraft,
    pub(super) clock: Clock,
    pub(super) faults: Vec<Fault>,
}

/// Whose event id it is.
#[derive(Clone, Debug)]
pub(super) enum Id {
    /// One of its own.
    Own,
    /// One of a few that many facts have.
    Shared(u8),
}

/// What a retraction takes back.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Another step of the same subject, earlier or later, or the retraction itself.
    Step(Index),
    /// One of the few shared ids.
    Shared(u8),
    /// An id that never comes.
    Never,
}

#[derive(Clone, Debug)]
pub(super) enum FactDraft {
    Plain(Fact<&'static str>),
    Retracted(Target, RetractionReason),
}

#[derive(Clone, Debug)]
pub(super) enum Occurred {
    /// At an instant.
    At(i64),
    /// So long after the beginning of the days that are now told of.
    Lately(i64),
    /// So long before the record's own timestamp.
    Before(i64),
    /// So long after the programme began.
    SinceStart(i64),
}

/// How the broker's clock goes on before a record, and how far that record's own is off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) advance: i64,
    pub(super) own: OwnClock,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum OwnClock {
    Off(i64),
    Absolute(i64),
}

/// What can be wrong with a record.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    NoValue,
    EmptyValue,
    Padded(usize),
    NoFraming,
    Framed(Framing),
    CutOff(usize),
    Rest,
    NoKey,
    KeyOf(u8),
    LongKey,
    Partition,
    Home(&'static str),
    Service(&'static str),
    Sequence(i64),
    Occurred(Occurred),
    Kiosk(String),
    Visit(String),
    From(&'static str),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => new_event(),
        1 => (any::<Index>(), clock()).prop_map(|(of, clock)| Step::Again(of, clock)),
        2 => (any::<Index>(), vec(edit(), 1..=2), clock())
            .prop_map(|(of, edits, clock)| Step::Variant(of, edits, clock)),
    ]
}

pub(super) fn new_event() -> impl Strategy<Value = Step> {
    draft().prop_map(|draft| Step::New(Box::new(draft)))
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        2 => Just(Edit::Id),
        1 => select(KIOSKS.to_vec()).prop_map(Edit::Kiosk),
        1 => (1..40_i64).prop_map(Edit::Sequence),
        1 => select(vec![-1, 1, HOUR_MS, -HOUR_MS]).prop_map(Edit::Later),
        1 => select(REGIONS.to_vec()).prop_map(Edit::Home),
        1 => select(REGIONS.to_vec()).prop_map(Edit::Service),
        1 => proptest::option::of(select(VISITS.to_vec())).prop_map(Edit::Visit),
        2 => any::<u8>().prop_map(Edit::Body),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let id = prop_oneof![4 => Just(Id::Own), 1 => (0..4_u8).prop_map(Id::Shared)];
    let occurred = prop_oneof![
        30 => time().prop_map(Occurred::Lately),
        1 => select(vec![-DAY_MS, -HOUR_MS, 0, DAY_MS, DAY_MS + 1, 9 * DAY_MS])
            .prop_map(Occurred::Before),
        1 => select(vec![0, 1]).prop_map(Occurred::SinceStart),
    ];
    let sequence = prop_oneof![20 => 1..40_i64, 1 => Just(4_294_967_295)];
    let service = prop_oneof![1 => Just(None), 1 => select(REGIONS.to_vec()).prop_map(Some)];
    let visit = proptest::option::of(select(VISITS.to_vec()));
    let faults = prop_oneof![14 => Just(Vec::new()), 1 => vec(fault(), 1..=2)];
    (
        any::<u8>(),
        id,
        select(KIOSKS.to_vec()),
        sequence,
        occurred,
        select(REGIONS.to_vec()),
        service,
        visit,
        fact(),
        clock(),
        faults,
    )
        .prop_map(|parts| {
            let (subject, id, kiosk, sequence, occurred, home, service, visit, fact, clock, faults) =
                parts;
            let service = service.unwrap_or(home);
            Draft {
                subject,
                id,
                kiosk,
                sequence,
                occurred,
                home,
                service,
                visit,
                fact,
                clock,
                faults,
            }
        })
}

/// A time of six days, since the first of them began. Most are of the two hours of one evening
/// in which midnight goes from Jayapura to Jakarta, so that one citizen's facts are near enough
/// for the zones to put their days in another order.
fn time() -> impl Strategy<Value = i64> {
    let same_evening = (0..15_i64, select(vec![0, 0, -1]))
        .prop_map(|(tenth, off)| 2 * DAY_MS + EVENING_MS + tenth * 10 * MINUTE_MS + off);
    let any_day =
        (0..6_i64, select(TIMES_OF_DAY_MS.to_vec())).prop_map(|(day, time)| day * DAY_MS + time);
    prop_oneof![3 => same_evening, 2 => any_day]
}

fn fact() -> impl Strategy<Value = FactDraft> {
    let activated = (select(Channel::ALL), proptest::option::of(select(Venue::ALL)), any::<bool>())
        .prop_map(|(channel, venue, first_time_holder)| Fact::Activated {
            channel,
            venue,
            first_time_holder,
        });
    let plain = prop_oneof![
        4 => activated,
        3 => select(DeactivationReason::ALL).prop_map(|reason| Fact::Deactivated { reason }),
        3 => select(REGIONS.to_vec()).prop_map(|from_region| Fact::Relocated { from_region }),
        2 => select(DeferralReason::ALL).prop_map(|reason| Fact::Deferred { reason }),
        1 => any::<bool>().prop_map(|first_time_holder| Fact::CardRecorded { first_time_holder }),
        2 => select(CardReason::ALL).prop_map(|reason| Fact::CardRequested { reason }),
        2 => select(CardReason::ALL).prop_map(|reason| Fact::CardPrinted { reason }),
    ];
    let target = prop_oneof![
        8 => any::<Index>().prop_map(Target::Step),
        2 => (0..4_u8).prop_map(Target::Shared),
        1 => Just(Target::Never),
    ];
    prop_oneof![
        17 => plain.prop_map(FactDraft::Plain),
        3 => (target, select(RetractionReason::ALL))
            .prop_map(|(target, reason)| FactDraft::Retracted(target, reason)),
    ]
}

fn clock() -> impl Strategy<Value = Clock> {
    let advance = select(vec![0, 0, 1, MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS]);
    let own = prop_oneof![
        20 => Just(OwnClock::Off(0)),
        2 => select(vec![-1, -HOUR_MS, -DAY_MS, -3 * DAY_MS]).prop_map(OwnClock::Off),
        1 => select(vec![HOUR_MS, 2 * DAY_MS]).prop_map(OwnClock::Off),
    ];
    // Absurd ones are rare: after one far in the future a partition has no later day.
    let own = prop_oneof![
        400 => own,
        2 => Just(OwnClock::Absolute(-1)),
        1 => select(vec![i64::MIN, i64::MAX, LAST_RECORD_MS, LAST_RECORD_MS + 1])
            .prop_map(OwnClock::Absolute),
    ];
    (advance, own).prop_map(|(advance, own)| Clock { advance, own })
}

fn fault() -> impl Strategy<Value = Fault> {
    let region = || select(vec!["", "18", "ID", "18.99", "1871", "97.01", "18.71 "]);
    let id = || {
        let texts = ["", "a\nb", "a\u{85}", "kios é", "kampus unila"].map(String::from);
        select(texts.to_vec())
    };
    prop_oneof![
        Just(Fault::NoValue),
        Just(Fault::EmptyValue),
        select(vec![1 << 20, (1 << 20) + 1]).prop_map(Fault::Padded),
        Just(Fault::NoFraming),
        Just(Fault::Framed(Framing::SingleObject(1))),
        Just(Fault::Framed(Framing::Confluent(7))),
        (0..100_usize).prop_map(Fault::CutOff),
        Just(Fault::Rest),
        Just(Fault::NoKey),
        any::<u8>().prop_map(Fault::KeyOf),
        Just(Fault::LongKey),
        Just(Fault::Partition),
        region().prop_map(Fault::Home),
        region().prop_map(Fault::Service),
        select(vec![0, -1, 4_294_967_296, i64::MAX, i64::MIN]).prop_map(Fault::Sequence),
        select(vec![-1, -DAY_MS]).prop_map(|ms| Fault::Occurred(Occurred::SinceStart(ms))),
        select(vec![-DAY_MS - 1, -DAY_MS, -9 * DAY_MS])
            .prop_map(|ms| Fault::Occurred(Occurred::Before(ms))),
        select(vec![i64::MIN, i64::MAX]).prop_map(|ms| Fault::Occurred(Occurred::At(ms))),
        id().prop_map(Fault::Kiosk),
        id().prop_map(Fault::Visit),
        select(vec!["", "18", "ID", "99.99", "18,71", "00.01"]).prop_map(Fault::From),
    ]
}
