//! What the benchmarks share: the log that they fold, medians, memory, and how figures are
//! printed. None of them needs all of it.

#![allow(dead_code, reason = "every benchmark is a program of its own, and uses a part of this")]

use std::path::Path;

use laju_schemas::TimestampMs;
use laju_schemas::codec::Encoder;
use laju_simulation::{Generator, Scenario, Shares, SimulatedRecord};
use serde_json::{Map, Value, json};

/// Partitions of the log.
pub(crate) const PARTITIONS: u32 = 12;

/// 2024-01-01T00:00Z.
const FROM_MS: i64 = 1_704_067_200_000;
const DAY_MS: i64 = 86_400_000;
const KIOSKS: u32 = 1_000;
/// What a kiosk sends on a day, as the simulator has it where nothing else is said.
const EVENTS_PER_KIOSK_DAY: u64 = 40;

/// The log of so many events: one in twenty is a repeat, none is bad, the rest as the simulator
/// has it by default (late ones, outreach, moves, retractions). Most subjects have one fact.
pub(crate) fn scenario(events: u64, seed: u64) -> Scenario {
    let days = events.div_ceil(u64::from(KIOSKS) * EVENTS_PER_KIOSK_DAY).max(7);
    Scenario {
        seed,
        events: Some(events),
        kiosks: KIOSKS,
        subjects: events,
        from: TimestampMs(FROM_MS),
        to: TimestampMs(FROM_MS + days as i64 * DAY_MS),
        shares: Shares { duplicates: 0.05, ..Shares::default() },
    }
}

/// Plays a scenario: gives every record and its value to `each`.
pub(crate) fn play<E>(
    scenario: Scenario,
    mut each: impl FnMut(&SimulatedRecord, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let encoder = Encoder::events(None);
    let mut value = Vec::with_capacity(256);
    let generator = Generator::new(scenario).expect("the benchmarks' scenario can be played");
    for record in generator {
        value.clear();
        record.encode(&encoder, &mut value).expect("an event fits the schema it was made for");
        each(&record, &value)?;
    }
    Ok(())
}

/// The middle one, or what lies between the two in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length => f64::midpoint(sorted[(length - 1) / 2], sorted[length / 2]),
    }
}

/// This process's resident memory now (`VmRSS`) or at its peak (`VmHWM`), in bytes; 0 where the
/// system does not say.
pub(crate) fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Seconds that this process has kept processors busy so far, all its threads together; 0 where
/// the system does not say.
pub(crate) fn processor_seconds() -> f64 {
    /// Linux counts in hundredths whatever the kernel's own tick is.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the program's name, which may hold anything: user time is the 12th, system the 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// Bytes of the files in a directory.
pub(crate) fn bytes_in(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Figures in the order they were found: a table for people, an object for scripts.
#[derive(Default)]
pub(crate) struct Report(Vec<(String, f64, &'static str)>);

impl Report {
    /// Adds a figure with its unit.
    pub(crate) fn add(&mut self, name: impl Into<String>, figure: f64, unit: &'static str) {
        self.0.push((name.into(), figure, unit));
    }

    /// Prints the figures.
    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            let fields: Map<String, Value> = self
                .0
                .iter()
                .map(|(name, figure, unit)| {
                    (name.replace(' ', "_"), json!({"value": figure, "unit": unit}))
                })
                .collect();
            println!("{}", Value::Object(fields));
            return;
        }
        for (name, figure, unit) in &self.0 {
            let figure = if *figure >= 1_000.0 { grouped(*figure) } else { format!("{figure:.2}") };
            println!("{name:<34}{figure:>14}  {unit}");
        }
    }
}

fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
