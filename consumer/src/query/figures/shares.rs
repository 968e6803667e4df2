//! What share of its denominators, and of its target, a region's people are.

use laju_schemas::RegionCode;
use laju_schemas::share::Share;

use crate::domain::reference::Target;
use crate::query::answer::{DenominatorShare, TargetShare};
use crate::query::days::Days;
use crate::query::view::View;

/// Activated people as a part of something: the books balance, so that there never are fewer
/// than none.
fn part(activated: i64) -> u64 {
    u64::try_from(activated).unwrap_or(0)
}

/// The denominators that apply on the day of a question.
pub(crate) fn denominators(
    view: &View,
    region: RegionCode,
    activated: i64,
    days: &Days,
) -> Vec<DenominatorShare> {
    let Some(known_at) = days.known_until() else { return Vec::new() };
    let book = &view.reference.book;
    let found = book.denominators(region, days.day(view.today), known_at);
    let shares = found.into_iter().map(|denominator| DenominatorShare {
        basis: denominator.basis,
        value: denominator.value,
        coverage_percent: Share::of(part(activated), denominator.value),
        valid_from: denominator.valid_from,
        source: denominator.source,
        reference_id: denominator.reference_id,
    });
    shares.collect()
}

/// The target that applies on the day of a question.
pub(crate) fn applicable_target(view: &View, region: RegionCode, days: &Days) -> Option<Target> {
    let known_at = days.known_until()?;
    view.reference.book.target(region, days.day(view.today), known_at)
}

/// What share of a target so many people are; `None` of a target of nobody.
pub(crate) fn attainment(target: &Target, activated: i64) -> Option<Share> {
    let (numerator, denominator) = target.exact;
    Share::of_fraction(part(activated), numerator, denominator)
}

/// The target that applies on the day of a question, and what share of it is reached.
pub(crate) fn target(
    view: &View,
    region: RegionCode,
    activated: i64,
    days: &Days,
) -> Option<TargetShare> {
    let target = applicable_target(view, region, days)?;
    Some(TargetShare {
        kind: target.kind,
        percent: target.percent,
        basis: target.basis,
        people: target.people,
        attainment_percent: attainment(&target, activated),
        valid_from: target.valid_from,
        valid_to: target.valid_to,
        source: target.source,
        reference_id: target.reference_id,
        inherited_from: target.inherited_from,
    })
}
