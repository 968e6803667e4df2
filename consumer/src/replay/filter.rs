//! Which events are wanted.

use std::str::FromStr;

use clap::Args;
use laju_schemas::event::FactKind;
use laju_schemas::{RawEvent, RegionCode, RegionTable, SubjectId};
use serde::{Deserialize, Serialize};

const HEADING: &str = "Filters (several values: any; several filters: all)";

/// Which events are wanted: all that are given must hold; of several values of one, any. What kiosks
/// and visits are called is text, because a log may hold ids that the contract does not allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Filter {
    /// Only citizens registered there; a province takes its regencies, ID everything.
    #[arg(long = "home", value_name = "CODE,…", value_delimiter = ',', value_parser = region,
          help_heading = HEADING)]
    pub homes: Vec<RegionCode>,

    /// Only what that region's offices served.
    #[arg(long = "service", value_name = "CODE,…", value_delimiter = ',', value_parser = region,
          help_heading = HEADING)]
    pub services: Vec<RegionCode>,

    /// Only this kiosk; may be given many times.
    #[arg(long = "kiosk", value_name = "ID", help_heading = HEADING)]
    pub kiosks: Vec<String>,

    /// Only this outreach visit; may be given many times.
    #[arg(long = "outreach", value_name = "ID", help_heading = HEADING)]
    pub visits: Vec<String>,

    /// Only this kind of fact: activated, deactivated, relocated, deferred, card_recorded,
    /// card_requested, card_printed or retracted.
    #[arg(long = "kind", value_name = "KIND,…", value_delimiter = ',', value_parser = kind,
          help_heading = HEADING)]
    pub kinds: Vec<FactKind>,

    /// Only this citizen: the pseudonym, 32 hex digits. Only the partition that it belongs to is
    /// read; a record that was put elsewhere is in quarantine as wrong_partition.
    #[arg(long, value_name = "HEX", help_heading = HEADING)]
    pub subject: Option<SubjectId>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn matches(&self, event: &RawEvent<'_>) -> bool {
        self.subject.is_none_or(|subject| subject == event.subject)
            && (self.kinds.is_empty() || self.kinds.contains(&event.fact.kind()))
            && is_within(&self.homes, event.home_region)
            && is_within(&self.services, event.service_region)
            && is_one_of(&self.kiosks, Some(event.kiosk_id))
            && is_one_of(&self.visits, event.outreach_id)
    }
}

fn is_within(wanted: &[RegionCode], region: &str) -> bool {
    // The nation has everything, also what is no region at all.
    wanted.is_empty()
        || wanted.contains(&RegionCode::NATION)
        || RegionCode::parse(region)
            .is_some_and(|region| wanted.iter().any(|wanted| region.is_within(*wanted)))
}

fn is_one_of(wanted: &[String], text: Option<&str>) -> bool {
    wanted.is_empty() || text.is_some_and(|text| wanted.iter().any(|wanted| wanted == text))
}

/// Reads the code of a region that exists.
pub fn region(text: &str) -> Result<RegionCode, String> {
    let code = RegionCode::from_str(text).map_err(|error| error.to_string())?;
    match RegionTable::get().name_of(code) {
        Some(_) => Ok(code),
        None => Err(format!("there is no region {code}")),
    }
}

/// Reads a kind of fact: the name of its record, whole or with underscores.
pub fn kind(text: &str) -> Result<FactKind, String> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let kind = FactKind::ALL.into_iter().find(|kind| plain(kind.record_name()) == plain(text));
    kind.ok_or_else(|| {
        let known: Vec<_> = FactKind::ALL.iter().map(|kind| snake(kind.record_name())).collect();
        format!("'{text}' is none of {}", known.join(", "))
    })
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use laju_schemas::EventId;
    use laju_schemas::Fact;

    use super::*;

    fn event() -> RawEvent<'static> {
        RawEvent {
            event_id: EventId([1; 16]),
            kiosk_id: "kbl-01",
            sequence: 1,
            occurred_at: 0,
            subject: SubjectId([2; 16]),
            home_region: "18.71",
            service_region: "31.71",
            outreach_id: Some("visit-1"),
            fact: Fact::CardRecorded { first_time_holder: true },
        }
    }

    #[test]
    fn all_that_is_given_must_hold_and_of_several_any() {
        let region = |text: &str| RegionCode::parse(text).unwrap();
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let all = Filter {
            homes: vec![region("11"), region("18")],
            services: vec![region("31.71")],
            kiosks: texts(&["kbl-01", "kbl-02"]),
            visits: texts(&["visit-1"]),
            kinds: vec![FactKind::CardRecorded, FactKind::Activated],
            subject: Some(SubjectId([2; 16])),
        };
        assert!(!all.is_empty() && all.matches(&event()));
        assert!(Filter::default().is_empty() && Filter::default().matches(&event()));
        for other in [
            Filter { homes: vec![region("31"), region("18.72")], ..all.clone() },
            Filter { services: vec![region("18")], ..all.clone() },
            Filter { kiosks: texts(&["kbl-1"]), ..all.clone() },
            Filter { visits: texts(&["visit-2"]), ..all.clone() },
            Filter { kinds: vec![FactKind::CardPrinted], ..all.clone() },
            Filter { subject: Some(SubjectId([3; 16])), ..all.clone() },
        ] {
            assert!(!other.matches(&event()), "{other:?}");
        }
        let without_visit = RawEvent { outreach_id: None, ..event() };
        assert!(!all.matches(&without_visit));
        // The nation has also what is in no region that exists.
        let nowhere = RawEvent { home_region: "??", ..event() };
        assert!(!Filter { homes: vec![region("18")], ..Filter::default() }.matches(&nowhere));
        assert!(Filter { homes: vec![region("ID")], ..Filter::default() }.matches(&nowhere));
    }

    #[test]
    fn kinds_and_regions_are_read_by_name_and_code() {
        for kind_of in FactKind::ALL {
            assert_eq!(kind(kind_of.record_name()), Ok(kind_of));
            assert_eq!(kind(&snake(kind_of.record_name())), Ok(kind_of));
        }
        assert!(kind("activation").unwrap_err().contains("card_recorded"));
        assert_eq!(region("18"), Ok(RegionCode::parse("18").unwrap()));
        assert!(region("18.99").unwrap_err().contains("no region 18.99"));
        assert!(region("1871").is_err());
    }
}
