//! Figures once quoted: which record stands of those with one id, and which cannot be trusted. It
//! does not know where records come from, nor how they are asked for.
//!
//! The first record of an id that says what was quoted stands for ever. One that does not is never
//! shown in its place, but told of.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use laju_schemas::{FigureId, QuotedFigure, RegionCode, TimestampMs};

/// A record of `ikd.figures.v1`, read.
#[derive(Clone, Debug)]
pub struct FigureRecord {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// What it says, or why it cannot be read.
    pub figure: Result<QuotedFigure, String>,
}

/// What there is under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The figure that was quoted.
    Sound {
        /// Where it stands.
        offset: i64,
        /// The figure.
        figure: Arc<QuotedFigure>,
    },
    /// A record that does not say what was quoted, or that cannot be read, and no other.
    Damaged {
        /// Where it stands.
        offset: i64,
        /// What is wrong with it.
        why: Arc<str>,
    },
}

/// A record that does not say what was quoted. Told of once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it stands.
    pub offset: i64,
    /// The id that it is kept under, if it has one.
    pub figure_id: Option<FigureId>,
    /// What is wrong with it.
    pub why: String,
}

/// Every figure quoted so far.
#[derive(Clone, Debug, Default)]
pub struct FigureBook {
    kept: HashMap<FigureId, Kept>,
    /// Sound ones in the order in which they were quoted.
    order: BTreeSet<(TimestampMs, FigureId)>,
    /// Behind the last record.
    next_offset: i64,
    /// Damage that was answered.
    told: HashSet<(i64, Option<FigureId>)>,
}

impl FigureBook {
    /// Adds a record; answers what is wrong with it, if anything is, once. A record given again
    /// changes nothing.
    pub fn add(&mut self, record: FigureRecord) -> Option<Damage> {
        let FigureRecord { offset, key, figure } = record;
        self.next_offset = self.next_offset.max(offset.saturating_add(1));
        let key = key.and_then(|key| <[u8; 16]>::try_from(key).ok()).map(FigureId);
        let checked = figure.and_then(|figure| match figure.check() {
            Ok(()) if key == Some(figure.figure_id) => Ok(figure),
            Ok(()) => Err("its key is not its id".to_owned()),
            Err(fault) => Err(fault.to_string()),
        });
        match checked {
            Ok(figure) => {
                let id = figure.figure_id;
                if !matches!(self.kept.get(&id), Some(Kept::Sound { .. })) {
                    self.order.insert((figure.quoted_at, id));
                    self.kept.insert(id, Kept::Sound { offset, figure: Arc::new(figure) });
                }
                None
            }
            Err(why) => {
                if let Some(id) = key {
                    let why = why.as_str().into();
                    self.kept.entry(id).or_insert(Kept::Damaged { offset, why });
                }
                self.told.insert((offset, key)).then_some(Damage { offset, figure_id: key, why })
            }
        }
    }

    /// The offset behind the last record that was added; 0 before there was one.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// What there is under an id.
    #[must_use]
    pub fn get(&self, id: FigureId) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// The figures of a region, or all of them, the latest quoted first; only those behind one, if
    /// that is given.
    pub fn latest(
        &self,
        region: Option<RegionCode>,
        after: Option<&QuotedFigure>,
    ) -> impl Iterator<Item = &Arc<QuotedFigure>> {
        let end = after.map(|figure| (figure.quoted_at, figure.figure_id));
        let order = (Unbounded, end.map_or(Unbounded, Excluded));
        let figures = self.order.range(order).rev().filter_map(|(_, id)| match self.kept.get(id) {
            Some(Kept::Sound { figure, .. }) => Some(figure),
            _ => None,
        });
        figures.filter(move |figure| region.is_none_or(|code| code == figure.content.region))
    }

    /// The ids of which there is nothing but a damaged record, in order, and what is wrong with it.
    #[must_use]
    pub fn damaged(&self) -> Vec<(FigureId, Arc<str>)> {
        let mut damaged: Vec<_> = self
            .kept
            .iter()
            .filter_map(|(id, kept)| match kept {
                Kept::Damaged { why, .. } => Some((*id, Arc::clone(why))),
                Kept::Sound { .. } => None,
            })
            .collect();
        damaged.sort_unstable();
        damaged
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::quoted::{ACTIVATION_AGES, AgeCount, Evidence, FORM, FigureContent};

    use super::*;

    fn figure(region: &str, quoted_at: i64) -> QuotedFigure {
        let ages = ACTIVATION_AGES.into_iter();
        let content = FigureContent {
            form: FORM,
            region: region.parse().unwrap(),
            as_of: jiff::civil::date(2024, 1, 1),
            known_at: None,
            activated: 0,
            activations: 0,
            activations_by_age: ages
                .map(|(from_days, to_days)| AgeCount { from_days, to_days, count: 0 })
                .collect(),
            deactivations: 0,
            deactivations_by_reason: Vec::new(),
            moves_in: 0,
            moves_out: 0,
            denominators: Vec::new(),
            target: None,
            evidence: Evidence {
                cluster_id: "c".to_owned(),
                partitions: Vec::new(),
                reference_next_offset: 0,
                fold_version: "1".to_owned(),
            },
        };
        QuotedFigure::new(content, TimestampMs(quoted_at))
    }

    fn record(offset: i64, figure: &QuotedFigure) -> FigureRecord {
        let key = Some(figure.figure_id.0.to_vec());
        FigureRecord { offset, key, figure: Ok(figure.clone()) }
    }

    #[test]
    fn the_first_record_that_says_what_was_quoted_stands() {
        let sound = figure("18.71", 5);
        let id = sound.figure_id;
        let forged = QuotedFigure {
            content: FigureContent { moves_in: 9, ..sound.content.clone() },
            ..sound.clone()
        };
        let later = QuotedFigure { note: Some("again".to_owned()), ..sound.clone() };
        let mut book = FigureBook::default();

        let damage = book.add(record(0, &forged)).unwrap();
        assert_eq!((damage.offset, damage.figure_id), (0, Some(id)));
        assert!(matches!(book.get(id), Some(Kept::Damaged { offset: 0, .. })));
        assert_eq!(book.damaged().len(), 1);
        assert_eq!(book.latest(None, None).count(), 0, "never shown");

        assert_eq!(book.add(record(1, &sound)), None);
        assert_eq!(book.add(record(2, &later)), None);
        assert!(book.add(record(3, &forged)).is_some());
        assert_eq!(book.add(record(3, &forged)), None, "told once");
        let Some(Kept::Sound { offset, figure }) = book.get(id) else { panic!("it is there") };
        assert_eq!((*offset, figure.note.as_deref()), (1, None));
        assert_eq!(book.damaged(), []);
        assert_eq!(book.next_offset(), 4);
        assert_eq!(book.latest(None, None).count(), 1);
    }

    #[test]
    fn what_cannot_be_read_or_has_another_key_is_told() {
        let sound = figure("18.71", 5);
        let mut book = FigureBook::default();
        let unreadable = FigureRecord { figure: Err("junk".to_owned()), ..record(0, &sound) };
        assert_eq!(book.add(unreadable).unwrap().why, "junk");
        assert!(matches!(book.get(sound.figure_id), Some(Kept::Damaged { .. })));
        for (offset, key) in (1..).zip([None, Some(b"short".to_vec()), Some(vec![7; 16])]) {
            let damage = book.add(FigureRecord { key, ..record(offset, &sound) }).unwrap();
            assert!(damage.why.contains("key"), "{damage:?}");
        }
        assert!(matches!(book.get(FigureId([7; 16])), Some(Kept::Damaged { .. })));
    }

    #[test]
    fn the_latest_quoted_comes_first() {
        let mut book = FigureBook::default();
        for (offset, (region, at)) in (0..).zip([("18.71", 5), ("18.72", 9), ("17.71", 7)]) {
            assert_eq!(book.add(record(offset, &figure(region, at))), None);
        }
        let regions = |of: Option<&str>| -> Vec<_> {
            let of = of.map(|code| code.parse().unwrap());
            book.latest(of, None).map(|figure| figure.content.region.to_string()).collect()
        };
        assert_eq!(regions(None), ["18.72", "17.71", "18.71"]);
        assert_eq!(regions(Some("17.71")), ["17.71"]);
        assert_eq!(regions(Some("18")), Vec::<String>::new());
    }
}
