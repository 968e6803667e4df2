//! `laju-kiosk publish`: one event straight to Kafka, past any agent, for those who number their
//! events themselves.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use laju_schemas::topic::EVENTS;
use laju_schemas::{
    ActivationEvent, EventId, Fact, KioskId, OutreachId, RegionCode, Sequence, TimestampMs,
};
use serde_json::json;

use super::fact::FactCommand;
use super::topic::require_topic;
use crate::{clock, intake};
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_kafka::secret;
use laju_kafka::settings::Environment;
use laju_kafka::terminal;

/// The options of `publish`, which stand before the fact.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  laju-kiosk publish --brokers kafka:9092 --key-file key --nik-file - \\\n    \
    --kiosk-id counter-3 --sequence 17 --home-region 18.71 activated --channel office",
    subcommand_value_name = "FACT",
    subcommand_help_heading = "Facts"
)]
pub(super) struct Publish {
    /// A file that holds the citizen's NIK, - for standard input; else LAJU_NIK is taken. Never
    /// given as an argument, because other users can read those. It does not leave this program.
    #[arg(long, value_name = "FILE")]
    nik_file: Option<PathBuf>,

    /// The programme's key, 64 hexadecimal digits in a file of mode 600; else LAJU_KEY is taken.
    #[arg(long, env = "LAJU_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// The kiosk that the event is of.
    #[arg(long, env = "LAJU_KIOSK_ID", value_name = "ID")]
    kiosk_id: KioskId,

    /// The kiosk's own number of this event: one more than its last (1, 2, 3, …).
    #[arg(long, value_name = "NUMBER")]
    sequence: Sequence,

    /// Where the citizen is registered: a regency or city, e.g. 18.71.
    #[arg(long, value_name = "CODE")]
    home_region: RegionCode,

    /// Whose office served them (default: the home region).
    #[arg(long, env = "LAJU_SERVICE_REGION", value_name = "CODE")]
    service_region: Option<RegionCode>,

    /// The outreach visit at which it happened.
    #[arg(long, value_name = "ID")]
    outreach_id: Option<OutreachId>,

    /// When it happened, e.g. 2024-05-03T09:30:00+07:00 (default: now).
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<TimestampMs>,

    /// The event's id, a UUID; the same id sent again counts once (default: a new one).
    #[arg(long, value_name = "UUID")]
    event_id: Option<EventId>,

    /// How long to wait for the confirmation, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    delivery_timeout: u64,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    fact: FactCommand,
}

impl Publish {
    pub(super) fn run(self, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        let event = self.event(clock::now(), env)?;
        require_topic(&self.connection, &EVENTS, &[Operation::Write])?;
        let settings = PublishSettings {
            delivery_timeout: Duration::from_secs(self.delivery_timeout),
            linger: Duration::ZERO,
            ..PublishSettings::default()
        };
        let publisher = Publisher::new(&self.connection, &settings)?;
        let receipt = publisher
            .publish(&event)?
            .wait()
            .with_context(|| format!("the event {} was not confirmed", event.event_id))?;
        let topic = self.connection.topic(&EVENTS);
        if self.json {
            let answer = json!({
                "event_id": event.event_id,
                "subject": event.subject,
                "sequence": event.sequence,
                "occurred_at": event.occurred_at,
                "topic": topic,
                "partition": receipt.partition,
                "offset": receipt.offset,
                "recorded_at": receipt.timestamp,
            });
            writeln!(terminal::stdout(), "{answer}")?;
        } else {
            println!("event      {}", event.event_id);
            println!("subject    {}", event.subject);
            println!("confirmed  {topic}, {}", receipt.place());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The event that the options describe, checked as a worker would.
    fn event(&self, now: TimestampMs, env: Environment<'_>) -> anyhow::Result<ActivationEvent> {
        let home_region = intake::region("home_region", self.home_region)?;
        let service_region =
            intake::region("service_region", self.service_region.unwrap_or(home_region))?;
        let occurred_at = self.occurred_at.unwrap_or(now);
        intake::occurred_at(occurred_at, now)?;
        let key = secret::key(self.key_file.as_deref(), env("LAJU_KEY"))?;
        let nik = secret::nik(self.nik_file.as_deref(), env("LAJU_NIK"))?;
        Ok(ActivationEvent {
            event_id: self.event_id.unwrap_or_else(clock::new_event_id),
            kiosk_id: self.kiosk_id.clone(),
            sequence: self.sequence,
            occurred_at,
            subject: key.pseudonym(&nik),
            home_region,
            service_region,
            outreach_id: self.outreach_id.clone(),
            fact: Fact::from(self.fact.clone()),
        })
    }
}
