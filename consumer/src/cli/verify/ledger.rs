//! A whole ledger, checked against the log: received or loaded, folded again, compared, and where it
//! differs folded once more to name the records.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::bail;
use laju_kafka::connection::{ClusterInfo, Operation, Right};
use laju_kafka::read::{READ_TIMEOUT, ends};
use laju_kafka::topic_id::topic_id;
use laju_schemas::known::EventReader;
use laju_schemas::topic::EVENTS;

use super::args::{BEHIND, CANNOT_BE_VERIFIED, TIMEOUT, VerifyArgs};
use super::behind::{behind, catches_up};
use super::report::{Folded, Part, Report, Verdict};
use crate::cli::claim::{Claim, Ledgers, Side};
use crate::cli::output::{answer, bar};
use crate::cli::stop::INTERRUPTED;
use crate::cli::tables::harmless;
use crate::domain::version::fold_version;
use crate::ingest::event_log::LogPart;
use crate::ingest::recompute::{RecomputeError, commits_of, ledgers_of};
use crate::ingest::verdicts::verdicts_of_any_topic;
use crate::projection::partition_ledger::PartitionLedgers;
use crate::query::ledger::compare::{Differences, Offsets, Rows, compare, compare_refused};
use crate::query::ledger::lines::LedgerDigest;
use crate::query::ledger::origins::Origins;
use crate::query::ledger::{LedgerHead, posting_count, refused};

/// A ledger to be checked against the log.
pub(super) struct LedgerCheck<'a> {
    pub(super) args: &'a VerifyArgs,
    pub(super) side: Side,
    pub(super) schemas: &'a [String],
    pub(super) stop: &'a AtomicBool,
}

impl LedgerCheck<'_> {
    /// Holds it against the log.
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut report = Report::of(self.side.to_string());
        if let Err(error) = self.verify(&mut report) {
            if matches!(error.downcast_ref(), Some(RecomputeError::Interrupted)) {
                eprintln!("interrupted: nothing is said of the ledger");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            report.reason = Some(format!("{error:#}"));
        }
        let json = self.args.json.then_some(&report);
        answer(out, json, || report.text(self.args.limit))?;
        Ok(match report.verdict {
            Verdict::Identical if report.stays_behind => ExitCode::from(BEHIND),
            Verdict::Identical => ExitCode::SUCCESS,
            Verdict::Differs => ExitCode::FAILURE,
            Verdict::CannotBeVerified => ExitCode::from(CANNOT_BE_VERIFIED),
        })
    }

    fn verify(&self, report: &mut Report) -> anyhow::Result<()> {
        let args = self.args;
        let cluster = args.connection.check(TIMEOUT)?;
        let topic = match &args.events_topic {
            Some(copy) => copy.clone(),
            None => args.connection.topic(&EVENTS),
        };
        args.connection.require(&[Right::on_topic(Operation::Read, topic)], TIMEOUT)?;
        // Before the ledger: whatever was there then, a worker that gets on has.
        let ends_before = ends(&args.connection, &args.connection.topic(&EVENTS));
        let ledgers = Ledgers {
            token_file: &args.token_file,
            trust: &args.connection.trust,
            json: args.json,
            stop: self.stop,
        };
        let claims = ledgers.claims(&self.side, &args.partitions)?;
        let Some(head) = claims.first().map(|claim| claim.head.clone()) else {
            bail!("the ledger has no partitions");
        };
        report.ledger_of(&head);
        if args.events_topic.is_some() && !verdicts_of_any_topic(&args.connection)?.is_empty() {
            bail!(
                "the ledger cannot be verified against a copy of the log: verdicts that no registry \
                 has a record's schema name places of the original, and where those records stand \
                 in the copy is not known; verify it against the log that it was made from"
            );
        }
        let log = self.log(&claims, &head, &cluster)?;
        let offsets = match args.events_topic {
            Some(_) => Offsets::LeftOut,
            None => Offsets::Compared,
        };
        report.folded = Some(Folded::of(&cluster.cluster_id, &log, offsets));
        let folded = self.fold(&log, report)?;
        let mut differing = BTreeMap::new();
        for claim in &claims {
            let (part, differences) = held(claim, &folded, offsets)?;
            report.add(part, differences);
            if let Some(part) = report.partitions.last().filter(|part| !part.is_identical) {
                differing.insert(part.partition, log.ranges[&part.partition]);
            }
        }
        drop(folded);
        report.digests();
        if args.events_topic.is_none() {
            // Whether the log has more than the ledger, and whether a running worker gets there.
            let ledger = claims.iter().map(|claim| (claim.head.partition, claim.head.next_offset));
            let (ledger, ends) = (ledger.collect(), ends_before?);
            report.behind = behind(&args.connection, &log.topic, &ledger, &ends, self.stop)?;
            if let (Side::Worker(url), false) = (&self.side, report.behind.is_empty()) {
                let node = ledgers.node(url);
                report.stays_behind = !catches_up(&node, &report.behind, self.stop)?;
            }
        }
        if differing.is_empty() {
            report.verdict = Verdict::Identical;
            return Ok(());
        }
        report.verdict = Verdict::Differs;
        let origins = self.trace(&LogPart { ranges: differing, ..log }, &report.differences);
        match origins {
            Ok(origins) => report.explain(origins),
            Err(error) if matches!(error, RecomputeError::Interrupted) => return Err(error.into()),
            // That it differs is known all the same.
            Err(error) => report.reason = Some(format!("the records cannot be named: {error}")),
        }
        Ok(())
    }

    /// The records that the ledger is to be made of.
    fn log(
        &self,
        claims: &[Claim],
        head: &LedgerHead,
        cluster: &ClusterInfo,
    ) -> anyhow::Result<LogPart> {
        let connection = &self.args.connection;
        let version = {
            let reader = EventReader::new(self.schemas)?;
            fold_version(&reader.book.fingerprints(), connection.registry.is_some())
        };
        for claim in claims {
            let LedgerHead { partition, next_offset, .. } = claim.head;
            let same = LedgerHead { partition, next_offset, ..head.clone() };
            if claim.head != same {
                bail!("its partitions are of different logs or rules: was the worker restarted?");
            }
        }
        if head.fold_version != version {
            bail!(
                "the ledger was made by the rules {}, and this program has {version}: take the \
                 version of Laju that made it, and its --schema and --registry",
                harmless(&head.fold_version)
            );
        }
        let topic = match &self.args.events_topic {
            Some(copy) => copy.clone(),
            None => connection.topic(&EVENTS),
        };
        if self.args.events_topic.is_none() {
            for (what, of_ledger, here) in
                [("cluster", &head.cluster_id, &cluster.cluster_id), ("topic", &head.topic, &topic)]
            {
                if of_ledger != here {
                    bail!(
                        "the ledger was made from {what} {}, and this is {here}: check --brokers \
                         and --topic-prefix, or name a copy of the log with --events-topic",
                        harmless(of_ledger)
                    );
                }
            }
            // Where one of both has none, the brokers were of before Kafka 2.8.
            let here = topic_id(connection, &topic, READ_TIMEOUT)?;
            if let (Some(of_ledger), Some(here)) = (&head.topic_id, &here)
                && of_ledger != here
            {
                bail!(
                    "the ledger was made from {topic} with the id {}, and the topic of that name \
                     has the id {here}: it was deleted and made again",
                    harmless(of_ledger)
                );
            }
        }
        let Some(partitions) = cluster.partitions(&topic) else {
            bail!("there is no topic {topic} that this user may see");
        };
        if head.partitions != partitions {
            bail!(
                "the ledger was made from {} partitions, and {topic} has {partitions}",
                head.partitions
            );
        }
        let mut offsets: BTreeMap<u32, i64> =
            claims.iter().map(|claim| (claim.head.partition, claim.head.next_offset)).collect();
        if self.args.events_topic.is_some() {
            // Where a record of the log stands in its copy is not known: all of it is folded.
            for (partition, (_, end)) in ends(connection, &topic)? {
                offsets.entry(partition).and_modify(|offset| *offset = end);
            }
        }
        Ok(LogPart::until(topic, partitions, &offsets))
    }

    fn fold(&self, log: &LogPart, report: &mut Report) -> anyhow::Result<PartitionLedgers> {
        let bar = bar("folding the log again", log.offsets(), self.args.json);
        let begun = Instant::now();
        let mut records = 0;
        let told = &mut |read, passed| {
            records = read;
            bar.set_position(passed);
        };
        let connection = &self.args.connection;
        let ledgers = ledgers_of(connection, log, self.schemas, self.stop, told);
        bar.finish_and_clear();
        report.took(records, begun.elapsed());
        Ok(ledgers?)
    }

    /// Folds what differs once more, record by record.
    fn trace(&self, log: &LogPart, differences: &Differences) -> Result<Origins, RecomputeError> {
        let mut origins = Origins::of(differences);
        let bar = bar("looking for the records", log.offsets(), self.args.json);
        let told = &mut |_, passed| bar.set_position(passed);
        let connection = &self.args.connection;
        let every_record = 1;
        commits_of(connection, log, self.schemas, every_record, self.stop, told, &mut |commit| {
            origins.see(commit);
        })?;
        bar.finish_and_clear();
        Ok(origins)
    }
}

/// Compares a partition. Of one whose digests are the same only what they do not cover is looked at.
fn held(
    claim: &Claim,
    folded: &PartitionLedgers,
    offsets: Offsets,
) -> anyhow::Result<(Part, Differences)> {
    let partition = claim.head.partition;
    let Some(part) = folded.0.get(&partition) else {
        bail!("partition {partition} was not folded");
    };
    let view = &part.view;
    let digest_of_log = LedgerDigest::of(part);
    let mut differences = Differences::default();
    if digest_of_log == claim.digest {
        let of_log = refused(view).collect();
        differences.refused = compare_refused(claim.refused()?, of_log, offsets);
    } else {
        differences = compare(partition, claim.rows()?, Rows::of(part), offsets);
        if differences.is_empty() {
            bail!(
                "partition {partition}: the digests differ, and no row does: the ledger is written \
                 in another way than this version writes it"
            );
        }
    }
    let part = Part {
        partition,
        next_offset: claim.head.next_offset,
        folded_to: view.next_offset,
        postings: posting_count(&part.ledger),
        kiosks: view.kiosks.len() as u64,
        subjects: view.subjects,
        digest: claim.digest,
        digest_of_log,
        is_identical: differences.is_empty(),
    };
    Ok((part, differences))
}
