//! The datasets: what each holds, column by column, and how its rows are made.

pub mod balances;
pub mod events;
pub mod kiosks;
pub mod postings;
pub mod quarantine;
pub mod reference;
pub mod regions;
pub mod statuses;

use std::sync::LazyLock;

use laju_schemas::{RegionIndex, RegionTable};

use super::file::WriteError;
use super::table::{Table, Value};

/// Takes rows, each with the day on which it was recorded.
pub type Rows<'a> = &'a mut dyn FnMut(jiff::civil::Date, &[Value<'_>]) -> Result<(), WriteError>;

/// A dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Dataset {
    /// Net amounts by region, day, day of recording and account.
    Balances,
    /// The events that count, straight from the log.
    Events,
    /// What each kiosk has sent.
    Kiosks,
    /// The ledger's rows.
    Postings,
    /// The records of the log that could not be counted.
    Quarantine,
    /// Denominators and targets.
    Reference,
    /// The regions that exist.
    Regions,
    /// What kiosks last said of themselves.
    Statuses,
}

impl Dataset {
    /// Every dataset, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Balances,
        Self::Events,
        Self::Kiosks,
        Self::Postings,
        Self::Quarantine,
        Self::Reference,
        Self::Regions,
        Self::Statuses,
    ];

    /// Its description.
    pub const fn table(self) -> &'static Table {
        match self {
            Self::Balances => &balances::TABLE,
            Self::Events => &events::TABLE,
            Self::Kiosks => &kiosks::TABLE,
            Self::Postings => &postings::TABLE,
            Self::Quarantine => &quarantine::TABLE,
            Self::Reference => &reference::TABLE,
            Self::Regions => &regions::TABLE,
            Self::Statuses => &statuses::TABLE,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.table().name
    }

    /// The dataset of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }

    /// Whether it is made of the log's records one by one: then an increment has only what is new.
    pub const fn is_of_records(self) -> bool {
        matches!(self, Self::Events | Self::Quarantine)
    }

    /// Whether it is made of what the whole log up to the cut comes to.
    pub const fn is_folded(self) -> bool {
        matches!(self, Self::Balances | Self::Kiosks | Self::Postings)
    }

    /// Whether the same cut always gives the same rows.
    pub const fn is_reproducible(self) -> bool {
        !matches!(self, Self::Statuses)
    }
}

/// The code of a region as text.
fn code(region: RegionIndex) -> &'static str {
    static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
        RegionTable::get().all().iter().map(|region| region.code.to_string()).collect()
    });
    &CODES[usize::from(region.0)]
}

/// A count as a value.
fn count(number: u64) -> Value<'static> {
    Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The years that every reader of files can hold: 1 to 9999, in milliseconds since 1970.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// An instant as a value. One beyond what readers can hold, which only a broken clock gives, is
/// the nearest that they can.
fn instant(ms: i64) -> Value<'static> {
    Value::Instant(ms.clamp(*INSTANTS.start(), *INSTANTS.end()))
}
