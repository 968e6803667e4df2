//! What is verified, and the exit codes that say how it came out.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use laju_kafka::connection::Connection;
use laju_kafka::http_client;
use laju_schemas::FigureId;

use crate::cli::args::Schemas;

/// How long a question to the brokers may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
/// Exit code where it is the same as far as it goes, but the worker does not get to the log's end.
pub(super) const BEHIND: u8 = 3;
/// Exit code where it can be neither confirmed nor refuted.
pub(super) const CANNOT_BE_VERIFIED: u8 = 2;

/// Hold a ledger, or a figure once quoted, against the log in Kafka.
///
/// The events are folded again from nothing, in memory, up to the offsets of the ledger (or those
/// that the figure rests on), and everything is compared: of a ledger every posting, count, kiosk
/// and quarantined record. What differs is reported with the records that it comes from.
///
/// A ledger that goes less far than the log is said to be behind, with the partitions and how many
/// records they lack. A worker that is running has ten seconds to fold them.
///
/// Exit code 0: it is the same; 1: it differs; 2: it cannot be verified; 3: it is the same as far as
/// it goes, but the worker stays behind the end of the log; 130: interrupted.
///
/// What of a figure is checked against the log is the figure, its digest and its id. The digest does
/// not cover bounds, missing, quoted_at, quoted_by and note: anyone who can write to the figures topic
/// can change those, and nothing shows it (of bounds it is checked only that the figure lies between
/// them).
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["worker", "store", "figure"])))]
pub struct VerifyArgs {
    /// Verify the ledger of the worker that answers at this address, by http or https; it may go on
    /// folding.
    #[arg(long, value_name = "URL", value_parser = http_client::address)]
    pub worker: Option<String>,

    /// Verify the ledger in the store of a worker that is stopped.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Verify the figure with this id.
    #[arg(long, value_name = "UUID")]
    pub figure: Option<FigureId>,

    /// Holds the token that the worker asks for.
    #[arg(long, env = "LAJU_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Only these partitions of the ledger, for a quick look.
    #[arg(long, value_name = "N,…", value_delimiter = ',', conflicts_with = "figure")]
    pub partitions: Vec<u32>,

    /// Read the events from this topic (its full name), a copy of the log as `laju replay --to-topic`
    /// makes it, instead of from the log itself: the whole of it is folded, and everything but
    /// cluster, topic and offsets compared.
    #[arg(long, value_name = "NAME", conflicts_with = "figure")]
    pub events_topic: Option<String>,

    /// How many differing rows, findings and records of each sort to print at most; --json has all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,

    #[command(flatten)]
    pub schemas: Schemas,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}
