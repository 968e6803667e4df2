//! `laju-kiosk retire`: the last word about a kiosk that is lost or withdrawn.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use laju_schemas::known::ReadError;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::KIOSK_STATUS;
use laju_schemas::{KioskId, KioskStatus, RegionCode};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use super::require_topic;
use crate::connection::{BrokerEvents, Connection};
use crate::publish::{PublishSettings, Publisher};
use crate::registry::Registry;
use crate::{clock, intake};

/// How long the topic may take to be read.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let (_, partitions) = require_topic(&self.connection, &KIOSK_STATUS)?;
        let last = self.last_word(partitions)?;
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
            agent_version: last.map_or_else(String::new, |last| last.agent_version),
            sent_at: clock::now(),
            retired: true,
        };
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let delivery = publisher.publish_status(&status)?;
        delivery.wait().context("the kiosk's last status was not confirmed")?;
        if self.json {
            println!("{}", json!({ "retired": status }));
        } else {
            println!("kiosk      {}, of {}", status.kiosk_id, status.service_region);
            println!("retired    at sequence {}", status.highest_sequence);
            println!("lost       {} events that it had not sent when last heard", status.unsent);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the kiosk last said of itself, if it ever did.
    fn last_word(&self, partitions: u32) -> anyhow::Result<Option<KioskStatus>> {
        let topic = self.connection.topic(&KIOSK_STATUS);
        let mut config = self.connection.client_config()?;
        config
            .set("group.id", "laju-kiosk-retire")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer<BrokerEvents> = config
            .create_with_context(BrokerEvents::default())
            .context("the topic cannot be read")?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            let partition = i32::try_from(partition).context("a partition's number")?;
            assignment.add_partition_offset(&topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment).context("the topic cannot be read")?;
        let mut reader = StatusReader::new()?;
        let registry = self.connection.registry.as_deref().map(Registry::new);
        let (mut last, mut ended) = (None, 0);
        let until = Instant::now() + PATIENCE;
        while ended < partitions {
            if Instant::now() > until {
                bail!("{topic} could not be read to its end within {} s", PATIENCE.as_secs());
            }
            let message = match consumer.poll(Duration::from_millis(200)) {
                None => continue,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    ended += 1;
                    continue;
                }
                Some(Err(error)) if is_for_now(&error) => continue,
                Some(Err(error)) => return Err(error).context("the topic cannot be read"),
            };
            if message.key() == Some(self.kiosk_id.as_str().as_bytes()) {
                let value = message.payload().unwrap_or_default();
                // What nobody can read was no word of this kiosk.
                last = read(&mut reader, registry.as_ref(), value)?.or(last);
            }
        }
        Ok(last)
    }
}

fn read(
    reader: &mut StatusReader,
    registry: Option<&Registry>,
    value: &[u8],
) -> anyhow::Result<Option<KioskStatus>> {
    if let (Err(ReadError::Unlearned(id)), Some(registry)) = (reader.read(value), registry) {
        let avsc = registry.schema(id)?;
        reader.learn(id, avsc.as_deref());
    }
    Ok(reader.read(value).ok())
}

/// Errors after which librdkafka goes on by itself.
fn is_for_now(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
        )
    )
}
