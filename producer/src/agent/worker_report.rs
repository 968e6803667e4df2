//! What the worker says of this kiosk: which of its events are in quarantine and why, and whether
//! another device uses its id. It is asked in the background, and what was learnt is kept: a worker
//! that does not answer does not trouble the kiosk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use laju_schemas::{EventId, KioskId, TimestampMs};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::advice::{Advice, events};
use super::blocking::blocking;
use super::json_file;
use super::timekeeper::Timekeeper;
use super::worker::WorkerAddress;

/// How many quarantined events are shown.
const MAX_SHOWN: usize = 20;

/// What the worker has said of this kiosk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// When it last said so, by the kiosk's clock; none before it has.
    pub heard_at: Option<TimestampMs>,
    /// Why it did not answer when it was last asked; none if it did.
    pub silent: Option<String>,
    /// Events of this kiosk that are in quarantine.
    pub quarantined: u64,
    /// The latest of them, as many as it tells.
    pub latest: Vec<QuarantinedEvent>,
    /// Events that bear a sequence of another event of this kiosk id.
    pub conflicts: u64,
    /// Some of their sequences.
    pub conflicting: Vec<u32>,
    /// When there were last more of them than before, by the kiosk's clock: they never become
    /// fewer.
    #[serde(default)]
    pub conflicts_grew_at: Option<TimestampMs>,
}

/// How long conflicts deserve attention after the latest of them.
const CONFLICTS_SHOWN_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// An event that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedEvent {
    /// Its id.
    pub event_id: Option<EventId>,
    /// Its sequence.
    pub sequence: Option<u32>,
    /// Why it could not be counted: the worker's name of the reason.
    pub reason: String,
    /// What exactly was wrong.
    pub detail: String,
}

/// The worker's answer about a kiosk, as much of it as matters here.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "kiosk_id")]
    _kiosk_id: String,
    /// Older workers do not tell.
    #[serde(default)]
    quarantined: Quarantined,
    conflicts: Conflicts,
}

#[derive(Default, Deserialize)]
struct Quarantined {
    open: u64,
    latest: Vec<QuarantinedEvent>,
}

#[derive(Deserialize)]
struct Conflicts {
    events: u64,
    sequences: Vec<Conflict>,
}

#[derive(Deserialize)]
struct Conflict {
    sequence: u32,
}

impl WorkerReport {
    /// Takes an answer in; one that is not about a kiosk changes nothing that was learnt.
    fn update(&mut self, answer: Result<Value, String>, now: TimestampMs) {
        let answer = answer.and_then(|answer| {
            let words = answer["detail"].as_str().unwrap_or("it is not a worker's").to_owned();
            serde_json::from_value::<Answer>(answer).map_err(|_| words)
        });
        match answer {
            Ok(Answer { quarantined, conflicts, .. }) => {
                let conflicting = conflicts.sequences.into_iter().map(|one| one.sequence);
                *self = Self {
                    heard_at: Some(now),
                    silent: None,
                    quarantined: quarantined.open,
                    latest: quarantined.latest,
                    conflicts: conflicts.events,
                    conflicting: conflicting.take(MAX_SHOWN).collect(),
                    conflicts_grew_at: if conflicts.events > self.conflicts {
                        Some(now)
                    } else {
                        self.conflicts_grew_at
                    },
                };
            }
            Err(why) => self.silent = Some(why),
        }
    }

    /// What is known of an event that is in quarantine.
    #[must_use]
    pub fn of(&self, event_id: EventId) -> Option<&QuarantinedEvent> {
        self.latest.iter().find(|event| event.event_id == Some(event_id))
    }

    /// The same with no more events than are shown.
    pub(super) fn shown(mut self) -> Self {
        self.latest.truncate(MAX_SHOWN);
        self
    }

    /// What deserves attention now, by the kiosk's clock.
    pub(super) fn attention(&self, now: TimestampMs) -> Vec<Advice> {
        let mut attention = Vec::new();
        if self.quarantined > 0 {
            let mut reasons = BTreeMap::<&str, u64>::new();
            for event in &self.latest {
                *reasons.entry(&event.reason).or_default() += 1;
            }
            let reasons: Vec<_> =
                reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let why = if reasons.is_empty() {
                String::new()
            } else {
                format!(", the latest: {}", reasons.join(", "))
            };
            let reason = self.latest.first().map_or("", |event| event.reason.as_str());
            attention.push(Advice {
                what: format!(
                    "{} of this kiosk in quarantine, not counted{why}",
                    events(self.quarantined)
                ),
                advice: advice(reason).to_owned(),
            });
        }
        let matters =
            self.conflicts_grew_at.is_none_or(|at| now.0.saturating_sub(at.0) < CONFLICTS_SHOWN_MS);
        if self.conflicts > 0 && matters {
            let sequences: Vec<_> = self.conflicting.iter().map(ToString::to_string).collect();
            let which = if sequences.is_empty() {
                String::new()
            } else {
                format!(" (sequences {})", sequences.join(", "))
            };
            attention.push(Advice {
                what: format!(
                    "another device sends under this kiosk's id: {} with the sequence of another{which}",
                    events(self.conflicts)
                ),
                advice: "find the other device, or the outbox that was copied, and give one of \
                         them a kiosk id and an outbox of its own; this is said for 30 days after \
                         the latest"
                    .to_owned(),
            });
        }
        attention
    }

    /// What a client that repeats an event is warned of; none if there is nothing.
    pub(super) fn warning(&self, event_id: EventId, now: TimestampMs) -> Option<String> {
        let mut words = Vec::new();
        if let Some(QuarantinedEvent { reason, detail, .. }) = self.of(event_id) {
            words.push(format!(
                "this event could not be counted and is in quarantine: {reason}: {detail}; {}",
                advice(reason)
            ));
        }
        words.extend(
            self.attention(now)
                .into_iter()
                .map(|Advice { what, advice }| format!("{what}: {advice}")),
        );
        (!words.is_empty()).then(|| words.join(". "))
    }
}

/// What to do about quarantined events.
fn advice(reason: &str) -> &'static str {
    match reason {
        "in_future" | "before_programme" => {
            "their times are wrong: set the clock, retract each event and send it again with its \
             right time; it is said until whoever runs the worker has discarded them (`laju \
             quarantine discard`)"
        }
        "unknown_region" | "malformed_field" => {
            "retract each event and send it again with the field mended; it is said until whoever \
             runs the worker has discarded them (`laju quarantine discard`)"
        }
        _ => {
            "nothing that the counter can mend: tell whoever runs the worker, who sees them with \
             `laju quarantine list --open` and can release or discard them; it is said until then"
        }
    }
}

/// Polls the worker, and keeps what it last reported.
pub(super) struct WorkerMonitor {
    report: Mutex<WorkerReport>,
    path: PathBuf,
}

/// Beside the outbox's own files: how many conflicts there were, and since when.
const FILE: &str = "outbox.conflicts";

/// What is remembered of conflicts.
#[derive(Serialize, Deserialize)]
struct Remembered {
    events: u64,
    grew_at: Option<TimestampMs>,
}

impl WorkerMonitor {
    /// By the agent of the outbox in this directory.
    pub(super) fn of(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let mut report = WorkerReport::default();
        if let Some(Remembered { events, grew_at }) =
            json_file::read(&path, "since when another device uses this kiosk's id")
        {
            (report.conflicts, report.conflicts_grew_at) = (events, grew_at);
        }
        Self { report: Mutex::new(report), path }
    }

    pub(super) fn report(&self) -> WorkerReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes an answer in, and logs what is new. It may write to the disk: not for async threads.
    fn update(&self, answer: Result<Value, String>, now: TimestampMs) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (report.quarantined, report.conflicts);
        report.update(answer, now);
        if before != (report.quarantined, report.conflicts) {
            for Advice { what, advice } in report.attention(now) {
                tracing::warn!(advice, "{what}");
            }
        }
        if before.1 != report.conflicts {
            let (events, grew_at) = (report.conflicts, report.conflicts_grew_at);
            if let Err(error) = json_file::write(&self.path, &Remembered { events, grew_at }) {
                tracing::warn!(%error, "since when another device uses this id is not written down");
            }
        }
    }

    /// Asks the worker of a kiosk again and again, for as long as this is awaited.
    pub(super) async fn poll(
        self: Arc<Self>,
        worker: WorkerAddress,
        kiosk: KioskId,
        time: Arc<Timekeeper>,
        every: Duration,
    ) {
        let path = format!("/v1/kiosks/{}", utf8_percent_encode(kiosk.as_str(), NON_ALPHANUMERIC));
        loop {
            let (worker, path) = (worker.clone(), path.clone());
            let (monitor, time) = (Arc::clone(&self), Arc::clone(&time));
            blocking(move || {
                let answer = worker.get(&path);
                let answer = answer.map_err(|error| format!("{worker} does not answer: {error}"));
                monitor.update(answer, time.kiosk_clock());
            })
            .await;
            tokio::time::sleep(every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn heard() -> WorkerReport {
        let mut report = WorkerReport::default();
        let answer = json!({
            "kiosk_id": "k", "missing": 0,
            "quarantined": {"open": 3, "latest": [
                {"partition": 0, "offset": 7, "event_id": EventId([1; 16]), "sequence": 4,
                 "reason": "in_future", "detail": "2099"},
                {"event_id": null, "sequence": 5, "reason": "a_later_one", "detail": ""},
            ]},
            "conflicts": {"events": 2, "sequences": [{"sequence": 9, "event_ids": null}], "note": ""},
        });
        report.update(Ok(answer), TimestampMs(5));
        report
    }

    #[test]
    fn what_is_in_quarantine_is_said_with_what_to_do_about_it() {
        let report = heard();
        let said: Vec<_> =
            report.attention(TimestampMs(6)).into_iter().map(|one| one.what).collect();
        assert!(said[0].contains("3 events of this kiosk"), "{said:?}");
        assert!(said[0].contains("1 a_later_one, 1 in_future"), "{said:?}");
        assert!(
            said[1].contains("another device") && said[1].contains("(sequences 9)"),
            "{said:?}"
        );
        let warning = report.warning(EventId([1; 16]), TimestampMs(6)).unwrap();
        assert!(warning.contains("this event") && warning.contains("in_future: 2099"), "{warning}");
        let other = report.warning(EventId([2; 16]), TimestampMs(6)).unwrap();
        assert!(!other.contains("this event") && other.contains("3 events"), "{other}");
        assert_eq!(WorkerReport::default().warning(EventId([1; 16]), TimestampMs(6)), None);
    }

    #[test]
    fn a_worker_that_does_not_answer_takes_nothing_back_and_an_older_one_says_less() {
        let mut report = heard();
        for answer in [
            Err("http://laju.example does not answer".to_owned()),
            Ok(json!({"type": "/problems/not-ready", "detail": "catching up"})),
            Ok(json!(7)),
        ] {
            report.update(answer, TimestampMs(9));
            assert!(report.silent.is_some());
            assert_eq!((report.quarantined, report.heard_at), (3, Some(TimestampMs(5))));
        }
        let older = json!({"kiosk_id": "k", "conflicts": {"events": 0, "sequences": []}});
        report.update(Ok(older), TimestampMs(9));
        let (heard_at, conflicts_grew_at) = (Some(TimestampMs(9)), Some(TimestampMs(5)));
        assert_eq!(report, WorkerReport { heard_at, conflicts_grew_at, ..WorkerReport::default() });
        assert!(report.attention(TimestampMs(9)).is_empty());
    }

    #[test]
    fn conflicts_are_said_for_thirty_days_after_the_latest_also_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let answer = |events: u64| {
            Ok(json!({"kiosk_id": "k", "conflicts": {"events": events, "sequences": []}}))
        };
        let day = |days: i64| TimestampMs(1_800_000_000_000 + days * 86_400_000);
        let says = |monitor: &WorkerMonitor, now| !monitor.report().attention(now).is_empty();
        let monitor = WorkerMonitor::of(folder.path());
        monitor.update(answer(2), day(0));
        monitor.update(answer(3), day(20));
        assert!(says(&monitor, day(49)));
        let again = WorkerMonitor::of(folder.path());
        again.update(answer(3), day(51));
        assert!(!says(&again, day(51)));
        again.update(answer(4), day(52));
        assert!(says(&again, day(52)));
    }
}
