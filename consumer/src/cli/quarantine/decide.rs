//! `laju quarantine release|discard`: decides about records, once and for all.

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;

use super::order::{DecideArgs, SelectedRecord};
use super::report::{Already, Done, Report, records};
use crate::cli::output::{answer, bar, exit_code};
use crate::cli::stop;
use crate::ingest::decide::{BYTES_IN_A_TRANSACTION, Decider, IN_A_TRANSACTION, require_rights};
use crate::ingest::stop::Stop;

/// Send records through the fold again.
///
/// Each is judged by the present rules first: one that would be refused again is not sent, nor one
/// that counts at its place by now. An event
/// is sent with its own bytes, the right key, into the right partition; it and the decision are one
/// transaction, so that none is sent twice, also after a crash. Exit code 1 if something asked for
/// is not so in the end.
#[derive(Clone, Debug, Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    pub decide: DecideArgs,
}

/// Decide that records are not to be counted.
///
/// They stay in quarantine, and no longer widen the bounds. What counts is for the rules to say:
/// should later rules count such a record where it stands, it has to be retracted. Exit code 1 if
/// something asked for is not so in the end.
#[derive(Clone, Debug, Args)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    pub decide: DecideArgs,
}

impl ReleaseArgs {
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        self.decide.run(Decision::Released, now, out)
    }
}

impl DiscardArgs {
    pub(super) fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        self.decide.run(Decision::Discarded, now, out)
    }
}

impl DecideArgs {
    fn run(
        &self,
        action: Decision,
        now: TimestampMs,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        if self.origins.is_empty() && self.filter.is_empty() && !self.all {
            bail!(
                "say which records: PARTITION/OFFSET, or --reason, --kiosk, --region, --from, --to, or --all"
            );
        }
        if !self.dry_run {
            require_rights(&self.source.connection)?;
        }
        let mut report = Report::new(action, self.dry_run);
        let chosen = self.choose(action, now, &mut report)?;
        if self.dry_run || chosen.is_empty() {
            report.left = chosen.iter().map(|chosen| chosen.origin.to_string()).collect();
            return self.answer(report, out);
        }
        if !self.is_confirmed(action, &chosen, &report)? {
            bail!("nothing is done");
        }
        let stop = stop::on_signal()?;
        self.decide(action, now, chosen, &stop, &mut report);
        self.answer(report, out)
    }

    /// Whether it is to be done: records that were not named one by one are asked about.
    fn is_confirmed(
        &self,
        action: Decision,
        chosen: &[SelectedRecord],
        report: &Report,
    ) -> anyhow::Result<bool> {
        if self.yes || !self.origins.is_empty() {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            bail!(
                "{} would be {action}: say --yes, or --dry-run to see them",
                records(chosen.len())
            );
        }
        let mut question = format!("{} will be {action} by {}", records(chosen.len()), self.by);
        if !report.refused.is_empty() {
            question.push_str(&format!(
                "; {} would be refused again and stay",
                records(report.refused.len())
            ));
        }
        let stderr = &mut std::io::stderr();
        write!(stderr, "{question}. This cannot be taken back. Go on? [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }

    /// Decides, transaction by transaction, until all is done, somebody asks to stop, or something
    /// is wrong.
    fn decide(
        &self,
        action: Decision,
        now: TimestampMs,
        mut chosen: Vec<SelectedRecord>,
        stop: &Stop,
        report: &mut Report,
    ) {
        let bar = bar("deciding", chosen.len() as u64, self.json);
        let mut done = 0;
        if let Err(error) = self.transact(action, now, &mut chosen, stop, report, &mut |more| {
            done += more;
            bar.inc(more as u64);
        }) {
            report.error = Some(format!("{error:#}"));
        }
        bar.finish_and_clear();
        report.left = chosen[done..].iter().map(|chosen| chosen.origin.to_string()).collect();
        if stop.is_stopped() && report.error.is_none() && !report.left.is_empty() {
            report.error = Some("asked to stop".to_owned());
        }
    }

    fn transact(
        &self,
        action: Decision,
        now: TimestampMs,
        chosen: &mut Vec<SelectedRecord>,
        stop: &Stop,
        report: &mut Report,
        progress: &mut dyn FnMut(usize),
    ) -> anyhow::Result<()> {
        let decider = Decider::open(&self.source.connection)?;
        // From here on nobody else decides: what was decided in the meantime is left alone.
        let decisions = decider.decided()?;
        chosen.retain(|chosen| match decisions.get(chosen.origin) {
            Some(decision) => {
                report.already.push(Already::from(&**decision));
                false
            }
            None => true,
        });
        let mut rest = &chosen[..];
        while !rest.is_empty() && !stop.is_stopped() {
            let (slice, later) = rest.split_at(in_a_transaction(rest));
            let orders: Vec<_> =
                slice.iter().map(|chosen| self.order(action, now, chosen)).collect();
            let decided = decider.commit(&orders)?;
            report.decided.extend(decided.iter().map(Done::from));
            progress(slice.len());
            rest = later;
        }
        Ok(())
    }

    fn answer(&self, report: Report, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let report = report.finish();
        answer(out, self.json.then_some(&report), || report.text())?;
        match report.error {
            Some(error) if !self.json => bail!(error),
            _ => Ok(exit_code(report.ok)),
        }
    }
}

/// How many of the records that are left go into one transaction: it has a number of records and of
/// bytes, as it has to be committed in a time.
fn in_a_transaction(rest: &[SelectedRecord]) -> usize {
    let mut bytes = 0;
    let fits = |chosen: &&SelectedRecord| {
        bytes += chosen.bytes();
        bytes <= BYTES_IN_A_TRANSACTION
    };
    rest.iter().take(IN_A_TRANSACTION).take_while(fits).count().max(1).min(rest.len())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use laju_schemas::quarantine::Origin;

    use super::super::order::Event;
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        release: ReleaseArgs,
    }

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        let base = ["release", "--brokers", "127.0.0.1:1"];
        Cli::try_parse_from([&base[..], args].concat())
    }

    #[test]
    fn a_transaction_has_so_many_records_and_so_many_bytes() {
        let chosen = |bytes: usize| SelectedRecord {
            origin: Origin { partition: 0, offset: 0 },
            event_id: None,
            event: Some(Event {
                subject: laju_schemas::SubjectId([1; 16]),
                value: vec![0; bytes],
                headers: Vec::new(),
            }),
        };
        let of = |sizes: &[usize]| {
            in_a_transaction(&sizes.iter().map(|bytes| chosen(*bytes)).collect::<Vec<_>>())
        };
        assert_eq!((of(&[]), of(&[10; 99]), of(&[10; 250])), (0, 99, IN_A_TRANSACTION));
        let third = BYTES_IN_A_TRANSACTION / 3;
        assert_eq!((of(&[third; 9]), of(&[third, 3 * third, 1])), (3, 1));
        assert_eq!(of(&[BYTES_IN_A_TRANSACTION + 1, 1]), 1, "one is always taken");
    }

    #[test]
    fn who_decides_and_why_have_to_be_said_and_records_are_named_in_one_way() {
        let whole = ["--by", "Sri Rahayu", "--because", "mended"];
        assert!(parse(&[&whole[..], &["3/1042", "0/7"]].concat()).is_ok());
        assert!(
            parse(&[&whole[..], &["--reason", "wrong_key", "--kiosk", "k-1"]].concat()).is_ok()
        );
        for wrong in [
            &["3/1042"][..],
            &["3/1042", "--by", "Sri"],
            &["3/1042", "--because", "mended"],
            &["3/1042", "--by", " ", "--because", "mended"],
            &["3/1042", "--by", &"n".repeat(101), "--because", "mended"],
            &["3/1042", "--by", "Sri", "--because", "a\nb"],
            &["3/1042", "--by", "Sri", "--because", "not 1871012345678901"],
            &["3-1042", "--by", "Sri", "--because", "mended"],
            &["3/1042", "--all", "--by", "Sri", "--because", "mended"],
            &["3/1042", "--reason", "in_future", "--by", "Sri", "--because", "mended"],
            &["--all", "--kiosk", "k-1", "--by", "Sri", "--because", "mended"],
            &["--reason", "no_such", "--by", "Sri", "--because", "mended"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        // Nothing named is not everything.
        let nothing = parse(&whole).unwrap();
        let error = nothing.release.run(TimestampMs(0), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("--all"), "{error}");
    }
}
