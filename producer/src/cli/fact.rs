//! The facts as subcommands of `emit`.

use std::str::FromStr;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::{EventId, Fact, RegionCode};

/// Takes one of the contract's symbols, but not `unknown`: that is for readers.
pub(super) fn symbol<T>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Copy + Send + Sync + 'static,
{
    let names: Vec<_> = all.iter().map(|it| name(*it)).filter(|it| *it != "unknown").collect();
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// What happened.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum FactCommand {
    /// The citizen's IKD was activated.
    Activated {
        /// Where it was done.
        #[arg(long, value_parser = symbol(Channel::ALL, Channel::as_str))]
        channel: Channel,
        /// What kind of place an outreach visit went to.
        #[arg(long, value_parser = symbol(Venue::ALL, Venue::as_str))]
        venue: Option<Venue>,
        /// It is their first identity document of their own.
        #[arg(long)]
        first_time_holder: bool,
    },
    /// The citizen's IKD is no longer active.
    Deactivated {
        /// Why.
        #[arg(long, value_parser = symbol(DeactivationReason::ALL, DeactivationReason::as_str))]
        reason: DeactivationReason,
    },
    /// The citizen moved; --home-region is where they live now.
    Relocated {
        /// Where they moved from.
        #[arg(long, value_name = "CODE")]
        from_region: RegionCode,
    },
    /// The citizen asked, but could not be activated.
    Deferred {
        /// Why not.
        #[arg(long, value_parser = symbol(DeferralReason::ALL, DeferralReason::as_str))]
        reason: DeferralReason,
    },
    /// Biometrics were recorded for the electronic card.
    CardRecorded {
        /// It is their first card.
        #[arg(long)]
        first_time_holder: bool,
    },
    /// A printed card was asked for.
    CardRequested {
        /// Why.
        #[arg(long, value_parser = symbol(CardReason::ALL, CardReason::as_str))]
        reason: CardReason,
    },
    /// The printed card is there.
    CardPrinted {
        /// Why it had been asked for.
        #[arg(long, value_parser = symbol(CardReason::ALL, CardReason::as_str))]
        reason: CardReason,
    },
    /// An event of this citizen is to count as never happened.
    Retracted {
        /// The event taken back.
        #[arg(long, value_name = "UUID")]
        retracted_event_id: EventId,
        /// Why.
        #[arg(long, value_parser = symbol(RetractionReason::ALL, RetractionReason::as_str))]
        reason: RetractionReason,
    },
}

impl From<FactCommand> for Fact {
    fn from(command: FactCommand) -> Self {
        match command {
            FactCommand::Activated { channel, venue, first_time_holder } => {
                Self::Activated { channel, venue, first_time_holder }
            }
            FactCommand::Deactivated { reason } => Self::Deactivated { reason },
            FactCommand::Relocated { from_region } => Self::Relocated { from_region },
            FactCommand::Deferred { reason } => Self::Deferred { reason },
            FactCommand::CardRecorded { first_time_holder } => {
                Self::CardRecorded { first_time_holder }
            }
            FactCommand::CardRequested { reason } => Self::CardRequested { reason },
            FactCommand::CardPrinted { reason } => Self::CardPrinted { reason },
            FactCommand::Retracted { retracted_event_id, reason } => {
                Self::Retracted { event_id: retracted_event_id, reason }
            }
        }
    }
}
