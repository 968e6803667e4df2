//! Figures: how far a region is and how it got there, by what, how fast, and who served whom.

pub mod breakdown;
#[cfg(test)]
pub(crate) mod flow_tests;
pub mod flows;
pub mod goal;
mod matrices;
pub mod outreach;
#[cfg(test)]
pub(crate) mod outreach_tests;
pub mod pace;
pub mod pace_list;
#[cfg(test)]
pub(crate) mod pace_list_tests;
#[cfg(test)]
pub(crate) mod pace_tests;
pub mod progress;
pub mod series;
pub(crate) mod shares;
pub mod sums;
pub mod visits;
