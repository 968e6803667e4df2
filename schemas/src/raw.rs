//! An event read in place: the fast path for events written with this program's own schema.
//!
//! Reading borrows from the value and allocates nothing. It accepts exactly the bytes that
//! apache-avro accepts and gives the same event; a property test holds the two together.

use std::str::FromStr;

use crate::cursor::{Cursor, DecodeError};
use crate::datum::{Datum as _, fault};
use crate::event::{
    ActivationEvent, CardReason, Channel, DeactivationReason, DeferralReason, Fact,
    RetractionReason,
};
use crate::id::{EventId, Sequence, SubjectId};
use crate::region::RegionCode;
use crate::time::TimestampMs;

/// An event as the bytes have it: decoded, but nothing about it checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// See [`crate::ActivationEvent::event_id`].
    pub event_id: EventId,
    /// See [`crate::ActivationEvent::kiosk_id`].
    pub kiosk_id: &'a str,
    /// See [`crate::ActivationEvent::sequence`].
    pub sequence: i64,
    /// See [`crate::ActivationEvent::occurred_at`]; milliseconds since 1970.
    pub occurred_at: i64,
    /// See [`crate::ActivationEvent::subject`].
    pub subject: SubjectId,
    /// See [`crate::ActivationEvent::home_region`].
    pub home_region: &'a str,
    /// See [`crate::ActivationEvent::service_region`].
    pub service_region: &'a str,
    /// See [`crate::ActivationEvent::outreach_id`].
    pub outreach_id: Option<&'a str>,
    /// See [`crate::ActivationEvent::fact`].
    pub fact: Fact<&'a str>,
}

impl<'a> RawEvent<'a> {
    /// Reads an event written with this program's own schema.
    ///
    /// # Errors
    /// Says which field the bytes fail at, or that a rest is left.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut at = Cursor::new(payload);
        let event = Self {
            event_id: EventId(at.fixed("event_id")?),
            kiosk_id: at.text("kiosk_id")?,
            sequence: at.long("sequence")?,
            occurred_at: at.long("occurred_at")?,
            subject: SubjectId(at.fixed("subject")?),
            home_region: at.text("home_region")?,
            service_region: at.text("service_region")?,
            outreach_id: at.nullable("outreach_id", |at| at.text("outreach_id"))?,
            fact: Self::fact(&mut at)?,
        };
        at.end()?;
        Ok(event)
    }

    /// The event itself, each field checked for its shape.
    ///
    /// # Errors
    /// Says which field does not have the contract's shape.
    pub fn check(&self) -> Result<ActivationEvent, DecodeError> {
        fn parse<T: FromStr>(field: &'static str, text: &str) -> Result<T, DecodeError>
        where
            T::Err: std::fmt::Display,
        {
            text.parse().map_err(|why| fault(field, &why))
        }
        let region = |text: &str| RegionCode::parse(text);
        Ok(ActivationEvent {
            event_id: self.event_id,
            kiosk_id: parse("kiosk_id", self.kiosk_id)?,
            sequence: Sequence::try_from(self.sequence).map_err(|why| fault("sequence", &why))?,
            occurred_at: TimestampMs(self.occurred_at),
            subject: self.subject,
            home_region: parse("home_region", self.home_region)?,
            service_region: parse("service_region", self.service_region)?,
            outreach_id: self.outreach_id.map(|id| parse("outreach_id", id)).transpose()?,
            fact: self
                .fact
                .try_map_region(region)
                .ok_or_else(|| fault("fact.from_region", &"not a region code"))?,
        })
    }

    #[inline]
    fn fact(at: &mut Cursor<'a>) -> Result<Fact<&'a str>, DecodeError> {
        Ok(match at.index("fact")? {
            0 => Fact::Activated {
                channel: Channel::read(at, "fact.channel")?,
                venue: Option::read(at, "fact.venue")?,
                first_time_holder: at.boolean("fact.first_time_holder")?,
            },
            1 => Fact::Deactivated { reason: DeactivationReason::read(at, "fact.reason")? },
            2 => Fact::Relocated { from_region: at.text("fact.from_region")? },
            3 => Fact::Deferred { reason: DeferralReason::read(at, "fact.reason")? },
            4 => Fact::CardRecorded { first_time_holder: at.boolean("fact.first_time_holder")? },
            5 => Fact::CardRequested { reason: CardReason::read(at, "fact.reason")? },
            6 => Fact::CardPrinted { reason: CardReason::read(at, "fact.reason")? },
            7 => Fact::Retracted {
                event_id: EventId(at.fixed("fact.event_id")?),
                reason: RetractionReason::read(at, "fact.reason")?,
            },
            _ => return Err(DecodeError::Choice("fact")),
        })
    }
}
