//! What was sent and what became of it.

use std::time::Instant;

use laju_simulation::Trouble;
use serde::Serialize;

use crate::cli::stop::Stop;

/// What was sent and what became of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) records: u64,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) late: u64,
    pub(super) bad: u64,
    pub(super) value_bytes: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) unconfirmed: u64,
    pub(super) seconds: f64,
    pub(super) per_second: u64,
    pub(super) interrupted: bool,
    pub(super) statuses: u64,
    pub(super) first_failure: Option<String>,
}

impl Summary {
    pub(super) fn count(&mut self, trouble: Option<Trouble>) {
        self.records += 1;
        match trouble {
            Some(Trouble::Duplicate) => self.duplicates += 1,
            Some(Trouble::Late) => self.late += 1,
            Some(Trouble::Bad(_)) => self.bad += 1,
            None => {}
        }
    }

    /// Once everything is sent.
    pub(super) fn end(&mut self, began: Instant, stop: &Stop) {
        self.interrupted = stop.is_asked_for();
        self.seconds = began.elapsed().as_secs_f64();
        self.per_second = (self.delivered as f64 / self.seconds.max(1e-9)) as u64;
    }

    pub(super) fn print(&self) {
        match self.value_bytes / self.records.max(1) {
            0 => println!("records     {:>12}", self.records),
            mean => println!("records     {:>12}   {mean} bytes each on average", self.records),
        }
        if self.accepted > 0 {
            println!("accepted    {:>12}   by the kiosks' agents", self.accepted);
        }
        println!("duplicates  {:>12}", self.duplicates);
        println!("late        {:>12}", self.late);
        println!("bad         {:>12}", self.bad);
        println!(
            "delivered   {:>12}   {} a second, in {:.1} s",
            self.delivered, self.per_second, self.seconds
        );
        println!("failed      {:>12}", self.failed);
        if self.unconfirmed > 0 {
            println!("unconfirmed {:>12}", self.unconfirmed);
        }
        println!("statuses    {:>12}", self.statuses);
        if self.interrupted {
            println!("ended early, by a signal");
        }
    }
}
