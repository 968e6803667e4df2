//! Whether what is there already can be continued, and what to do where it cannot.

use super::cut::Manifest;
use super::datasets::Dataset;
use super::error::ExportError;

/// That two manifests speak of the same log, counted by the same rules.
pub(super) fn same_rules(one: &Manifest, other: &Manifest, whose: &str) -> Result<(), ExportError> {
    // Where one of both has no id, the log is recognised by its last records alone.
    let ids = one.topic_id.as_ref().zip(other.topic_id.as_ref());
    let pairs = [
        Some(("cluster", &one.cluster_id, &other.cluster_id)),
        Some(("topic", &one.topic, &other.topic)),
        ids.map(|(one, other)| ("topic id", one, other)),
        Some(("fold version", &one.fold_version, &other.fold_version)),
    ];
    for (what, one, other) in pairs.into_iter().flatten() {
        if one != other {
            return Err(ExportError::Other(format!(
                "{whose} is of the {what} {one}, and this is {other}"
            )));
        }
    }
    Ok(())
}

/// That an export can be continued to a cut.
pub(super) fn continues(before: &Manifest, now: &Manifest) -> Result<(), ExportError> {
    same_rules(before, now, "what is there")?;
    if before.format != now.format {
        return Err(ExportError::Other(format!(
            "what is there is {}, and asked for is {}",
            before.format.as_str(),
            now.format.as_str()
        )));
    }
    for entry in &before.datasets {
        let version = Dataset::of(&entry.name).map(|dataset| dataset.table().version);
        if version != Some(entry.schema_version) {
            return Err(ExportError::Other(format!(
                "what is there has {} in version {} of its columns, which this program does not write",
                entry.name, entry.schema_version
            )));
        }
    }
    let ends = now.cut.offsets();
    // With another number of partitions keys are elsewhere, and so is what is refused for that.
    if !ends.keys().eq(before.cut.offsets().keys()) {
        return Err(ExportError::Other(format!(
            "the topic has {} partitions now and had {}",
            ends.len(),
            before.cut.partitions.len()
        )));
    }
    for part in &before.cut.partitions {
        let end = ends.get(&part.partition).copied().unwrap_or(0);
        if end < part.next_offset {
            return Err(ExportError::Other(format!(
                "what is there goes up to offset {} of partition {}, and asked for is {end}",
                part.next_offset, part.partition
            )));
        }
    }
    if now.cut.reference_next_offset < before.cut.reference_next_offset {
        return Err(ExportError::Other(
            "what is there goes further in the reference topic than what is asked for".to_owned(),
        ));
    }
    Ok(())
}
