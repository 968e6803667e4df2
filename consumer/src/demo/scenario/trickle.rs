//! What goes on after the demo's last day: a handful of events a day, so that a running demo
//! lives. The kiosks count on from where they were, and say so every evening.

use std::collections::VecDeque;

use laju_schemas::codec::Encoder;
use laju_schemas::event::{Channel, DeactivationReason, DeferralReason};
use laju_schemas::{
    ActivationEvent, Fact, KioskId, KioskStatus, RegionCode, SubjectId, TimestampMs,
};

use super::calendar::{DAYS, HOUR_MS, SECOND_MS, date_of, start_ms};
use super::dice::Dice;
use super::plan::Plan;
use super::{DemoDay, DemoRecord, encoded, evening_status, number};

/// The last day played, in 2160: later than any demo runs, and still a day that figures can have.
const LAST_DAY: u16 = 50_000;

struct Device {
    id: KioskId,
    channel: Channel,
    region: RegionCode,
    last_sequence: u32,
}

/// What a kiosk sends a day late.
struct Held {
    /// Its place among the devices.
    device: usize,
    occurred_at: TimestampMs,
    record: DemoRecord,
}

/// The days after 2024-12-31, one after the other.
pub struct Trickle {
    day: u16,
    devices: Vec<Device>,
    dice: Dice,
    encoder: Encoder,
    /// Activated here, and not deactivated since: the oldest first.
    active: VecDeque<(SubjectId, RegionCode)>,
    held: Vec<Held>,
}

impl Trickle {
    pub(super) fn new(plan: &Plan, highest: Vec<u32>, seed: u64) -> Self {
        let devices = plan
            .kiosks
            .iter()
            .zip(highest)
            .map(|(kiosk, last_sequence)| Device {
                id: kiosk.id.clone(),
                channel: kiosk.channel,
                region: plan.offices[kiosk.office].region,
                last_sequence,
            })
            .collect();
        Self {
            day: DAYS,
            devices,
            dice: Dice::new(!seed),
            encoder: Encoder::events(None),
            active: VecDeque::new(),
            held: Vec::new(),
        }
    }

    /// What each kiosk says of itself on the evening of the day played last.
    #[must_use]
    pub fn statuses(&self) -> Vec<KioskStatus> {
        let evening = self.day - 1;
        let status = |(place, device): (usize, &Device)| {
            let held = self.held.iter().filter(|held| held.device == place);
            KioskStatus {
                unsent: held.clone().count() as u64,
                oldest_unsent: held.map(|held| held.occurred_at).min(),
                ..evening_status(&device.id, device.region, device.last_sequence, evening)
            }
        };
        self.devices.iter().enumerate().map(status).collect()
    }

    fn event(&mut self) -> Held {
        let at = start_ms(self.day) + self.dice.between(8 * HOUR_MS, 15 * HOUR_MS);
        let place = self.dice.below(self.devices.len() as u64) as usize;
        let region = self.devices[place].region;
        let channel = self.devices[place].channel;
        let (mut subject, mut home) = (self.dice.subject(), region);
        let fact = match self.dice.below(100) {
            0..4 if self.active.len() > 50 => {
                (subject, home) = self.active.pop_front().unwrap_or((subject, home));
                Fact::Deactivated { reason: DeactivationReason::DeviceLost }
            }
            4..16 => Fact::Deferred { reason: *self.dice.pick(&DeferralReason::ALL[..6]) },
            16..20 => Fact::CardRecorded { first_time_holder: true },
            _ => {
                let first_time_holder = self.dice.chance(60);
                Fact::Activated { channel, venue: None, first_time_holder }
            }
        };
        let event_id = self.dice.event_id(at);
        let device = &mut self.devices[place];
        device.last_sequence += 1;
        let event = ActivationEvent {
            event_id,
            kiosk_id: device.id.clone(),
            sequence: number(device.last_sequence),
            occurred_at: TimestampMs(at),
            subject,
            home_region: home,
            service_region: region,
            outreach_id: None,
            fact,
        };
        if matches!(fact, Fact::Activated { .. }) {
            self.active.push_back((subject, home));
            self.active.truncate(10_000);
        }
        let record = DemoRecord {
            key: subject.0.to_vec(),
            value: encoded(&event, &self.encoder),
            partition: None,
            timestamp_ms: at + self.dice.between(2 * SECOND_MS, 40 * SECOND_MS),
        };
        Held { device: place, occurred_at: event.occurred_at, record }
    }
}

impl Iterator for Trickle {
    type Item = DemoDay;

    fn next(&mut self) -> Option<DemoDay> {
        if self.day >= LAST_DAY {
            return None;
        }
        let held = std::mem::take(&mut self.held);
        let mut records: Vec<_> = held.into_iter().map(|held| held.record).collect();
        for record in &mut records {
            record.timestamp_ms =
                start_ms(self.day) + self.dice.between(16 * HOUR_MS, 17 * HOUR_MS);
        }
        for _ in 0..self.dice.between(3, 9) {
            let event = self.event();
            if self.dice.chance(60) {
                self.held.push(event);
                continue;
            }
            let record = event.record;
            if self.dice.chance(40) {
                let again = record.timestamp_ms + self.dice.between(SECOND_MS, HOUR_MS);
                records.push(DemoRecord { timestamp_ms: again, ..record.clone() });
            }
            records.push(record);
        }
        records.sort_by_key(|record| record.timestamp_ms);
        let date = date_of(self.day);
        self.day += 1;
        Some(DemoDay { date, records })
    }
}
