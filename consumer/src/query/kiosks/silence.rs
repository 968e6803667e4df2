//! Which kiosks are silent beyond their habit: an estimate of what nobody has announced, beside
//! the bounds and no part of them.

use laju_schemas::{RegionIndex, RegionTable};

use crate::query::answer::SilentKiosk;
use crate::query::kiosks::state::KioskState;
use crate::query::scope::province_of;
use crate::query::view::View;

/// How many are named of a region.
pub const NAMED: usize = 20;

/// The silent kiosks of every region, the longest silent first: made once for a question.
pub struct Silent {
    /// By region, provinces too, and the nation at the end.
    regions: Vec<Vec<SilentKiosk>>,
}

impl Silent {
    /// Those that are silent at the moment of a question.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let mut silent: Vec<(SilentKiosk, Option<RegionIndex>)> =
            view.gaps.kiosks.iter().filter_map(|kiosk| silent(view, kiosk)).collect();
        silent.sort_by(|(a, _), (b, _)| {
            a.silent_since.cmp(&b.silent_since).then_with(|| a.kiosk_id.cmp(&b.kiosk_id))
        });
        let nation = RegionTable::get().len();
        let mut regions = vec![Vec::new(); nation + 1];
        for (kiosk, own) in silent {
            let province = own.and_then(province_of);
            // A province's own kiosk counts once for it.
            let both = own.into_iter().chain(province.filter(|province| Some(*province) != own));
            for place in both.map(|region| usize::from(region.0)).chain([nation]) {
                if regions[place].len() < NAMED {
                    regions[place].push(kiosk.clone());
                }
            }
        }
        Self { regions }
    }

    /// Those whose own region lies in a region, or all of the nation (`None`); at most [`NAMED`].
    #[must_use]
    pub fn within(&self, region: Option<RegionIndex>) -> &[SilentKiosk] {
        let place = region.map_or(self.regions.len() - 1, |region| usize::from(region.0));
        &self.regions[place]
    }
}

fn silent(view: &View, kiosk: &KioskState) -> Option<(SilentKiosk, Option<RegionIndex>)> {
    kiosk.is_silent(view.now).filter(|silent| *silent)?;
    let (habit, silent_since) = kiosk.habit.zip(kiosk.last_word)?;
    let row = SilentKiosk {
        kiosk_id: kiosk.id.to_string(),
        usual_per_day: habit.usual_per_day,
        silent_since,
    };
    Some((row, kiosk.service))
}
