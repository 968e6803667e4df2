//! Which regions are there?

use clap::Args;
use laju_schemas::{FormerCode, Region, RegionCode, RegionLevel, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::QueryError;
use super::days::NoDays;
use super::question::{Endpoint, Level, nation};
use crate::query::answer::RegionName;

/// Which regions there are.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegionsQuestion {
    /// Only regions of this level.
    #[arg(long, value_enum)]
    #[param(inline, example = "regency")]
    pub level: Option<Level>,
    /// Only regions within this one, itself included; of the whole nation if it is not given.
    #[arg(long, value_name = "REGION", default_value_t = RegionCode::NATION)]
    #[serde(default = "nation")]
    #[param(example = "18")]
    pub within: RegionCode,
}

impl Endpoint for RegionsQuestion {
    const PATH: &'static str = "/v1/regions";
    type Days = NoDays;
    type Answer = Regions;
}

/// A region of the table of regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegionRow {
    /// Code, name and level.
    #[serde(flatten)]
    pub region: RegionName,
    /// The code that it had until 2022, for the 26 regencies and cities of Papua's new provinces:
    /// taken wherever a code is taken.
    pub former_code: Option<String>,
    /// Its zone in the tz database; none of the nation, which has three.
    pub zone: Option<String>,
    /// Its seat of government: degrees north.
    pub latitude: Option<f64>,
    /// Its seat of government: degrees east.
    pub longitude: Option<f64>,
}

/// The regions that exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regions {
    /// In the order of the codes, the nation first.
    pub rows: Vec<RegionRow>,
}

/// The regions of a level (`None` for every level) within a region, itself included.
///
/// # Errors
/// If there is no such region to look within.
pub fn regions(level: Option<RegionLevel>, within: RegionCode) -> Result<Regions, QueryError> {
    let table = RegionTable::get();
    table.name_of(within).ok_or(QueryError::UnknownRegion(within))?;
    let nation = (within == RegionCode::NATION).then(|| RegionRow {
        region: RegionName {
            code: RegionCode::NATION,
            name: table.name_of(RegionCode::NATION).unwrap_or_default().to_owned(),
            level: RegionLevel::Nation,
        },
        former_code: None,
        zone: None,
        latitude: None,
        longitude: None,
    });
    let inside = table.all().iter().filter(|region| region.code.is_within(within)).map(row);
    let rows = nation.into_iter().chain(inside);
    let wanted = |row: &RegionRow| level.is_none_or(|level| row.region.level == level);
    Ok(Regions { rows: rows.filter(wanted).collect() })
}

fn row(region: &Region) -> RegionRow {
    RegionRow {
        region: RegionName {
            code: region.code,
            name: region.name.clone(),
            level: region.code.level(),
        },
        former_code: FormerCode::of_region(region.code).map(|former| former.code.to_owned()),
        zone: Some(region.zone.iana().to_owned()),
        latitude: Some(region.latitude),
        longitude: Some(region.longitude),
    }
}
