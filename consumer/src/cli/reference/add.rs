//! `laju reference add`: one figure, or the withdrawal of one.

use std::io::Write;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{ArgGroup, Args};
use jiff::civil::Date;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::reference::{Basis, Percent, ReferenceKind};
use laju_schemas::{ReferenceFigure, ReferenceId, RegionCode, TimestampMs};
use serde_json::json;

use super::field;
use super::topic::reference_topic;
use crate::cli::args::region;
use crate::cli::id::id_at;
use crate::cli::output::answer;

/// Publish one figure, or withdraw one.
///
/// A figure with the same region, kind, basis and first day takes the place of the one before it;
/// what was known on past days stays as it was.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("amount").args(["value", "percent", "withdraw"]).required(true))]
pub(super) struct AddArgs {
    /// The region it is of: a regency or city (18.71), a province (18) or the nation (ID).
    #[arg(long, value_name = "CODE", value_parser = region)]
    pub region: RegionCode,

    /// What it is.
    #[arg(long, value_parser = PossibleValuesParser::new(["denominator", "target"])
          .try_map(|text| field::kind(&text)))]
    pub kind: ReferenceKind,

    /// What is counted, or what the percentage is of; `absolute` for a target in people.
    #[arg(long, value_parser = PossibleValuesParser::new(["wajib_ktp", "recorded_ktp", "absolute"])
          .try_map(|text| field::basis(&text)))]
    pub basis: Basis,

    /// People: a denominator, or an absolute target.
    #[arg(long, value_name = "PEOPLE", value_parser = field::people)]
    pub value: Option<u64>,

    /// A target as a share of the basis, e.g. 25 or 27.5.
    #[arg(long, value_name = "PERCENT", value_parser = field::percent)]
    pub percent: Option<Percent>,

    /// Withdraw the figure of this region, kind, basis and first day.
    #[arg(long)]
    pub withdraw: bool,

    /// The first day on which it applies.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub valid_from: Date,

    /// The last day on which it applies [default: no end].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = field::date)]
    pub valid_to: Option<Date>,

    /// Where it comes from, as it should be quoted.
    #[arg(long, value_name = "TEXT")]
    pub source: String,

    /// Who enters it.
    #[arg(long, env = "USER", value_name = "NAME")]
    pub issued_by: String,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

impl AddArgs {
    /// Publishes the figure and waits until it is confirmed.
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let figure = ReferenceFigure {
            reference_id: ReferenceId(id_at(now)),
            region: self.region,
            kind: self.kind,
            basis: self.basis,
            value: self.value,
            percent: self.percent,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            source: self.source.clone(),
            issued_by: self.issued_by.clone(),
        };
        figure.check_new()?;
        reference_topic(&self.connection, Operation::Write)?;
        let publisher = Publisher::new(&self.connection, &PublishSettings::default())?;
        let receipt = publisher.publish_reference(&figure)?.wait()?;
        let json = json!({
            "reference_id": figure.reference_id,
            "offset": receipt.offset,
            "recorded_at": receipt.timestamp,
            "figure": figure,
        });
        answer(out, self.json.then_some(json), || {
            let what = if self.withdraw { "withdrawn" } else { "recorded" };
            format!(
                "{what}: {} of {} in {} from {} (id {}, {})",
                figure.kind,
                figure.region,
                figure.basis,
                figure.valid_from,
                figure.reference_id,
                receipt.place()
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
