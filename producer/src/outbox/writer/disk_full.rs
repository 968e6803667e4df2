//! On a full disk: nothing is accepted, while settling and forgetting make room.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use redb::Database;

use super::super::OutboxError;
use super::super::format::State;
use super::super::job::Work;
use super::super::open::Lengthen;
use super::super::room::{LEAST_STEP_BYTES, RESERVE_BYTES, STEP_BYTES};
use super::{DiskFull, FORGET_AT_ONCE_ON_FULL_DISK, Writer};

/// After a look for room none follows for so long, and this many times as long as it took: reading
/// and settling go on meanwhile.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);
const ROOM_CHECK_DUTY: u32 = 10;

/// For so long nothing must have been settled before acknowledged events are forgotten before their
/// time: shipping makes room, too, and what it needs may be somebody else's to make.
pub(in crate::outbox) const FORGET_AFTER_IDLE: Duration =
    Duration::from_secs(if cfg!(test) { 3 } else { 5 * 60 });

impl DiskFull {
    pub(super) fn of(state: &State) -> Self {
        Self {
            compacted_at: state.occupied(),
            compaction_failed_at: None,
            acknowledged: state.acknowledged,
            idle_since: Instant::now(),
        }
    }

    /// Whether there is so much less in the database now that it is worth something.
    fn has_shrunk(&self, state: &State) -> bool {
        is_less(state.occupied(), self.compacted_at)
    }

    /// Whether it is worth trying to move its pages together.
    fn may_compact(&self, state: &State) -> bool {
        self.has_shrunk(state)
            && self.compaction_failed_at.is_none_or(|tried| is_less(state.occupied(), tried))
    }
}

/// Whether so many bytes are a step less than those, or an eighth less of few.
fn is_less(bytes: u64, than: u64) -> bool {
    bytes + STEP_BYTES.min(than / 8).max(1) <= than
}

impl Writer {
    /// The disk is full: nothing is accepted from now on.
    pub(super) fn note_disk_full(&mut self) {
        if self.disk_full.is_none() {
            tracing::warn!("the disk is full: no events are taken until there is room");
            self.disk_full = Some(DiskFull::of(&self.state));
            self.publish();
        }
    }

    /// On a full disk: sees whether there is room by now, or makes some.
    pub(super) fn make_room(&mut self) {
        let Some(full) = self.disk_full else { return };
        if self.room_check_after.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let began = Instant::now();
        if let Err(error) = self.try_to_make_room(full) {
            tracing::debug!(%error, "no room yet");
        }
        self.delay_room_check(began.elapsed());
    }

    fn try_to_make_room(&mut self, mut full: DiskFull) -> Result<(), OutboxError> {
        if !self.is_open() {
            self.reopen(Lengthen::FromReserve)?;
        }
        let is_done = |writer: &Self, full: &DiskFull| {
            if writer.room.ensure_reserve() {
                writer.room.can_grow() || full.has_shrunk(&writer.state)
            } else {
                writer.has_room_within()
            }
        };
        if full.acknowledged != self.state.acknowledged {
            full.acknowledged = self.state.acknowledged;
            full.idle_since = Instant::now();
        }
        self.disk_full = Some(full);
        if !is_done(self, &full) {
            if full.may_compact(&self.state) {
                // Noted beforehand: where there is no room for it, it is not tried again before
                // there is less, and forgetting has its turn.
                full.compaction_failed_at = Some(self.state.occupied());
                self.disk_full = Some(full);
                self.compact()?;
                (full.compacted_at, full.compaction_failed_at) = (self.state.occupied(), None);
            } else if full.idle_since.elapsed() >= FORGET_AFTER_IDLE
                && self.state.forgettable() >= self.room.missing()
            {
                // To take events is worth more than to remember what became of the oldest.
                self.forget_some()?;
                full.idle_since = Instant::now();
            }
        }
        self.disk_full = Some(full);
        if is_done(self, &full) {
            tracing::info!("there is room on the disk: events are taken again");
            self.disk_full = None;
            self.publish();
        }
        Ok(())
    }

    /// Whether the database has so many free pages that a whole reserve would be there with them,
    /// though a part of it became theirs and the disk has nothing to make it whole again.
    fn has_room_within(&self) -> bool {
        let held = self.room.held();
        held >= RESERVE_BYTES / 2
            && held + self.free_bytes().unwrap_or(0) >= RESERVE_BYTES + LEAST_STEP_BYTES
    }

    /// The free pages of the database, in bytes.
    fn free_bytes(&self) -> Option<u64> {
        let place = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = place.as_ref()?.begin_write().ok()?;
        let stats = transaction.stats().ok()?;
        let used = stats.allocated_pages() * stats.page_size() as u64;
        drop(transaction);
        Some(self.room.length().ok()?.saturating_sub(used))
    }

    /// Moves the database's pages together and gives what is left behind them back.
    fn compact(&mut self) -> Result<(), OutboxError> {
        let result = {
            let mut place = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
            // Nobody reads meanwhile.
            place.as_mut().map_or(Ok(true), Database::compact)
        };
        let Err(error) = result else { return Ok(()) };
        let error = OutboxError::database(&self.files.directory, error);
        if error.passes() {
            self.reopen(Lengthen::FromReserve)?;
        }
        Err(error)
    }

    /// Forgets the oldest quarter of what was acknowledged.
    fn forget_some(&mut self) -> Result<(), OutboxError> {
        let remembered = self.state.acknowledged - self.state.forgotten;
        if remembered == 0 {
            return Ok(());
        }
        let goal = self.state.forgotten + remembered.div_ceil(4);
        tracing::warn!(
            events = remembered.div_ceil(4),
            "the disk is full: the oldest acknowledged events are forgotten before their time"
        );
        while self.state.forgotten < goal {
            let left =
                usize::try_from(goal - self.state.forgotten).unwrap_or(FORGET_AT_ONCE_ON_FULL_DISK);
            let before = self.state.forgotten;
            self.attempt(&[Work::Forget(left.min(FORGET_AT_ONCE_ON_FULL_DISK))], &mut Vec::new())?;
            if self.state.forgotten == before {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn delay_room_check(&mut self, effort: Duration) {
        self.room_check_after =
            Instant::now().checked_add(ROOM_CHECK_INTERVAL + effort * ROOM_CHECK_DUTY);
    }
}
