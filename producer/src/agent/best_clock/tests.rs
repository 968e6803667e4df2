//! What time it is, for clocks that are right and wrong.

use super::*;

const BEGAN: TimestampMs = VERSION_BEGAN;
const TODAY: TimestampMs = TimestampMs(BEGAN.0 + 30 * DAY_MS);

fn reading(clock: TimestampMs, minutes: u64) -> Reading {
    Reading { clock, uptime: Duration::from_secs(60 * minutes) }
}

fn at(text: &str) -> TimestampMs {
    text.parse().unwrap()
}

#[test]
fn a_clock_that_cannot_be_right_tells_no_time_but_lets_a_plausible_one_in() {
    let told = BestClock::new(BEGAN, Some(TODAY));
    let fresh = BestClock::new(BEGAN, None);
    for (best, clock) in [
        (told, "1970-01-01T00:01:00Z"),
        (told, "2023-06-01T00:00:00Z"),
        (told, "2099-01-01T00:00:00Z"),
        (fresh, "1970-01-01T00:01:00Z"),
        (fresh, "2023-06-01T00:00:00Z"),
        (fresh, "2099-01-01T00:00:00Z"),
    ] {
        let now = reading(at(clock), 1);
        let refused = best.time(now, None).unwrap_err();
        assert!(matches!(refused, Untimely::WrongClock(_)), "{clock}: {refused:?}");
        for given in [TODAY, at("2024-05-03T02:30:00Z")] {
            let timed = best.time(now, Some(given)).unwrap();
            assert_eq!(timed, Timed { occurred_at: given, source: TimeSource::ClientAlone });
        }
        // Only what is wrong whatever the time is refused permanently.
        let early = best.time(now, Some(at("2021-12-31T00:00:00Z"))).unwrap_err();
        assert!(matches!(early, Untimely::Never(_)), "{early:?}");
        let late = best.time(now, Some(at("2098-01-01T00:00:00Z"))).unwrap_err();
        assert!(matches!(late, Untimely::WrongClock(_)), "{late:?}");
    }
}

#[test]
fn what_the_broker_says_goes_before_the_clock_also_when_the_clock_jumps() {
    let mut best = BestClock::new(BEGAN, Some(TODAY));
    assert!(best.measured(TODAY, reading(TODAY, 10)));
    for clock in ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-12-01T00:00:00Z"] {
        let later = reading(at(clock), 30);
        let now = TimestampMs(TODAY.0 + 20 * 60_000);
        assert_eq!(best.now(later), Now::Measured(now));
        assert_eq!(best.time(later, None).unwrap().occurred_at, now);
        assert_eq!(best.offset_ms(later), Some(at(clock).0 - now.0));
        let tomorrow = TimestampMs(now.0 + MAX_AHEAD_MS);
        assert!(best.time(later, Some(tomorrow)).is_ok());
        let ahead = best.time(later, Some(TimestampMs(tomorrow.0 + 1))).unwrap_err();
        assert!(matches!(ahead, Untimely::Never(_)), "{ahead:?}");
    }
}

#[test]
fn a_clock_that_may_be_right_is_believed_but_refuses_nothing_for_good() {
    let best = BestClock::new(BEGAN, Some(TODAY));
    assert_eq!(best.offset_ms(reading(TODAY, 1)), None);
    for ahead in [-CLOCK_SLACK_MS, 0, LONGEST_OFFLINE_MS] {
        let clock = TimestampMs(TODAY.0 + ahead);
        assert_eq!(best.now(reading(clock, 1)), Now::Unconfirmed(clock));
    }
    let ahead = TimestampMs(TODAY.0 + 3 * DAY_MS);
    let refused = best.time(reading(TODAY, 1), Some(ahead)).unwrap_err();
    assert_eq!(refused, Untimely::Unconfirmed { at: ahead, clock: TODAY });
    let micros = TimestampMs(TODAY.0 * 1_000);
    let refused = best.time(reading(TODAY, 1), Some(micros)).unwrap_err();
    assert!(matches!(refused, Untimely::Never(_)), "{refused:?}");
}

#[test]
fn a_broker_whose_clock_is_absurd_is_not_believed() {
    let mut best = BestClock::new(BEGAN, None);
    best.heard(Some(at("2099-01-01T00:00:00Z")));
    assert_eq!(best.now(reading(TODAY, 1)), Now::Unconfirmed(TODAY));
    for told in [None, Some(TODAY)] {
        let mut best = BestClock::new(BEGAN, told);
        for absurd in ["1970-01-01T00:00:00Z", "2023-06-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
            assert!(!best.measured(at(absurd), reading(TODAY, 1)), "{absurd}");
            assert_eq!(best.now(reading(TODAY, 1)), Now::Unconfirmed(TODAY));
            // Nor if the kiosk's clock is as wrong.
            assert!(!best.measured(at(absurd), reading(at(absurd), 1)), "{absurd}");
        }
        assert_eq!(best.time(reading(TODAY, 1), None).unwrap().occurred_at, TODAY);
    }
    // After years without a connection two clocks that agree are believed, and one is not.
    let late = TimestampMs(TODAY.0 + LONGEST_OFFLINE_MS + DAY_MS);
    let mut best = BestClock::new(BEGAN, Some(TODAY));
    assert!(!best.measured(late, reading(TODAY, 1)));
    assert!(best.measured(late, reading(late, 1)));
    assert_eq!(best.now(reading(late, 2)), Now::Measured(TimestampMs(late.0 + 60_000)));
}

#[test]
fn where_two_clocks_may_be_right_nothing_is_refused_for_good() {
    let days = |days: i64| TimestampMs(TODAY.0 + days * DAY_MS);
    // The broker is three days behind, and the kiosk is right.
    let mut best = BestClock::new(BEGAN, Some(days(-5)));
    assert!(best.measured(days(-3), reading(TODAY, 1)));
    let now = reading(TODAY, 1);
    let given = Untimely::Disputed { at: TODAY, broker: days(-3), clock: TODAY };
    assert_eq!(best.time(now, Some(TODAY)), Err(given));
    let timed = best.time(now, None).unwrap();
    assert_eq!((timed.occurred_at, timed.source), (days(-3), TimeSource::Disputed));
    assert_eq!(best.time(now, Some(days(-4))).unwrap().source, TimeSource::Checked);
    // What is of the future by both is wrong whichever is right.
    let future = best.time(now, Some(days(2))).unwrap_err();
    assert!(matches!(future, Untimely::Never(_)), "{future:?}");
    // The kiosk is behind what a broker had told before this start: it is the one.
    let mut best = BestClock::new(BEGAN, Some(days(-1)));
    assert!(best.measured(TODAY, reading(days(-3), 1)));
    assert_eq!(best.time(reading(days(-3), 1), None).unwrap().source, TimeSource::Checked);
    // The broker is ahead of a kiosk that may be right.
    let mut best = BestClock::new(BEGAN, Some(days(-5)));
    assert!(best.measured(days(3), now));
    assert_eq!(best.time(now, None).unwrap().source, TimeSource::Disputed);
    assert_eq!(best.time(now, Some(days(2))).unwrap().source, TimeSource::Disputed);
    assert_eq!(best.time(now, Some(TODAY)).unwrap().source, TimeSource::Checked);
}

#[test]
fn a_clock_that_went_forward_since_the_broker_was_measured_may_be_right() {
    let mut best = BestClock::new(BEGAN, Some(TODAY));
    assert!(best.measured(TODAY, reading(TODAY, 10)));
    // The machine stood still for three hours, and counted nothing.
    let woken = TimestampMs(TODAY.0 + 3 * 60 * 60_000);
    assert_eq!(best.now(reading(woken, 11)), Now::Unconfirmed(woken));
    assert_eq!(best.time(reading(woken, 11), None).unwrap().source, TimeSource::Kiosk);
    let close = TimestampMs(TODAY.0 + 5 * 60_000);
    assert!(matches!(best.now(reading(close, 11)), Now::Measured(_)));
    assert!(best.measured(woken, reading(woken, 12)));
    assert_eq!(best.now(reading(woken, 12)), Now::Measured(woken));
}
