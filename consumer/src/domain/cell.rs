//! What each posting says beside its amount, and the compact cell in which postings are kept and
//! added up.

use std::cmp::Ordering;

use laju_schemas::RegionIndex;
use laju_schemas::event::{CardReason, Channel, DeactivationReason, DeferralReason, Venue};

use super::account::Account;
use super::day::Day;
use super::dictionary::Names;

/// The number of an outreach visit in a dictionary, a partition's or the node's; 0 is none.
pub type OutreachRef = u32;
/// The number of a kiosk together with an outreach visit in such a dictionary.
pub type VisitRef = u32;

/// What a posting says beside account, region, days and amount. Texts are numbers of a
/// dictionary (see [`super::dictionary`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detail {
    /// Of [`Account::Activations`].
    Activation {
        /// Whose office served.
        service: RegionIndex,
        /// Where it was done.
        channel: Channel,
        /// What kind of place.
        venue: Option<Venue>,
        /// The visit, or 0.
        outreach: OutreachRef,
        /// Whether it is their first identity document.
        first_time_holder: bool,
    },
    /// Of [`Account::Deactivations`].
    Deactivation(DeactivationReason),
    /// Of the two accounts of moves: the other region.
    Move(RegionIndex),
    /// Of [`Account::Deferrals`].
    Deferral {
        /// Why not.
        reason: DeferralReason,
        /// Whose office served.
        service: RegionIndex,
        /// The visit, or 0.
        outreach: OutreachRef,
    },
    /// Of [`Account::CardsRecorded`]: whether it is the first.
    Recorded(bool),
    /// Of [`Account::CardsRequested`] and [`Account::CardsPrinted`].
    Card(CardReason),
    /// Of [`Account::PrintQueue`].
    Queue,
    /// Of the two accounts of visits.
    Visit {
        /// Which kiosk at which visit.
        visit: VisitRef,
        /// The local hour of the day where it served, 0 to 23.
        hour: u8,
    },
}

/// One amount of the ledger: `(account, region, day, recorded, detail) += amount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// What is counted.
    pub account: Account,
    /// Where.
    pub region: RegionIndex,
    /// The local day on which it happened.
    pub day: Day,
    /// The day, in the programme's zone, on which we learnt of it.
    pub recorded: Day,
    /// What else is known.
    pub detail: Detail,
    /// How many.
    pub amount: i32,
}

/// A posting's key in twelve bytes beside its detail; sorts by region, account, day, recorded and
/// detail, so that all that a question needs of a region lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    place: u64,
    detail: u64,
}

enum Text {
    None,
    Outreach,
    Visit,
}

/// A cell of the ledger: a key and the sum of the amounts posted to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Where it is posted.
    pub key: CellKey,
    /// The sum of what was posted.
    pub amount: i32,
}

// place: region 16 | account 8 | day 16 | recorded 16, from high to low (8 bits unused on top).
const RECORDED: u32 = 0;
const DAY: u32 = 16;
const ACCOUNT: u32 = 32;
const REGION: u32 = 40;

// One value more than there are bits for would run into the field beside it, without a word.
const _: () = {
    assert!(Account::ALL.len() <= 1 << (REGION - ACCOUNT));
    assert!(Channel::ALL.len() <= 1 << 4);
    assert!(Venue::ALL.len() <= NO_VENUE as usize);
};

impl CellKey {
    /// Bytes of a key.
    pub const BYTES: usize = 15;

    /// The key of a posting.
    #[must_use]
    #[inline]
    pub fn of(posting: &Posting) -> Self {
        Self {
            place: u64::from(posting.region.0) << REGION
                | u64::from(posting.account as u8) << ACCOUNT
                | u64::from(posting.day.0) << DAY
                | u64::from(posting.recorded.0) << RECORDED,
            detail: pack(posting.detail),
        }
    }

    /// The smallest key of a region's account.
    #[must_use]
    pub fn first(region: RegionIndex, account: Account) -> Self {
        Self {
            place: u64::from(region.0) << REGION | u64::from(account as u8) << ACCOUNT,
            detail: 0,
        }
    }

    /// The key as one number, in the same order: two numbers are compared without a branch, which
    /// is most of what sorting cells costs.
    #[must_use]
    #[inline]
    pub fn order(self) -> u128 {
        u128::from(self.place) << 64 | u128::from(self.detail)
    }

    /// Which region it belongs to.
    #[must_use]
    #[inline]
    pub fn region(self) -> RegionIndex {
        RegionIndex((self.place >> REGION) as u16)
    }

    /// Which account.
    #[must_use]
    #[inline]
    pub fn account(self) -> Account {
        Account::ALL[(self.place >> ACCOUNT) as u8 as usize]
    }

    /// The day on which it happened.
    #[must_use]
    #[inline]
    pub fn day(self) -> Day {
        Day((self.place >> DAY) as u16)
    }

    /// The day on which we learnt of it.
    #[must_use]
    #[inline]
    pub fn recorded(self) -> Day {
        Day((self.place >> RECORDED) as u16)
    }

    /// The same place in another account, which has the same details: its memo, or what it is a
    /// memo of.
    #[must_use]
    pub fn in_account(self, account: Account) -> Self {
        let place = self.place & !(0xff << ACCOUNT) | u64::from(account as u8) << ACCOUNT;
        Self { place, detail: self.detail }
    }

    /// The same place by the numbers of another dictionary, given by those of this one.
    ///
    /// # Panics
    /// If a number is not among them.
    #[must_use]
    #[inline]
    pub fn renumbered(self, outreach: &[OutreachRef], visits: &[VisitRef]) -> Self {
        let numbers = match self.text() {
            Text::Outreach => outreach,
            Text::Visit => visits,
            Text::None => return self,
        };
        let number = numbers[self.detail as u32 as usize];
        Self { detail: self.without_text().detail | u64::from(number), ..self }
    }

    /// An order of keys that does not depend on what numbers these names have.
    #[must_use]
    pub fn compare(self, other: Self, names: &Names) -> Ordering {
        let texts = |key: Self| {
            let number = key.detail as u32;
            let (kiosk, outreach) = match key.text() {
                Text::None => return (None, None),
                Text::Outreach => (None, number),
                Text::Visit => {
                    let (kiosk, outreach) = names.visit(number);
                    (Some(names.kiosk(kiosk)), outreach)
                }
            };
            (names.outreach(outreach), kiosk)
        };
        let by_rest = self.without_text().order().cmp(&other.without_text().order());
        by_rest.then_with(|| texts(self).cmp(&texts(other)))
    }

    /// What the lower half of the detail is the number of.
    #[inline]
    fn text(self) -> Text {
        match self.account() {
            Account::Activations | Account::ReleasedActivations | Account::Deferrals => {
                Text::Outreach
            }
            Account::VisitActivations | Account::VisitDeferrals => Text::Visit,
            _ => Text::None,
        }
    }

    /// The same place with 0 for the number of a text, which is of no meaning.
    #[must_use]
    pub fn without_text(self) -> Self {
        match self.text() {
            Text::None => self,
            Text::Outreach | Text::Visit => {
                Self { detail: self.detail & !u64::from(u32::MAX), ..self }
            }
        }
    }

    /// What else is known.
    #[must_use]
    #[inline]
    pub fn detail(self) -> Detail {
        unpack(self.account(), self.detail)
    }

    /// The key's bytes: compare as the keys do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..7].copy_from_slice(&self.place.to_be_bytes()[1..]);
        bytes[7..].copy_from_slice(&self.detail.to_be_bytes());
        bytes
    }

    /// The key of such bytes; `None` if no posting can have it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut place = [0; 8];
        place[1..].copy_from_slice(&bytes[..7]);
        let mut detail = [0; 8];
        detail.copy_from_slice(&bytes[7..]);
        let key = Self { place: u64::from_be_bytes(place), detail: u64::from_be_bytes(detail) };
        let account = Account::from_number((key.place >> ACCOUNT) as u8)?;
        let regions = laju_schemas::RegionTable::get().len();
        let known = usize::from(key.region().0) < regions;
        (known && pack(unpack(account, key.detail)) == key.detail).then_some(key)
    }
}

/// Sorts cells and adds up those with the same key; sums of zero are dropped.
#[must_use]
pub fn sort_and_add(mut cells: Vec<Cell>) -> Vec<Cell> {
    add_up(&mut cells);
    cells
}

/// The same in place.
pub fn add_up(cells: &mut Vec<Cell>) {
    cells.sort_unstable_by_key(|cell| cell.key.order());
    add_up_neighbours(cells);
}

/// The same of a few sorted runs one after the other: what sorts in keeping with order takes them as
/// they are, and only merges them.
pub fn add_up_runs(cells: &mut Vec<Cell>) {
    cells.sort_by_key(|cell| cell.key.order());
    add_up_neighbours(cells);
}

fn add_up_neighbours(cells: &mut Vec<Cell>) {
    cells.dedup_by(|cell, kept| {
        let same = cell.key == kept.key;
        if same {
            kept.amount += cell.amount;
        }
        same
    });
    cells.retain(|cell| cell.amount != 0);
}

/// `None` as a venue.
const NO_VENUE: u64 = 15;

fn pack(detail: Detail) -> u64 {
    match detail {
        Detail::Activation { service, channel, venue, outreach, first_time_holder } => {
            let venue = venue.map_or(NO_VENUE, |v| v.index().into());
            u64::from(service.0) << 48
                | u64::from(channel.index()) << 44
                | venue << 40
                | u64::from(first_time_holder) << 32
                | u64::from(outreach)
        }
        Detail::Deactivation(reason) => reason.index().into(),
        Detail::Move(other) => other.0.into(),
        Detail::Deferral { reason, service, outreach } => {
            u64::from(service.0) << 48 | u64::from(reason.index()) << 40 | u64::from(outreach)
        }
        Detail::Recorded(first) => first.into(),
        Detail::Card(reason) => reason.index().into(),
        Detail::Queue => 0,
        Detail::Visit { visit, hour } => u64::from(hour) << 32 | u64::from(visit),
    }
}

fn unpack(account: Account, detail: u64) -> Detail {
    let small = |shift: u32| (detail >> shift) as u8;
    let service = RegionIndex((detail >> 48) as u16);
    match account {
        Account::Activations | Account::ReleasedActivations => Detail::Activation {
            service,
            channel: Channel::from_index(usize::from(small(44) & 15)).unwrap_or(Channel::Unknown),
            venue: Venue::from_index(usize::from(small(40) & 15)),
            outreach: detail as u32,
            first_time_holder: detail >> 32 & 1 == 1,
        },
        Account::Deactivations | Account::ReleasedDeactivations => Detail::Deactivation(
            DeactivationReason::from_index(detail as usize).unwrap_or(DeactivationReason::Unknown),
        ),
        Account::MovesIn
        | Account::MovesOut
        | Account::ReleasedMovesIn
        | Account::ReleasedMovesOut => Detail::Move(RegionIndex(detail as u16)),
        Account::Deferrals => Detail::Deferral {
            reason: DeferralReason::from_index(usize::from(small(40)))
                .unwrap_or(DeferralReason::Unknown),
            service,
            outreach: detail as u32,
        },
        Account::CardsRecorded => Detail::Recorded(detail == 1),
        Account::CardsRequested | Account::CardsPrinted => {
            Detail::Card(CardReason::from_index(detail as usize).unwrap_or(CardReason::Unknown))
        }
        Account::PrintQueue => Detail::Queue,
        Account::VisitActivations | Account::VisitDeferrals => {
            Detail::Visit { visit: detail as u32, hour: small(32) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_all_that_a_posting_says() {
        let details = [
            (
                Account::Activations,
                Detail::Activation {
                    service: RegionIndex(551),
                    channel: Channel::Unknown,
                    venue: None,
                    outreach: u32::MAX,
                    first_time_holder: true,
                },
            ),
            (
                Account::Activations,
                Detail::Activation {
                    service: RegionIndex(0),
                    channel: Channel::Office,
                    venue: Some(Venue::Unknown),
                    outreach: 0,
                    first_time_holder: false,
                },
            ),
            (Account::Deactivations, Detail::Deactivation(DeactivationReason::Deceased)),
            (Account::MovesOut, Detail::Move(RegionIndex(300))),
            (
                Account::Deferrals,
                Detail::Deferral {
                    reason: DeferralReason::Other,
                    service: RegionIndex(7),
                    outreach: 9,
                },
            ),
            (Account::CardsRecorded, Detail::Recorded(true)),
            (Account::CardsPrinted, Detail::Card(CardReason::Lost)),
            (Account::PrintQueue, Detail::Queue),
            (Account::VisitDeferrals, Detail::Visit { visit: u32::MAX, hour: 23 }),
        ];
        for (account, detail) in details {
            let posting = Posting {
                account,
                region: RegionIndex(551),
                day: Day(65_535),
                recorded: Day(1),
                detail,
                amount: 1,
            };
            let key = CellKey::of(&posting);
            assert_eq!(key.account(), account);
            assert_eq!(key.region(), posting.region);
            assert_eq!((key.day(), key.recorded()), (posting.day, posting.recorded));
            assert_eq!(key.detail(), detail);
            assert_eq!(CellKey::from_bytes(&key.to_bytes()), Some(key));
            if let Some(memo) = account.memo() {
                assert_eq!(memo.memo_of(), Some(account));
                let key_of_memo = key.in_account(memo);
                assert_eq!(key_of_memo, CellKey::of(&Posting { account: memo, ..posting }));
                assert_eq!(key_of_memo.detail(), detail);
                assert_eq!(key_of_memo.in_account(account), key);
            }
        }
    }
}
