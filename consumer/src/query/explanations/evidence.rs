//! What does a figure rest on? Its numerator with its parts, denominators and target with their
//! records, how far the log was read, and what is missing kiosk by kiosk: each to be followed to
//! where it comes from, and all of it under one digest.

use std::cmp::Reverse;

use clap::{Args, ValueEnum as _};
use jiff::civil::Date;
use laju_schemas::reference::{Basis, Percent, ReferenceKind};
use laju_schemas::share::Share;
use laju_schemas::{ReferenceId, RegionCode, RegionTable};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::reference::RecordedFigure;
use crate::query::QueryError;
use crate::query::answer::{Bounds, DenominatorShare, Evidence, Missing, RegionName, TargetShare};
use crate::query::days::{Days, KnownAt, NoDays};
use crate::query::explanations::postings::{ActiveAccount, PostingsQuestion};
use crate::query::figures::progress::{Figures, progress};
use crate::query::kiosks::list::KioskQuestion;
use crate::query::kiosks::quarantine::{QuarantineQuestion, ReasonCount, quarantine};
use crate::query::kiosks::state::KioskState;
use crate::query::question::{Endpoint, Question, Rests};
use crate::query::recorded_ahead::{RecordedAhead, recorded_ahead};
use crate::query::view::View;

/// How many kiosks are named of which something is missing.
pub const KIOSKS: usize = 100;

/// What a region's figure rests on.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EvidenceQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
}

impl Endpoint for EvidenceQuestion {
    const PATH: &'static str = "/v1/regions/{code}/evidence";
    type Days = Days;
    type Answer = FigureEvidence;
}

impl Question for EvidenceQuestion {
    const ID: &'static str = "region_evidence";
    const ANSWER: &'static str = "What the figure rests on";
    const RESTS: Rests = Rests::OnMoment;

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        evidence(view, self.code, days)
    }
}

/// What a region's figure rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureEvidence {
    /// The figure and what it was made of: the same for the same days, offsets and rules, on every
    /// node and at every time.
    pub core: EvidenceCore,
    /// The SHA-256 of `core` as compact JSON, as it stands in this answer, in 64 hex digits:
    /// `jq -cj .core | sha256sum`.
    pub digest: String,
    /// What `core.activated` is the sum of, each with its postings.
    pub parts: Vec<EvidencePart>,
    /// Between which numbers `activated` lies now; none of a past `known_at`.
    pub bounds: Option<Bounds>,
    /// What may be missing now; none of a past `known_at`.
    pub missing: Option<Missing>,
    /// The kiosks of which something is missing now; none of a past `known_at`.
    pub missing_kiosks: Option<MissingKiosks>,
    /// What could not be counted of what was known and names the region.
    pub quarantined: QuarantinedEvidence,
    /// The partitions with a record stamped more than a day ahead of this node's clock: what came
    /// after it there counts as recorded no earlier. Empty as a rule.
    pub recorded_ahead: Vec<RecordedAhead>,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// A figure and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceCore {
    /// The region.
    pub region: RegionName,
    /// The day that the figure speaks of.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// People whose IKD is active: the numerator of every share.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// Active to inactive.
    pub deactivations: i64,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorEvidence>,
    /// What the region is to reach.
    pub target: Option<TargetEvidence>,
    /// How far the log was read, and the rules by which it was counted.
    pub evidence: Evidence,
}

/// A part of a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidencePart {
    /// `activations`, `deactivations`, `moves_in` or `moves_out`.
    pub account: String,
    /// What it adds to the figure: people, below zero where it takes them away.
    pub count: i64,
    /// A relative link to its postings: their total is this count, or its opposite.
    pub link: String,
}

/// A denominator and its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenominatorEvidence {
    /// What it counts.
    pub basis: Basis,
    /// People.
    pub value: u64,
    /// Activated of them, in percent; none of nobody.
    pub coverage_percent: Option<Share>,
    /// The record; or, of a sum of regencies, those of each of them.
    pub records: Vec<ReferenceEvidence>,
}

/// A target and its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetEvidence {
    /// `percent` or `absolute`.
    pub kind: String,
    /// The percentage; none of an absolute target.
    pub percent: Option<Percent>,
    /// What the percentage is of.
    pub basis: Basis,
    /// People to be reached, rounded up.
    pub people: u64,
    /// Activated of the exact target, in percent; none of nobody.
    pub attainment_percent: Option<Share>,
    /// The record.
    pub record: ReferenceEvidence,
}

/// A record of the reference topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceEvidence {
    /// Its id.
    pub reference_id: ReferenceId,
    /// The region that it was set for.
    pub region: RegionCode,
    /// People, unless it is a percentage.
    pub value: Option<u64>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies, if one is set.
    pub valid_to: Option<Date>,
    /// Where it comes from.
    pub source: String,
    /// Who entered it.
    pub issued_by: String,
    /// The day on which Kafka recorded it, in the programme's zone.
    pub recorded: Date,
    /// Its offset in the reference topic.
    pub offset: i64,
}

/// The kiosks of which something is missing that may concern a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingKiosks {
    /// How many there are.
    pub total: u64,
    /// Those with the most missing events first, at most 100.
    pub rows: Vec<MissingKiosk>,
}

/// A kiosk of which something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingKiosk {
    /// The kiosk.
    pub kiosk_id: String,
    /// Its own region.
    pub service_region: Option<RegionCode>,
    /// Sequences up to the highest received or announced that have not come in.
    pub missing: u64,
    /// The first of their ranges, at most 10, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// Whether there are more.
    pub gaps_cut: bool,
    /// A relative link to all that is known of the kiosk.
    pub link: String,
}

/// What could not be counted and names a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedEvidence {
    /// All of it, whatever was decided about it since.
    pub total: u64,
    /// What of it nobody has released or discarded yet.
    pub open: u64,
    /// All of it by reason.
    pub reasons: Vec<ReasonCount>,
    /// A relative link to the latest records.
    pub link: String,
}

/// What the figure of a region rests on.
///
/// # Errors
/// If there is no such region.
pub fn evidence(
    view: &View,
    region: RegionCode,
    days: &Days,
) -> Result<FigureEvidence, QueryError> {
    let progress = progress(view, region, days)?;
    let figures = progress.figures;
    let records = Records { view, days };
    let denominators = figures.denominators.iter();
    let core = EvidenceCore {
        region: progress.region,
        as_of: progress.as_of,
        known_at: progress.known_at,
        activated: figures.activated,
        activations: figures.activations,
        deactivations: figures.deactivations,
        moves_in: figures.moves_in,
        moves_out: figures.moves_out,
        denominators: denominators.map(|share| records.of_denominator(region, share)).collect(),
        target: figures.target.as_ref().and_then(|target| records.of_target(region, target)),
        evidence: progress.evidence,
    };
    Ok(FigureEvidence {
        digest: digest(&core),
        core,
        parts: parts(region, &figures, days),
        bounds: figures.bounds,
        missing_kiosks: figures.missing.as_ref().map(|_| missing_kiosks(view, region)),
        missing: figures.missing,
        quarantined: quarantined(view, region, days)?,
        recorded_ahead: recorded_ahead(&view.snapshot, view.now),
        link: EvidenceQuestion { code: region }.link(&days.filled(&view.horizon())),
    })
}

/// The digest of a figure and what it was made of: see [`FigureEvidence::digest`].
#[must_use]
pub fn digest(core: &EvidenceCore) -> String {
    // Names and numbers can always be written as JSON.
    let json = serde_json::to_vec(core).unwrap_or_default();
    hex::encode(Sha256::digest(&json))
}

fn parts(region: RegionCode, figures: &Figures, days: &Days) -> Vec<EvidencePart> {
    let parts = ActiveAccount::value_variants().iter().map(|&active| {
        let count = match active {
            ActiveAccount::Activations => figures.activations,
            ActiveAccount::Deactivations => -figures.deactivations,
            ActiveAccount::MovesIn => figures.moves_in,
            ActiveAccount::MovesOut => -figures.moves_out,
        };
        let postings = PostingsQuestion {
            happened_to: days.until(),
            recorded_to: days.known_at,
            ..PostingsQuestion::of(region, active)
        };
        let account = Account::from(active).as_str().to_owned();
        EvidencePart { account, count, link: postings.link(&NoDays {}) }
    });
    parts.collect()
}

/// Where reference figures are looked up as a question's answer did.
struct Records<'a> {
    view: &'a View,
    days: &'a Days,
}

impl Records<'_> {
    fn applied(
        &self,
        region: RegionCode,
        kind: ReferenceKind,
        basis: Basis,
    ) -> Option<ReferenceEvidence> {
        let day = self.days.day(self.view.today);
        let book = &self.view.reference.book;
        book.applicable((region, kind, basis), day, self.days.known_until()?).map(record)
    }

    fn of_denominator(&self, region: RegionCode, share: &DenominatorShare) -> DenominatorEvidence {
        let applied = |region| self.applied(region, ReferenceKind::Denominator, share.basis);
        let records = match share.reference_id {
            Some(_) => applied(region).into_iter().collect(),
            None => {
                let regencies = RegionTable::get().regencies().map(|(_, region)| region.code);
                regencies.filter(|code| code.is_within(region)).filter_map(applied).collect()
            }
        };
        DenominatorEvidence {
            basis: share.basis,
            value: share.value,
            coverage_percent: share.coverage_percent,
            records,
        }
    }

    fn of_target(&self, region: RegionCode, target: &TargetShare) -> Option<TargetEvidence> {
        let issuer = target.inherited_from.unwrap_or(region);
        Some(TargetEvidence {
            kind: target.kind.to_string(),
            percent: target.percent,
            basis: target.basis,
            people: target.people,
            attainment_percent: target.attainment_percent,
            record: self.applied(issuer, ReferenceKind::Target, target.basis)?,
        })
    }
}

fn record(recorded: &RecordedFigure) -> ReferenceEvidence {
    let figure = &recorded.figure;
    ReferenceEvidence {
        reference_id: figure.reference_id,
        region: figure.region,
        value: figure.value,
        valid_from: figure.valid_from,
        valid_to: figure.valid_to,
        source: figure.source.clone(),
        issued_by: figure.issued_by.clone(),
        recorded: recorded.recorded.date(),
        offset: recorded.offset,
    }
}

fn missing_kiosks(view: &View, region: RegionCode) -> MissingKiosks {
    let index = RegionTable::get().index_of(region);
    let mut kiosks: Vec<&KioskState> = view.gaps.missing_in(index).collect();
    kiosks.sort_by_key(|kiosk| (Reverse(kiosk.missing), &kiosk.id));
    let row = |kiosk: &&KioskState| {
        let shown = kiosk.gaps.iter().map(|(first, last)| u64::from(last - first) + 1);
        MissingKiosk {
            kiosk_id: kiosk.id.to_string(),
            service_region: kiosk.service.map(|region| RegionTable::get().at(region).code),
            missing: kiosk.missing,
            gaps: kiosk.gaps.clone(),
            gaps_cut: shown.sum::<u64>() < kiosk.missing,
            link: KioskQuestion { id: kiosk.id.to_string() }.link(&NoDays {}),
        }
    };
    let total = kiosks.len() as u64;
    MissingKiosks { total, rows: kiosks.iter().take(KIOSKS).map(row).collect() }
}

fn quarantined(
    view: &View,
    region: RegionCode,
    days: &Days,
) -> Result<QuarantinedEvidence, QueryError> {
    let answer = quarantine(view, days.known_at, region, 0)?;
    let records = QuarantineQuestion { within: region, limit: None };
    Ok(QuarantinedEvidence {
        total: answer.total,
        open: answer.open,
        reasons: answer.reasons,
        link: records.link(&KnownAt { known_at: days.known_at }),
    })
}
