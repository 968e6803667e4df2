//! What does a figure rest on? Its numerator with its parts, denominators and target with their
//! records, how far the log was read, and what is missing kiosk by kiosk: each to be followed to
//! where it comes from, and all of it under one digest.

use std::cmp::Reverse;

use clap::{Args, ValueEnum as _};
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_schemas::{RegionCode, RegionTable};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use crate::domain::account::Account;
use crate::domain::reference::RecordedFigure;
use crate::query::QueryError;
use crate::query::ahead::recorded_ahead;
use crate::query::answer::{
    DenominatorEvidence, DenominatorShare, EvidenceCore, EvidencePart, FigureEvidence, Figures,
    MissingKiosk, MissingKiosks, QuarantinedEvidence, ReferenceEvidence, TargetEvidence,
    TargetShare,
};
use crate::query::days::{Days, KnownAt, NoDays};
use crate::query::explanations::postings::{ActiveAccount, PostingsQuestion};
use crate::query::figures::progress::{known_until, progress};
use crate::query::kiosks::list::KioskQuestion;
use crate::query::kiosks::quarantine::{QuarantineQuestion, quarantine};
use crate::query::kiosks::state::KioskState;
use crate::query::question::{Endpoint, Question, Rests};
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
        book.applicable((region, kind, basis), day, known_until(self.days)?).map(record)
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
            kind: target.kind.clone(),
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
