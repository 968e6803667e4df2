//! Which quarantined records are meant.

use anyhow::bail;
use clap::Args;
use laju_schemas::quarantine::Reason;
use laju_schemas::{FormerCode, KioskId, RegionCode, TimestampMs};

use super::decoded::DecodedFields;
use crate::cli::args::region;
use crate::cli::moment::Moment;
use crate::ingest::quarantine::Quarantined;

/// Which records: those that everything given here is true of.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Filter {
    /// Why it could not be counted; may be given many times, any of them will do.
    #[arg(long = "reason", value_name = "REASON")]
    pub reasons: Vec<Reason>,

    /// The kiosk that it names, if it can be read so far.
    #[arg(long, value_name = "ID")]
    pub kiosk: Option<KioskId>,

    /// A home or service region that it names, if it can be read so far; a province (18) takes its
    /// regencies, ID takes every record.
    #[arg(long, value_name = "CODE", value_parser = region)]
    pub region: Option<RegionCode>,

    /// Recorded by Kafka at this moment or later: a day (2026-01-05, its beginning in
    /// Asia/Jakarta), an instant (2026-01-05T08:00:00Z) or a time ago ("3 days ago").
    #[arg(long, value_name = "TIME")]
    pub from: Option<Moment>,

    /// Recorded by Kafka before this moment.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Moment>,
}

/// A filter with its moments fixed.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    filter: &'a Filter,
    from: Option<TimestampMs>,
    to: Option<TimestampMs>,
}

impl Filter {
    /// Whether nothing is asked for, so that every record is meant.
    pub(super) fn is_empty(&self) -> bool {
        let Self { reasons, kiosk, region, from, to } = self;
        reasons.is_empty() && kiosk.is_none() && region.is_none() && from.is_none() && to.is_none()
    }

    /// The filter as it is meant when it is now `now`.
    pub(super) fn at(&self, now: TimestampMs) -> anyhow::Result<Wanted<'_>> {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at(now)).transpose();
        let (from, to) = (at(self.from)?, at(self.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            bail!("nothing is recorded from {from} on and before {to}");
        }
        Ok(Wanted { filter: self, from, to })
    }
}

impl Wanted<'_> {
    /// Whether a record is meant, apart from what it says of itself.
    pub(super) fn takes(&self, record: &Quarantined) -> bool {
        let reasons = &self.filter.reasons;
        (reasons.is_empty() || reasons.contains(&record.reason))
            && self.from.is_none_or(|from| record.timestamp >= from)
            && self.to.is_none_or(|to| record.timestamp < to)
    }

    /// Whether it is by what it says.
    pub(super) fn takes_saying(&self, decoded: &DecodedFields) -> bool {
        let Filter { kiosk, region, .. } = self.filter;
        let is_kiosk =
            kiosk.as_ref().is_none_or(|kiosk| decoded.kiosk_id.as_deref() == Some(kiosk.as_str()));
        is_kiosk && region.is_none_or(|region| names(decoded, region))
    }
}

/// Whether a record names a region, or a regency of it.
fn names(decoded: &DecodedFields, region: RegionCode) -> bool {
    if region == RegionCode::NATION {
        return true;
    }
    let region = region.to_string();
    [&decoded.home_region, &decoded.service_region].into_iter().flatten().any(|named| {
        let today = FormerCode::find(named).map(|former| former.now.to_string());
        let rest = today.as_deref().unwrap_or(named).strip_prefix(&region);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use laju_schemas::quarantine::Origin;

    use super::*;

    #[test]
    fn a_record_is_meant_if_everything_asked_for_is_true_of_it() {
        let record = |reason, ms| Quarantined {
            origin: Origin { partition: 0, offset: 0 },
            offset: 0,
            quarantined_at: TimestampMs(0),
            reason,
            detail: String::new(),
            timestamp: TimestampMs(ms),
            fold_version: String::new(),
            is_cut: false,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let now = "2026-01-10T00:00:00Z".parse().unwrap();
        let five: TimestampMs = "2026-01-05T00:00:00+07:00".parse().unwrap();
        let filter = Filter {
            reasons: vec![Reason::WrongKey, Reason::InFuture],
            from: Some("2026-01-05".parse().unwrap()),
            to: Some("3 days ago".parse().unwrap()),
            ..Filter::default()
        };
        let wanted = filter.at(now).unwrap();
        let takes = |reason, ms| wanted.takes(&record(reason, ms));
        assert!(takes(Reason::WrongKey, five.0) && takes(Reason::InFuture, five.0 + 1));
        assert!(!takes(Reason::WrongKey, five.0 - 1), "the day begins in Jakarta");
        assert!(!takes(Reason::Undecodable, five.0));
        assert!(!takes(Reason::WrongKey, now.0 - 3 * 86_400_000), "the end is not of it");
        assert!(!filter.is_empty() && Filter::default().is_empty());
        let turned = Filter { from: filter.to, to: filter.from, ..Filter::default() };
        assert!(turned.at(now).unwrap_err().to_string().contains("nothing is recorded"));
    }

    #[test]
    fn what_it_says_is_asked_for_as_far_as_it_can_be_read() {
        let decoded =
            |kiosk: Option<&str>, home: Option<&str>, service: Option<&str>| DecodedFields {
                kiosk_id: kiosk.map(str::to_owned),
                home_region: home.map(str::to_owned),
                service_region: service.map(str::to_owned),
                ..DecodedFields::default()
            };
        let takes = |filter: &Filter, decoded: &DecodedFields| {
            filter.at(TimestampMs(0)).unwrap().takes_saying(decoded)
        };
        let of_kiosk = Filter { kiosk: Some("k-1".parse().unwrap()), ..Filter::default() };
        assert!(takes(&of_kiosk, &decoded(Some("k-1"), None, None)));
        assert!(!takes(&of_kiosk, &decoded(Some("k-10"), None, None)));
        assert!(!takes(&of_kiosk, &DecodedFields::default()));
        let of = |code: &str| Filter { region: Some(region(code).unwrap()), ..Filter::default() };
        let regions = decoded(None, Some("18.71"), Some("17.71"));
        for (code, expected) in [("18", true), ("18.71", true), ("17", true), ("ID", true)]
            .into_iter()
            .chain([("18.72", false), ("31", false)])
        {
            assert_eq!(takes(&of(code), &regions), expected, "{code}");
        }
        // A region that does not exist is of its province all the same.
        assert!(takes(&of("18"), &decoded(None, Some("18.99"), None)));
        assert!(!takes(&of("18"), &decoded(None, Some("181"), None)));
        assert!(takes(&of("ID"), &DecodedFields::default()));
        assert!(region("18.99").is_err());
        // A former code is its successor's, however the record and the question have it.
        let papua = decoded(None, Some("91.01"), None);
        for (code, expected) in [("93.01", true), ("91.01", true), ("93", true), ("91", false)] {
            assert_eq!(takes(&of(code), &papua), expected, "{code}");
        }
    }
}
