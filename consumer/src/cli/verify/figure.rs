//! A figure once quoted, checked against the log. It is read from its topic and
//! recomputed from Kafka, up to the very offsets that it names, by the same judge, the same fold and
//! the same query as a worker's, in memory: no store and no worker is asked.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{ClusterInfo, Connection, Operation};
use laju_kafka::learning::LearningReader;
use laju_kafka::read::Tail;
use laju_schemas::known::EventReader;
use laju_schemas::quoted::{FigureContent, FigureDigest, FigureFault, NOT_IN_DIGEST};
use laju_schemas::topic::{EVENTS, FIGURES, REFERENCE};
use laju_schemas::{FigureId, QuotedFigure};
use serde::Serialize;

use super::args::{CANNOT_BE_VERIFIED, TIMEOUT};
use crate::cli::output::{answer, bar};
use crate::cli::stop::INTERRUPTED;
use crate::cli::tables::{harmless, number};
use crate::domain::figure_book::{FigureBook, Kept};
use crate::domain::version::fold_version;
use crate::ingest::event_log::LogPart;
use crate::ingest::follow::figures;
use crate::ingest::recompute::{ledgers_of, reference_until};
use crate::ingest::verdicts::copies_now;
use crate::query::quoted::{FieldDifference, OriginalLog, content, differences, question_of};
use crate::query::view::{ReferenceView, View};

/// How long nothing of the figures topic may come although there is more.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A figure to be checked against the log.
pub(super) struct FigureCheck<'a> {
    pub(super) figure: FigureId,
    pub(super) connection: &'a Connection,
    pub(super) schemas: &'a [String],
    pub(super) json: bool,
    pub(super) stop: &'a AtomicBool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Every field comes out as it was quoted.
    Same,
    /// Something does not, or the record is not what was quoted.
    Differs,
    /// Neither can be said.
    CannotBeRecomputed,
}

/// What is said of a figure.
#[derive(Clone, Debug, Serialize)]
struct Report {
    figure_id: FigureId,
    verdict: Verdict,
    /// What is wrong with the record, or why it cannot be recomputed.
    reason: Option<String>,
    /// Every field that comes out otherwise.
    differences: Vec<FieldDifference>,
    /// The digest that the record bears, and that of what comes out.
    digest: Option<FigureDigest>,
    recomputed_digest: Option<FigureDigest>,
    /// The log that the figure was quoted from, where this one is a copy of it.
    copy_of: Option<OriginalLog>,
    /// What of the record is neither in the digest nor recomputed.
    not_covered: [&'static str; NOT_IN_DIGEST.len()],
    /// Events read.
    records: u64,
}

/// A record under the id that was asked for.
struct Claimed {
    figure: QuotedFigure,
    /// What is wrong with it.
    fault: Option<String>,
}

impl Report {
    /// Of which nothing is known yet.
    const fn of(figure_id: FigureId) -> Self {
        Self {
            figure_id,
            verdict: Verdict::CannotBeRecomputed,
            reason: None,
            differences: Vec::new(),
            digest: None,
            recomputed_digest: None,
            copy_of: None,
            not_covered: NOT_IN_DIGEST,
            records: 0,
        }
    }
}

impl FigureCheck<'_> {
    /// Holds it against the log.
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut report = Report::of(self.figure);
        if let Err(error) = self.verify(&mut report) {
            if self.stop.load(Ordering::Acquire) {
                return Ok(ExitCode::from(INTERRUPTED));
            }
            let why = format!("{error:#}");
            // A record that is known to be wrong stays wrong.
            report.reason = Some(match report.reason.take() {
                Some(fault) => format!("{fault}; it cannot be recomputed either: {why}"),
                None => why,
            });
        }
        answer(out, self.json.then_some(&report), || report.text())?;
        Ok(match report.verdict {
            Verdict::Same => ExitCode::SUCCESS,
            Verdict::Differs => ExitCode::FAILURE,
            Verdict::CannotBeRecomputed => ExitCode::from(CANNOT_BE_VERIFIED),
        })
    }

    /// Verifies; what is found out before an error stays in the report.
    fn verify(&self, report: &mut Report) -> anyhow::Result<()> {
        let cluster = self.connection.check(TIMEOUT)?;
        let needs = [FIGURES, EVENTS, REFERENCE];
        let needs: Vec<_> = needs.iter().map(|topic| (Operation::Read, topic)).collect();
        self.connection.require_on(&needs, TIMEOUT)?;
        let Claimed { figure, fault } = self.claimed()?;
        report.digest = Some(figure.digest);
        if let Some(fault) = fault {
            report.verdict = Verdict::Differs;
            report.reason = Some(fault);
        }
        report.copy_of = self.require_same_log(&figure.content, &cluster)?;
        let recomputed = self.recompute(&figure.content, &mut report.records)?;
        report.recomputed_digest = Some(recomputed.digest());
        report.differences = differences(&figure.content, &recomputed);
        let is_same = report.differences.is_empty() && report.reason.is_none();
        report.verdict = if is_same { Verdict::Same } else { Verdict::Differs };
        Ok(())
    }

    /// What the figures topic has under the id.
    fn claimed(&self) -> anyhow::Result<Claimed> {
        let topic = self.connection.topic(&FIGURES);
        let mut tail = Tail::open(self.connection, &topic, ASK_PATIENCE)?;
        let mut reader = LearningReader::once(self.connection.registry_client()?)?;
        let (mut book, mut first) = (FigureBook::default(), None);
        tail.read_to_end(READ_TIMEOUT, |record| {
            // Others are not asked about: what nobody can read of theirs does not matter here.
            if record.key() == Some(&self.figure.0) {
                let record = figures::read(&mut reader, &record)?;
                if first.is_none() {
                    first = record.figure.as_ref().ok().cloned();
                }
                book.add(record);
            }
            anyhow::Ok(())
        })?;
        match book.get(self.figure) {
            Some(Kept::Sound { figure, .. }) => {
                Ok(Claimed { figure: QuotedFigure::clone(figure), fault: None })
            }
            Some(Kept::Damaged { offset, why }) => {
                match first {
                    Some(figure) if matches!(figure.check(), Err(FigureFault::OtherForm(_))) => {
                        bail!("{why}")
                    }
                    Some(figure) => {
                        let fault =
                            format!("the record at offset {offset} is not what was quoted: {why}");
                        Ok(Claimed { figure, fault: Some(fault) })
                    }
                    // It may be of a schema that only a registry knows.
                    None => bail!("the record at offset {offset} cannot be read: {why}"),
                }
            }
            None => bail!("no figure {} was ever quoted: {topic} has none", self.figure),
        }
    }

    /// That what is to be read is what the figure was made of, or a copy of it, and by the same rules.
    fn require_same_log(
        &self,
        content: &FigureContent,
        cluster: &ClusterInfo,
    ) -> anyhow::Result<Option<OriginalLog>> {
        let evidence = &content.evidence;
        let mut copy_of = None;
        if evidence.cluster_id != cluster.cluster_id {
            let offsets = evidence.partitions.iter().map(|row| (row.partition, row.next_offset));
            let (of, reference) = (&evidence.cluster_id, evidence.reference_next_offset);
            let copies = copies_now(self.connection)?;
            copy_of = copies.copied_from(of, offsets, reference).map(|copy| OriginalLog::of(copy));
            if copy_of.is_none() {
                let is_known = copies.copied_from(of, [], 0).is_some();
                bail!(
                    "the figure rests on the cluster {}, and this is {}{}",
                    harmless(of),
                    cluster.cluster_id,
                    if is_known { ", a copy that does not go as far as the figure" } else { "" }
                );
            }
        }
        let reader = EventReader::new(self.schemas)?;
        let registry = self.connection.registry.is_some();
        let version = fold_version(&reader.book.fingerprints(), registry);
        if evidence.fold_version != version {
            bail!(
                "the figure was counted by the rules {}, and this program has {version}: take the \
                 version of Laju that quoted it, and its --schema and --registry",
                harmless(&evidence.fold_version)
            );
        }
        let topic = self.connection.topic(&EVENTS);
        let count = cluster.partitions(&topic).unwrap_or(0);
        if !evidence.partitions.iter().map(|row| row.partition).eq(0..count) {
            bail!(
                "the figure rests on {} partitions, and {topic} has {count}",
                evidence.partitions.len()
            );
        }
        Ok(copy_of)
    }

    /// The same question, answered from exactly the records that the figure rests on.
    fn recompute(
        &self,
        quoted: &FigureContent,
        records: &mut u64,
    ) -> anyhow::Result<FigureContent> {
        let evidence = &quoted.evidence;
        let offsets: BTreeMap<u32, i64> =
            evidence.partitions.iter().map(|row| (row.partition, row.next_offset)).collect();
        let book = reference_until(self.connection, evidence.reference_next_offset)?;
        let topic = self.connection.topic(&EVENTS);
        let log = LogPart::until(topic, evidence.partitions.len() as u32, &offsets);
        let bar = bar("recomputing", log.offsets(), self.json);
        let told = &mut |read, passed| {
            *records = read;
            bar.set_position(passed);
        };
        let ledgers = ledgers_of(self.connection, &log, self.schemas, self.stop, told);
        bar.finish_and_clear();
        let snapshot = ledgers?.snapshot();
        let reference = ReferenceView { next_offset: book.next_offset(), book };
        let (cluster, version) = (&evidence.cluster_id, &evidence.fold_version);
        // Both days of the question are given: it does not matter when it is asked.
        let view = View::alone(cluster, version, snapshot, reference, quoted.as_of);
        Ok(content(&view, quoted.region, &question_of(quoted))?)
    }
}

impl Report {
    fn text(&self) -> String {
        let records = number(self.records);
        let mut text = match self.verdict {
            Verdict::Same => format!(
                "{}: the same, recomputed from the {records} events that it rests on",
                self.figure_id
            ),
            Verdict::Differs => format!("{}: differs", self.figure_id),
            Verdict::CannotBeRecomputed => format!("{}: cannot be recomputed", self.figure_id),
        };
        if let Some(reason) = &self.reason {
            text.push_str(&format!("\n  {}", harmless(reason)));
        }
        for FieldDifference { field, quoted, recomputed } in &self.differences {
            let (quoted, recomputed) = (quoted.to_string(), recomputed.to_string());
            text.push_str(&format!(
                "\n  {field}: quoted {}, recomputed {}",
                harmless(&quoted),
                harmless(&recomputed)
            ));
        }
        if self.recomputed_digest.map(FigureId::of) == Some(self.figure_id)
            && self.verdict == Verdict::Differs
        {
            text.push_str("\n  what is recomputed is what was quoted under this id");
        }
        if let Some(OriginalLog { cluster_id, topic, restored_at, .. }) = &self.copy_of {
            let (cluster_id, topic) = (harmless(cluster_id), harmless(topic));
            text.push_str(&format!(
                "\n  held against a copy, restored {restored_at}, of {topic} on the cluster \
                 {cluster_id}, where the figure was quoted: its offsets are the same"
            ));
        }
        let not_covered = self.not_covered.join(", ");
        text.push_str(&format!(
            "\n  the digest does not cover {not_covered}: nothing is said of them"
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    #[test]
    fn what_the_digest_does_not_cover_is_told_with_every_verdict_and_in_the_help() {
        let help =
            <super::super::args::VerifyArgs as Args>::augment_args(clap::Command::new("verify"));
        let help = help.clone().render_long_help().to_string();
        for verdict in [Verdict::Same, Verdict::Differs, Verdict::CannotBeRecomputed] {
            let report = Report { verdict, ..Report::of(FigureId([0; 16])) };
            let (text, json) = (report.text(), serde_json::to_value(&report).unwrap());
            assert_eq!(json["not_covered"], serde_json::json!(NOT_IN_DIGEST));
            for name in NOT_IN_DIGEST {
                assert!(text.contains(name) && help.contains(name), "{name}: {text}\n{help}");
            }
        }
    }
}
