//! A figure's evidence: it adds up, names every record, and has the same digest for the same log.

use laju_schemas::quarantine::Reason;
use laju_schemas::reference::Basis;
use sha2::{Digest as _, Sha256};

use crate::query::days::Days;
use crate::query::explanations::evidence::{FigureEvidence, KIOSKS, evidence};
use crate::query::fixtures::{Fixture, date};

const TODAY: &str = "2024-08-02";

pub(crate) fn state() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.percent_target("18", Basis::WajibKtp, "25", "2023-01-01");
    f.activate(0, "18.71", "2023-12-31", 90_000);
    f.activate(1, "18.71", "2024-01-01", 10);
    f.receive(1, ("K-1", "18.71"), [1, 3], "18.71", "2024-01-01");
    f.status("K-1", "18.71", 40, false);
    f.quarantine(0, Reason::WrongKey, "2024-01-02", Some(("18.71", "19.71")));
    f.quarantine(0, Reason::InFuture, "2024-01-03", Some(("31.71", "31.71")));
    f
}

pub(crate) fn ask(f: &Fixture, region: &str, days: Days) -> FigureEvidence {
    evidence(&f.view(TODAY), region.parse().unwrap(), &days).unwrap()
}

#[test]
fn an_evidence_answer_can_be_read_back_and_its_digest_made_again() {
    let answer = ask(&state(), "18.71", Days::default());
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<FigureEvidence>(&text).unwrap(), answer);
    // Anybody can make the digest from the answer alone.
    let (_, core) = text.split_once("\"core\":").unwrap();
    let (core, _) = core.split_once(",\"digest\":").unwrap();
    assert_eq!(hex::encode(Sha256::digest(core)), answer.digest);
}

#[test]
fn parts_add_up_and_every_share_has_its_records() {
    let mut f = state();
    for regency in laju_schemas::RegionTable::get().regencies() {
        let code = regency.1.code.to_string();
        if code.starts_with("19.") {
            f.denominator(&code, Basis::RecordedKtp, 100, "2023-05-01");
        }
    }
    f.percent_target("ID", Basis::RecordedKtp, "30", "2024-01-01");
    f.activate(0, "19.71", "2024-01-01", 7);
    for region in ["18.71", "18", "19", "ID", "17"] {
        let answer = ask(&f, region, Days::default());
        let sum: i64 = answer.parts.iter().map(|part| part.count).sum();
        assert_eq!(sum, answer.core.activated, "{region}");
    }
    let province = ask(&f, "19", Days::default()).core;
    let [denominator] = &province.denominators[..] else { panic!("one basis") };
    let sum: u64 = denominator.records.iter().map(|record| record.value.unwrap()).sum();
    assert_eq!((denominator.records.len(), sum), (7, denominator.value));
    assert!(denominator.records.iter().all(|r| r.recorded == date("2023-05-01")));
    let target = province.target.unwrap();
    assert_eq!((target.people, target.record.region.to_string()), (210, "ID".to_owned()));
    assert_eq!(target.record.offset, 9, "after two and seven others");
}

#[test]
fn the_digest_is_of_the_log_and_of_nothing_that_passes() {
    let mut f = state();
    let first = ask(&f, "18.71", Days::default());
    f.status("K-1", "18.71", 50, false);
    f.status_on("2024-08-02", "K-2", "18.71", 9, false);
    let second = ask(&f, "18.71", Days::default());
    assert_ne!(first.bounds, second.bounds);
    assert_eq!(first.digest, second.digest, "what kiosks announce is not in it");
    f.activate(1, "31.71", "2024-01-01", 1);
    let third = ask(&f, "18.71", Days::default());
    assert_eq!(first.core.activated, third.core.activated);
    assert_ne!(first.digest, third.digest, "it includes one record more");
    let then = Days { as_of: Some(date("2023-12-31")), known_at: None, ahead: false };
    assert_ne!(ask(&f, "18.71", then).digest, third.digest);
}

#[test]
fn what_is_missing_is_named_kiosk_by_kiosk_and_not_of_a_past_knowledge() {
    let mut f = state();
    for number in 0..=KIOSKS {
        let id = format!("M-{number:03}");
        f.receive(0, (&id, "19.71"), (1..=50).step_by(2), "18.72", "2024-01-01");
    }
    let bandar = ask(&f, "18.71", Days::default());
    let kiosks = bandar.missing_kiosks.unwrap();
    assert_eq!((kiosks.total, kiosks.rows[0].kiosk_id.as_str()), (1, "K-1"));
    assert_eq!((kiosks.rows[0].missing, &kiosks.rows[0].gaps[..]), (38, &[(2, 2), (4, 40)][..]));
    assert!(!kiosks.rows[0].gaps_cut);
    assert_eq!((bandar.quarantined.total, bandar.bounds.unwrap().upper), (1, 90_010 + 39));

    // Others' kiosks that served its people are named too, and no more than can be read.
    let metro = ask(&f, "18.72", Days::default()).missing_kiosks.unwrap();
    assert_eq!((metro.total, metro.rows.len()), (KIOSKS as u64 + 1, KIOSKS));
    assert!(metro.rows.iter().all(|row| row.missing == 24 && row.gaps_cut && row.gaps.len() == 10));
    let province = ask(&f, "18", Days::default());
    assert_eq!(province.missing_kiosks.unwrap().total, KIOSKS as u64 + 2);
    assert_eq!(ask(&f, "ID", Days::default()).quarantined.total, 2);

    let past = Days { as_of: None, known_at: Some(date("2024-01-02")), ahead: false };
    let past = ask(&f, "18.71", past);
    assert_eq!((past.bounds, past.missing, past.missing_kiosks), (None, None, None));
    assert_eq!(past.quarantined.total, 1);
    let before = Days { as_of: None, known_at: Some(date("2024-01-01")), ahead: false };
    assert_eq!(ask(&f, "18.71", before).quarantined.total, 0);
}
