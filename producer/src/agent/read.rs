//! What a running agent tells: where the kiosk stands, and what became of an event.

use laju_schemas::EventId;
use laju_schemas::position::Position;

use super::advice::Advice;
use super::attention;
use super::blocking::blocking;
use super::doubt::{DoubtfulEvents, DoubtfulTimes, Span};
use super::fate::{EventState, Fate};
use super::handle::Agent;
use super::status::{ClockState, Status};
use super::worker_report::WorkerReport;
use crate::outbox::{Accepted, Dated, OutboxError};

/// How many rejected events are shown.
const MAX_REJECTED_SHOWN: usize = 100;
/// How many events of doubtful times are shown, of each finding.
const MAX_DOUBTFUL_SHOWN: usize = 20;

impl Agent {
    /// Where the kiosk stands.
    ///
    /// # Errors
    /// If the outbox cannot be read.
    pub async fn status(&self) -> Result<Status, OutboxError> {
        let outbox = self.0.outbox.clone();
        let found = self.0.time.doubtful();
        let told = found.clone();
        let read = blocking(move || {
            let doubtful = found.into_iter().map(|found| {
                let by_clock = found.times == DoubtfulTimes::WrongClock;
                let wanted = |event: &Dated| event.is_by_kiosk_clock() == by_clock;
                let Span { first, last, .. } = found.span;
                let shown = outbox.dates(first, last, MAX_DOUBTFUL_SHOWN, wanted)?;
                Ok(DoubtfulEvents { found, shown })
            });
            let doubtful = doubtful.collect::<Result<Vec<_>, OutboxError>>()?;
            Ok::<_, OutboxError>((outbox.rejected(MAX_REJECTED_SHOWN)?, doubtful))
        })
        .await;
        let (rejected, doubtful) = match read {
            // The status has to be there on a full disk, too: the database may be reopening.
            Err(error) if error.passes() => {
                let bare = |found| DoubtfulEvents { found, shown: Vec::new() };
                (Vec::new(), told.into_iter().map(bare).collect())
            }
            read => read?,
        };
        let moment = self.0.time.moment();
        let (counts, shipping, now) =
            (self.0.outbox.counts(), self.0.shipping.state(), moment.reading.clock);
        let clock = ClockState::of(&moment);
        let mut advice = attention::clock_attention(&clock, moment.offset_ms(), &doubtful);
        advice.extend(self.0.time.disbelieved().map(|broker| {
            Advice {
                what: format!("a broker's clock cannot be right: it shows {broker}"),
                advice:
                    "tell whoever runs the brokers to set their clocks (NTP); it is not believed \
                     here, but whatever is recorded now is recorded as of then"
                        .to_owned(),
            }
        }));
        advice.extend(attention::attention(&counts, &shipping, now));
        let worker = self.worker_report();
        advice.extend(worker.iter().flat_map(|worker| worker.attention(now)));
        let worker = worker.map(WorkerReport::shown);
        Ok(Status {
            kiosk_id: self.0.kiosk.id.to_string(),
            service_region: self.0.kiosk.service_region,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.0.started_at,
            now,
            highest_sequence: counts.highest_sequence,
            unsent: counts.unsent,
            oldest_unsent: counts.oldest_unsent,
            waiting_since: counts.waiting_since,
            in_flight: shipping.in_flight,
            set_aside: counts.rejected,
            acknowledged: counts.acknowledged,
            disk_full: counts.disk_full,
            passed_over: counts.passed_over,
            key_id: Some(self.0.key.id()),
            outbox_bytes: counts.unsent_bytes,
            outbox_limit_bytes: counts.limit_bytes,
            last_acknowledged_at: shipping.last_acknowledged_at,
            last_reported_at: shipping.last_reported_at,
            clock_offset_ms: moment.offset_ms(),
            clock,
            doubtful,
            worker,
            obstacle: shipping.obstacle,
            set_aside_events: rejected,
            attention: advice,
        })
    }

    /// The agent's metrics in Prometheus' text format.
    ///
    /// # Errors
    /// If the outbox cannot be read.
    pub async fn metrics(&self) -> Result<String, OutboxError> {
        Ok(self.0.metrics.render(&self.status().await?))
    }

    /// How far an event has come; none if this agent does not know it (any more).
    ///
    /// # Errors
    /// If the outbox cannot be read. A worker that does not answer is reported within the fate.
    pub async fn fate(&self, event_id: EventId) -> Result<Option<Fate>, OutboxError> {
        let Some(known) = self.find(event_id).await? else { return Ok(None) };
        let state = EventState::from(known.outcome);
        let worker = match (&state, self.0.worker.clone()) {
            (EventState::Acknowledged { .. }, Some(address)) => {
                Some(blocking(move || address.event(event_id)).await)
            }
            _ => None,
        };
        let position = match &state {
            EventState::Acknowledged { partition, offset: Some(offset), .. } => {
                let log = self.0.shipping.log.get();
                let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
                log.map(|log| Position::behind(*log, *partition, offset))
            }
            _ => None,
        };
        Ok(Some(Fate {
            event_id,
            position,
            sequence: known.sequence,
            occurred_at: known.entry.occurred_at,
            accepted_at: known.entry.accepted_at,
            state,
            worker,
        }))
    }

    /// What the worker said of this kiosk when it last answered; nothing without one.
    #[must_use]
    pub fn worker_report(&self) -> Option<WorkerReport> {
        self.0.worker.as_ref().map(|_| self.0.worker_monitor.report())
    }

    /// What a client that repeats an event is warned of: that it, or others of this kiosk, could not
    /// be counted.
    #[must_use]
    pub fn warning(&self, accepted: &Accepted) -> Option<String> {
        if !accepted.repeated {
            return None;
        }
        self.worker_report()?.warning(accepted.event_id, self.0.time.kiosk_clock())
    }
}
