//! Simulated kiosks with real agents: each has an outbox and ships by itself, as in the field.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{ActivationEvent, EventId, Fact, KioskId};

use super::summary::Summary;
use crate::agent::submission::Submission;
use crate::agent::{Agent, AgentSettings, Kiosk};
use crate::outbox::OutboxSettings;
use crate::{clock, nik};
use laju_kafka::connection::Connection;
use laju_simulation::{Generator, invented};

/// How many agents there may be in one process: each has a client of its own.
pub(super) const MAX_AGENTS: u32 = 100;
/// Events given to an agent at once.
const BATCH: usize = 500;
/// How long the agents' ends wait until what is left has been sent.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

/// An agent, and what it is given next.
struct Simulated {
    agent: Agent,
    /// Each with the id that the simulation gave it.
    waiting: Vec<(EventId, Submission)>,
}

/// The agents of all simulated kiosks.
pub(super) struct Agents {
    agents: HashMap<KioskId, Simulated>,
    /// What agents call the events: retractions name them.
    names: HashMap<EventId, EventId>,
    runtime: tokio::runtime::Runtime,
}

impl Agents {
    /// Starts an agent for every kiosk, with an outbox in this directory.
    pub(super) fn start(
        generator: &Generator,
        connection: &Connection,
        outboxes: &Path,
        key: &ProgrammeKey,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let guard = runtime.enter();
        let mut agents = HashMap::new();
        for status in generator.statuses() {
            let id = status.kiosk_id;
            let settings = AgentSettings {
                kiosk: Kiosk { id: id.clone(), service_region: status.service_region },
                outbox: outboxes.join(id.as_str()),
                outbox_settings: OutboxSettings::default(),
                connection: connection.clone(),
                worker: None,
                report_every: Duration::from_secs(60),
            };
            let agent =
                Agent::start(settings, key.clone(), Arc::new(clock::now)).with_context(|| {
                    format!(
                        "the agent of kiosk {id} cannot start; its outbox is in {}",
                        outboxes.display()
                    )
                })?;
            agents.insert(id, Simulated { agent, waiting: Vec::new() });
        }
        drop(guard);
        Ok(Self { agents, names: HashMap::new(), runtime })
    }

    /// Gives an event to its kiosk's agent.
    pub(super) fn take(
        &mut self,
        event: &ActivationEvent,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let kiosk = event.kiosk_id.clone();
        if let Fact::Retracted { event_id, .. } = event.fact
            && !self.names.contains_key(&event_id)
        {
            // It may be waiting still: a retraction needs its name.
            self.give_all(summary)?;
        }
        let Some(submission) = self.submission(event)? else { return Ok(()) };
        let Some(simulated) = self.agents.get_mut(&kiosk) else { return Ok(()) };
        simulated.waiting.push((event.event_id, submission));
        if simulated.waiting.len() >= BATCH {
            self.give(&kiosk, summary)?;
        }
        Ok(())
    }

    /// An event as an integrator would say it; none for a retraction of what was never accepted.
    fn submission(&self, event: &ActivationEvent) -> anyhow::Result<Option<Submission>> {
        let fact = match event.fact {
            Fact::Retracted { event_id, reason } => match self.names.get(&event_id) {
                Some(name) => Fact::Retracted { event_id: *name, reason },
                None => return Ok(None),
            },
            other => other,
        };
        Ok(Some(Submission {
            nik: nik::parse(&invented::nik(event.subject))?,
            home_region: event.home_region,
            service_region: Some(event.service_region),
            outreach_id: event.outreach_id.clone(),
            occurred_at: Some(event.occurred_at),
            fact,
            // A duplicate is a request repeated.
            idempotency_key: Some(event.event_id.to_string()),
            note: None,
        }))
    }

    fn give(&mut self, kiosk: &KioskId, summary: &mut Summary) -> anyhow::Result<()> {
        let Some(simulated) = self.agents.get_mut(kiosk) else { return Ok(()) };
        let (ids, submissions): (Vec<_>, Vec<_>) =
            simulated.waiting.drain(..).map(|(id, submission)| (id, Ok(submission))).unzip();
        let answers = self.runtime.block_on(simulated.agent.submit(submissions))?;
        for (id, answer) in ids.into_iter().zip(answers) {
            match answer {
                Ok(accepted) => {
                    self.names.insert(id, accepted.event_id);
                    summary.accepted += u64::from(!accepted.repeated);
                }
                Err(refused) => {
                    summary.failed += 1;
                    summary.first_failure.get_or_insert_with(|| refused.to_string());
                }
            }
        }
        Ok(())
    }

    fn give_all(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        let kiosks: Vec<_> = self.agents.keys().cloned().collect();
        kiosks.iter().try_for_each(|kiosk| self.give(kiosk, summary))
    }

    /// Gives the rest, and waits until every agent has shipped what it has.
    pub(super) fn finish(mut self, summary: &mut Summary) -> anyhow::Result<()> {
        self.give_all(summary)?;
        let until = Instant::now() + DRAIN_TIMEOUT;
        let agents = std::mem::take(&mut self.agents);
        let ends: Vec<_> = agents
            .into_values()
            .map(|simulated| {
                let left = until.saturating_duration_since(Instant::now());
                self.runtime.spawn(async move { simulated.agent.shutdown(left).await })
            })
            .collect();
        for end in ends {
            summary.unconfirmed += self.runtime.block_on(end)??;
        }
        summary.delivered = summary.accepted.saturating_sub(summary.unconfirmed);
        Ok(())
    }
}
