//! Which key kiosks make their pseudonyms with: one for the whole programme. A kiosk with another
//! one makes everybody somebody else, and who was counted before is counted again.

use std::collections::HashMap;

use laju_schemas::pseudonym::KeyId;

use super::snapshot::Statuses;

/// The key of most kiosks that say theirs, those withdrawn left out. Of two that are as many, that
/// whose kiosks have given more numbers; then the lower id, so that every node says the same.
#[must_use]
pub fn usual_key(statuses: &Statuses) -> Option<KeyId> {
    let mut counts: HashMap<KeyId, (u64, u64)> = HashMap::new();
    for recorded in statuses.values().filter(|recorded| !recorded.status.retired) {
        if let Some(key) = recorded.status.key_id {
            let (kiosks, numbers) = counts.entry(key).or_default();
            *kiosks += 1;
            *numbers += u64::from(recorded.highest);
        }
    }
    let most = counts.into_iter().max_by_key(|(key, counts)| (*counts, std::cmp::Reverse(*key)));
    most.map(|(key, _)| key)
}

/// The kiosks with another key than the usual one, in the order of their ids.
#[must_use]
pub fn with_another_key(statuses: &Statuses) -> Vec<(&str, KeyId)> {
    let Some(usual) = usual_key(statuses) else { return Vec::new() };
    let mut others: Vec<_> = statuses
        .iter()
        .filter(|(_, recorded)| !recorded.status.retired)
        .filter_map(|(kiosk, recorded)| Some((kiosk.as_str(), recorded.status.key_id?)))
        .filter(|(_, key)| *key != usual)
        .collect();
    others.sort_unstable();
    others
}

#[cfg(test)]
mod tests {
    use laju_schemas::{KioskStatus, TimestampMs};

    use super::*;
    use crate::projection::snapshot::{Fall, RecordedStatus};

    fn statuses(of: &[(&str, Option<&str>, u32, bool)]) -> Statuses {
        let status =
            |&(kiosk, key, highest_sequence, retired): &(&str, Option<&str>, u32, bool)| {
                let status = KioskStatus {
                    kiosk_id: kiosk.parse().unwrap(),
                    service_region: "18.71".parse().unwrap(),
                    highest_sequence,
                    unsent: 0,
                    oldest_unsent: None,
                    clock_offset_ms: None,
                    agent_version: String::new(),
                    sent_at: TimestampMs(0),
                    retired,
                    key_id: key.map(|key| key.parse().unwrap()),
                };
                (kiosk.to_owned(), RecordedStatus::new(status, TimestampMs(0)))
            };
        of.iter().map(status).collect()
    }

    const A: Option<&str> = Some("aaaaaaaaaaaaaaaa");
    const B: Option<&str> = Some("bbbbbbbbbbbbbbbb");

    #[test]
    fn the_key_of_most_kiosks_is_the_usual_one_and_the_others_are_named() {
        let named = |statuses: &Statuses| -> Vec<String> {
            with_another_key(statuses).into_iter().map(|(kiosk, _)| kiosk.to_owned()).collect()
        };
        assert_eq!(usual_key(&Statuses::new()), None);
        let old = statuses(&[("k1", None, 9, false), ("k2", None, 9, false)]);
        assert_eq!((usual_key(&old), named(&old).len()), (None, 0), "nobody says theirs");
        let mixed = statuses(&[
            ("k1", A, 1, false),
            ("k2", A, 1, false),
            ("k3", B, 900, false),
            ("k4", None, 900, false),
            // Withdrawn kiosks neither count nor are named.
            ("k5", B, 1, true),
            ("k6", B, 1, true),
        ]);
        assert_eq!(usual_key(&mixed).map(|key| key.to_string()).as_deref(), A);
        assert_eq!(named(&mixed), ["k3"]);
        let tie = statuses(&[("k1", A, 1, false), ("k2", B, 2, false)]);
        assert_eq!(named(&tie), ["k1"], "the one with more numbers is the usual one");
    }

    #[test]
    fn what_was_announced_stays_awaited_and_a_fall_is_named_until_the_next() {
        let all = statuses(&[("k1", None, 40, false)]);
        let at = |sequence: u32, second: i64, before: &RecordedStatus| {
            let status = KioskStatus { highest_sequence: sequence, ..before.status.clone() };
            before.next(status, TimestampMs(second))
        };
        let first = &all["k1"];
        assert_eq!((first.highest, first.fall), (40, None));
        let fallen = at(20, 1, first);
        let fall = Fall { from: 40, to: 20, recorded_at: TimestampMs(1) };
        assert_eq!((fallen.highest, fallen.fall), (40, Some(fall)));
        let again = at(20, 2, &fallen);
        assert_eq!(again.fall, Some(fall), "the same again is no further fall");
        let risen = at(41, 3, &again);
        assert_eq!((risen.highest, risen.fall), (41, Some(fall)));
    }
}
