//! `laju-kiosk retire`: the final status of a kiosk that is lost or withdrawn.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_schemas::topic::KIOSK_STATUS;
use laju_schemas::{KioskId, KioskStatus, RegionCode};
use serde_json::json;

use super::topic::require_topic;
use crate::latest_status::{ReadTimeouts, StatusSearch};
use crate::{clock, intake};
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_kafka::terminal;

/// How long the topic may take to be read.
const READ_TIMEOUTS: ReadTimeouts =
    ReadTimeouts { idle: ASK_PATIENCE, total: Duration::from_secs(10 * 60), schema: ASK_PATIENCE };

/// The options of `retire`.
#[derive(Debug, Args)]
#[command(
    after_help = "Events of a retired kiosk that never arrived no longer count as missing. Its id \
    must not be used again. A kiosk that says anything later is no longer retired."
)]
pub(super) struct Retire {
    /// The kiosk.
    #[arg(long, env = "LAJU_KIOSK_ID", value_name = "ID")]
    kiosk_id: KioskId,

    /// The regency or city that it served, if it has never said so itself.
    #[arg(long, env = "LAJU_SERVICE_REGION", value_name = "CODE")]
    service_region: Option<RegionCode>,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Retire {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        require_topic(&self.connection, &KIOSK_STATUS, &[Operation::Read, Operation::Write])?;
        let last = StatusSearch::new(self.connection.clone(), self.kiosk_id.clone())
            .look(READ_TIMEOUTS)
            .with_context(|| format!("{} cannot be read", self.connection.topic(&KIOSK_STATUS)))?
            .map(|latest| latest.status);
        let region = match (&last, self.service_region) {
            (_, Some(region)) => intake::region("service_region", region)?,
            (Some(last), None) => last.service_region,
            (None, None) => bail!(
                "kiosk {} has never said anything on {}: check the id, and say with \
                 --service-region whom it served",
                self.kiosk_id,
                self.connection.topic(&KIOSK_STATUS)
            ),
        };
        let status = KioskStatus {
            kiosk_id: self.kiosk_id.clone(),
            service_region: region,
            highest_sequence: last.as_ref().map_or(0, |last| last.highest_sequence),
            unsent: last.as_ref().map_or(0, |last| last.unsent),
            oldest_unsent: last.as_ref().and_then(|last| last.oldest_unsent),
            clock_offset_ms: last.as_ref().and_then(|last| last.clock_offset_ms),
            key_id: last.as_ref().and_then(|last| last.key_id),
            agent_version: last.map_or_else(String::new, |last| last.agent_version),
            sent_at: clock::now(),
            retired: true,
        };
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let delivery = publisher.publish_status(&status)?;
        delivery.wait().context("the kiosk's last status was not confirmed")?;
        if self.json {
            writeln!(terminal::stdout(), "{}", json!({ "retired": status }))?;
        } else {
            println!("kiosk      {}, of {}", status.kiosk_id, status.service_region);
            println!("retired    at sequence {}", status.highest_sequence);
            println!("lost       {} events that it had not sent when last heard", status.unsent);
        }
        Ok(ExitCode::SUCCESS)
    }
}
