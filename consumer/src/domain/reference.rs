//! Denominators and targets: which of the recorded figures apply to a region on a day, as known
//! on a day, and how many people a target comes to.
//!
//! Every record is kept, so that what was known on a past day stays as it was. It does not know
//! where records come from, nor how a figure is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use laju_schemas::quoted::TargetKind;
use laju_schemas::reference::{Basis, Percent, ReferenceKind};
use laju_schemas::{ReferenceFigure, ReferenceId, RegionCode, RegionLevel, RegionTable};

use super::day::Day;

/// A reference figure and where it stands in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFigure {
    /// Its offset in `ikd.reference.v1`, which has one partition.
    pub offset: i64,
    /// The day of its record's timestamp, in Asia/Jakarta.
    pub recorded: Day,
    /// The figure.
    pub figure: ReferenceFigure,
}

/// What a coverage is a share of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denominator {
    /// What is counted.
    pub basis: Basis,
    /// People.
    pub value: u64,
    /// The first day on which it applies; of a sum, on which all its parts do.
    pub valid_from: Date,
    /// Where it comes from, as it should be quoted.
    pub source: String,
    /// The record; `None` for a sum of regencies.
    pub reference_id: Option<ReferenceId>,
}

/// What a region is to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it was set.
    pub kind: TargetKind,
    /// The share, unless it was set as a number of people.
    pub percent: Option<Percent>,
    /// What the share is of.
    pub basis: Basis,
    /// The people as an exact fraction, numerator and denominator (which is never 0); attainment
    /// is of this and not of the rounded number.
    pub exact: (u128, u128),
    /// The people, rounded up.
    pub people: u64,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies, if one is set.
    pub valid_to: Option<Date>,
    /// Where it comes from, as it should be quoted.
    pub source: String,
    /// The record.
    pub reference_id: ReferenceId,
    /// The province or nation whose target it is; `None` if it is the region's own.
    pub inherited_from: Option<RegionCode>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It applies, among its region's figures of its kind and basis.
    Current,
    /// One with a later `valid_from` applies in its place.
    Superseded,
    /// Its last day is past.
    Ended,
    /// Its first day is to come.
    NotYetValid,
    /// A later record with the same region, kind, basis and `valid_from` took its place.
    Replaced,
    /// A later record withdrew it.
    Withdrawn,
    /// It has neither value nor percent: it withdraws what was recorded before it.
    Withdrawal,
}

impl Standing {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Ended => "ended",
            Self::NotYetValid => "not_yet_valid",
            Self::Replaced => "replaced",
            Self::Withdrawn => "withdrawn",
            Self::Withdrawal => "withdrawal",
        }
    }
}

/// A record, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The record.
    pub record: &'a RecordedFigure,
    /// What became of it.
    pub standing: Standing,
}

/// What a denominator can count, in the order in which denominators are shown.
const COUNTED: [Basis; 2] = [Basis::WajibKtp, Basis::RecordedKtp];

/// What a target can be set in.
const TARGETED: [Basis; 3] = [Basis::WajibKtp, Basis::RecordedKtp, Basis::Absolute];

/// What a later record replaces: region, kind, basis and `valid_from`.
type Key = (RegionCode, ReferenceKind, Basis, Date);

/// Every figure recorded so far. A clone shares the records with the original.
#[derive(Clone, Debug, Default)]
pub struct ReferenceBook {
    /// The records of each key, in the order of their offsets.
    figures: BTreeMap<Key, Vec<Arc<RecordedFigure>>>,
    next_offset: i64,
    recorded: Day,
}

impl ReferenceBook {
    /// Adds a record. Records are added in the order of their offsets; one that was added before
    /// changes nothing. A `recorded` earlier than one before it counts as that one.
    pub fn add(&mut self, mut record: RecordedFigure) {
        if record.offset < self.next_offset {
            return;
        }
        self.skip(record.offset, record.recorded);
        record.recorded = self.recorded;
        let RecordedFigure { figure, .. } = &record;
        let key = (figure.region, figure.kind, figure.basis, figure.valid_from);
        self.figures.entry(key).or_default().push(Arc::new(record));
    }

    /// Takes note of a record that could not be read: it has an offset and a day like any other.
    pub fn skip(&mut self, offset: i64, recorded: Day) {
        if offset >= self.next_offset {
            self.next_offset = offset + 1;
            self.recorded = self.recorded.max(recorded);
        }
    }

    /// The day on which the last record was recorded, as it counts; the programme's first before
    /// there is one.
    #[must_use]
    pub const fn recorded(&self) -> Day {
        self.recorded
    }

    /// The offset after the last record added or skipped.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The denominators of a region on a day: of each basis the region's own, else, of a province
    /// or the nation, the sum of its regencies' if every one has that basis.
    ///
    /// `known_at` `None` stands for all that is recorded.
    #[must_use]
    pub fn denominators(
        &self,
        region: RegionCode,
        as_of: Date,
        known_at: Option<Day>,
    ) -> Vec<Denominator> {
        COUNTED
            .iter()
            .filter_map(|&basis| self.denominator(region, basis, as_of, known_at))
            .collect()
    }

    /// The target of a region on a day: its own, else the province's, else the nation's.
    ///
    /// Of one region's targets the one with the latest `valid_from` goes first, among equals the
    /// last recorded. A percentage is of the asking region's own denominator of that basis; where
    /// it has none, the target in the next basis is tried, and then the next region. A number of
    /// people counts the people of the region it was set for, so it is never inherited.
    ///
    /// `known_at` `None` stands for all that is recorded.
    #[must_use]
    pub fn target(&self, region: RegionCode, as_of: Date, known_at: Option<Day>) -> Option<Target> {
        let mut issuers = vec![region, region.province(), RegionCode::NATION];
        issuers.dedup();
        issuers.into_iter().find_map(|issuer| {
            let mut targets: Vec<_> = TARGETED
                .iter()
                .filter_map(|&basis| {
                    self.applicable((issuer, ReferenceKind::Target, basis), as_of, known_at)
                })
                .collect();
            targets.sort_by_key(|r| std::cmp::Reverse((r.figure.valid_from, r.offset)));
            targets.into_iter().find_map(|r| self.for_region(r, region, as_of, known_at))
        })
    }

    /// Every record known at `known_at`, in the order of region, kind, basis, `valid_from` and
    /// offset, and what has become of it on the day `as_of`.
    #[must_use]
    pub fn list(&self, as_of: Date, known_at: Option<Day>) -> Vec<Listed<'_>> {
        let mut listed = Vec::new();
        for ((region, kind, basis, _), records) in &self.figures {
            let current = self.applicable((*region, *kind, *basis), as_of, known_at);
            let records = &records[..known(records, known_at)];
            for (at, record) in records.iter().enumerate() {
                let standing = match records.get(at + 1) {
                    _ if is_withdrawal(record) => Standing::Withdrawal,
                    Some(next) if is_withdrawal(next) => Standing::Withdrawn,
                    Some(_) => Standing::Replaced,
                    None if record.figure.valid_from > as_of => Standing::NotYetValid,
                    None if has_ended(record, as_of) => Standing::Ended,
                    None if current.is_some_and(|c| c.offset == record.offset) => Standing::Current,
                    None => Standing::Superseded,
                };
                listed.push(Listed { record, standing });
            }
        }
        listed
    }

    fn denominator(
        &self,
        region: RegionCode,
        basis: Basis,
        as_of: Date,
        known_at: Option<Day>,
    ) -> Option<Denominator> {
        if let Some(record) =
            self.applicable((region, ReferenceKind::Denominator, basis), as_of, known_at)
        {
            return Some(Denominator {
                basis,
                value: record.figure.value?,
                valid_from: record.figure.valid_from,
                source: record.figure.source.clone(),
                reference_id: Some(record.figure.reference_id),
            });
        }
        if region.level() == RegionLevel::Regency {
            return None;
        }
        self.sum_of_regencies(region, basis, as_of, known_at)
    }

    fn sum_of_regencies(
        &self,
        region: RegionCode,
        basis: Basis,
        as_of: Date,
        known_at: Option<Day>,
    ) -> Option<Denominator> {
        let (mut parts, mut value, mut valid_from) = (0, 0, Date::MIN);
        let mut sources = Vec::new();
        let within = RegionTable::get().regencies().filter(|(_, r)| r.code.is_within(region));
        for (_, part) in within {
            let key = (part.code, ReferenceKind::Denominator, basis);
            let figure = &self.applicable(key, as_of, known_at)?.figure;
            parts += 1;
            value += figure.value?;
            valid_from = valid_from.max(figure.valid_from);
            if !sources.contains(&figure.source.as_str()) {
                sources.push(figure.source.as_str());
            }
        }
        let source = match sources[..] {
            // A region that does not exist has no regencies.
            [] => return None,
            [one] => format!("sum of {parts} regencies and cities: {one}"),
            _ => format!("sum of {parts} regencies and cities, {} sources", sources.len()),
        };
        Some(Denominator { basis, value, valid_from, source, reference_id: None })
    }

    /// The record that applies, of one region, kind and basis: of those known and valid, the one
    /// with the latest `valid_from`.
    #[must_use]
    pub fn applicable(
        &self,
        (region, kind, basis): (RegionCode, ReferenceKind, Basis),
        as_of: Date,
        known_at: Option<Day>,
    ) -> Option<&RecordedFigure> {
        let begun = (region, kind, basis, Date::MIN)..=(region, kind, basis, as_of);
        self.figures.range(begun).rev().find_map(|(_, records)| {
            let last = records[..known(records, known_at)].last()?;
            (!is_withdrawal(last) && !has_ended(last, as_of)).then_some(&**last)
        })
    }

    /// A target as it stands for a region, which may inherit it.
    fn for_region(
        &self,
        record: &RecordedFigure,
        region: RegionCode,
        as_of: Date,
        known_at: Option<Day>,
    ) -> Option<Target> {
        let figure = &record.figure;
        let inherited_from = (figure.region != region).then_some(figure.region);
        let (kind, exact) = match (figure.value, figure.percent) {
            (Some(people), _) if inherited_from.is_none() => {
                (TargetKind::Absolute, (u128::from(people), 1))
            }
            (None, Some(percent)) => {
                let of = self.denominator(region, figure.basis, as_of, known_at)?.value;
                let share = u128::from(of) * u128::from(percent.ten_thousandths());
                (TargetKind::Percent, (share, Percent::WHOLE.into()))
            }
            _ => return None,
        };
        Some(Target {
            kind,
            percent: figure.percent,
            basis: figure.basis,
            exact,
            people: u64::try_from(exact.0.div_ceil(exact.1)).unwrap_or(u64::MAX),
            valid_from: figure.valid_from,
            valid_to: figure.valid_to,
            source: figure.source.clone(),
            reference_id: figure.reference_id,
            inherited_from,
        })
    }
}

/// How many of a key's records were known: the days never go back.
fn known(records: &[Arc<RecordedFigure>], known_at: Option<Day>) -> usize {
    known_at.map_or(records.len(), |day| records.partition_point(|r| r.recorded <= day))
}

fn is_withdrawal(record: &RecordedFigure) -> bool {
    record.figure.value.is_none() && record.figure.percent.is_none()
}

fn has_ended(record: &RecordedFigure, as_of: Date) -> bool {
    record.figure.valid_to.is_some_and(|last| last < as_of)
}

#[cfg(test)]
mod tests;
