//! The event: an envelope and one fact.

use serde::{Deserialize, Serialize};

use crate::id::{EventId, KioskId, OutreachId, Sequence, SubjectId};
use crate::region::RegionCode;
use crate::symbols::symbols;
use crate::time::TimestampMs;

/// One fact about one citizen's digital identity, as a kiosk recorded it. Every field holds a
/// value that the contract allows; whether the regions exist is the region table's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationEvent {
    /// A UUID; the same on every retry.
    pub event_id: EventId,
    /// The device that recorded it.
    pub kiosk_id: KioskId,
    /// The kiosk's own count of its events.
    pub sequence: Sequence,
    /// When it happened, by the kiosk's clock.
    pub occurred_at: TimestampMs,
    /// The citizen's pseudonym, also the message key.
    pub subject: SubjectId,
    /// Where the citizen is registered: a regency or city.
    pub home_region: RegionCode,
    /// Whose office served them: a regency or city.
    pub service_region: RegionCode,
    /// The outreach visit at which it happened, if any.
    pub outreach_id: Option<OutreachId>,
    /// What happened.
    pub fact: Fact,
}

/// What happened, in the order of the schema's union: Avro chooses the branch by its index.
///
/// `R` is a region code: [`RegionCode`] once its shape is checked, text before. In JSON a field
/// that a fact does not have is an error: it would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fact<R = RegionCode> {
    /// The subject's IKD is active at the event's home region.
    Activated {
        /// Where it was done.
        channel: Channel,
        /// What kind of place an outreach visit went to.
        venue: Option<Venue>,
        /// Whether this is the citizen's first identity document of their own.
        first_time_holder: bool,
    },
    /// The subject's IKD is no longer active.
    Deactivated {
        /// Why.
        reason: DeactivationReason,
    },
    /// The subject's home region is now the event's.
    Relocated {
        /// Where they moved from; information only.
        from_region: R,
    },
    /// Asked for, but could not be activated.
    Deferred {
        /// Why not.
        reason: DeferralReason,
    },
    /// Biometrics recorded for the electronic card.
    CardRecorded {
        /// Whether it is their first card.
        first_time_holder: bool,
    },
    /// A printed card was asked for.
    CardRequested {
        /// Why.
        reason: CardReason,
    },
    /// The printed card is there.
    CardPrinted {
        /// Why it had been asked for.
        reason: CardReason,
    },
    /// That event of this subject counts as never happened.
    Retracted {
        /// The event taken back.
        event_id: EventId,
        /// Why.
        reason: RetractionReason,
    },
}

impl<R> Fact<R> {
    /// Which kind of fact it is.
    #[must_use]
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Activated { .. } => FactKind::Activated,
            Self::Deactivated { .. } => FactKind::Deactivated,
            Self::Relocated { .. } => FactKind::Relocated,
            Self::Deferred { .. } => FactKind::Deferred,
            Self::CardRecorded { .. } => FactKind::CardRecorded,
            Self::CardRequested { .. } => FactKind::CardRequested,
            Self::CardPrinted { .. } => FactKind::CardPrinted,
            Self::Retracted { .. } => FactKind::Retracted,
        }
    }

    /// The field of its body that holds `unknown`, if one does: a symbol for readers of a later
    /// schema, which no writer may use.
    #[must_use]
    pub fn unknown_field(&self) -> Option<&'static str> {
        match *self {
            Self::Activated { channel: Channel::Unknown, .. } => Some("channel"),
            Self::Activated { venue: Some(Venue::Unknown), .. } => Some("venue"),
            Self::Deactivated { reason: DeactivationReason::Unknown }
            | Self::Deferred { reason: DeferralReason::Unknown }
            | Self::CardRequested { reason: CardReason::Unknown }
            | Self::CardPrinted { reason: CardReason::Unknown } => Some("reason"),
            // The contract has `unknown` for a retraction whose reason nobody knows any more.
            _ => None,
        }
    }

    /// The same fact with its region read by `read`; `None` if that fails.
    pub fn try_map_region<S>(self, read: impl FnOnce(R) -> Option<S>) -> Option<Fact<S>> {
        Some(match self {
            Self::Activated { channel, venue, first_time_holder } => {
                Fact::Activated { channel, venue, first_time_holder }
            }
            Self::Deactivated { reason } => Fact::Deactivated { reason },
            Self::Relocated { from_region } => Fact::Relocated { from_region: read(from_region)? },
            Self::Deferred { reason } => Fact::Deferred { reason },
            Self::CardRecorded { first_time_holder } => Fact::CardRecorded { first_time_holder },
            Self::CardRequested { reason } => Fact::CardRequested { reason },
            Self::CardPrinted { reason } => Fact::CardPrinted { reason },
            Self::Retracted { event_id, reason } => Fact::Retracted { event_id, reason },
        })
    }
}

/// The kinds of fact, in the order of the schema's union.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[repr(u8)]
#[allow(missing_docs, reason = "each is documented at the fact of its name")]
pub enum FactKind {
    Activated,
    Deactivated,
    Relocated,
    Deferred,
    CardRecorded,
    CardRequested,
    CardPrinted,
    Retracted,
}

impl FactKind {
    /// Every kind, in the order of the schema's union.
    pub const ALL: [Self; 8] = [
        Self::Activated,
        Self::Deactivated,
        Self::Relocated,
        Self::Deferred,
        Self::CardRecorded,
        Self::CardRequested,
        Self::CardPrinted,
        Self::Retracted,
    ];

    /// The name of the branch's record in the schema.
    #[must_use]
    pub const fn record_name(self) -> &'static str {
        match self {
            Self::Activated => "Activated",
            Self::Deactivated => "Deactivated",
            Self::Relocated => "Relocated",
            Self::Deferred => "Deferred",
            Self::CardRecorded => "CardRecorded",
            Self::CardRequested => "CardRequested",
            Self::CardPrinted => "CardPrinted",
            Self::Retracted => "Retracted",
        }
    }
}

impl std::fmt::Display for FactKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.record_name())
    }
}

symbols! {
    /// Where an activation was done.
    Channel {
        Office = "office",
        SubDistrict = "sub_district",
        ServiceMall = "service_mall",
        Outreach = "outreach",
        SelfService = "self_service",
        Unknown = "unknown",
    }
}

symbols! {
    /// The kind of place that an outreach visit went to.
    Venue {
        School = "school",
        Campus = "campus",
        Government = "government",
        Private = "private",
        Health = "health",
        Village = "village",
        Other = "other",
        Unknown = "unknown",
    }
}

symbols! {
    /// Why an IKD was deactivated.
    DeactivationReason {
        DeviceLost = "device_lost",
        Withdrawn = "withdrawn",
        Deceased = "deceased",
        Error = "error",
        Unknown = "unknown",
    }
}

symbols! {
    /// Why a citizen who asked could not be activated.
    DeferralReason {
        NoSmartphone = "no_smartphone",
        UnsupportedDevice = "unsupported_device",
        NoEmailOrNumber = "no_email_or_number",
        NoConnectivity = "no_connectivity",
        VerificationFailed = "verification_failed",
        NotInterested = "not_interested",
        Other = "other",
        Unknown = "unknown",
    }
}

symbols! {
    /// Why a printed card was asked for.
    CardReason {
        FirstTime = "first_time",
        Damaged = "damaged",
        Lost = "lost",
        DataChange = "data_change",
        Unknown = "unknown",
    }
}

symbols! {
    /// Why an event was taken back.
    RetractionReason {
        WrongPerson = "wrong_person",
        WrongRegion = "wrong_region",
        WrongDetails = "wrong_details",
        Test = "test",
        Unknown = "unknown",
    }
}
