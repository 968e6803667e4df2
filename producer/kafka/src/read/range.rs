//! What is read of a topic, and in which order.

/// The offsets of a partition that are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first offset.
    pub from: i64,
    /// The offset behind the last one: that of a record that is not wanted any more.
    /// [`Range::ENDLESS`] for going on with whatever comes.
    pub to: i64,
}

impl Range {
    /// The end of a range that has none.
    pub const ENDLESS: i64 = i64::MAX;

    pub(super) const fn is_empty(self) -> bool {
        self.from >= self.to
    }
}

/// In which order partitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All at the same time, as the brokers send them.
    Together,
    /// One after the other by their numbers, so that the same ranges always give the same records
    /// in the same order. The next ones are fetched meanwhile, within bounds. A range without an
    /// end never lets the next one begin.
    OneByOne,
}
