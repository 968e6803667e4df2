//! The log that is measured with: published once, found again by later runs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use laju_kafka::connection::Connection;
use laju_kafka::publish::{BulkPublisher, PublishSettings, Record};
use laju_kafka::read::ends;
use laju_kafka::topics::{Made, TopicAdmin};
use laju_schemas::topic::{self, EVENTS};
use laju_simulation::Scenario;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::support::{PARTITIONS, play};

const TIMEOUT: Duration = Duration::from_secs(15);
/// Records by which a log is recognised, beside its scenario.
const SAMPLE: u64 = 10_000;

/// The prefix of the topics with this log: its scenario and its first records make the name, so
/// that another log, or one of another simulator, has other topics.
pub(crate) fn prefix(scenario: Scenario) -> String {
    let mut digest = xxhash_rust::xxh3::xxh3_64(format!("{scenario:?}").as_bytes());
    let mut left = scenario.events.unwrap_or(SAMPLE).min(SAMPLE);
    // Ends by an error once the sample is complete.
    let _ = play(scenario, |_, value| {
        digest = xxhash_rust::xxh3::xxh3_64_with_seed(value, digest);
        left -= 1;
        if left == 0 { Err(()) } else { Ok(()) }
    });
    format!("bench.{digest:016x}.")
}

/// How many records a topic has.
fn records(connection: &Connection, topic: &str) -> anyhow::Result<u64> {
    Ok(ends(connection, topic)?.values().map(|(low, high)| (high - low) as u64).sum())
}

/// Publishes the log unless it is there.
pub(crate) fn publish_once(connection: &Connection, scenario: Scenario) -> anyhow::Result<()> {
    let events = scenario.events.unwrap_or_default();
    let topic = connection.topic(&EVENTS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let is_there =
        || -> anyhow::Result<bool> { Ok(connection.check(TIMEOUT)?.partitions(&topic).is_some()) };
    if is_there()? {
        if records(connection, &topic)? == events {
            eprintln!("the log is there: {topic}");
            return Ok(());
        }
        eprintln!("the log in {topic} is not complete: publishing it again");
        let names: Vec<_> = topic::ALL.iter().map(|topic| connection.topic(topic)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let admin: AdminClient<DefaultClientContext> = connection.client_config()?.create()?;
        runtime.block_on(admin.delete_topics(&names, &AdminOptions::new()))?;
        let deadline = Instant::now() + TIMEOUT;
        while is_there()? {
            if Instant::now() > deadline {
                bail!("the topic {topic} does not go away");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let made = runtime.block_on(async {
        TopicAdmin::connect(connection, TIMEOUT).await?.create(PARTITIONS, Some(1)).await
    });
    for (name, made) in made? {
        if let Made::Refused(reason) = made {
            bail!("the topic {name} cannot be made: {reason}");
        }
    }
    eprintln!("publishing {events} events to {topic}");
    let begun = Instant::now();
    let publisher = BulkPublisher::new(connection, &PublishSettings::bulk())?;
    play(scenario, |record, value| {
        publisher.publish(&Record {
            topic: &topic,
            key: Some(&record.key().0),
            value: Some(value),
            ..Record::default()
        })
    })?;
    let left = publisher.flush(Duration::from_secs(300));
    let counts = publisher.counts();
    if left > 0 || counts.failed > 0 {
        bail!("{} of {events} events were not delivered", left as u64 + counts.failed);
    }
    let found = records(connection, &topic).context("counting what was published")?;
    if found != events {
        bail!("{events} events were delivered, but {topic} has {found}");
    }
    eprintln!("published in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
