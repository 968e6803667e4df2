//! The agent's intake: whatever a client sends is taken or refused with the field and the reason,
//! and no refusal repeats a long number.

use std::time::Duration;

use laju_kafka::problem::Language;
use laju_producer::agent::Kiosk;
use laju_producer::agent::best_clock::{BestClock, Moment, Reading};
use laju_producer::agent::submission::{Body, Fault, Format, Submission, read};
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{EventId, RegionTable, TimestampMs};
use laju_tests::fuzz::{json, run};

const TAKEN: &str = "all taken";
const SOME: &str = "some taken";
const NONE: &str = "none taken";
const NO_EVENTS: &str = "no events at all";

const ORDINARILY: u64 = 100_000;
/// The longest row of digits that an answer may have: a NIK has 16, and most of one is too much.
const DIGITS: usize = 11;
/// The longest row of digits that a visit's name may have: a day and a time, but no NIK.
const NAME_DIGITS: usize = 14;
/// When everything comes in: 2026-05-04, after whatever the generator dates.
const NOW: TimestampMs = TimestampMs(1_777_852_800_000);

/// The longest row of digits of a text.
fn longest_number(text: &str) -> usize {
    let rows = text.split(|c: char| !c.is_ascii_digit());
    rows.map(str::len).max().unwrap_or_default()
}

fn check_fault(fault: &Fault) {
    let [english, indonesian] = [Language::English, Language::Indonesian]
        .map(|language| fault.detail.to(language).to_owned());
    assert!(!english.is_empty() && !indonesian.is_empty(), "refused without a reason");
    for text in [&fault.field, &english, &indonesian, &fault.to_string()] {
        assert!(longest_number(text) <= DIGITS, "{text}");
    }
}

/// Whether it was taken; what is taken can be stored and counted.
fn check_item(item: &Result<Submission, Fault>, kiosk: &Kiosk, key: &ProgrammeKey) -> bool {
    let submission = match item {
        Ok(submission) => submission,
        Err(fault) => {
            check_fault(fault);
            return false;
        }
    };
    let reading = Reading { clock: NOW, uptime: Duration::from_secs(1) };
    let moment = Moment { reading, best: BestClock::new(NOW, None) };
    match submission.draft(kiosk, key, EventId([1; 16]), &moment) {
        Ok((draft, _)) => {
            for region in [draft.entry.home_region, draft.entry.service_region] {
                assert!(RegionTable::get().index_of(region).is_some(), "{region}");
            }
            let outreach = draft.outreach_id.as_ref().map_or("", |id| id.as_str());
            assert!(longest_number(outreach) <= NAME_DIGITS, "{outreach}");
            assert_eq!(draft.entry.accepted_at, NOW);
            true
        }
        Err(fault) => {
            assert!(!fault.field.is_empty(), "refused without a field: {fault:?}");
            check_fault(&fault);
            false
        }
    }
}

#[test]
fn no_submission_makes_the_intake_panic_and_no_refusal_repeats_a_long_number() {
    let kiosk = Kiosk { id: "kbl-01".parse().unwrap(), service_region: "18.71".parse().unwrap() };
    let key =
        ProgrammeKey::parse("6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1")
            .unwrap();
    let answers = run("intake", ORDINARILY, json::submission, |input| {
        let is_lines = input.content_type.is_some_and(|kind| kind.contains("ndjson"));
        let format = if is_lines { Format::Ndjson } else { Format::Json };
        let items = match read(format, &input.body) {
            Ok(Body::One(item)) => vec![item],
            Ok(Body::Batch(items)) => items,
            Err(error) => {
                assert!(longest_number(&error.to_string()) <= DIGITS, "{error}");
                return NO_EVENTS;
            }
        };
        assert!(!items.is_empty());
        let taken = items.iter().filter(|item| check_item(item, &kiosk, &key)).count();
        match taken {
            0 => NONE,
            all if all == items.len() => TAKEN,
            _ => SOME,
        }
    });

    // Not everything is refused at the door, or this would test nothing.
    let all: u64 = answers.values().sum();
    for what in [TAKEN, SOME, NONE, NO_EVENTS] {
        let share = answers.get(what).copied().unwrap_or_default() * 1_000 / all.max(1);
        assert!(all < 10_000 || share >= 10, "{what}: {share} in a thousand of {answers:?}");
    }
}
