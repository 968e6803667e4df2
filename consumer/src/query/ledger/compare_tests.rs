//! Every kind of difference is found, and nothing where there is none; what differs is led back to
//! the records.

use serde_json::json;

use super::compare::{Differences, Offsets, Rows, compare};
use super::lines::{self, LedgerLine};
use super::origins::{Finding, Origins, Records, Sign};
use super::tests::{PARTITION, commits, fold_all_but};
use super::{LedgerHead, LedgerPosting};

fn rows(left_out: Option<u32>) -> Rows {
    Rows::of(&fold_all_but(left_out, 100))
}

fn differences(ledger: &Rows, log: &Rows) -> Differences {
    compare(PARTITION, ledger.clone(), log.clone(), Offsets::Compared)
}

fn traced(
    differences: &Differences,
    left_out: Option<u32>,
) -> (Vec<Records>, Vec<Records>, Vec<Finding>) {
    let mut origins = Origins::of(differences);
    commits(left_out, 1, |commit| origins.see(commit));
    origins.finish(differences)
}

#[test]
fn the_same_log_has_no_differences_in_whatever_order_its_rows_come() {
    let log = rows(None);
    let mut ledger = log.clone();
    ledger.postings.reverse();
    ledger.kiosks.reverse();
    ledger.quarantined.reverse();
    assert_eq!(differences(&ledger, &log), Differences::default());
}

#[test]
fn rows_read_from_lines_are_those_of_the_state() {
    let part = fold_all_but(None, 100);
    let head = LedgerHead {
        cluster_id: String::new(),
        topic: String::new(),
        topic_id: None,
        partitions: 4,
        fold_version: String::new(),
        partition: PARTITION,
        next_offset: part.view.next_offset,
    };
    let mut text = Vec::new();
    lines::write(&part, head, |frame| {
        text.extend_from_slice(&frame);
        true
    });
    assert_eq!(Rows::read(lines::lines(text.as_slice())).unwrap(), Rows::of(&part));
    let damaged = [&text[..], b"nonsense\n"].concat();
    assert!(Rows::read(lines::lines(damaged.as_slice())).is_err());
    let first = lines::lines(text.as_slice()).next().unwrap().unwrap();
    assert!(matches!(first, LedgerLine::Head(_)));
}

#[test]
fn one_changed_posting_is_the_only_difference_and_names_the_records_that_posted_to_it() {
    let log = rows(None);
    let mut ledger = log.clone();
    ledger.postings[5].amount += 2;
    let expected = ledger.postings[5].clone();
    let found = differences(&ledger, &log);
    assert_eq!((found.count(), found.postings.len()), (1, 1));
    let row = &found.postings[0];
    assert_eq!(row.posting, LedgerPosting { amount: 0, ..expected });
    assert_eq!(row.in_ledger, row.in_log + 2);
    let (records, _, findings) = traced(&found, None);
    let sum: i64 = records[0].first.iter().map(|record| record.amount).sum();
    assert_eq!((sum, records[0].count as usize), (row.in_log, records[0].first.len()));
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].sign, findings[0].partition), (Sign::RowsChanged, PARTITION));
    assert!(serde_json::to_value(row).unwrap()["posting"].get("amount").is_none());
}

#[test]
fn a_posting_that_is_not_there_or_should_not_be_is_found() {
    let log = rows(None);
    let mut ledger = log.clone();
    let gone = ledger.postings.remove(7);
    let mut added = gone.clone();
    added.amount = 9;
    added.hour = Some(23);
    ledger.postings.push(added.clone());
    let found = differences(&ledger, &log).postings;
    let of = |row: &LedgerPosting| {
        let key = LedgerPosting { amount: 0, ..row.clone() };
        let row = found.iter().find(|found| found.posting == key).unwrap();
        (row.in_ledger, row.in_log)
    };
    assert_eq!(found.len(), 2);
    assert_eq!((of(&gone), of(&added)), ((0, gone.amount), (9, 0)));
}

#[test]
fn a_missing_event_is_named_with_its_place_and_an_extra_one_with_its_sequence() {
    // The activation of the 21st citizen.
    let number = 81;
    let (whole, part) = (rows(None), rows(Some(number)));
    let found = differences(&part, &whole);
    let (records, _, findings) = traced(&found, None);
    let missing: Vec<_> = findings.iter().filter(|f| f.sign == Sign::EventMissing).collect();
    assert_eq!((missing.len(), findings.len()), (1, 1), "{findings:?}");
    let offset = i64::from(number) * 2;
    assert_eq!((missing[0].sequence, missing[0].offset), (Some(number + 1), Some(offset)));
    assert!(missing[0].event_id.is_some());
    let kiosk = missing[0].kiosk_id.clone().unwrap();
    let words = format!(
        "an event is missing in the ledger: kiosk {kiosk} sequence {}, partition {PARTITION} \
         offset {offset}",
        number + 1
    );
    assert_eq!(missing[0].words, words);
    let names_it = |records: &Records| records.first.iter().any(|record| record.offset == offset);
    assert!(!records.is_empty() && records.iter().any(names_it), "{records:?}");

    let found = differences(&whole, &part);
    let (_, _, findings) = traced(&found, Some(number));
    assert_eq!(findings.len(), 1, "{findings:?}");
    let extra = &findings[0];
    assert_eq!(
        (extra.sign, extra.sequence, extra.offset),
        (Sign::EventExtra, Some(number + 1), None)
    );
    assert!(extra.words.starts_with("the ledger has an event that the log has not: kiosk"));
}

#[test]
fn a_record_that_could_not_be_counted_is_missed_too() {
    // One that names its kiosk, and one that does not.
    for (number, sign) in [(49, Sign::RefusedMissing), (99, Sign::RowsChanged)] {
        let (whole, part) = (rows(None), rows(Some(number)));
        let found = differences(&part, &whole);
        assert_eq!((found.quarantined.len(), found.refused.len()), (1, 1));
        assert_eq!(found.tallies.len(), 1);
        assert_eq!(found.tallies[0].count.field, "quarantined");
        let (_, records, findings) = traced(&found, None);
        let offset = i64::from(number) * 2;
        assert!(records[0].first.iter().any(|record| record.offset == offset));
        assert!(findings.iter().all(|finding| finding.sign == sign), "{number}: {findings:?}");
    }
}

#[test]
fn every_count_and_every_field_of_a_kiosk_is_compared() {
    let log = rows(None);
    let mut ledger = log.clone();
    let tallies = ledger.tallies.as_mut().unwrap();
    tallies.subjects += 1;
    *tallies.by_kind.get_mut("Activated").unwrap() -= 1;
    let found = differences(&ledger, &log);
    let names: Vec<_> = found.tallies.iter().map(|row| row.count.field.as_str()).collect();
    assert_eq!(names, ["by_kind.Activated", "subjects"]);
    assert_eq!(found.count(), 2);

    let mut ledger = log.clone();
    let kiosk = &mut ledger.kiosks[2];
    kiosk.received += 1;
    kiosk.served_regions.pop();
    kiosk.days_heard.clear();
    kiosk.last_heard = None;
    kiosk.service_region = None;
    kiosk.facts += 1;
    let id = kiosk.kiosk_id.clone();
    let found = differences(&ledger, &log);
    assert_eq!((found.count(), found.kiosks[0].kiosk_id.as_str()), (1, id.as_str()));
    let names: Vec<_> = found.kiosks[0].fields.iter().map(|row| row.field.as_str()).collect();
    let all = ["days_heard", "facts", "last_heard", "received", "served_regions", "service_region"];
    assert_eq!(names, all);
    let (_, _, findings) = traced(&found, None);
    assert_eq!((findings.len(), findings[0].sign), (1, Sign::Repeats));

    // A kiosk that only one of the two knows.
    let mut ledger = log.clone();
    let gone = ledger.kiosks.remove(0);
    let found = differences(&ledger, &log);
    assert_eq!((found.count(), &found.kiosks[0].missing), (1, &gone.received_sequences));
    let received = found.kiosks[0].fields.iter().find(|row| row.field == "received").unwrap();
    assert_eq!((&received.in_ledger, &received.in_log), (&json!(null), &json!(gone.received)));
    let (_, _, findings) = traced(&found, None);
    assert!(findings.iter().any(|f| f.sign == Sign::EventMissing && f.offset.is_some()));
}

#[test]
fn offsets_of_a_copy_are_left_out_and_nothing_else() {
    let log = rows(None);
    let mut copy = log.clone();
    copy.refused.iter_mut().for_each(|row| row.offset += 1_000);
    assert_eq!(differences(&copy, &log).refused.len(), 2 * log.refused.len());
    let compared =
        |ledger: &Rows| compare(PARTITION, ledger.clone(), log.clone(), Offsets::LeftOut);
    assert!(compared(&copy).is_empty());
    copy.refused[0].detail.push('!');
    assert_eq!(compared(&copy).refused.len(), 2);
    copy.refused.clear();
    assert_eq!(compared(&copy).refused.len(), log.refused.len());
}
