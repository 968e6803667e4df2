//! Whether a figure says what was quoted: its digest and id, and that its numbers fit each other.

use thiserror::Error;

use super::{
    ACTIVATION_AGES, Bounds, FORM, FigureContent, FigureDigest, QuotedFigure, TargetKind,
    TargetShare,
};
use crate::id::FigureId;
use crate::reference::Percent;
use crate::share::Share;

/// What is wrong with a figure that was read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FigureFault {
    /// Nothing, perhaps: it has a form that this program does not know.
    #[error(
        "it was quoted by another version of Laju (form {0}; this one knows {FORM}), which alone can check it"
    )]
    OtherForm(u32),
    /// What it says is not what was quoted.
    #[error("its digest is {says}, but that of what it says is {is}")]
    Digest {
        /// The digest that it bears.
        says: FigureDigest,
        /// The digest of its content.
        is: FigureDigest,
    },
    /// It bears another figure's id.
    #[error("its id is {says}, but its digest makes {is}")]
    Id {
        /// The id that it bears.
        says: FigureId,
        /// The id of its digest.
        is: FigureId,
    },
    /// Rows that a figure of this form does not have, or lacks.
    #[error("{0} has other rows than a figure has")]
    Rows(&'static str),
    /// Its parts do not come to the whole.
    #[error("{0} is not the sum of its parts")]
    Sum(&'static str),
    /// A number that does not follow from the others.
    #[error("{0} does not follow from people and what they are a share of")]
    Share(&'static str),
    /// What was activated does not lie between the bounds.
    #[error("activated ({activated}) does not lie between its bounds, {lower} and {upper}")]
    Bounds {
        /// What was activated.
        activated: i64,
        /// The least that it could have been.
        lower: i64,
        /// The most.
        upper: i64,
    },
}

impl FigureContent {
    fn check_sums(&self) -> Result<(), FigureFault> {
        let parts = [
            self.activations,
            self.deactivations.saturating_neg(),
            self.moves_in,
            self.moves_out.saturating_neg(),
        ];
        let sum = |mut rows: Box<dyn Iterator<Item = i64> + '_>| {
            rows.try_fold(0_i64, |sum, row| sum.checked_add(row))
        };
        let bands = self.activations_by_age.iter().map(|row| (row.from_days, row.to_days));
        if !bands.eq(ACTIVATION_AGES) {
            return Err(FigureFault::Rows("activations_by_age"));
        }
        if !self.deactivations_by_reason.is_sorted_by(|one, next| one.reason < next.reason) {
            return Err(FigureFault::Rows("deactivations_by_reason"));
        }
        let ages = self.activations_by_age.iter().map(|row| row.count);
        let reasons = self.deactivations_by_reason.iter().map(|row| row.count);
        if sum(Box::new(parts.into_iter())) != Some(self.activated) {
            return Err(FigureFault::Sum("activated"));
        }
        if sum(Box::new(ages)) != Some(self.activations) {
            return Err(FigureFault::Sum("activations"));
        }
        if sum(Box::new(reasons)) != Some(self.deactivations) {
            return Err(FigureFault::Sum("deactivations"));
        }
        Ok(())
    }

    /// That shares and the people of a target follow from what the content holds. Of a target whose
    /// denominator it does not hold, nothing is said.
    fn check_shares(&self) -> Result<(), FigureFault> {
        // As everywhere: never fewer than nobody.
        let people = u64::try_from(self.activated).unwrap_or(0);
        let share = |numerator, denominator| Share::of_fraction(people, numerator, denominator);
        for row in &self.denominators {
            if row.coverage_percent != share(row.value.into(), 1) {
                return Err(FigureFault::Share("coverage_percent"));
            }
        }
        let Some(target) = &self.target else { return Ok(()) };
        let Some((numerator, denominator)) = self.exact(target) else { return Ok(()) };
        if u64::try_from(numerator.div_ceil(denominator)).unwrap_or(u64::MAX) != target.people {
            return Err(FigureFault::Share("the target's people"));
        }
        if target.attainment_percent != share(numerator, denominator) {
            return Err(FigureFault::Share("attainment_percent"));
        }
        Ok(())
    }

    /// The people of a target as an exact fraction, if the content holds what that takes.
    fn exact(&self, target: &TargetShare) -> Option<(u128, u128)> {
        match target.kind {
            TargetKind::Absolute => Some((target.people.into(), 1)),
            TargetKind::Percent => {
                let mut of = self.denominators.iter().filter(|row| row.basis == target.basis);
                let (Some(of), None) = (of.next(), of.next()) else { return None };
                let percent = target.percent?.ten_thousandths();
                Some((u128::from(of.value) * u128::from(percent), Percent::WHOLE.into()))
            }
            TargetKind::Unknown => None,
        }
    }
}

impl QuotedFigure {
    /// Whether it says what was quoted: what the digest is over, and that its numbers fit each
    /// other. The digest does not cover [`NOT_IN_DIGEST`](super::NOT_IN_DIGEST), of which only the bounds are held
    /// against the figure.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self) -> Result<(), FigureFault> {
        if self.content.form != FORM {
            return Err(FigureFault::OtherForm(self.content.form));
        }
        let (says, is) = (self.digest, self.content.digest());
        if says != is {
            return Err(FigureFault::Digest { says, is });
        }
        let (says, is) = (self.figure_id, FigureId::of(self.digest));
        if says != is {
            return Err(FigureFault::Id { says, is });
        }
        self.content.check_sums()?;
        self.content.check_shares()?;
        let activated = self.content.activated;
        match self.bounds {
            // The least is never fewer than nobody.
            Some(Bounds { lower, upper }) if lower > activated.max(0) || activated > upper => {
                Err(FigureFault::Bounds { activated, lower, upper })
            }
            _ => Ok(()),
        }
    }
}
