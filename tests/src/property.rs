//! How property tests run: the same cases every time, and those first that failed once.

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

/// So many cases from this seed, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` say otherwise;
/// seeds that failed stand in `proptest-regressions/`, in the file of this name.
#[must_use]
pub fn config(name: &str, cases: u32, seed: u64) -> Config {
    let seeds = format!("{}/proptest-regressions/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let given = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases },
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(seed),
            fixed => fixed,
        },
        // The persistence wants a text that lives as long as the program.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds.leak()))),
        ..given
    }
}
