//! `laju export`: the log and the ledger as files for analysts, all at one cut.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_kafka::connection::Connection;
use serde_json::json;

use super::args::Schemas;
use super::output::{answer, styled_bar};
use super::stop::{self, INTERRUPTED};
use crate::cli::tables::number;
use crate::export::datasets::Dataset;
use crate::export::error::ExportError;
use crate::export::place::read_manifest;
use crate::export::run::{Exported, Request, Told, Wanted, export};
use crate::export::write::Format;

/// Write events, ledger and what goes with them as files for DuckDB, Polars, pandas and Spark.
///
/// All datasets of a run hold the same cut of the log: its ends when the run began, unless another
/// is named. Until everything is written there is no manifest.json, or still the old one. Into a
/// folder that has an export already, what came since is added. What each column means is said in
/// consumer/docs/analysts.md.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The datasets; none for all of them, or for those that are there already or in the manifest of
    /// `--like`.
    #[arg(value_enum, value_name = "DATASET")]
    pub datasets: Vec<Dataset>,

    /// The folder: a new one, or one with an export to go on with.
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,

    /// What to write: parquet if nothing else is there already or in the manifest of `--like`.
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Up to these offsets and no further, for every partition: 0:120,1:98. Of reference figures
    /// all that there are now.
    #[arg(long, value_name = "PARTITION:OFFSET,…", value_delimiter = ',', value_parser = offset,
          conflicts_with = "like")]
    pub until_offsets: Vec<(u32, i64)>,

    /// The same cut as that of an export, of the same reference figures too: its manifest.json.
    #[arg(long, value_name = "MANIFEST")]
    pub like: Option<PathBuf>,

    #[command(flatten)]
    pub schemas: Schemas,

    /// Say in JSON what was written.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

fn offset(text: &str) -> Result<(u32, i64), String> {
    let wrong = || format!("'{text}' is not PARTITION:OFFSET, e.g. 0:120");
    let (partition, offset) = text.split_once(':').ok_or_else(wrong)?;
    let offset: u32 = offset.parse().map_err(|_| wrong())?;
    Ok((partition.parse().map_err(|_| wrong())?, offset.into()))
}

impl ExportArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let request = Request {
            datasets: self.datasets.iter().copied().collect(),
            output: self.output.clone(),
            format: self.format,
            wanted: self.wanted()?,
            schemas: self.schemas.read()?,
        };
        let stop = stop::on_signal()?;
        let template =
            "exporting {msg:11} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left";
        let bar = styled_bar(template, 0, self.json).with_message("log");
        bar.enable_steady_tick(Duration::from_millis(200));
        let exported = export(&self.connection, &request, &stop, &mut |told| match told {
            Told::Reading(offsets) => bar.set_length(offsets),
            Told::Passed(offsets) => bar.set_position(offsets),
            Told::Writing(dataset) => bar.set_message(dataset.name()),
        });
        bar.finish_and_clear();
        match exported {
            Ok(exported) => {
                let json = self.json.then(|| self.report(&exported));
                answer(out, json, || self.text(&exported))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(ExportError::Stopped) => {
                eprintln!("stopped; {} is as it was", self.output.display());
                Ok(ExitCode::from(INTERRUPTED))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        if let Some(path) = &self.like {
            let manifest = read_manifest(path)?;
            let manifest = manifest.with_context(|| format!("there is no {}", path.display()))?;
            return Ok(Wanted::Like(Box::new(manifest)));
        }
        if self.until_offsets.is_empty() {
            return Ok(Wanted::Now);
        }
        let offsets: BTreeMap<u32, i64> = self.until_offsets.iter().copied().collect();
        if offsets.len() < self.until_offsets.len() {
            bail!("--until-offsets names a partition twice");
        }
        Ok(Wanted::Until(offsets))
    }

    fn report(&self, exported: &Exported) -> serde_json::Value {
        let Exported { manifest, found, records } = exported;
        let mut report = json!(manifest);
        report["output"] = json!(self.output);
        report["records"] = json!(records);
        report["found"] = json!(found);
        // What the columns mean is in the manifest.
        for dataset in report["datasets"].as_array_mut().into_iter().flatten() {
            dataset.as_object_mut().map(|dataset| dataset.remove("columns"));
        }
        report
    }

    fn text(&self, exported: &Exported) -> String {
        let Exported { manifest, found, records } = exported;
        let mut text = String::new();
        if let Some(found) = found {
            text.push_str(&format!("found and mended: {found}\n"));
        }
        for dataset in &manifest.datasets {
            text.push_str(&format!(
                "{:<12}{:>14} rows {:>16} bytes in {} files\n",
                dataset.name,
                number(dataset.rows),
                number(dataset.bytes),
                dataset.files.len()
            ));
        }
        let (output, cut) = (self.output.display(), manifest.cut.text());
        let records = number(*records);
        text + &format!("{records} records read; {output} holds the log up to {cut}")
    }
}
