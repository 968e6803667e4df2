//! What a figure rests on, as tables for people.

use comfy_table::Cell;

use super::{bounds_words, harmless, heading, number, percent, right, with_header};
use crate::query::explanations::evidence::{FigureEvidence, ReferenceEvidence};

/// How many records of one denominator are shown: of a sum there is one for each regency.
const RECORDS: usize = 20;

/// What a figure rests on: parts, references, what is missing, and how far the log was read.
#[must_use]
pub fn evidence(answer: &FigureEvidence) -> String {
    let core = &answer.core;
    let mut parts = with_header(&["Activated", "People", "Postings"]);
    for part in &answer.parts {
        let sign = if part.count > 0 { "+" } else { "" };
        parts.add_row([
            Cell::new(part.account.replace('_', " ")),
            right(format!("{sign}{}", number(part.count))),
            Cell::new(&part.link),
        ]);
    }
    let bounds = bounds_words(answer.bounds);
    parts.add_row([Cell::new("together"), right(number(core.activated)), Cell::new(bounds)]);

    let mut texts = vec![heading(&core.region, core.as_of, core.known_at), parts.trim_fmt()];
    texts.extend(references(answer));
    texts.extend(missing(answer));
    let quarantined = &answer.quarantined;
    let reasons: Vec<_> =
        quarantined.reasons.iter().map(|row| format!("{} {}", row.count, row.reason)).collect();
    let total = number(quarantined.total);
    let open = match quarantined.total - quarantined.open.min(quarantined.total) {
        0 => String::new(),
        _ => format!(", {} of them still open", number(quarantined.open)),
    };
    let reasons =
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    texts.push(format!("Quarantined: {total}{reasons}{open}, see {}", quarantined.link));

    let mut log = with_header(&["Partition", "Next offset", "Recorded until"]);
    for part in &core.evidence.partitions {
        let until = part.recorded_until.map_or(String::new(), |until| until.to_string());
        let offset = right(part.next_offset.to_string());
        log.add_row([right(part.partition.to_string()), offset, Cell::new(until)]);
    }
    texts.push(log.trim_fmt());
    texts.extend(answer.recorded_ahead.iter().map(|ahead| {
        let at = ahead.offset.map_or(String::new(), |offset| format!(" (offset {offset})"));
        format!(
            "Partition {}{at} has a record stamped {}, far in the future: what came after it counts \
             as recorded no earlier",
            ahead.partition, ahead.recorded_until
        )
    }));
    texts.push(format!(
        "Cluster {}, reference offset {}, fold version {}\nSHA-256 {}",
        core.evidence.cluster_id,
        core.evidence.reference_next_offset,
        core.evidence.fold_version,
        answer.digest
    ));
    texts.push(answer.link.clone());
    texts.join("\n\n")
}

fn references(answer: &FigureEvidence) -> Option<String> {
    let mut table =
        with_header(&["Share", "of", "Set for", "Valid from", "Recorded", "Record", "Source"]);
    let mut add = |share: String, of: String, record: &ReferenceEvidence| {
        table.add_row([
            right(share),
            Cell::new(of),
            Cell::new(record.region),
            Cell::new(record.valid_from),
            Cell::new(record.recorded),
            Cell::new(record.reference_id),
            Cell::new(harmless(&record.source)),
        ]);
    };
    for denominator in &answer.core.denominators {
        for (place, record) in denominator.records.iter().take(RECORDS).enumerate() {
            let people = number(record.value.unwrap_or(denominator.value));
            let of = format!("{people} {}", denominator.basis);
            let share = percent(denominator.coverage_percent);
            add(if place == 0 { share } else { String::new() }, of, record);
        }
    }
    if let Some(target) = &answer.core.target {
        let of = format!("{} to be reached", number(target.people));
        add(percent(target.attainment_percent), of, &target.record);
    }
    let cut = answer.core.denominators.iter().any(|d| d.records.len() > RECORDS);
    let rest = if cut { "\n(more records with --json)" } else { "" };
    (!table.is_empty()).then(|| format!("{}{rest}", table.trim_fmt()))
}

fn missing(answer: &FigureEvidence) -> Option<String> {
    let kiosks = answer.missing_kiosks.as_ref().filter(|kiosks| kiosks.total > 0)?;
    let mut table = with_header(&["Kiosk", "Region", "Missing", "Sequences"]);
    for row in &kiosks.rows {
        let gaps = row.gaps.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
        let mut gaps = gaps.collect::<Vec<_>>().join(", ");
        if row.gaps_cut {
            gaps.push_str(", …");
        }
        table.add_row([
            Cell::new(harmless(&row.kiosk_id)),
            Cell::new(row.service_region.map_or(String::new(), |region| region.to_string())),
            right(number(row.missing)),
            Cell::new(gaps),
        ]);
    }
    let shown = kiosks.rows.len() as u64;
    let more = kiosks.total.saturating_sub(shown);
    let more = if more > 0 { format!("\n(and {} more)", number(more)) } else { String::new() };
    Some(format!("{}{more}", table.trim_fmt()))
}
