//! The figures quoted so far, as this node has read them: one thread puts them there, questions
//! look them up and can wait for one to come.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use laju_schemas::{FigureId, QuotedFigure, RegionCode};
use thiserror::Error;
use tokio::sync::watch;

use crate::domain::figure_book::{Damage, FigureBook, FigureRecord, Kept};

/// The figures topic has not been read to the end seen at start: whether there is a figure cannot
/// be told yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the figures topic has not been read to the end seen at start{}", because(.0.as_deref()))]
pub struct NotRead(Option<String>);

fn because(trouble: Option<&str>) -> String {
    trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default()
}

/// A figure that stands, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its offset in the figures topic.
    pub offset: i64,
    /// The figure.
    pub figure: Arc<QuotedFigure>,
}

/// An id of which there is nothing that can be trusted, and why.
pub type WhyDamaged = (FigureId, Arc<str>);

/// The figures quoted so far.
pub struct FigureStore {
    state: RwLock<State>,
    /// Told after every change.
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    book: FigureBook,
    read: bool,
    trouble: Option<String>,
}

impl Default for FigureStore {
    fn default() -> Self {
        Self { state: RwLock::default(), changes: watch::Sender::new(()) }
    }
}

/// The figures quoted last.
pub struct LatestFigures {
    /// How many there are, also before and behind those asked for.
    pub total: u64,
    /// The latest quoted first; none if the one that they are to be behind is unknown.
    pub rows: Option<Vec<Arc<QuotedFigure>>>,
}

impl FigureStore {
    // A book that somebody panicked over is whole: its changes are single insertions.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a record there; answers what is wrong with it, if anything is.
    pub fn put(&self, record: FigureRecord) -> Option<Damage> {
        let damage = self.write().book.add(record);
        self.changes.send_replace(());
        damage
    }

    /// Notes that the topic has been read to the end seen at start.
    pub fn set_read(&self) {
        let mut state = self.write();
        state.read = true;
        state.trouble = None;
    }

    /// Notes why the topic cannot be read at the moment.
    pub fn set_trouble(&self, trouble: String) {
        self.write().trouble = Some(trouble);
    }

    /// What there is under an id; a copy that costs little.
    ///
    /// # Errors
    /// If that cannot be told yet.
    pub fn find(&self, id: FigureId) -> Result<Option<Kept>, NotRead> {
        let state = self.ready()?;
        Ok(state.book.get(id).cloned())
    }

    /// The latest figures of a region, or of all: only those behind one, if that is given.
    ///
    /// # Errors
    /// If that cannot be told yet.
    pub fn latest(
        &self,
        region: Option<RegionCode>,
        after: Option<FigureId>,
        limit: usize,
    ) -> Result<LatestFigures, NotRead> {
        let state = self.ready()?;
        let total = state.book.latest(region, None).count() as u64;
        let after = match after.map(|id| state.book.get(id)) {
            None => None,
            Some(Some(Kept::Sound { figure, .. })) => Some(figure),
            Some(_) => return Ok(LatestFigures { total, rows: None }),
        };
        let rows = state.book.latest(region, after.map(|figure| &**figure)).take(limit);
        Ok(LatestFigures { total, rows: Some(rows.cloned().collect()) })
    }

    /// How many ids there are of which there is nothing that can be trusted, and the first of
    /// them with what is wrong.
    ///
    /// # Errors
    /// If that cannot be told yet.
    pub fn damaged(&self, limit: usize) -> Result<(u64, Vec<WhyDamaged>), NotRead> {
        let mut damaged = self.ready()?.book.damaged();
        let total = damaged.len() as u64;
        damaged.truncate(limit);
        Ok((total, damaged))
    }

    /// Up to which offset the topic has been read: every record before it has been.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.read().book.next_offset()
    }

    /// Waits until the topic has been read up to an offset, but not for ever.
    pub async fn reach(&self, offset: i64, patience: Duration) {
        let mut changes = self.changes.subscribe();
        let there =
            async { while self.next_offset() < offset && changes.changed().await.is_ok() {} };
        // The caller learns how far it has been read.
        let _ = tokio::time::timeout(patience, there).await;
    }

    /// Waits until there is a figure under an id that can be trusted, but not for ever.
    pub async fn wait_for(&self, id: FigureId, patience: Duration) -> Option<Found> {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                if let Some(Kept::Sound { offset, figure }) = self.read().book.get(id) {
                    return Some(Found { offset: *offset, figure: Arc::clone(figure) });
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, found).await.ok().flatten()
    }

    fn ready(&self) -> Result<RwLockReadGuard<'_, State>, NotRead> {
        let state = self.read();
        if state.read { Ok(state) } else { Err(NotRead(state.trouble.clone())) }
    }
}
