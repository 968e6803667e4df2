//! The ledger's accounts.
//!
//! `active = activations − deactivations + moves_in − moves_out` in every region, on every day,
//! as known on any day.
//!
//! Four accounts are memos: what events released from quarantine post to these four is posted to
//! them once more, so that a figure's change can be told apart by it. They are part of no figure.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Account {
    /// Inactive to active, in the home region of the fact.
    Activations,
    /// Active to inactive, in the region where the subject was counted.
    Deactivations,
    /// Moved in while active.
    MovesIn,
    /// Moved out while active.
    MovesOut,
    /// Asked, but could not be activated.
    Deferrals,
    /// Biometrics recorded for the card.
    CardsRecorded,
    /// Printed cards asked for.
    CardsRequested,
    /// Cards printed.
    CardsPrinted,
    /// Subjects whose latest card fact is a request.
    PrintQueue,
    /// Activations of an outreach visit, by kiosk and hour, in the region that served.
    VisitActivations,
    /// Deferrals of an outreach visit, by kiosk and hour, in the region that served.
    VisitDeferrals,
    /// Memo of [`Account::Activations`]: what events released from quarantine posted there.
    ReleasedActivations,
    /// Memo of [`Account::Deactivations`].
    ReleasedDeactivations,
    /// Memo of [`Account::MovesIn`].
    ReleasedMovesIn,
    /// Memo of [`Account::MovesOut`].
    ReleasedMovesOut,
}

/// What is to be said of an account.
struct Row {
    account: Account,
    /// In answers and exports.
    name: &'static str,
    /// What one posted to it does to the active people.
    effect: i64,
    memo_of: Option<Account>,
}

const fn row(account: Account, name: &'static str, effect: i64, memo_of: Option<Account>) -> Row {
    Row { account, name, effect, memo_of }
}

/// Every account, in the order of their numbers.
const TABLE: [Row; 15] = [
    row(Account::Activations, "activations", 1, None),
    row(Account::Deactivations, "deactivations", -1, None),
    row(Account::MovesIn, "moves_in", 1, None),
    row(Account::MovesOut, "moves_out", -1, None),
    row(Account::Deferrals, "deferrals", 0, None),
    row(Account::CardsRecorded, "cards_recorded", 0, None),
    row(Account::CardsRequested, "cards_requested", 0, None),
    row(Account::CardsPrinted, "cards_printed", 0, None),
    row(Account::PrintQueue, "print_queue", 0, None),
    row(Account::VisitActivations, "visit_activations", 0, None),
    row(Account::VisitDeferrals, "visit_deferrals", 0, None),
    row(Account::ReleasedActivations, "released_activations", 0, Some(Account::Activations)),
    row(Account::ReleasedDeactivations, "released_deactivations", 0, Some(Account::Deactivations)),
    row(Account::ReleasedMovesIn, "released_moves_in", 0, Some(Account::MovesIn)),
    row(Account::ReleasedMovesOut, "released_moves_out", 0, Some(Account::MovesOut)),
];

const _: () = {
    let mut number = 0;
    while number < TABLE.len() {
        assert!(TABLE[number].account as usize == number, "each in the place of its number");
        assert!(Account::ALL[number] as usize == number, "each in the place of its number");
        number += 1;
    }
};

impl Account {
    /// Every account, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Activations,
        Self::Deactivations,
        Self::MovesIn,
        Self::MovesOut,
        Self::Deferrals,
        Self::CardsRecorded,
        Self::CardsRequested,
        Self::CardsPrinted,
        Self::PrintQueue,
        Self::VisitActivations,
        Self::VisitDeferrals,
        Self::ReleasedActivations,
        Self::ReleasedDeactivations,
        Self::ReleasedMovesIn,
        Self::ReleasedMovesOut,
    ];

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The account of which this is a memo; none if it is no memo.
    #[must_use]
    pub const fn memo_of(self) -> Option<Self> {
        self.row().memo_of
    }

    /// The memo of this account; none if it has none.
    #[must_use]
    pub const fn memo(self) -> Option<Self> {
        match self {
            Self::Activations => Some(Self::ReleasedActivations),
            Self::Deactivations => Some(Self::ReleasedDeactivations),
            Self::MovesIn => Some(Self::ReleasedMovesIn),
            Self::MovesOut => Some(Self::ReleasedMovesOut),
            _ => None,
        }
    }

    /// What one posted to it does to the active people: more, fewer or nothing.
    #[must_use]
    pub const fn effect(self) -> i64 {
        self.row().effect
    }

    /// The account of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name in answers and exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }
}
