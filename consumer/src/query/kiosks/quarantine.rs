//! What could not be counted, why, and what was decided about it.

use std::collections::BTreeMap;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::{Origin, Reason};
use laju_schemas::{EventId, QuarantineDecision, RegionCode, RegionTable, TimestampMs};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::projection::quarantine::{QuarantineKey, QuarantinedRecord};
use crate::query::QueryError;
use crate::query::answer::Evidence;
use crate::query::days::{Days, KnownAt};
use crate::query::kiosks::decided::{Effect, effect};
use crate::query::question::{Endpoint, Question, limit, nation, rows};
use crate::query::scope::{concerned, region_name};
use crate::query::view::View;

/// How many of the latest records are shown where nothing else is asked for.
pub const LATEST: u32 = 50;
/// The most that can be asked for.
pub const MOST_LATEST: u32 = 1_000;

/// What could not be counted, and why.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QuarantineQuestion {
    /// Only records that name this region as home or service region; all if it is not given.
    #[arg(long, value_name = "REGION", default_value_t = RegionCode::NATION)]
    #[serde(default = "nation")]
    #[param(example = "18")]
    pub within: RegionCode,
    /// How many of the latest records at most; all are counted; 50 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=MOST_LATEST.into()))]
    #[serde(default, deserialize_with = "limit::<0, MOST_LATEST, _>")]
    #[param(minimum = 0, maximum = 1000)]
    pub limit: Option<u32>,
}

impl Endpoint for QuarantineQuestion {
    const PATH: &'static str = "/v1/quarantine";
    type Days = KnownAt;
    type Answer = Quarantine;
}

impl Question for QuarantineQuestion {
    const ID: &'static str = "list_quarantine";
    const TAG: &'static str = "kiosks and events";
    const ANSWER: &'static str = "What could not be counted";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        quarantine(view, days.known_at, self.within, rows(self.limit, LATEST))
    }
}

/// What could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantine {
    /// Records that name this region as home or service region; of the nation all of them.
    pub within: RegionCode,
    /// The day after which records do not count; none if all do.
    pub known_at: Option<Date>,
    /// All of them, whatever was decided about them since.
    pub total: u64,
    /// Those of them that are unknown still: neither discarded nor released with the event sent again
    /// in this answer. `missing` counts these.
    pub open: u64,
    /// Those released, as far as the events sent again are in this answer.
    pub released: u64,
    /// Those discarded.
    pub discarded: u64,
    /// All of them by reason, in the order in which reasons are looked for; only those that occur.
    pub reasons: Vec<ReasonCount>,
    /// The latest ones, the newest first.
    pub latest: Vec<QuarantinedRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// How often a reason occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason.
    pub reason: Reason,
    /// How often.
    pub count: u64,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedRow {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// What exactly was wrong.
    pub detail: String,
    /// The event that it says it is, if it can be read.
    pub event_id: Option<EventId>,
    /// The home region that it names, if it can be read and is known.
    pub home_region: Option<RegionCode>,
    /// The service region that it names, if it can be read and is known.
    pub service_region: Option<RegionCode>,
    /// The kiosk that it names, if it can be read.
    pub kiosk_id: Option<String>,
    /// The sequence that it names, if it can be read.
    pub sequence: Option<u32>,
    /// What was decided about it, if anything was.
    pub decision: Option<RecordDecision>,
}

/// What somebody decided about a record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordDecision {
    /// What is to become of it.
    pub decision: Decision,
    /// Who decided.
    pub decided_by: String,
    /// Why.
    pub reason: String,
    /// When, by the clock of who decided.
    pub decided_at: TimestampMs,
    /// The partition of the events topic that a released event was sent to.
    pub released_partition: Option<u32>,
    /// Its offset there.
    pub released_offset: Option<i64>,
}

impl From<&QuarantineDecision> for RecordDecision {
    fn from(decision: &QuarantineDecision) -> Self {
        Self {
            decision: decision.decision,
            decided_by: decision.decided_by.clone(),
            reason: decision.reason.clone(),
            decided_at: decision.decided_at,
            released_partition: decision.released_partition,
            released_offset: decision.released_offset,
        }
    }
}

/// A kiosk's events that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskQuarantine {
    /// Its sequences of which no event counts because it could not be counted; those not that
    /// somebody discarded lately. Events that cannot be read are not among them.
    pub open: u64,
    /// The latest records of those sequences, the newest first, at most 100.
    pub latest: Vec<QuarantinedRow>,
}

/// What could not be counted of the records recorded up to `known_at` (`None` for all) that name a
/// region (the nation: all of them): counts by reason, and the latest records, at most `limit`. What
/// was decided about them is reported as it is known now.
///
/// # Errors
/// If there is no such region.
pub fn quarantine(
    view: &View,
    known_at: Option<Date>,
    within: RegionCode,
    limit: usize,
) -> Result<Quarantine, QueryError> {
    region_name(within)?;
    let region = RegionTable::get().index_of(within);
    let names = |key: &QuarantineKey| region.is_none_or(|region| concerned(key).contains(&region));
    let window = Days { as_of: None, known_at, ahead: false }.window();
    let mut reasons = BTreeMap::new();
    let mut latest: Vec<(u32, &QuarantinedRecord)> = Vec::new();
    for (partition, part) in &view.snapshot.partitions {
        let tally = &part.quarantine;
        let counts = tally.counts.iter().filter(|(key, _)| window.knows(key.recorded));
        for (key, count) in counts.filter(|(key, _)| names(key)) {
            *reasons.entry(key.reason).or_insert(0) += count;
        }
        let known = tally.latest.iter().filter(|record| window.knows(record.key.recorded));
        let known = known.filter(|record| names(&record.key));
        latest.extend(known.map(|record| (*partition, record)));
    }
    latest.sort_unstable_by_key(|(partition, record)| {
        std::cmp::Reverse((record.timestamp, *partition, record.offset))
    });
    latest.truncate(limit);
    let total = reasons.values().sum::<u64>();
    let (mut released, mut discarded) = (0, 0);
    for decision in view.decisions.all() {
        if let Effect::Closed(key) = effect(&view.snapshot, decision)
            && window.knows(key.recorded)
            && names(&key)
        {
            match decision.decision {
                Decision::Released => released += 1,
                Decision::Discarded => discarded += 1,
                // The book keeps none, and it closes nothing.
                Decision::UnknownSchema | Decision::Unknown => {}
            }
        }
    }
    Ok(Quarantine {
        within,
        known_at,
        total,
        open: total.saturating_sub(released + discarded),
        released,
        discarded,
        reasons: reasons.into_iter().map(|(reason, count)| ReasonCount { reason, count }).collect(),
        latest: latest
            .into_iter()
            .map(|(partition, record)| row(view, partition, record))
            .collect(),
        evidence: view.evidence(),
    })
}

/// What could not be counted of a kiosk: `uncounted` are the sequences of its quarantined records
/// of which no event counts.
pub(crate) fn of_kiosk(view: &View, id: &str, mut uncounted: RoaringBitmap) -> KioskQuarantine {
    const SHOWN: usize = 100;
    let mut latest = Vec::new();
    let mut discarded = RoaringBitmap::new();
    for (partition, part) in &view.snapshot.partitions {
        for record in &part.quarantine.latest {
            let Some((kiosk, sequence)) = &record.origin else { continue };
            if kiosk != id || !uncounted.contains(*sequence) {
                continue;
            }
            let row = row(view, *partition, record);
            match row.decision.as_ref().map(|decision| decision.decision) {
                Some(Decision::Discarded) => {
                    discarded.insert(*sequence);
                }
                _ => latest.push(row),
            }
        }
    }
    uncounted -= discarded;
    latest
        .sort_unstable_by_key(|row| std::cmp::Reverse((row.timestamp, row.partition, row.offset)));
    latest.truncate(SHOWN);
    KioskQuarantine { open: uncounted.len(), latest }
}

fn row(view: &View, partition: u32, record: &QuarantinedRecord) -> QuarantinedRow {
    let decision = view.decisions.get(Origin { partition, offset: record.offset });
    let code = |region| RegionTable::get().at(region).code;
    QuarantinedRow {
        partition,
        offset: record.offset,
        timestamp: TimestampMs(record.timestamp),
        reason: record.key.reason,
        detail: record.detail.clone(),
        event_id: record.event_id,
        home_region: record.key.home.map(code),
        service_region: record.key.service.map(code),
        kiosk_id: record.origin.as_ref().map(|(kiosk, _)| kiosk.clone()),
        sequence: record.origin.as_ref().map(|(_, sequence)| *sequence),
        decision: decision.map(|decision| RecordDecision::from(&**decision)),
    }
}
