//! Why an event is not accepted, or not retracted, in both languages.

use laju_schemas::EventId;
use thiserror::Error;

use super::best_clock::Untimely;
use super::submission::Fault;
use crate::outbox::{OutboxError, Refusal};
use laju_kafka::problem::Words;

/// Why one event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// A field is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Nobody can tell whether its time is right: the kiosk's clock is wrong, or may be. The same
    /// event may be sent again.
    #[error("{0}")]
    Clock(Untimely),
    /// The outbox does not take it.
    #[error(transparent)]
    Outbox(#[from] Refusal),
    /// The outbox failed at it, after earlier events of the same request had been accepted.
    /// Whether it is in the outbox is not known.
    #[error("{0}; send it again, with the same idempotency_key")]
    NotStored(String),
}

impl Refused {
    /// Why, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        let indonesian = match self {
            Self::Fault(fault) => return fault.detail.clone(),
            Self::Outbox(Refusal::Full { limit_bytes }) => format!(
                "kotak keluar penuh ({limit_bytes} bita): peristiwa keluar dari sana begitu Kafka terjangkau; lihat `laju-kiosk status`"
            ),
            Self::Outbox(Refusal::KeyReused { event_id }) => format!(
                "kunci ini sudah dipakai peristiwa lain ({event_id}) dengan isi lain: setiap peristiwa perlu kuncinya sendiri"
            ),
            Self::Outbox(Refusal::Numbers) => {
                "kios ini sudah memakai semua 4294967295 nomor urutnya: beri kios id lain"
                    .to_owned()
            }
            Self::Outbox(Refusal::TooLarge { bytes }) => format!("peristiwa terlalu besar: {bytes} bita"),
            Self::Clock(Untimely::Unconfirmed { at, clock }) => format!(
                "occurred_at: {at} lebih dari 24 jam setelah jam kios ini, {clock}, yang belum dipastikan broker mana pun: salah satunya keliru; setel jamnya (NTP) atau sambungkan kios, lalu kirim peristiwa ini lagi"
            ),
            Self::Clock(Untimely::Disputed { at, broker, clock }) => format!(
                "occurred_at: {at} lebih dari 24 jam setelah jam broker, {broker}, sedangkan jam kios ini {clock}: salah satunya keliru; setel keduanya (NTP), lalu kirim peristiwa ini lagi"
            ),
            Self::Clock(_) => {
                "jam kios ini tidak mungkin benar: setel jamnya (NTP) atau sambungkan kios, lalu kirim peristiwa ini lagi, atau kirim sekarang dengan occurred_at"
                    .to_owned()
            }
            Self::NotStored(_) => {
                "kotak keluar gagal menyimpan; kirim lagi, dengan idempotency_key yang sama"
                    .to_owned()
            }
        };
        Words::new(self.to_string(), indonesian)
    }
}

impl RetractError {
    /// Why, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Unknown(id) => {
                let indonesian = format!(
                    "kios ini tidak punya peristiwa {id}, atau sudah terlalu lama dikirim: untuk menariknya, kirim fakta Retracted dengan NIK penduduk"
                );
                Words::new(self.to_string(), indonesian)
            }
            Self::Refused(refused) => refused.words(),
            Self::Outbox(error) => error.to_string().into(),
        }
    }
}

/// Why an event cannot be retracted.
#[derive(Debug, Error)]
pub enum RetractError {
    /// This agent does not know the event (any more).
    #[error(
        "this kiosk has no event {0}, or shipped it too long ago: to retract it, send a Retracted fact with the citizen's NIK"
    )]
    Unknown(EventId),
    /// The retraction was not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}
