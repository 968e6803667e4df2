//! `laju backup`: what the topics of an installation hold, kept in files, and those files compared
//! with their manifest.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use laju_kafka::connection::Connection;
use laju_schemas::TimestampMs;
use serde_json::{Value, json};

use super::output::{answer, bar, exit_code, show};
use super::stop::{self, INTERRUPTED};
use crate::backup::{BackupError, Checked, Manifest, Taken, Taking, check};
use crate::cli::tables::number;
use crate::ingest::stop::Stop;

/// What is said at the first Ctrl-C.
const STOPPING: &str = "stopping: making sure of what was read; once more to end at once";

/// Keep what the topics hold in files, or go on with such a backup.
///
/// Every record of the six topics is kept with its offset, timestamp, key, value and headers, in Avro
/// files of one partition each, with a manifest that is written last. Run on the same directory again
/// it keeps what is new since. Killed, it is run again and goes on. `laju restore` puts it into topics
/// again.
///
/// Exit code 0: the backup is whole; 1: it is not, or (--check) a file is damaged; 130: interrupted.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Where the backup stands; made if it is not there. Nothing else may be in it.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Read every file and compare it with the manifest instead; Kafka is not asked.
    #[arg(long, conflicts_with = "without_beginning")]
    pub check: bool,

    /// Keep an events topic whose beginning was deleted all the same: no node can fold it, nor a copy
    /// of it, from nothing.
    #[arg(long)]
    pub without_beginning: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: MaybeConnection,
}

/// The options of a connection, of which none has to be given.
#[derive(Clone, Debug)]
pub struct MaybeConnection(pub Option<Connection>);

impl FromArgMatches for MaybeConnection {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = matches.get_one::<String>("brokers").is_some();
        is_given.then(|| Connection::from_arg_matches(matches)).transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for MaybeConnection {
    fn augment_args(command: Command) -> Command {
        Connection::augment_args(command).mut_arg("brokers", |arg| arg.required(false))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl BackupArgs {
    /// Runs the command. `now` is when the backup is made.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let stop = stop::on_signal_saying(STOPPING)?;
        if self.check {
            return self.check(&stop, out);
        }
        let MaybeConnection(Some(connection)) = &self.connection else {
            anyhow::bail!("where is Kafka? Give --brokers HOST:PORT,… (or LAJU_BROKERS)");
        };
        let bar = bar("keeping", 0, self.json);
        let taking = Taking {
            connection,
            root: &self.directory,
            without_beginning: self.without_beginning,
            now,
            stop: stop.flag(),
        };
        let taken = taking.run(&mut |passed, all| show(&bar, passed, all));
        bar.finish_and_clear();
        let taken = match taken {
            Err(BackupError::Interrupted) => {
                let directory = self.directory.display();
                eprintln!("interrupted: run `laju backup {directory}` again to go on");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            taken => taken.with_context(|| cannot("made", &self.directory))?,
        };
        answer(out, self.json.then(|| taken_json(&taken)), || taken_text(&taken))?;
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let bar = bar("checking", 0, self.json);
        let checked = check(&self.directory, stop.flag(), &mut |read, all| show(&bar, read, all));
        bar.finish_and_clear();
        let Checked { manifest, faults } = match checked {
            Err(BackupError::Interrupted) => return Ok(ExitCode::from(INTERRUPTED)),
            checked => checked.with_context(|| cannot("checked", &self.directory))?,
        };
        let is_whole = manifest.cut.is_some();
        let ok = faults.is_empty() && is_whole;
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let json = self.json.then(|| {
            let mut json = of_manifest(&manifest);
            json["ok"] = json!(ok);
            json["faults"] = json!(faults);
            json
        });
        answer(out, json, || {
            let verdict = match (faults.len(), is_whole) {
                (0, true) => "every file is as it was made".to_owned(),
                (0, false) => NOT_WHOLE.to_owned(),
                (count, _) => format!("{count} damaged"),
            };
            let sum = format!("{}: {verdict}", sum(&manifest));
            faults.iter().chain([&sum]).map(String::as_str).collect::<Vec<_>>().join("\n")
        })?;
        Ok(exit_code(ok))
    }
}

fn taken_json(taken: &Taken) -> Value {
    let mut answer = of_manifest(&taken.manifest);
    for (topic, added) in &taken.added {
        answer["topics"][topic]["added"] = json!(added);
    }
    answer["missing"] = json!(taken.missing);
    answer["went_on"] = json!(taken.went_on);
    answer
}

fn taken_text(taken: &Taken) -> String {
    let mut text = String::new();
    for (topic, part) in &taken.manifest.topics {
        let records: u64 = part.segments.iter().map(|segment| segment.records).sum();
        let added = taken.added.get(topic).copied().unwrap_or(0);
        let (records, added) = (number(records), number(added));
        text.push_str(&format!("{}: {records} records, {added} of them new\n", part.name));
        let cut: Vec<_> = (0..part.partitions)
            .filter_map(|partition| Some((partition, taken.manifest.begin_of(topic, partition)?)))
            .filter(|(_, begin)| *begin > 0)
            .collect();
        for (partition, begin) in cut {
            text.push_str(&format!(
                "  partition {partition} begins at offset {begin}: what came first was deleted \
                     before it was kept\n"
            ));
        }
    }
    for name in &taken.missing {
        text.push_str(&format!("{name}: is not there, so nothing of it is kept\n"));
    }
    text + &format!("\n{}", sum(&taken.manifest))
}

const NOT_WHOLE: &str = "every file is as it was made, but the backup never came to its end";

/// A backup in a sentence.
fn sum(manifest: &Manifest) -> String {
    let segments = || manifest.whole_segments();
    let bytes: u64 = segments().map(|(_, segment)| segment.bytes).sum();
    let records: u64 = segments().map(|(_, segment)| segment.records).sum();
    let until = manifest.cut.as_ref().map(|cut| format!(", whole as of {}", cut.copied_at));
    format!(
        "The backup of the cluster {}: {} records in {} files of {:.1} MB{}",
        manifest.cluster_id,
        number(records),
        number(segments().count() as u64),
        bytes as f64 / 1e6,
        until.unwrap_or_default()
    )
}

fn of_manifest(manifest: &Manifest) -> Value {
    let topics = manifest.topics.iter().map(|(topic, part)| {
        let of = |count: fn(&crate::backup::Segment) -> u64| -> u64 {
            part.segments.iter().map(count).sum()
        };
        let partitions = (0..part.partitions).map(|partition| {
            let gaps = part.gaps(partition, i64::MAX);
            let without = gaps.iter().map(|(from, to)| to - from).sum::<i64>();
            json!({
                "partition": partition,
                "begin": manifest.begin_of(topic, partition),
                "next_offset": part.next(partition),
                "offsets_without_record": without,
            })
        });
        let value = json!({
            "name": part.name,
            "records": of(|segment| segment.records),
            "bytes": of(|segment| segment.bytes),
            "files": part.segments.len(),
            "partitions": partitions.collect::<Vec<_>>(),
        });
        (topic.clone(), value)
    });
    json!({
        "cluster_id": manifest.cluster_id,
        "copied_at": manifest.cut.as_ref().map(|cut| cut.copied_at),
        "topics": topics.collect::<serde_json::Map<_, _>>(),
    })
}

pub(super) fn cannot(what: &str, directory: &Path) -> String {
    format!("the backup in {} cannot be {what}", directory.display())
}
