//! Makes revisions: finds out which regions' states have changed from one moment to the next.

use std::sync::Arc;

use jiff::civil::Date;
use laju_schemas::position::Position;
use laju_schemas::{RegionCode, RegionTable};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::revision::{Revision, State};
use super::selection::Place;
use crate::query::QueryError;
use crate::query::answer::SilentKiosk;
use crate::query::days::Days;
use crate::query::figures::progress::{self, ProgressRow};
use crate::query::figures::sums::{Totals, sum_within};
use crate::query::kiosks::missing::Unknown;
use crate::query::kiosks::silence::Silent;
use crate::query::scope::Scope;
use crate::query::view::{ReferenceView, View};

/// One region's latest state, as the live stream tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveRow {
    /// The day that the figures speak of: today in the programme's zone.
    pub(crate) as_of: Date,
    /// The same as a row of all regions' progress.
    #[serde(flatten)]
    pub(crate) row: ProgressRow,
}

/// Makes one revision after the other, of ever later moments.
pub struct Revisions {
    run: Arc<str>,
    latest: Option<Latest>,
}

/// The latest revision, and what it was made of.
struct Latest {
    revision: Arc<Revision>,
    reference: Arc<ReferenceView>,
    today: Date,
    /// By place.
    parts: Vec<Parts>,
}

/// What a region's state is made of, beside reference figures and today: while these are the same,
/// so is the state.
#[derive(PartialEq)]
struct Parts {
    sums: Totals,
    unknown: Unknown,
    silent: Vec<SilentKiosk>,
}

impl Revisions {
    /// Those of a run of the program: a name of letters and digits that no other run has.
    #[must_use]
    pub fn new(run: &str) -> Self {
        Self { run: run.into(), latest: None }
    }

    /// The revision of a moment: the one before, if no region's state has changed since; and the
    /// position of the moment, up to which it is the latest.
    ///
    /// # Errors
    /// If a region of the table cannot be answered, which none is.
    pub fn next(&mut self, view: &View) -> Result<(Arc<Revision>, Arc<Position>), QueryError> {
        let silent = Silent::of(view);
        let parts = parts(view, &silent)?;
        let before = self.latest.as_ref();
        let number = before.map_or(1, |before| before.revision.number + 1);
        let all_differ = before.is_none_or(|before| {
            before.today != view.today || !Arc::ptr_eq(&before.reference, &view.reference)
        });
        let mut states = Vec::with_capacity(parts.len());
        for (place, part) in Place::all().zip(&parts) {
            let old = before.map(|before| (&before.revision.states[place.at()], before));
            let kept = old.filter(|(_, before)| !all_differ && before.parts[place.at()] == *part);
            if let Some((state, _)) = kept {
                states.push(state.clone());
                continue;
            }
            let json = json(view, place.code(), &part.sums, &silent)?;
            let same = old.map(|(state, _)| state).filter(|state| *state.json == *json);
            states.push(same.cloned().unwrap_or(State { changed: number, json: json.into() }));
        }
        let unchanged = before.filter(|_| states.iter().all(|state| state.changed < number));
        let revision = match unchanged {
            Some(before) => Arc::clone(&before.revision),
            None => {
                let fold = xxh3_64(view.fold_version.as_bytes()) as u32;
                let (before, at) =
                    (before.map(|b| &*b.revision), (view.position.clone(), view.now.0));
                Arc::new(Revision::after(before, (&self.run, fold), at, states))
            }
        };
        let (reference, today) = (Arc::clone(&view.reference), view.today);
        let upto = Arc::new(view.position.clone());
        let latest = (Arc::clone(&revision), upto);
        self.latest = Some(Latest { revision, reference, today, parts });
        Ok(latest)
    }
}

fn parts(view: &View, silent: &Silent) -> Result<Vec<Parts>, QueryError> {
    let parts = Place::all().map(|place| {
        let code = place.code();
        let scope = Scope::of(code)?;
        let index = RegionTable::get().index_of(code);
        Ok(Parts {
            sums: sum_within(view.sums.totals(), &scope),
            unknown: view.gaps.of(index),
            silent: silent.within(index).to_vec(),
        })
    });
    parts.collect()
}

fn json(
    view: &View,
    code: RegionCode,
    sums: &Totals,
    silent: &Silent,
) -> Result<Vec<u8>, QueryError> {
    let row = progress::row(view, code, sums, &Days::default(), silent)?;
    // Names and numbers can always be written as JSON.
    Ok(serde_json::to_vec(&LiveRow { as_of: view.today, row }).unwrap_or_default())
}
