//! The options of `laju replay`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use laju_kafka::connection::{Connection, KafkaProperty};

use crate::cli::args::{SCHEMAS_OF_EVENTS, Schemas};
use crate::cli::moment::Moment;
use crate::replay::filter::Filter;
use crate::replay::rows::Format;

/// The parts that the help has.
const RANGE: &str = "Range";
const ROWS: &str = "Rows";
const ANOTHER_TOPIC: &str = "Another topic";

/// Replay the events of the log: as rows, or into another topic.
///
/// Rows are NDJSON, CSV or a table. Each has where the record stands (partition, offset) and when
/// it was recorded (timestamp: the record's own), then the event as the contract has it: event_id,
/// kiosk_id, sequence (the kiosk's own count), occurred_at (the kiosk's clock), subject (the
/// citizen's pseudonym), home_region (where registered), service_region (whose office served),
/// outreach_id, kind, and the fact's own fields: in NDJSON under `fact`, as in the contract; in CSV
/// side by side (channel, venue, first_time_holder, reason, from_region, retracted_event_id).
///
/// A record that cannot be read is named on standard error and has a row of its own: in NDJSON
/// `{"partition", "offset", "timestamp", "undecodable": {"reason", "detail"}}`, in CSV the columns
/// undecodable_reason and undecodable_detail. Filters do not leave it out, as nobody knows whether
/// it is wanted; --skip-undecodable does.
///
/// Every event of the log is here as it came: repeats, facts taken back, and those that were put
/// into quarantine for what they say. Offsets have holes: a position is not a count.
///
/// Partitions come one after the other, each in the order of its offsets, so that the same offsets
/// always give the same rows; with --follow, and into a topic, all come together.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("schemas", |arg| arg.help(SCHEMAS_OF_EVENTS)))]
#[command(group = clap::ArgGroup::new("destination").args(["output", "to_topic"]))]
pub struct ReplayArgs {
    /// From the first record at or after a moment: 2026-01-05T08:00:00Z, a day (its beginning in
    /// Asia/Jakarta), or "3 days ago".
    #[arg(long, value_name = "MOMENT", conflicts_with = "from_offsets", help_heading = RANGE)]
    pub from: Option<Moment>,

    /// Up to the first record at or after a moment, which is left out [default: the end at the
    /// start].
    #[arg(long, value_name = "MOMENT", conflicts_with_all = ["to_offsets", "follow"],
          help_heading = RANGE)]
    pub to: Option<Moment>,

    /// From these offsets, e.g. 0:120,1:98; partitions not named from their beginning.
    #[arg(long, value_name = "PARTITION:OFFSET,…", help_heading = RANGE)]
    pub from_offsets: Option<OffsetVector>,

    /// Up to these offsets, which are left out; partitions not named up to their end.
    #[arg(long, value_name = "PARTITION:OFFSET,…", conflicts_with = "follow", help_heading = RANGE)]
    pub to_offsets: Option<OffsetVector>,

    /// Only these partitions.
    #[arg(long, value_name = "N,…", value_delimiter = ',', help_heading = RANGE)]
    pub partitions: Vec<u32>,

    /// Go on with what comes, until Ctrl-C.
    #[arg(long, conflicts_with = "output", help_heading = RANGE)]
    pub follow: bool,

    /// At most so many rows or records.
    #[arg(long, value_name = "N", help_heading = RANGE)]
    pub limit: Option<u64>,

    #[command(flatten)]
    pub filter: Filter,

    /// How rows look [default: a table on a terminal, else ndjson].
    #[arg(long, value_enum, conflicts_with = "to_topic", help_heading = ROWS)]
    pub format: Option<Format>,

    /// Leave out of the rows what cannot be read.
    #[arg(long, conflicts_with = "to_topic", help_heading = ROWS)]
    pub skip_undecodable: bool,

    /// Write rows to a file: as FILE.part, and renamed when it is whole.
    #[arg(long, value_name = "FILE", help_heading = ROWS)]
    pub output: Option<PathBuf>,

    /// Replace the file if it is there, and what another run has left of it.
    #[arg(long, requires = "output", help_heading = ROWS)]
    pub force: bool,

    /// Copy the records into another topic (its full name): keys, values, partitions, headers and
    /// timestamps as they are, also what cannot be read, unless something is filtered.
    #[arg(long, value_name = "NAME", help_heading = ANOTHER_TOPIC)]
    pub to_topic: Option<String>,

    /// The brokers of the other topic's cluster [default: the same cluster].
    #[arg(long, value_name = "HOST:PORT,…", requires = "to_topic",
          value_parser = Connection::parse_brokers, help_heading = ANOTHER_TOPIC)]
    pub to_brokers: Option<String>,

    /// A property of librdkafka for --to-brokers; may be given many times.
    #[arg(long = "to-property", value_name = "KEY=VALUE", requires = "to_brokers",
          help_heading = ANOTHER_TOPIC)]
    pub to_properties: Vec<KafkaProperty>,

    /// A file that holds the SASL password for --to-brokers and nothing else.
    #[arg(long, value_name = "FILE", requires = "to_brokers", help_heading = ANOTHER_TOPIC)]
    pub to_password_file: Option<PathBuf>,

    /// Make the other topic if it is not there: as many partitions, message.timestamp.type=CreateTime,
    /// kept for ever, the original's max.message.bytes.
    #[arg(long, requires = "to_topic", help_heading = ANOTHER_TOPIC)]
    pub create_topic: bool,

    /// Allow a topic that has records already.
    #[arg(long, requires = "to_topic", help_heading = ANOTHER_TOPIC)]
    pub append: bool,

    /// Allow a topic whose broker puts its own time in place of the records'.
    #[arg(long, requires = "to_topic", help_heading = ANOTHER_TOPIC)]
    pub new_timestamps: bool,

    /// Note in this file how far it is, and go on from there if it is there: exactly, into a file;
    /// into a topic at least once: what was sent since the last note (one a second, or every 100,000
    /// records) is there twice after a crash. Figures count it once, but `received` counts both, and
    /// the copy's ledger digest may then differ from the original's.
    #[arg(long, value_name = "FILE", requires = "destination")]
    pub checkpoint: Option<PathBuf>,

    #[command(flatten)]
    pub schemas: Schemas,

    /// Sum up in JSON: on standard error where rows are on standard output.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

impl ReplayArgs {
    /// Where from, in words that are the same for the same question.
    pub(super) fn asked_from(&self) -> Option<String> {
        let offsets = self.from_offsets.as_ref().map(ToString::to_string);
        offsets.or_else(|| self.from.map(|moment| moment.to_string()))
    }

    /// Up to where, in the same way.
    pub(super) fn asked_to(&self) -> Option<String> {
        let offsets = self.to_offsets.as_ref().map(ToString::to_string);
        offsets.or_else(|| self.to.map(|moment| moment.to_string()))
    }
}

/// An offset of each of some partitions: `0:120,1:98`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetVector(pub BTreeMap<u32, i64>);

impl FromStr for OffsetVector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut offsets = BTreeMap::new();
        for part in text.split(',').map(str::trim) {
            let read = part.split_once(':').and_then(|(partition, offset)| {
                let offset = offset.trim().parse().ok().filter(|offset: &i64| *offset >= 0)?;
                Some((partition.trim().parse().ok()?, offset))
            });
            let (partition, offset): (u32, i64) =
                read.ok_or_else(|| format!("'{part}' is not PARTITION:OFFSET, e.g. 0:120,1:98"))?;
            if offsets.insert(partition, offset).is_some() {
                return Err(format!("partition {partition} has two offsets"));
            }
        }
        Ok(Self(offsets))
    }
}

impl std::fmt::Display for OffsetVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.0.iter().map(|(partition, offset)| format!("{partition}:{offset}"));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use laju_schemas::SubjectId;
    use laju_schemas::event::FactKind;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        replay: ReplayArgs,
    }

    fn parsed(args: &[&str]) -> Result<ReplayArgs, clap::Error> {
        let all = [&["laju", "--brokers", "127.0.0.1:1"], args].concat();
        Cli::try_parse_from(all).map(|cli| cli.replay)
    }

    #[test]
    fn an_offset_vector_is_read_as_it_is_written() {
        let vector: OffsetVector = "1:98, 0:120".parse().unwrap();
        assert_eq!(vector.0, [(0, 120), (1, 98)].into());
        assert_eq!(vector.to_string().parse(), Ok(vector));
        for wrong in ["", "0", "0:", ":1", "0:-1", "a:1", "0:1,,1:2", "0:1,0:2"] {
            assert!(wrong.parse::<OffsetVector>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for wrong in [
            &["--from", "2026-01-05", "--from-offsets", "0:1"][..],
            &["--to", "2026-01-05", "--follow"],
            &["--to-offsets", "0:1", "--follow"],
            &["--output", "x", "--follow"],
            &["--output", "x", "--to-topic", "y"],
            &["--force"],
            &["--create-topic"],
            &["--append"],
            &["--to-brokers", "a:1"],
            &["--to-topic", "y", "--to-brokers", "nowhere"],
            &["--to-topic", "y", "--format", "csv"],
            &["--checkpoint", "x"],
            &["--home", "18.99"],
            &["--kind", "moved"],
            &["--subject", "12"],
            &["--from", "soon"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn filters_take_several_values() {
        let hex = "02020202020202020202020202020202";
        let args = ["--home", "18,31.71", "--kind", "activated", "--kind", "CardPrinted"];
        let args = parsed(&[&args[..], &["--kiosk", "a,b", "--subject", hex]].concat()).unwrap();
        let filter = args.filter;
        assert_eq!(filter.homes.len(), 2);
        assert_eq!(filter.kinds, [FactKind::Activated, FactKind::CardPrinted]);
        assert_eq!(filter.kiosks, ["a,b"], "a kiosk's id may have a comma");
        assert_eq!(filter.subject, Some(SubjectId([2; 16])));
    }

    #[test]
    fn the_help_names_every_column() {
        let mut program = <crate::cli::Cli as clap::CommandFactory>::command();
        let replay = program.find_subcommand_mut("replay").unwrap();
        let help = replay.render_long_help().to_string();
        for column in crate::replay::rows::COLUMNS {
            assert!(help.contains(column), "{column}");
        }
    }
}
