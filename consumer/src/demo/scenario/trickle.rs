//! What goes on after the demo's last day: a handful of events a day, so that a running demo
//! lives. The kiosks count on from where they were, and say so every evening.

use laju_schemas::{KioskStatus, TimestampMs};
use laju_simulation::{Generator, Kiosk, Shares, SimulatedRecord};

use super::calendar::{DAYS, DemoDay, HOUR_MS, date_of, start_ms};

/// The last day played, in 2158: later than any demo runs, and still a day that figures can have.
const LAST_DAY: u16 = 50_000;

const RECORDS_A_DAY: u64 = 6;

/// The days after 2024-12-31, one after the other.
pub struct Trickle {
    day: u16,
    generator: Generator,
}

impl Trickle {
    pub(super) fn new(kiosks: Vec<Kiosk>, seed: u64) -> Self {
        let scenario = laju_simulation::Scenario {
            seed: !seed,
            events: Some(u64::from(LAST_DAY - DAYS) * RECORDS_A_DAY),
            kiosks: 0,
            subjects: u64::MAX,
            from: TimestampMs(start_ms(DAYS)),
            to: TimestampMs(start_ms(LAST_DAY)),
            shares: Shares {
                duplicates: 0.04,
                disorder: 0.06,
                bad: 0.0,
                outreach: 0.0,
                outside: 0.0,
                deferred: 0.12,
                cards: 0.04,
                deactivated: 0.04,
                relocated: 0.0,
                retracted: 0.0,
            },
        };
        let generator = Generator::of_kiosks(scenario, kiosks);
        Self { day: DAYS, generator: generator.expect("the shares above are none too large") }
    }

    /// What each kiosk says of itself on the evening of the day played last.
    #[must_use]
    pub fn statuses(&self) -> Vec<KioskStatus> {
        let evening = |status| KioskStatus {
            clock_offset_ms: Some(0),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            sent_at: TimestampMs(start_ms(self.day - 1) + 17 * HOUR_MS),
            ..status
        };
        self.generator.statuses().map(evening).collect()
    }
}

impl Iterator for Trickle {
    type Item = DemoDay;

    fn next(&mut self) -> Option<DemoDay> {
        let today = self.generator.by_ref().take(RECORDS_A_DAY as usize);
        let records: Vec<SimulatedRecord> = today.collect();
        let date = date_of(self.day);
        self.day += u16::from(!records.is_empty());
        (!records.is_empty()).then_some(DemoDay { date, records })
    }
}
