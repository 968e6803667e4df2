//! `laju-kiosk run`: the agent, until Ctrl-C, SIGTERM or SIGHUP.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_schemas::{KioskId, RegionCode};

use crate::agent::http::{self, Origin};
use crate::agent::{Agent, AgentSettings, Kiosk, WorkerAddress};
use crate::clock;
use crate::outbox::OutboxSettings;
use laju_kafka::connection::Connection;
use laju_kafka::secret;
use laju_kafka::serve;
use laju_kafka::settings::Environment;
use laju_kafka::signal::{self, Signals};

/// Descriptors for all connections, brokers and files.
const DESCRIPTORS: u64 = 2_048;

/// The options of `run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The kiosk that events are of. No two agents may have the same.
    #[arg(long, env = "LAJU_KIOSK_ID", value_name = "ID")]
    kiosk_id: KioskId,

    /// The regency or city whose office it serves, e.g. 18.71.
    #[arg(long, env = "LAJU_SERVICE_REGION", value_name = "CODE")]
    service_region: RegionCode,

    /// The directory of the outbox; made if it is not there. It belongs to this kiosk id for ever.
    #[arg(long, env = "LAJU_OUTBOX", value_name = "DIR")]
    outbox: PathBuf,

    /// A file on another volume that remembers how far the outbox had come: it notices without a
    /// connection where the outbox's disk has been set back. Made if it is not there.
    #[arg(long, env = "LAJU_WITNESS", value_name = "FILE")]
    witness: Option<PathBuf>,

    /// How many MiB of unsent events the outbox takes before it refuses more.
    #[arg(long, env = "LAJU_OUTBOX_LIMIT", value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    outbox_limit: u64,

    /// The programme's key, 64 hexadecimal digits in a file of mode 600; else LAJU_KEY is taken.
    #[arg(long, env = "LAJU_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Where to take events in over HTTP: a loopback address, because NIKs come in in clear.
    #[arg(long, env = "LAJU_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8470", value_parser = http::loopback)]
    listen: SocketAddr,

    /// An origin whose web pages may send events, e.g. http://localhost:3000; may be given many
    /// times. Programs need none.
    #[arg(
        long,
        env = "LAJU_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        hide_default_value = true
    )]
    allow_origin: Vec<Origin>,

    /// A worker that is asked what became of an event, e.g. https://laju.example.
    #[arg(long, env = "LAJU_URL", value_name = "URL")]
    laju: Option<WorkerAddress>,

    /// Holds the token that the worker asks for.
    #[arg(long, env = "LAJU_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// How often the kiosk says where it stands, in seconds.
    #[arg(long, env = "LAJU_REPORT_EVERY", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    report_every: u64,

    /// How long the end waits until what is left has been sent, in seconds.
    #[arg(long, env = "LAJU_DRAIN", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    drain: u64,

    #[command(flatten)]
    connection: Connection,
}

impl Run {
    pub(super) fn run(self, env: Environment<'_>) -> anyhow::Result<ExitCode> {
        let key = secret::key(self.key_file.as_deref(), env("LAJU_KEY"))?;
        let token = self.token_file.as_deref().map(secret::token).transpose()?;
        let authorities = self.connection.trust.read()?;
        let worker = self.laju.map(|worker| worker.trusting(&authorities));
        let worker = match (worker, token) {
            (Some(worker), Some(token)) => Some(worker.with_token(token)),
            (worker, _) => worker,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("laju-kiosk")
            .enable_all()
            .build()
            .context("no threads can be started")?;
        let settings = AgentSettings {
            kiosk: Kiosk { id: self.kiosk_id, service_region: self.service_region },
            outbox: self.outbox,
            outbox_settings: OutboxSettings {
                limit_bytes: self.outbox_limit << 20,
                witness: self.witness,
                ..OutboxSettings::default()
            },
            connection: self.connection,
            worker,
            report_every: Duration::from_secs(self.report_every),
        };
        settings.check()?;
        serve::make_room(DESCRIPTORS);
        let (listen, drain) = (self.listen, Duration::from_secs(self.drain));
        let origins = self.allow_origin;
        let left = runtime.block_on(async move {
            let mut signals = Signals::listen().context("cannot listen for signals")?;
            // Before an outbox is made that belongs to a kiosk permanently.
            let listener = TcpListener::bind(listen)
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .with_context(|| {
                    format!("cannot listen on {listen}; is another agent running there?")
                })?;
            let agent = Agent::start(settings, key, Arc::new(clock::now))?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let address = listener.local_addr()?;
            let kiosk = agent.kiosk();
            tracing::info!(%address, kiosk = %kiosk.id, region = %kiosk.service_region, "listening");
            let router = http::router(agent.clone(), &origins);
            let (stopping, stopped) = tokio::sync::oneshot::channel();
            // Requests under way may take as long as the last events; idle connections nothing.
            let grace = drain.max(Duration::from_secs(1));
            let server = tokio::spawn(http::serve(listener, router, grace, async move {
                // The other side is dropped only after it has spoken.
                let _ = stopped.await;
            }));
            tokio::select! {
                () = signals.end() => {}
                why = agent.failed() => bail!("{why}"),
            }
            tracing::info!("stopping: sending what is left; Ctrl-C or SIGTERM ends at once");
            tokio::spawn(async move {
                signals.end_at_once().await;
                std::process::exit(signal::INTERRUPTED);
            });
            let _ = stopping.send(());
            server.await?.context("the HTTP interface failed")?;
            Ok::<_, anyhow::Error>(agent.shutdown(drain).await?)
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        match left? {
            0 => tracing::info!("stopped; every event was sent"),
            left => {
                tracing::warn!(left, "stopped; the rest stays in the outbox until the next start")
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
