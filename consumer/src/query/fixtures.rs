//! States made by hand, for the tests of questions and of the HTTP interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use laju_schemas::decision::Decision;
use laju_schemas::event::{Channel, Venue};
use laju_schemas::position::{LogDigest, Position};
use laju_schemas::quarantine::Reason;
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_schemas::{
    DecisionId, KioskStatus, QuarantineDecision, ReferenceFigure, ReferenceId, RegionIndex,
    RegionTable, TimestampMs,
};

use super::view::{ReferenceView, View};
use crate::domain::account::Account;
use crate::domain::cell::{Cell, CellKey, Detail, Posting};
use crate::domain::day::Day;
use crate::domain::decisions::{DecisionBook, tests::decided};
use crate::domain::dictionary::Dictionary;
use crate::domain::fold::{KioskActivity, Tallies};
use crate::domain::reference::RecordedFigure;
use crate::projection::bitruns::{BitRuns, member};
use crate::projection::node_ledger::NodeLedger;
use crate::projection::partition_view::PartitionView;
use crate::projection::quarantine::{QuarantineKey, QuarantineTally, QuarantinedRecord};
use crate::projection::recent::Recent;
use crate::projection::snapshot::{RecordedStatus, Snapshot, Statuses};
use crate::query::figures::sums::RegionSums;
use crate::query::kiosks::missing::KioskBook;
use crate::query::live_view::LiveView;
use crate::query::readiness::PartitionReadiness;

/// A date in text.
pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn day(text: &str) -> Day {
    Day::of_date(date(text)).unwrap()
}

pub(crate) fn region(code: &str) -> RegionIndex {
    RegionTable::get().regency(code).unwrap()
}

fn noon(text: &str) -> TimestampMs {
    format!("{text}T05:00:00Z").parse().unwrap()
}

#[derive(Default)]
struct Part {
    dictionary: Dictionary,
    received: BitRuns,
    refused: BitRuns,
    served: BitRuns,
    days: BitRuns,
    kiosks: Vec<KioskActivity>,
    quarantine: QuarantineTally,
    next_offset: i64,
    recorded_until: Option<TimestampMs>,
}

/// A state in the making.
#[derive(Default)]
pub(crate) struct Fixture {
    parts: BTreeMap<u32, Part>,
    ledger: NodeLedger,
    reference: ReferenceView,
    statuses: Statuses,
    decisions: DecisionBook,
}

/// The cluster of every fixture.
pub(crate) const CLUSTER: &str = "test-cluster";
/// The events topic of every fixture.
pub(crate) const TOPIC: &str = "ikd.events.v1";
/// The fold version of every fixture.
pub(crate) const FOLD_VERSION: &str = "1-test";

impl Fixture {
    pub(crate) fn new(partitions: u32) -> Self {
        let parts = (0..partitions).map(|number| (number, Part::default())).collect();
        Self { parts, ..Self::default() }
    }

    fn part(&mut self, partition: u32, recorded: &str) -> &mut Part {
        let part = self.parts.get_mut(&partition).unwrap();
        part.next_offset += 1;
        part.recorded_until = part.recorded_until.max(Some(noon(recorded)));
        part
    }

    /// A posting that happened on one day and was recorded on another.
    pub(crate) fn post(
        &mut self,
        partition: u32,
        account: Account,
        code: &str,
        (happened, recorded): (&str, &str),
        detail: Detail,
        amount: i32,
    ) {
        let posting = Posting {
            account,
            region: region(code),
            day: day(happened),
            recorded: day(recorded),
            detail,
            amount,
        };
        let cell = Cell { key: CellKey::of(&posting), amount };
        let part = self.part(partition, recorded);
        let names = Arc::clone(part.dictionary.names());
        self.ledger.note(partition, &names, [cell]);
        self.ledger.post();
    }

    /// Activations at the office.
    pub(crate) fn activate(&mut self, partition: u32, code: &str, on: &str, amount: i32) {
        let detail = activation(code, Channel::Office, None, 0);
        self.post(partition, Account::Activations, code, (on, on), detail, amount);
    }

    /// The number of an outreach visit in a partition.
    pub(crate) fn outreach(&mut self, partition: u32, id: &str) -> u32 {
        self.parts.get_mut(&partition).unwrap().dictionary.outreach(Some(id), &mut Vec::new())
    }

    /// The number of a kiosk at an outreach visit in a partition.
    pub(crate) fn visit(&mut self, partition: u32, id: &str, kiosk: &str) -> u32 {
        let dictionary = &mut self.parts.get_mut(&partition).unwrap().dictionary;
        let outreach = dictionary.outreach(Some(id), &mut Vec::new());
        let kiosk = dictionary.kiosk(kiosk, &mut Vec::new());
        dictionary.visit(kiosk, outreach, &mut Vec::new())
    }

    /// Events of a kiosk, by their sequences, of people of one region.
    pub(crate) fn receive(
        &mut self,
        partition: u32,
        (kiosk, service): (&str, &str),
        sequences: impl IntoIterator<Item = u32>,
        home: &str,
        on: &str,
    ) {
        let part = self.part(partition, on);
        let kiosk = part.dictionary.kiosk(kiosk, &mut Vec::new());
        let sequences: Vec<u64> = sequences.into_iter().map(|n| member(kiosk, n)).collect();
        if part.kiosks.len() <= kiosk as usize {
            part.kiosks.resize(kiosk as usize + 1, KioskActivity::default());
        }
        let seen = &mut part.kiosks[kiosk as usize];
        seen.received += sequences.len() as u64;
        seen.facts += sequences.len() as u64;
        seen.last_heard = noon(on).0;
        seen.service = Some(region(service));
        part.received.push(sequences);
        part.served.push(vec![member(kiosk, u32::from(region(home).0))]);
        part.days.push(vec![member(kiosk, u32::from(day(on).0))]);
    }

    /// A kiosk's record that could not be counted, by its sequence.
    pub(crate) fn refuse(&mut self, partition: u32, kiosk: &str, sequence: u32) {
        let part = self.parts.get_mut(&partition).unwrap();
        part.next_offset += 1;
        let kiosk = part.dictionary.kiosk(kiosk, &mut Vec::new());
        if part.kiosks.len() <= kiosk as usize {
            part.kiosks.resize(kiosk as usize + 1, KioskActivity::default());
        }
        part.kiosks[kiosk as usize].received += 1;
        part.refused.push(vec![member(kiosk, sequence)]);
    }

    /// A record that could not be counted.
    pub(crate) fn quarantine(
        &mut self,
        partition: u32,
        reason: Reason,
        on: &str,
        regions: Option<(&str, &str)>,
    ) {
        let part = self.part(partition, on);
        let key = QuarantineKey {
            reason,
            recorded: day(on),
            home: regions.map(|(home, _)| region(home)),
            service: regions.map(|(_, service)| region(service)),
        };
        let offset = part.next_offset - 1;
        part.quarantine.add(QuarantinedRecord {
            offset,
            timestamp: noon(on).0,
            key,
            detail: format!("made by hand at {offset}"),
            event_id: None,
            origin: regions.map(|_| ("K-BAD".to_owned(), 7)),
        });
    }

    /// What somebody decided about the record at an origin; a released one was sent to a place.
    pub(crate) fn decide(
        &mut self,
        origin: (u32, i64),
        decision: Decision,
        released: Option<(u32, i64)>,
    ) {
        let offset = self.decisions.next_offset();
        let id = DecisionId((offset as u128 + 1).to_be_bytes());
        let decision =
            QuarantineDecision { decision_id: id, ..decided(origin, decision, released) };
        self.decisions.add(offset, decision);
    }

    pub(crate) fn decisions(&self) -> &DecisionBook {
        &self.decisions
    }

    /// What a kiosk says of itself.
    pub(crate) fn status(&mut self, kiosk: &str, service: &str, highest: u32, retired: bool) {
        self.status_on("2024-08-01", kiosk, service, highest, retired);
    }

    /// What a kiosk says of itself, recorded on a day. Its own clock says another.
    pub(crate) fn status_on(
        &mut self,
        on: &str,
        kiosk: &str,
        service: &str,
        highest: u32,
        retired: bool,
    ) {
        let status = KioskStatus {
            kiosk_id: kiosk.parse().unwrap(),
            service_region: service.parse().unwrap(),
            highest_sequence: highest,
            unsent: 0,
            oldest_unsent: None,
            clock_offset_ms: Some(-40),
            agent_version: "0.1.0".to_owned(),
            sent_at: noon("2024-08-01"),
            retired,
            key_id: None,
        };
        let recorded_at = noon(on);
        self.statuses.insert(kiosk.to_owned(), RecordedStatus::new(status, recorded_at));
    }

    fn figure(&mut self, recorded: &str, mut figure: ReferenceFigure) {
        let offset = self.reference.next_offset;
        figure.reference_id = ReferenceId((offset as u128).to_be_bytes());
        figure.check().unwrap();
        self.reference.book.add(RecordedFigure { offset, recorded: day(recorded), figure });
        self.reference.next_offset += 1;
    }

    /// A denominator, recorded on the day from which it is valid.
    pub(crate) fn denominator(&mut self, code: &str, basis: Basis, value: u64, from: &str) {
        let figure = blank(code, ReferenceKind::Denominator, basis, from);
        self.figure(from, ReferenceFigure { value: Some(value), ..figure });
    }

    /// A target that is a share, recorded on the day from which it is valid.
    pub(crate) fn percent_target(&mut self, code: &str, basis: Basis, percent: &str, from: &str) {
        let figure = blank(code, ReferenceKind::Target, basis, from);
        let percent = Some(percent.parse().unwrap());
        self.figure(from, ReferenceFigure { percent, ..figure });
    }

    /// A target that is a number of people, recorded on the day from which it is valid.
    pub(crate) fn absolute_target(&mut self, code: &str, value: u64, from: &str, to: &str) {
        let figure = blank(code, ReferenceKind::Target, Basis::Absolute, from);
        let valid_to = Some(date(to));
        self.figure(from, ReferenceFigure { value: Some(value), valid_to, ..figure });
    }

    /// The state of the partitions as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let partitions = self.parts.iter().map(|(number, part)| {
            let view = PartitionView {
                partition: *number,
                next_offset: part.next_offset,
                recorded_until: part.recorded_until,
                recorded_by: part.recorded_until.map(|_| part.next_offset - 1),
                names: Arc::clone(part.dictionary.names()),
                received: part.received.clone(),
                refused: part.refused.clone(),
                served: part.served.clone(),
                days: part.days.clone(),
                kiosks: part.kiosks.iter().copied().collect(),
                tallies: Tallies::default(),
                quarantine: Arc::new(part.quarantine.clone()),
                recent: Recent::default(),
                recent_refused: Recent::default(),
                subjects: 0,
            };
            (*number, Arc::new(view))
        });
        Snapshot::of(partitions.collect(), &self.ledger)
    }

    pub(crate) fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// One moment's state.
    pub(crate) fn view(&self, today: &str) -> View {
        let snapshot = self.snapshot();
        let gaps = KioskBook::default().gaps(&snapshot, &self.statuses, &self.decisions);
        let sums = RegionSums::of(&snapshot);
        View {
            cluster_id: CLUSTER.into(),
            fold_version: FOLD_VERSION.into(),
            snapshot: Arc::new(snapshot),
            reference: Arc::new(self.reference.clone()),
            statuses: Arc::new(self.statuses.clone()),
            decisions: Arc::new(self.decisions.clone()),
            position: Position::default(),
            gaps: Arc::new(gaps),
            sums,
            visits: Arc::default(),
            shards: None,
            now: noon(today),
            today: date(today),
        }
    }

    /// A node that has caught up with all of it at an instant.
    pub(crate) fn live(&self, now: TimestampMs) -> LiveView {
        let live = caught_up(self.snapshot(), now);
        live.reference.store(Arc::new(self.reference.clone()));
        live.statuses.store(Arc::new(self.statuses.clone()));
        live.decisions.store(Arc::new(self.decisions.clone()));
        live
    }
}

/// A node that has caught up with a snapshot at an instant.
pub(crate) fn caught_up(snapshot: Snapshot, now: TimestampMs) -> LiveView {
    let live = LiveView::new(FOLD_VERSION);
    live.update_readiness(|readiness| {
        readiness.phase = "live".to_owned();
        readiness.cluster_id = Some(CLUSTER.into());
        readiness.topic = Some(TOPIC.into());
        readiness.log = Some(LogDigest::of(CLUSTER, TOPIC));
        readiness.partitions = Some(snapshot.partitions.len() as u32);
        readiness.reference_read = true;
        readiness.status_read = true;
        readiness.decisions_read = true;
        for part in snapshot.partitions.values() {
            let end = part.next_offset;
            readiness.positions.insert(part.partition, position(end, end, now));
        }
    });
    live.snapshot.store(Arc::new(snapshot));
    live
}

/// Where a partition is that was looked at when it ended there.
pub(crate) fn position(
    next_offset: i64,
    end_offset: i64,
    checked_at: TimestampMs,
) -> PartitionReadiness {
    let caught_up = next_offset >= end_offset;
    let first_end = end_offset;
    PartitionReadiness {
        next_offset,
        end_offset,
        first_end,
        caught_up,
        checked_at,
        lag_ms: 0,
        steady_since: None,
    }
}

/// What an activation says.
pub(crate) fn activation(
    service: &str,
    channel: Channel,
    venue: Option<Venue>,
    outreach: u32,
) -> Detail {
    let service = region(service);
    Detail::Activation { service, channel, venue, outreach, first_time_holder: false }
}

fn blank(code: &str, kind: ReferenceKind, basis: Basis, from: &str) -> ReferenceFigure {
    ReferenceFigure {
        reference_id: ReferenceId([0; 16]),
        region: code.parse().unwrap(),
        kind,
        basis,
        value: None,
        percent: None,
        valid_from: date(from),
        valid_to: None,
        source: "made by hand".to_owned(),
        issued_by: "tests".to_owned(),
    }
}
