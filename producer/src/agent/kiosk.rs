//! The kiosk that an agent serves.

use laju_schemas::{KioskId, RegionCode};

/// The kiosk that events are made for.
#[derive(Clone, Debug)]
pub struct Kiosk {
    /// Its id.
    pub id: KioskId,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
}
