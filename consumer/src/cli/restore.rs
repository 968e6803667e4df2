//! `laju restore`: a backup put into topics again.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::ExactError;
use laju_schemas::{CopyId, LogCopy, TimestampMs};
use serde_json::json;

use super::backup::cannot;
use super::output::{answer, bar, show};
use super::stop::{self, INTERRUPTED};
use crate::backup::BackupError;
use crate::backup::restore::{Restored, Restoring, Step};
use crate::cli::tables::number;

/// What is said at the first Ctrl-C.
const STOPPING: &str = "stopping: waiting for what was sent; once more to end at once";

/// Put a backup into topics again, at the same offsets and with the same timestamps.
///
/// The topics have to be empty, or not to be there: they are made as the original had them. While
/// records are written the topics take their timestamps (message.timestamp.type=CreateTime); then they
/// are set as `laju topics check` wants them. Behind the decisions stands then that the log is a copy
/// of the one that was kept, so that what was decided about its records and the figures quoted from it
/// stand on the copy.
///
/// Let nobody write to the topics until it is done. Interrupted or killed, it is run again, and goes
/// on.
///
/// Exit code 0: all of it is there; 1: it is not; 130: interrupted.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// Where the backup stands.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

impl RestoreArgs {
    /// Runs the command. `now` is when the copy is made.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let stop = stop::on_signal_saying(STOPPING)?;
        let bars = [("checking", Step::Checking), ("restoring", Step::Writing)]
            .map(|(what, step)| (step, bar(what, 0, self.json)));
        let restoring = Restoring {
            connection: &self.connection,
            root: &self.directory,
            now,
            copy_id: CopyId(uuid::Uuid::now_v7().into_bytes()),
            stop: stop.flag(),
        };
        let restored = restoring.run(&mut |step, at, all| {
            for (of, bar) in &bars {
                if *of == step {
                    show(bar, at, all);
                }
            }
        });
        for (_, bar) in &bars {
            bar.finish_and_clear();
        }
        let Restored { manifest, copy, went_on, is_configured } = match restored {
            Err(BackupError::Interrupted | BackupError::Exact(ExactError::Stopped)) => {
                let directory = self.directory.display();
                eprintln!(
                    "interrupted: run `laju restore {directory}` again to go on. Until then the \
                     topics take producers' timestamps, and no node is to be started on them"
                );
                return Ok(ExitCode::from(INTERRUPTED));
            }
            restored => restored.with_context(|| cannot("restored", &self.directory))?,
        };
        let records: u64 = manifest.whole_segments().map(|(_, segment)| segment.records).sum();
        let LogCopy { original_cluster_id, original_topic, topic, .. } = &copy;
        let json = json!({
            "copy": copy,
            "records": records,
            "went_on": went_on,
            "is_configured": is_configured,
        });
        answer(out, self.json.then_some(json), || {
            let went_on = if went_on { ", some of them by a restore before this one" } else { "" };
            let not_configured = if is_configured {
                ""
            } else {
                "The broker cannot be asked about the topics' configuration: it is as it was.\n"
            };
            format!(
                "{topic} is a copy of {original_topic} on the cluster {original_cluster_id} as of {}, \
                 at the same offsets: {} records of all topics are there{went_on}.\n\
                 {not_configured}Start a worker on it with a new --store. A figure quoted before is \
                 compared with the copy by `laju verify --figure`.",
                copy.copied_at,
                number(records),
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
