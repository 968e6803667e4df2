//! Flows as tables for people.

use comfy_table::Cell;

use super::{days, heading, more, number, right, unknown_words, with_header};
use crate::query::figures::flows::{FlowRow, Flows, RegionFlows};

/// Two sparse matrices, a line for each pair of regions.
#[must_use]
pub fn flows(answer: &Flows) -> String {
    let mut services = with_header(&["Home", "Served by", "Activations"]);
    for row in &answer.services {
        services.add_row([
            Cell::new(row.home_region),
            Cell::new(row.service_region),
            right(number(row.activations)),
        ]);
    }
    let mut moves = with_header(&["From", "To", "Moves"]);
    for row in &answer.moves {
        moves.add_row([
            Cell::new(row.from_region),
            Cell::new(row.to_region),
            right(number(row.moves)),
        ]);
    }
    let heading = format!("{}, {}", answer.within, days(answer.as_of, answer.known_at));
    let (services, moves) = (services.trim_fmt(), moves.trim_fmt());
    let unknown = unknown_words(answer.missing.as_ref());
    let shown = answer.services.len() + answer.moves.len();
    let more = more(shown, answer.services_total + answer.moves_total, answer.next.as_deref());
    format!("{heading}\n\n{services}\n\n{moves}\n\n{more}{unknown}{}", answer.link)
}

/// What flows into a region and out of it.
#[must_use]
pub fn region_flows(answer: &RegionFlows) -> String {
    let mut table = with_header(&["Flow", "Region", "Name", "Count"]);
    let mut total = |what: &str, count: i64, rows: &[FlowRow]| {
        let none = || Cell::new("");
        table.add_row([Cell::new(what), none(), none(), right(number(count))]);
        for row in rows {
            table.add_row([
                none(),
                Cell::new(row.region.code),
                Cell::new(&row.region.name),
                right(number(row.count)),
            ]);
        }
    };
    total("own people served here", answer.own_served_here, &[]);
    total("own people served elsewhere", answer.own_served_elsewhere, &answer.served_by);
    total("guests served", answer.guests_served, &answer.guests_from);
    total("moved in", answer.moved_in, &answer.moved_in_from);
    total("moved out", answer.moved_out, &answer.moved_out_to);
    let heading = heading(&answer.region, answer.as_of, answer.known_at);
    let unknown = unknown_words(answer.missing.as_ref());
    format!("{heading}\n\n{}\n\n{unknown}{}", table.trim_fmt(), answer.link)
}
