//! What could not be counted, why, and what was decided about it.

use std::collections::BTreeMap;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::decision::Decision;
use laju_schemas::quarantine::Origin;
use laju_schemas::{RegionCode, RegionTable, TimestampMs};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::projection::snapshot::{QuarantineKey, QuarantinedRecord};
use crate::query::answer::{
    KioskQuarantine, Quarantine, QuarantinedRow, ReasonCount, RecordDecision,
};
use crate::query::days::{Days, KnownAt};
use crate::query::kiosks::decided::{Effect, effect};
use crate::query::kiosks::missing::concerned;
use crate::query::question::{Endpoint, Question, limit, nation, rows};
use crate::query::view::View;
use crate::query::{QueryError, region_name};

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
