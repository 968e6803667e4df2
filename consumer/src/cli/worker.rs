//! `laju worker`: a node, until Ctrl-C, SIGTERM or SIGHUP.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use laju_kafka::connection::Connection;
use laju_kafka::serve;

use super::args::{SCHEMAS_OF_EVENTS, Schemas, patience};
use super::http::HttpArgs;
use super::output::{show, styled_bar};
use super::seed::SeedArgs;
use super::stop;
use crate::api::stream::StreamSettings;
use crate::ingest::progress::Progress;
use crate::ingest::stop::Stop;
use crate::ingest::worker::{WorkerConfig, default_pipelines};
use crate::node::{self, Listen, NodeError};
use crate::seed::{SeedError, SeedProgress};

/// Descriptors for all connections, and as many again for brokers and the store: systems start
/// processes with a limit of 1,024, which 2,000 open event streams are beyond.
const DESCRIPTORS: u64 = 8_192;

/// The least lag that a node can be held to.
const LEAST_MAX_LAG: Duration = Duration::from_secs(3);

/// Fold the events into figures and answer questions about them over HTTP.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("schemas", |arg| arg.help(SCHEMAS_OF_EVENTS)))]
pub struct WorkerArgs {
    #[command(flatten)]
    pub connection: Connection,

    /// The directory of this worker's store; made if it is not there. Every worker has its own.
    #[arg(long, env = "LAJU_STORE", value_name = "DIR")]
    pub store: PathBuf,

    #[command(flatten)]
    pub http: HttpArgs,

    /// How many readers may follow the live stream at the same time.
    #[arg(long, env = "LAJU_STREAM_READERS", value_name = "N",
          default_value_t = StreamSettings::READERS)]
    pub stream_readers: usize,

    /// How far behind the node may be and still say that it is ready: a balancer leaves it alone
    /// beyond that. It answers all the same, with the age of what it answers.
    #[arg(long, env = "LAJU_MAX_LAG", value_name = "TIME", default_value = "30s",
          value_parser = max_lag)]
    pub max_lag: Duration,

    /// Delete the store and build it again from Kafka. The log is looked at before anything is deleted:
    /// where it has lost its beginning, or was given partitions, the store stays.
    #[arg(long)]
    pub rebuild: bool,

    #[command(flatten)]
    pub seed: SeedArgs,

    #[command(flatten)]
    pub schemas: Schemas,

    /// How long the registry's word that it has no such schema is not believed: it is asked again,
    /// and the partition waits. Then the record goes to quarantine, which is written down for ever.
    #[arg(long, env = "LAJU_REGISTRY_PATIENCE", value_name = "TIME", default_value = "5m",
          value_parser = patience)]
    pub registry_patience: Duration,

    /// How many threads read, judge and fold events, each a part of the partitions; as many as there
    /// are processors, unless it is said.
    #[arg(long, env = "LAJU_PIPELINES", value_name = "N", default_value_t = default_pipelines(),
          hide_default_value = true)]
    pub pipelines: NonZeroUsize,
}

/// Such a time that is long enough to tell a lag by.
fn max_lag(text: &str) -> Result<Duration, String> {
    let time = patience(text)?;
    if time < LEAST_MAX_LAG {
        return Err(format!(
            "at least {} s: brokers are heard of once a second",
            LEAST_MAX_LAG.as_secs()
        ));
    }
    Ok(time)
}

impl WorkerArgs {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let access = self.http.access()?;
        let config = WorkerConfig {
            connection: self.connection.clone(),
            store: self.store.clone(),
            rebuild: self.rebuild,
            schemas: self.schemas.read()?,
            registry_patience: self.registry_patience,
            pipelines: self.pipelines,
        };
        serve::make_room(DESCRIPTORS);
        let stop = stop::on_signal()?;
        let reporter = |progress: &Arc<Progress>, seeding: &Arc<SeedProgress>| {
            report(Arc::clone(progress), Arc::clone(seeding), stop.clone());
        };
        let listen = Listen {
            address: self.http.listen,
            stream_readers: self.stream_readers,
            max_lag: self.max_lag,
        };
        let clock = node::system_clock();
        let seed = self.seed.from(&self.connection.trust);
        let node = node::start_from(config, seed, listen, access, clock, stop.clone(), reporter);
        let node = match node {
            Err(NodeError::Seed(SeedError::Interrupted)) => {
                tracing::info!(
                    "stopped; what has come of the store is kept: the next start with --seed goes on"
                );
                return Ok(ExitCode::SUCCESS);
            }
            started => started?,
        };
        node.join()?;
        tracing::info!("stopped; everything folded is in the store");
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells people how far loading and catching up are: a bar on a terminal, else a log line now and
/// then.
fn report(progress: Arc<Progress>, seeding: Arc<SeedProgress>, stop: Stop) {
    let template = "{msg:24} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left";
    let bar = styled_bar(template, 0, false);
    // A thread that cannot be started is no reason not to work.
    let _ = std::thread::Builder::new().name("laju-report".to_owned()).spawn(move || {
        let begun = Instant::now();
        let mut said = Instant::now();
        while !stop.is_stopped() && !progress.is_complete() {
            let (what, done, total) = how_far(&progress, &seeding);
            if !bar.is_hidden() {
                bar.set_message(what);
                show(&bar, done, total);
            } else if said.elapsed() >= Duration::from_secs(5) {
                said = Instant::now();
                let rate = done as f64 / begun.elapsed().as_secs_f64().max(0.001);
                let left = total.saturating_sub(done) as f64 / rate.max(1.0);
                tracing::info!(
                    done,
                    total,
                    rate = rate.round(),
                    seconds_left = left.round(),
                    "{what}"
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bar.finish_and_clear();
        if progress.is_complete() {
            tracing::info!(
                records = progress.folded(),
                seconds = begun.elapsed().as_secs_f64(),
                "caught up: figures are answered"
            );
        }
    });
}

/// What is being done, how much of it is, and how much it is in all.
fn how_far(progress: &Progress, seeding: &SeedProgress) -> (String, u64, u64) {
    if let Some((done, total, bytes)) = seeding.how_far() {
        return (format!("taking the store, {} MB", bytes / 1_000_000), done, total);
    }
    if !progress.loaded() {
        let (done, total) = progress.loading();
        return ("loading the store".to_owned(), done, total);
    }
    let done = progress.folded();
    ("catching up".to_owned(), done, done + progress.lag())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        worker: WorkerArgs,
    }

    #[test]
    fn a_registrys_404_is_not_believed_for_five_minutes_unless_somebody_says_otherwise() {
        let parse = |more: &[&str]| {
            let all = [&["laju", "--brokers", "127.0.0.1:1", "--store", "x"], more].concat();
            Cli::try_parse_from(all).map(|cli| cli.worker.registry_patience.as_secs())
        };
        assert_eq!(parse(&[]).unwrap(), 300);
        for (text, seconds) in [("0s", 0), ("90s", 90), ("1h 30m", 5_400), ("24h", 86_400)] {
            assert_eq!(parse(&["--registry-patience", text]).unwrap(), seconds, "{text}");
        }
        for wrong in ["5", "-1s", "25h", "soon"] {
            assert!(parse(&[&format!("--registry-patience={wrong}")]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_worker_open_to_others_ends_before_it_opens_anything() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        let unsound = directory.path().join("tokens.toml");
        std::fs::write(&unsound, "").unwrap();
        for (more, expected) in [
            (vec!["--listen", "0.0.0.0:0"], "--tokens FILE"),
            (
                vec!["--listen", "0.0.0.0:0", "--tokens", unsound.to_str().unwrap()],
                "holds no token",
            ),
        ] {
            let of_store = ["laju", "--brokers", "127.0.0.1:1", "--store", store.to_str().unwrap()];
            let cli = Cli::try_parse_from([&of_store[..], &more].concat()).unwrap();
            let error = cli.worker.run().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!store.exists(), "nothing was opened");
        }
    }
}
