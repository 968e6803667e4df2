//! The datasets: what each holds, column by column, and how its rows are made.

pub mod balances;
pub mod events;
pub mod kiosks;
pub mod postings;
pub mod quarantine;
pub mod reference;
pub mod regions;
pub mod statuses;
mod values;

pub(super) use self::values::Rows;
use super::table::Table;

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

    pub const fn name(self) -> &'static str {
        self.table().name
    }

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
