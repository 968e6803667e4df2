//! Is anything missing? What has come in of each kiosk, of what it has numbered or announced.

use laju_schemas::{KioskStatus, RegionTable};

use super::answer::{KioskRow, Kiosks, StatusRow};
use super::view::View;

/// Every kiosk heard of, as far as it is known now.
#[must_use]
pub fn kiosks(view: &View) -> Kiosks {
    let table = RegionTable::get();
    let rows = view.gaps.kiosks.iter().map(|kiosk| KioskRow {
        kiosk_id: kiosk.id.to_string(),
        service_region: kiosk.service.map(|region| table.at(region).code),
        received: kiosk.received,
        sequences: kiosk.sequences,
        highest_sequence: kiosk.highest,
        missing: kiosk.missing,
        gaps: kiosk.gaps.clone(),
        last_heard: kiosk.last_heard,
        status: view.statuses.get(&*kiosk.id).map(status_row),
    });
    Kiosks { rows: rows.collect(), evidence: view.evidence() }
}

fn status_row(status: &KioskStatus) -> StatusRow {
    StatusRow {
        highest_sequence: status.highest_sequence,
        unsent: status.unsent,
        oldest_unsent: status.oldest_unsent,
        clock_offset_ms: status.clock_offset_ms,
        agent_version: status.agent_version.clone(),
        sent_at: status.sent_at,
        retired: status.retired,
    }
}
