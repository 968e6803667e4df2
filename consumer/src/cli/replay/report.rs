//! What a replay says of itself: a bar while it goes on, what it cannot read, and a summary.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::time::Instant;

use indicatif::ProgressBar;
use laju_kafka::read::{Range, RangeReader};
use serde_json::json;

use super::options::ReplayArgs;
use crate::cli::output::styled_bar;
use crate::cli::tables::{harmless, number};
use crate::replay::checkpoint::{Checkpoint, Counts};
use crate::replay::rows::Place;
use crate::replay::run::OnUndecodable;

/// So many records that cannot be read are named; the others are only counted.
const NAMED: u64 = 1_000;

/// Reports on a replay.
pub(super) struct Reporter<'a> {
    json: bool,
    /// Whether rows go to standard output, where nothing else may stand.
    to_stdout: bool,
    begun: Instant,
    ranges: &'a BTreeMap<u32, Range>,
    /// Over the offsets, as those are what is known beforehand.
    pub(super) bar: ProgressBar,
}

impl<'a> Reporter<'a> {
    pub(super) fn of(args: &ReplayArgs, ranges: &'a BTreeMap<u32, Range>) -> Self {
        let to_stdout = args.output.is_none() && args.to_topic.is_none();
        let rows_on_terminal = to_stdout && std::io::stdout().is_terminal();
        // Of a range without an end there is no total, and no bar.
        let total = ranges.values().fold(0, |sum: u64, range| {
            sum.saturating_add(range.to.saturating_sub(range.from).max(0) as u64)
        });
        let template = "replaying {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left  {msg}";
        let is_quiet = args.json || args.follow || rows_on_terminal;
        let bar = styled_bar(template, total, is_quiet);
        Self { json: args.json, to_stdout, begun: Instant::now(), ranges, bar }
    }

    pub(super) fn tell(&self, counts: &Counts, log: &RangeReader) {
        if self.bar.is_hidden() {
            return;
        }
        let from = |partition: &u32| self.ranges.get(partition).map_or(0, |range| range.from);
        let passed =
            log.next_offsets().iter().map(|(p, next)| (next - from(p)).max(0) as u64).sum();
        self.bar.set_position(passed);
        let (matched, read) = (number(counts.matched), number(counts.read));
        self.bar.set_message(format!("{matched} of {read} records"));
    }

    /// Sums up: in JSON if so asked; on standard error where rows are on standard output.
    pub(super) fn summary(&self, out: &mut dyn Write, done: &Checkpoint) -> std::io::Result<()> {
        let text = if self.json { self.as_json(done) } else { self.as_text(done) };
        if self.to_stdout {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "{text}");
            return Ok(());
        }
        writeln!(out, "{text}")
    }

    fn as_json(&self, done: &Checkpoint) -> String {
        let Counts { read, matched, written, undecodable } = done.counts;
        json!({
            "read": read,
            "matched": matched,
            "written": written,
            "undecodable": undecodable,
            "from_offsets": done.from_offsets,
            "next_offsets": done.next_offsets,
            "to_offsets": done.to_offsets,
            "seconds": (self.begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
        })
        .to_string()
    }

    fn as_text(&self, done: &Checkpoint) -> String {
        let Counts { read, matched, written, undecodable } = done.counts;
        let mut text = format!(
            "{} records read, {} wanted, {} written, in {:.1} s",
            number(read),
            number(matched),
            number(written),
            self.begun.elapsed().as_secs_f64()
        );
        if undecodable > 0 {
            text.push_str(&format!("; {} could not be read", number(undecodable)));
        }
        text
    }
}

/// Names records that cannot be read, above the bar.
pub(super) fn name_undecodable(bar: &ProgressBar) -> OnUndecodable<'_> {
    let mut named = 0;
    Box::new(move |place, fault| {
        named += 1;
        let Place { partition, offset, .. } = place;
        let (reason, detail) = (fault.reason, harmless(&fault.detail));
        bar.suspend(|| match named {
            ..=NAMED => tracing::warn!(partition, offset, %reason, "cannot be read: {detail}"),
            _ if named == NAMED + 1 => tracing::warn!("further ones are counted and not named"),
            _ => {}
        });
    })
}
