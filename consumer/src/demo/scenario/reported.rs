//! The figures that offices gave the press, read from `schemas/data/reported-figures.csv`: the
//! one place where the demo's numbers come from. The plan aims at them, and what must come out is
//! derived from them; neither is typed in twice.

use std::collections::HashMap;

use jiff::civil::Date;
use laju_schemas::RegionCode;

const CSV: &str = include_str!("../../../../schemas/data/reported-figures.csv");

/// A case of the file.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) region: RegionCode,
    pub(super) as_of: Date,
    pub(super) value: u32,
    pub(super) denominator: Option<u64>,
    pub(super) note: String,
}

/// Every case, by its id.
pub(super) struct Cases(HashMap<String, Case>);

impl Cases {
    pub(super) fn read() -> Self {
        let rows = csv::Reader::from_reader(CSV.as_bytes())
            .into_records()
            .map(|row| row.ok().and_then(|row| case(&row)))
            .collect::<Option<_>>();
        Self(rows.expect("the file is part of the program and read by its tests"))
    }

    /// The case of an id.
    ///
    /// # Panics
    /// If the file has none: it is part of the program.
    pub(super) fn get(&self, id: &str) -> &Case {
        self.0.get(id).unwrap_or_else(|| panic!("reported-figures.csv has no case {id}"))
    }
}

fn case(row: &csv::StringRecord) -> Option<(String, Case)> {
    let denominator = row.get(6)?;
    let case = Case {
        region: RegionCode::parse(row.get(1)?)?,
        as_of: row.get(2)?.parse().ok()?,
        value: row.get(4)?.parse().ok()?,
        denominator: if denominator.is_empty() { None } else { Some(denominator.parse().ok()?) },
        note: row.get(10)?.to_owned(),
    };
    Some((row.get(0)?.to_owned(), case))
}
