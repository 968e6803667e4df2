//! How the planned events reach the broker: numbered by their kiosks, at once or days late, out
//! of order, twice, damaged on the way, or never.

use std::collections::BTreeMap;

use laju_schemas::event::FactKind;
use laju_schemas::quarantine::Reason;

use super::DemoCounts;
use super::calendar::{DAY_MS, DAYS, HOUR_MS, MINUTE_MS, SECOND_MS, day_of_ms, openness, start_ms};
use super::dice::Dice;
use super::offices::{LOSING_KIOSK, LOST_EVENTS};
use super::plan::{Event, Plan};

/// One record: an event, and what happened to its bytes.
pub(super) struct Delivery {
    /// The record's timestamp, milliseconds since 1970.
    pub(super) at: i64,
    /// Its place in [`Plan::events`].
    pub(super) event: u32,
    /// Why this copy cannot be read, if it was made so.
    pub(super) damage: Option<Reason>,
}

/// What was damaged on purpose, and how often: copies of events of which a good one follows, so
/// that no kiosk's sequence is left open.
const DAMAGES: [(Reason, usize); 2] = [(Reason::Undecodable, 3), (Reason::UnknownSchema, 2)];

/// Every record, in the order in which they reach the broker, and the sequence of each event.
pub(super) struct Deliveries {
    pub(super) records: Vec<Delivery>,
    pub(super) sequences: Vec<u32>,
    /// The highest sequence that each kiosk has given to an event.
    pub(super) highest: Vec<u32>,
    pub(super) counts: DemoCounts,
}

impl Deliveries {
    pub(super) fn new(plan: &Plan, dice: &mut Dice) -> Self {
        let (sequences, highest) = number(plan);
        let lost = lost_events(plan);
        let mut first_arrival = vec![None; plan.events.len()];
        let mut records = Vec::with_capacity(plan.events.len() * 103 / 100);
        let mut counts = DemoCounts {
            deactivations: plan.deactivations,
            moves: plan.moves,
            activated_again: plan.activated_again,
            missing: LOST_EVENTS,
            ..DemoCounts::default()
        };
        // Whether a kiosk sends everything of a silence twice when it is back.
        let mut resends: BTreeMap<(u16, usize), bool> = BTreeMap::new();
        for (place, event) in plan.events.iter().enumerate() {
            let record = |at| Delivery { at, event: place as u32, damage: None };
            if lost.contains(&place) {
                continue;
            }
            let spell = plan.silences.at(event.kiosk, day_of_ms(event.created));
            let at = match spell {
                Some((_, back)) => start_ms(back) + 15 * HOUR_MS + dice.between(0, 2 * HOUR_MS),
                None => event.created + dice.between(2 * SECOND_MS, 40 * SECOND_MS),
            };
            records.push(record(at));
            if let Some(reason) = event.flaw {
                *counts.quarantined.entry(reason).or_default() += 1;
                continue;
            }
            first_arrival[place] = Some(at);
            let again = spell.is_some_and(|(spell, _)| {
                *resends.entry((event.kiosk, spell)).or_insert_with(|| dice.chance(150))
            });
            if again {
                let next = start_ms(day_of_ms(at) + 1) + 7 * HOUR_MS;
                records.push(record(next + dice.between(0, HOUR_MS)));
                counts.repeats += 1;
            } else if dice.chance(14) {
                records.push(record(at + dice.between(30 * SECOND_MS, 3 * MINUTE_MS)));
                counts.repeats += 1;
            }
        }
        count_kinds(plan, &first_arrival, &mut counts);
        damage(plan, &first_arrival, dice, &mut records, &mut counts);
        records.sort_unstable_by_key(|record| (record.at, record.event, record.damage));
        counts.records = records.len() as u64;
        Self { records, sequences, highest, counts }
    }
}

/// Each kiosk numbers its events as they are entered.
fn number(plan: &Plan) -> (Vec<u32>, Vec<u32>) {
    let events = plan.events.iter().enumerate();
    let mut order: Vec<(i64, usize)> =
        events.map(|(place, event)| (event.created, place)).collect();
    order.sort_unstable();
    let mut sequences = vec![0; plan.events.len()];
    let mut highest = vec![0; plan.kiosks.len()];
    for (_, place) in order {
        let event = &plan.events[place];
        if event.flaw != Some(Reason::SequenceOutOfRange) {
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

fn count_kinds(plan: &Plan, first_arrival: &[Option<i64>], counts: &mut DemoCounts) {
    for (event, arrival) in plan.events.iter().zip(first_arrival) {
        let Some(arrival) = *arrival else { continue };
        counts.events += 1;
        counts.late += u64::from(arrival - event.occurred > DAY_MS);
        let activated = event.fact.kind() == FactKind::Activated;
        counts.cross_region += u64::from(activated && event.service != event.home);
    }
    counts.retractions = plan.mistakes.len() as u64;
    let early = |(mistaken, retraction): &&(usize, usize)| {
        first_arrival[*retraction] < first_arrival[*mistaken]
    };
    counts.early_retractions = plan.mistakes.iter().filter(early).count() as u64;
}

/// Copies that cannot be read, each sent shortly before the good one.
fn damage(
    plan: &Plan,
    first_arrival: &[Option<i64>],
    dice: &mut Dice,
    records: &mut Vec<Delivery>,
    counts: &mut DemoCounts,
) {
    let damages = DAMAGES.iter().flat_map(|&(reason, times)| std::iter::repeat_n(reason, times));
    for reason in damages {
        let (event, at) = loop {
            let place = dice.below(plan.events.len() as u64) as usize;
            if let Some(at) = first_arrival[place].filter(|&at| openness(day_of_ms(at)) > 0) {
                break (place as u32, at - SECOND_MS);
            }
        };
        records.push(Delivery { at, event, damage: Some(reason) });
        *counts.quarantined.entry(reason).or_default() += 1;
    }
}
