//! What questions cost on one core without Kafka, HTTP or a fold beside them: a simulated log is
//! folded in memory, and every question is asked of the state after it, with nothing but the
//! parameters that it needs, and of a past day.
//!
//! `cargo bench -p laju-consumer --bench questions -- [--events N] [--rounds N] [--seed N] [--only TEXT]`
//!
//! The first time is that of the first question of its kind, which makes what is kept for the others;
//! then the median and the longest of the rounds, and the size of the answer.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use jiff::civil::Date;
use laju_consumer::domain::admission::{Verdict, clamp_timestamp, judge};
use laju_consumer::domain::day::Day;
use laju_consumer::ingest::batch::Batch;
use laju_consumer::projection::node_ledger::NodeLedger;
use laju_consumer::projection::partition::{PartitionState, RecordMark};
use laju_consumer::projection::partition_view::PartitionView;
use laju_consumer::projection::snapshot::Snapshot;
use laju_consumer::query::days::{Days, KnownAt, NoDays};
use laju_consumer::query::explanations::change::ChangeQuestion;
use laju_consumer::query::explanations::evidence::EvidenceQuestion;
use laju_consumer::query::explanations::parts::Axis;
use laju_consumer::query::explanations::postings::{ActiveAccount, PostingsQuestion};
use laju_consumer::query::figures::breakdown::{BreakdownQuestion, By};
use laju_consumer::query::figures::flows::{FlowsQuestion, RegionFlowsQuestion};
use laju_consumer::query::figures::outreach::{OutreachQuestion, VisitQuestion};
use laju_consumer::query::figures::pace::PaceQuestion;
use laju_consumer::query::figures::pace_list::PaceListQuestion;
use laju_consumer::query::figures::progress::{ProgressListQuestion, ProgressQuestion};
use laju_consumer::query::figures::series::{SeriesQuestion, Step};
use laju_consumer::query::kiosks::list::KiosksQuestion;
use laju_consumer::query::kiosks::quarantine::QuarantineQuestion;
use laju_consumer::query::question::{Level, Question};
use laju_consumer::query::quoted;
use laju_consumer::query::view::{ReferenceView, View};
use laju_schemas::RegionCode;
use laju_schemas::known::EventReader;
use support::{PARTITIONS, memory, play, scenario};

/// Records between two commits.
const COMMIT_RECORDS: usize = 200_000;
/// What a question may take at most.
const AIM: Duration = Duration::from_millis(100);

#[derive(Parser)]
struct Options {
    /// How many events are folded; the figures of the documents are of 20,000,000.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// How often each question is asked after the first time.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The same seed gives the same log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only questions whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// `cargo bench` gives this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Folds the log, and gives the state after it.
fn fold(options: &Options) -> View {
    let mut reader = EventReader::new(&[]).expect("our own schemas can be read");
    let mut partitions: Vec<_> = (0..PARTITIONS).map(PartitionState::new).collect();
    let mut views: Vec<_> = (0..PARTITIONS).map(PartitionView::empty).collect();
    let mut offsets = [0_i64; PARTITIONS as usize];
    let mut ledger = NodeLedger::default();
    let mut commit = |partitions: &mut [PartitionState]| {
        for (partition, view) in partitions.iter_mut().zip(&mut views) {
            if let Some(mut commit) = partition.take_commit() {
                let cells = std::mem::take(&mut commit.cells);
                ledger.note(commit.partition, &commit.names, cells);
                *view = view.after(commit);
            }
        }
        ledger.post();
    };
    let (mut batch, mut uncommitted, mut latest) = (Batch::default(), 0, 0);
    let Ok(()) = play(scenario(options.events, options.seed), |record, value| {
        let partition = record.partition(PARTITIONS);
        let offset = &mut offsets[partition as usize];
        let (key, timestamp) = (record.key().0, record.recorded_at.0);
        let digest = RecordMark::digest(Some(&key), Some(value));
        let mark = RecordMark { offset: *offset, timestamp, digest };
        *offset += 1;
        latest = latest.max(timestamp);
        let clamped = clamp_timestamp(timestamp);
        match judge(&mut reader, Some(&key), Some(value), partition, PARTITIONS, clamped) {
            Verdict::Counted(event) => batch.counted(partition, mark, &event),
            other => panic!("the log has no bad records, but: {other:?}"),
        }
        uncommitted += 1;
        if uncommitted % 512 == 0 {
            batch.apply(0, &mut partitions);
        }
        if uncommitted % COMMIT_RECORDS == 0 {
            commit(&mut partitions);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    batch.apply(0, &mut partitions);
    commit(&mut partitions);
    let views = views.into_iter().map(|view| (view.partition, Arc::new(view)));
    let snapshot = Snapshot::of(views.collect(), &ledger);
    let today = Day::recorded(latest).date();
    View::alone("bench", "bench", snapshot, ReferenceView::default(), today)
}

struct Asking<'a> {
    options: &'a Options,
    view: &'a View,
    slow: Vec<String>,
}

impl Asking<'_> {
    fn ask<Q: Question>(&mut self, question: &Q, days: &Q::Days) {
        self.time(&question.link(days), || question.answer(days, self.view).expect("an answer"));
    }

    fn time<T: serde::Serialize>(&mut self, name: &str, mut answer: impl FnMut() -> T) {
        if !name.contains(&self.options.only) {
            return;
        }
        let mut size = 0;
        let mut times: Vec<Duration> = (0..=self.options.rounds)
            .map(|_| {
                let begun = Instant::now();
                size = serde_json::to_vec(&answer()).expect("answers can be written").len();
                begun.elapsed()
            })
            .collect();
        let first = times.remove(0);
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (middle, longest) = match times.last() {
            Some(longest) => (times[times.len() / 2], *longest),
            None => (first, first),
        };
        let remark = if longest > AIM { "  over 100 ms" } else { "" };
        println!(
            "{:>9.2} {:>9.2} {:>9.2} ms {size:>9} B  {name}{remark}",
            ms(first),
            ms(middle),
            ms(longest)
        );
        if longest > AIM {
            self.slow.push(name.to_owned());
        }
    }

    fn ask_all(&mut self) {
        let (today, none) = (self.view.today, Days::default());
        let before = |days: i32| -> Date {
            today.checked_sub(jiff::Span::new().days(days)).expect("a day of these years")
        };
        let (from, middle) = (before(365), before(60));
        let past = Days { as_of: Some(middle), known_at: None, ahead: false };
        let known = Days { as_of: None, known_at: Some(middle), ahead: false };
        let both = Days { as_of: Some(middle), known_at: Some(middle), ahead: false };
        let city: RegionCode = "18.71".parse().expect("a code");
        let nation = RegionCode::NATION;
        for days in [none, past, known, both] {
            for level in [Level::Regency, Level::Province] {
                self.ask(&ProgressListQuestion { level, within: nation }, &days);
            }
            let pace = Days { as_of: days.as_of, known_at: days.known_at, ahead: false };
            self.ask(&PaceListQuestion { level: Level::Regency, within: nation }, &pace);
            self.ask(&flows(nation), &days);
            self.ask(&flows(city), &days);
            self.ask(&visits(nation), &days);
            self.ask(&visits(city), &days);
            for code in [city, "32".parse().expect("a code"), nation] {
                self.ask(&ProgressQuestion { code }, &days);
                self.ask(&SeriesQuestion { code, from, to: today, step: Step::Day }, &days);
                self.ask(&PaceQuestion { code, from: None, to: None }, &pace);
                self.ask(&EvidenceQuestion { code }, &days);
                self.ask(&RegionFlowsQuestion { code }, &days);
                for by in [By::Channel, By::Outreach, By::ServiceRegion, By::DeferralReason] {
                    self.ask(&BreakdownQuestion::of(code, by), &days);
                }
            }
        }
        let spring =
            OutreachQuestion { from: Some(before(300)), to: Some(middle), ..visits(nation) };
        self.ask(&spring, &none);
        let list = visits(nation).answer(&none, self.view).expect("an answer");
        if let Some(visit) = list.rows.first() {
            for days in [none, past, known] {
                let question = VisitQuestion { id: visit.outreach_id.clone() };
                if question.answer(&days, self.view).is_ok() {
                    self.ask(&question, &days);
                }
            }
        }
        for code in [city, nation] {
            let axis = Axis::KnownAt;
            self.ask(&ChangeQuestion { code, from: before(7), to: today, axis }, &none);
            self.ask(&ChangeQuestion { code, from, to: today, axis }, &none);
            self.ask(&ChangeQuestion { code, from, to: today, axis: Axis::AsOf }, &none);
            for account in [ActiveAccount::Activations, ActiveAccount::MovesIn] {
                self.ask(&PostingsQuestion::of(code, account), &NoDays {});
            }
            let figure = quoted::quote(self.view, code, &known, (None, None)).expect("a figure");
            self.time(&format!("quoting {code}"), || {
                quoted::quote(self.view, code, &none, (None, None)).expect("a figure").digest
            });
            self.time(&format!("a quoted figure of {code} now"), || {
                quoted::then_and_now(self.view, &figure).expect("an answer")
            });
        }
        self.ask(&KiosksQuestion::default(), &NoDays {});
        self.ask(&QuarantineQuestion { within: nation, limit: None }, &KnownAt::default());
    }
}

fn flows(within: RegionCode) -> FlowsQuestion {
    FlowsQuestion { within, limit: None, after: None }
}

fn visits(within: RegionCode) -> OutreachQuestion {
    OutreachQuestion { within, from: None, to: None, limit: None, after: None }
}

fn main() {
    let options = Options::parse();
    let begun = Instant::now();
    let view = fold(&options);
    let cells = view.snapshot.ledger.len();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} events, {cells} cells, folded in {seconds:.1} s", options.events);
    let before = memory("VmRSS");
    println!("    first    median   longest");
    let mut asking = Asking { options: &options, view: &view, slow: Vec::new() };
    asking.ask_all();
    let kept = memory("VmRSS").saturating_sub(before) as f64 / 1e6;
    println!("{} over {} ms; {kept:.0} MB more than before", asking.slow.len(), AIM.as_millis());
}
