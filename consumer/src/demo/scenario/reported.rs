//! The figures that offices gave the press, read from `schemas/data/reported-figures.csv`: the
//! one place where the demo's numbers come from. The plan aims at them, and what must come out is
//! derived from them; neither is typed in twice.

use jiff::civil::Date;
use laju_schemas::RegionCode;
use serde::Deserialize;

const CSV: &str = include_str!("../../../../schemas/data/reported-figures.csv");

/// A case of the file.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) region: RegionCode,
    pub(super) as_of: Date,
    pub(super) value: u32,
    pub(super) denominator: Option<u64>,
    pub(super) note: String,
}

/// Every case.
pub(super) struct Cases(Vec<Case>);

impl Cases {
    pub(super) fn read() -> Self {
        let rows = csv::Reader::from_reader(CSV.as_bytes()).into_deserialize();
        let cases: Result<_, _> = rows.collect();
        Self(cases.expect("the file is part of the program and read by its tests"))
    }

    /// The case of an id.
    ///
    /// # Panics
    /// If the file has none: it is part of the program.
    pub(super) fn get(&self, id: &str) -> &Case {
        let mut cases = self.0.iter();
        cases
            .find(|case| case.id == id)
            .unwrap_or_else(|| panic!("reported-figures.csv has no case {id}"))
    }
}
