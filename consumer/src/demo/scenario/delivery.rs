//! How the planned events reach the broker: numbered by their kiosks, at once or days late, out
//! of order, twice, or never.

use std::collections::BTreeMap;

use laju_schemas::event::FactKind;
use laju_schemas::quarantine::Reason;
use laju_simulation::{Random, Trouble};

use super::calendar::{DAYS, HOUR_MS, MINUTE_MS, SECOND_MS, day_of_ms, start_ms};
use super::offices::{LOSING_KIOSK, LOST_EVENTS};
use super::plan::{Event, Plan};

/// One record of an event.
pub(super) struct Delivery {
    /// The record's timestamp, milliseconds since 1970.
    pub(super) at: i64,
    /// Its place in [`Plan::events`].
    pub(super) event: u32,
    pub(super) trouble: Option<Trouble>,
}

/// Every record, in the order in which they reach the broker, and the sequence of each event.
pub(super) struct Deliveries {
    pub(super) records: Vec<Delivery>,
    pub(super) sequences: Vec<u32>,
    /// The highest sequence that each kiosk has given to an event.
    pub(super) highest: Vec<u32>,
}

impl Deliveries {
    pub(super) fn new(plan: &Plan, random: &mut Random) -> Self {
        let (sequences, highest) = number(plan);
        let lost = lost_events(plan);
        let mut records = Vec::with_capacity(plan.events.len() * 103 / 100);
        // Whether a kiosk sends everything of a silence twice when it is back.
        let mut resends: BTreeMap<(u16, usize), bool> = BTreeMap::new();
        for (place, event) in plan.events.iter().enumerate() {
            let record = |at, trouble| Delivery { at, event: place as u32, trouble };
            if lost.contains(&place) {
                continue;
            }
            let spell = plan.silences.at(event.kiosk, day_of_ms(event.created));
            let at = match spell {
                Some((_, back)) => start_ms(back) + 15 * HOUR_MS + random.between(0, 2 * HOUR_MS),
                None => event.created + random.between(2 * SECOND_MS, 40 * SECOND_MS),
            };
            if let Some(reason) = event.flaw {
                records.push(record(at, Some(Trouble::Bad(reason))));
                continue;
            }
            records.push(record(at, spell.map(|_| Trouble::Late)));
            let again = spell.is_some_and(|(spell, _)| {
                *resends.entry((event.kiosk, spell)).or_insert_with(|| random.chance(0.15))
            });
            if again {
                let next = start_ms(day_of_ms(at) + 1) + 7 * HOUR_MS;
                let at = next + random.between(0, HOUR_MS);
                records.push(record(at, Some(Trouble::Duplicate)));
            } else if random.chance(0.014) {
                let at = at + random.between(30 * SECOND_MS, 3 * MINUTE_MS);
                records.push(record(at, Some(Trouble::Duplicate)));
            }
        }
        records.sort_unstable_by_key(|record| (record.at, record.event));
        Self { records, sequences, highest }
    }
}

/// Each kiosk numbers its events as they are entered.
fn number(plan: &Plan) -> (Vec<u32>, Vec<u32>) {
    let events = plan.events.iter().enumerate();
    let mut order: Vec<(i64, usize)> =
        events.map(|(place, event)| (event.created, place)).collect();
    order.sort_unstable();
    // What nobody will read is given none, so that no kiosk's sequence is left open.
    let mut sequences = vec![1; plan.events.len()];
    let mut highest = vec![0; plan.kiosks.len()];
    for (_, place) in order {
        let event = &plan.events[place];
        if !matches!(
            event.flaw,
            Some(Reason::SequenceOutOfRange | Reason::Undecodable | Reason::UnknownSchema)
        ) {
            let last = &mut highest[usize::from(event.kiosk)];
            *last += 1;
            sequences[place] = *last;
        }
    }
    (sequences, highest)
}

/// The events that never arrive: deferrals of the losing kiosk in its last year.
fn lost_events(plan: &Plan) -> Vec<usize> {
    let is_lost = |event: &Event| {
        plan.kiosks[usize::from(event.kiosk)].id.as_str() == LOSING_KIOSK
            && event.fact.kind() == FactKind::Deferred
            && event.created > start_ms(DAYS - 250)
    };
    let events = plan.events.iter().enumerate().filter(|(_, event)| is_lost(event));
    events.map(|(place, _)| place).take(LOST_EVENTS as usize).collect()
}
