//! `laju-kiosk simulate`: sends what the simulated kiosks record, as fast as asked.

mod agents;
mod summary;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use jiff::civil::Date;
use laju_schemas::topic::{EVENTS, KIOSK_STATUS};
use laju_schemas::{TimestampMs, Zone};

use super::progress::progress;
use super::stop::Stop;
use super::topic::require_topic;
use crate::clock;
use agents::Agents;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{BulkPublisher, PublishSettings, Publisher, Record, events_encoder};
use laju_kafka::secret;
use laju_kafka::settings::Environment;
use laju_kafka::terminal;
use laju_simulation::{Generator, Scenario, Shares, SimulatedRecord};
use summary::Summary;

/// How long the deliveries under way are waited for at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How many records are sent between two looks at the clock, where no rate is asked for.
const STRIDE: u64 = 64;
/// The longest pause before looking whether the end is asked for.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("'{text}' is not a duration like 30s, 5m or 1h"))?;
    match Duration::try_from(span) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration is longer than nothing".to_owned()),
    }
}

/// The options of `simulate`.
#[derive(Debug, Args)]
pub(super) struct Simulate {
    #[command(flatten)]
    connection: Connection,

    /// How many records to send (default: 100000, unless --duration is given).
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,

    /// How long to send, e.g. 30s, 5m or 1h.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// How many records to send a second (default: as many as the brokers take).
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,

    /// How many kiosks there are, spread over the regions by population.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    kiosks: u32,

    /// How many citizens there are at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    subjects: u64,

    /// The same seed makes the same events.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// The first day on which events occur (default: 28 days before --to).
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,

    /// The last day on which events occur (default: yesterday).
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,

    #[command(flatten)]
    shares: Shares,

    /// Go through real agents, one for each kiosk (100 at most), with their outboxes in this
    /// directory: NIKs are invented, and numbers, retries and statuses are the agents'.
    #[arg(long, value_name = "DIR")]
    outboxes: Option<PathBuf>,

    /// With --outboxes: the key for the invented NIKs, 64 hexadecimal digits in a file of mode
    /// 600; else LAJU_KEY is taken.
    #[arg(long, env = "LAJU_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,
}

impl Simulate {
    pub(super) fn run(self, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        let scenario = self.scenario(clock::now())?;
        let mut generator = Generator::new(scenario)?;
        if self.outboxes.is_some() {
            if self.shares.bad > 0.0 {
                bail!("an agent lets no bad event through: leave out either --bad or --outboxes");
            }
            if self.kiosks > agents::MAX_AGENTS {
                bail!(
                    "with --outboxes there are at most {} kiosks: say --kiosks 10",
                    agents::MAX_AGENTS
                );
            }
        }
        let (cluster, partitions) = require_topic(&self.connection, &EVENTS, &[Operation::Write])?;
        let stop = Stop::listen().context("cannot listen for signals")?;
        let mut summary;
        if let Some(outboxes) = &self.outboxes {
            let key = secret::key(self.key_file.as_deref(), env("LAJU_KEY"))?;
            let agents = Agents::start(&generator, &self.connection, outboxes, &key)?;
            summary = self.send_by_agents(&mut generator, agents, &stop)?;
        } else {
            summary = self.send(&mut generator, partitions, &stop)?;
            if cluster.partitions(&self.connection.topic(&KIOSK_STATUS)).is_some() {
                summary.statuses = self.send_statuses(&generator)?;
            }
        }
        if self.json {
            writeln!(terminal::stdout(), "{}", serde_json::to_string(&summary)?)?;
        } else {
            summary.print();
        }
        if let Some(failure) = &summary.first_failure {
            bail!(
                "{} of {} records were not delivered: {failure}",
                summary.failed,
                summary.records
            );
        }
        if summary.unconfirmed > 0 {
            bail!("{} records were not confirmed in time", summary.unconfirmed);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn scenario(&self, now: TimestampMs) -> anyhow::Result<Scenario> {
        // The programme's zone has had no other offset since it began.
        let hours = i8::try_from(Zone::Wib.hours()).context("the zone's offset")?;
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(hours));
        let midnight = |date: Date| -> anyhow::Result<TimestampMs> {
            Ok(TimestampMs(date.to_zoned(zone.clone())?.timestamp().as_millisecond()))
        };
        let today = jiff::Timestamp::from_millisecond(now.0)?.to_zoned(zone.clone()).date();
        let to = match self.to {
            Some(to) => to,
            None => today.yesterday()?,
        };
        let from = match self.from {
            Some(from) => from,
            None => to.checked_sub(jiff::Span::new().days(27))?,
        };
        if to < from {
            bail!("--to {to} is before --from {from}");
        }
        crate::intake::occurred_at(midnight(from)?, now).context("--from")?;
        crate::intake::occurred_at(midnight(to)?, now).context("--to")?;
        let events = match (self.events, self.duration) {
            (None, None) => Some(100_000),
            (events, _) => events,
        };
        Ok(Scenario {
            seed: self.seed,
            events,
            kiosks: self.kiosks,
            subjects: self.subjects,
            from: midnight(from)?,
            to: midnight(to.tomorrow()?)?,
            shares: self.shares,
        })
    }

    fn send(
        &self,
        generator: &mut Generator,
        partitions: u32,
        stop: &Stop,
    ) -> anyhow::Result<Summary> {
        let encoder = events_encoder(&self.connection)?;
        let publisher = BulkPublisher::new(&self.connection, &PublishSettings::bulk())?;
        let topic = self.connection.topic(&EVENTS);
        let mut value = Vec::with_capacity(256);
        let mut summary = Summary::default();
        let began = Instant::now();
        self.play(generator, began, stop, &mut summary, STRIDE, |record, summary| {
            value.clear();
            record.encode(&encoder, &mut value)?;
            summary.value_bytes += value.len() as u64;
            // librdkafka finds the partition of all but those meant for a wrong one.
            publisher.publish(&Record {
                topic: &topic,
                key: Some(&record.key().0),
                value: Some(&value),
                partition: record.misplaced(partitions),
                timestamp: Some(record.recorded_at),
                headers: &[],
            })?;
            Ok(())
        })?;
        summary.unconfirmed = publisher.flush(FLUSH_TIMEOUT) as u64;
        let counts = publisher.counts();
        summary.delivered = counts.delivered;
        summary.failed = counts.failed;
        summary.first_failure = counts.first_failure.map(|failure| failure.to_string());
        summary.end(began, stop);
        Ok(summary)
    }

    /// Gives the stream to the kiosks' agents, and waits until they have shipped it.
    fn send_by_agents(
        &self,
        generator: &mut Generator,
        mut agents: Agents,
        stop: &Stop,
    ) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        let began = Instant::now();
        self.play(generator, began, stop, &mut summary, 1, |record, summary| {
            agents.take(&record.event, summary)
        })?;
        agents.finish(&mut summary)?;
        summary.end(began, stop);
        Ok(summary)
    }

    /// Gives `each` record when it is due, until the stream or the time is over, which is looked at once
    /// in `stride` records.
    fn play(
        &self,
        generator: &mut Generator,
        began: Instant,
        stop: &Stop,
        summary: &mut Summary,
        stride: u64,
        mut each: impl FnMut(&SimulatedRecord, &mut Summary) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let bar = bar(self.events);
        for record in generator {
            if self.rate.is_some() || summary.records.is_multiple_of(stride) {
                bar.set_position(summary.records);
                if self.is_over(summary.records, began, stop) {
                    break;
                }
            }
            each(&record, summary)?;
            summary.count(record.trouble);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits until the next record is due; true if the time is over or the end is asked for.
    fn is_over(&self, sent: u64, began: Instant, stop: &Stop) -> bool {
        loop {
            let elapsed = began.elapsed();
            if stop.is_asked_for() || self.duration.is_some_and(|duration| elapsed >= duration) {
                return true;
            }
            let due = self.rate.map_or(0.0, |rate| sent as f64 / rate as f64);
            let ahead = Duration::from_secs_f64(due).saturating_sub(elapsed);
            if ahead.is_zero() {
                return false;
            }
            std::thread::sleep(ahead.min(STOP_CHECK_INTERVAL));
        }
    }

    /// Says for each kiosk how far it has come, so that what is missing is seen to be.
    fn send_statuses(&self, generator: &Generator) -> anyhow::Result<u64> {
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let deliveries = generator
            .statuses()
            .filter(|status| status.highest_sequence > 0)
            .map(|status| publisher.publish_status(&status))
            .collect::<Result<Vec<_>, _>>()?;
        let mut sent = 0;
        for delivery in deliveries {
            delivery.wait().context("a kiosk's status was not confirmed")?;
            sent += 1;
        }
        Ok(sent)
    }
}

fn bar(events: Option<u64>) -> ProgressBar {
    match events {
        Some(events) => progress(
            ProgressBar::new(events),
            "{wide_bar} {human_pos}/{human_len} records, {per_sec}, {eta} left",
        ),
        None => progress(
            ProgressBar::no_length(),
            "{spinner} {human_pos} records, {per_sec}, {elapsed}",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("0s").is_err() && duration("-5s").is_err() && duration("soon").is_err());
    }
}
