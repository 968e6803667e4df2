//! The agent's metrics, in a recorder of its own: a process may run several agents.

use std::time::Duration;

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::refused::Refused;
use super::status::Status;
use crate::outbox::{Accepted, Refusal};

/// What is counted, and what writes it down.
pub(super) struct Metrics {
    handle: PrometheusHandle,
    recorder: PrometheusRecorder,
    accepted: Counter,
    repeated: Counter,
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Metrics {
    pub(super) fn new() -> Result<Self, String> {
        let recorder =
            PrometheusBuilder::new().upkeep_timeout(Duration::from_secs(60)).build_recorder();
        for (name, text) in [
            ("laju_kiosk_accepted_total", "Events accepted since the start."),
            ("laju_kiosk_repeated_total", "Requests repeated with their idempotency key."),
            ("laju_kiosk_refused_total", "Events refused since the start, by reason."),
        ] {
            recorder.describe_counter(name.into(), None, text.into());
        }
        for (name, text) in [
            ("laju_kiosk_highest_sequence", "The highest sequence given to an event."),
            ("laju_kiosk_unsent_events", "Events in the outbox that Kafka has not acknowledged."),
            ("laju_kiosk_set_aside_events", "Events that Kafka refused for good."),
            ("laju_kiosk_outbox_bytes", "Bytes of events in the outbox."),
            ("laju_kiosk_outbox_limit_bytes", "Bytes of events that the outbox takes."),
            ("laju_kiosk_acknowledged_events", "Events that Kafka has acknowledged, ever."),
            ("laju_kiosk_in_flight_events", "Events on their way."),
            (
                "laju_kiosk_disk_full",
                "1 while no event is taken for want of room on the disk, else 0.",
            ),
            ("laju_kiosk_clock_offset_seconds", "The kiosk's clock minus the broker's."),
            ("laju_kiosk_clock_wrong", "1 if the kiosk's clock cannot be right, else 0."),
            ("laju_kiosk_quarantined_events", "Events in quarantine, as the worker last said."),
            ("laju_kiosk_doubtful_events", "Events taken with times that nobody could check."),
            (
                "laju_kiosk_oldest_unsent_seconds",
                "How long the oldest unsent event has waited, by the kiosk's clock; 0 if there is none.",
            ),
        ] {
            recorder.describe_gauge(name.into(), None, text.into());
        }
        let counter =
            |name: &'static str| recorder.register_counter(&Key::from_static_name(name), &METADATA);
        let (accepted, repeated) =
            (counter("laju_kiosk_accepted_total"), counter("laju_kiosk_repeated_total"));
        Ok(Self { handle: recorder.handle(), recorder, accepted, repeated })
    }

    pub(super) fn count(&self, answers: &[Result<Accepted, Refused>]) {
        for answer in answers {
            match answer {
                Ok(accepted) if accepted.repeated => self.repeated.increment(1),
                Ok(_) => self.accepted.increment(1),
                Err(refused) => {
                    let reason = match refused {
                        Refused::Fault(_) | Refused::Outbox(Refusal::TooLarge { .. }) => "invalid",
                        Refused::Clock(_) => "clock",
                        Refused::Outbox(Refusal::Full { .. }) => "full",
                        Refused::Outbox(Refusal::KeyReused { .. }) => "key_reused",
                        Refused::Outbox(Refusal::Numbers) => "numbers",
                        Refused::NotStored(_) => "not_stored",
                    };
                    let labels = vec![Label::from_static_parts("reason", reason)];
                    let key = Key::from_parts("laju_kiosk_refused_total", labels);
                    self.recorder.register_counter(&key, &METADATA).increment(1);
                }
            }
        }
    }

    /// The metrics as text, with the gauges of this moment.
    pub(super) fn render(&self, status: &Status) -> String {
        let gauge = |name: &'static str| -> Gauge {
            self.recorder.register_gauge(&Key::from_static_name(name), &METADATA)
        };
        gauge("laju_kiosk_highest_sequence").set(f64::from(status.highest_sequence));
        gauge("laju_kiosk_unsent_events").set(status.unsent as f64);
        gauge("laju_kiosk_set_aside_events").set(status.set_aside as f64);
        gauge("laju_kiosk_outbox_bytes").set(status.outbox_bytes as f64);
        gauge("laju_kiosk_outbox_limit_bytes").set(status.outbox_limit_bytes as f64);
        gauge("laju_kiosk_acknowledged_events").set(status.acknowledged as f64);
        gauge("laju_kiosk_disk_full").set(f64::from(u8::from(status.disk_full)));
        gauge("laju_kiosk_in_flight_events").set(status.in_flight as f64);
        let age = status.waiting_since.map_or(0, |since| status.now.0 - since.0);
        gauge("laju_kiosk_oldest_unsent_seconds").set(age.max(0) as f64 / 1e3);
        gauge("laju_kiosk_clock_wrong").set(f64::from(u8::from(status.clock.is_wrong())));
        let doubtful: u64 = status.doubtful.iter().map(|found| found.found.span.events).sum();
        gauge("laju_kiosk_doubtful_events").set(doubtful as f64);
        if let Some(worker) = &status.worker {
            gauge("laju_kiosk_quarantined_events").set(worker.quarantined as f64);
        }
        if let Some(offset) = status.clock_offset_ms {
            gauge("laju_kiosk_clock_offset_seconds").set(offset as f64 / 1e3);
        }
        self.handle.run_upkeep();
        self.handle.render()
    }
}
