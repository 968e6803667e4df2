//! The version of the rules: whatever changes what a log folds to changes it.

use laju_schemas::rules::MAX_AHEAD_MS;
use laju_schemas::{KioskId, RegionTable};
use xxhash_rust::xxh3::xxh3_64;

use super::admission::{LATE_MS, MAX_VALUE_BYTES};
use super::day::{LAST_RECORD_MS, PROGRAMME_START_MS};

/// Counts changes of the rules that no constant shows. Raise it with every change of
/// [`super::admission`], [`super::contribution`] or [`super::fold`] that changes a figure.
const REVISION: u32 = 3;

/// The fold's version: the rules' revision, and a digest of the constants, the region table and
/// the schemas known (by fingerprint; and whether a registry is asked).
#[must_use]
pub fn fold_version(fingerprints: &[u64], registry: bool) -> String {
    let facts = format!(
        "{REVISION} {PROGRAMME_START_MS} {LAST_RECORD_MS} {MAX_AHEAD_MS} {LATE_MS} {MAX_VALUE_BYTES} \
         {} {:x} {fingerprints:x?} {registry}",
        KioskId::MAX_BYTES,
        RegionTable::get().digest(),
    );
    format!("{REVISION}-{:08x}", xxh3_64(facts.as_bytes()) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_figures_changes_the_version() {
        let version = fold_version(&[1], false);
        assert_eq!(version, fold_version(&[1], false));
        assert_ne!(version, fold_version(&[1, 2], false));
        assert_ne!(version, fold_version(&[1], true));
    }
}
