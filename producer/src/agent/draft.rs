//! What is stored of a submission or a retraction: checked as a worker would, the NIK turned into a
//! pseudonym.

use laju_schemas::event::RetractionReason;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{EventId, Fact, OutreachId, TimestampMs};

use super::best_clock::{Moment, TimeSource, Untimely};
use super::kiosk::Kiosk;
use super::submission::{Fault, Submission};
use crate::intake::{self, IntakeError};
use crate::outbox::{Draft, Entry, IdempotencyKey};

/// An event to be stored, and where its time came from, or why it is not to be stored now: the time
/// in it means nothing then. [`Untimely::Never`] is none of those reasons.
pub(super) type Drafted = (Draft, Result<TimeSource, Untimely>);

impl Submission {
    /// The event to be stored, and where its time came from, or why it is not to be stored now.
    ///
    /// # Errors
    /// Says which field a worker would refuse.
    pub fn draft(
        &self,
        kiosk: &Kiosk,
        key: &ProgrammeKey,
        event_id: EventId,
        moment: &Moment,
    ) -> Result<(Draft, Result<TimeSource, Untimely>), Fault> {
        let home_region = intake::region("home_region", self.home_region)?;
        let service_region = self.service_region.unwrap_or(kiosk.service_region);
        let service_region = intake::region("service_region", service_region)?;
        let (occurred_at, time) = time(moment, self.occurred_at)?;
        let subject = key.pseudonym(&self.nik);
        let idempotency = self.idempotency_key.as_ref().map(|text| {
            let fact = serde_json::to_string(&self.fact).unwrap_or_default();
            // What the client said, not what was filled in: the same request later is the same.
            let occurred_at = self.occurred_at.map(|at| at.0);
            let outreach_id = self.outreach_id.as_ref().map(OutreachId::as_str);
            let content = format!(
                "{subject} {home_region} {service_region} {occurred_at:?} {outreach_id:?} {fact}"
            );
            IdempotencyKey {
                key: key.digest("idempotency key", text.as_bytes()),
                content: key.digest("idempotency content", content.as_bytes()),
            }
        });
        let entry = Entry {
            event_id,
            subject,
            home_region,
            service_region,
            occurred_at,
            accepted_at: moment.reading.clock,
            key: idempotency,
        };
        Ok((Draft { entry, outreach_id: self.outreach_id.clone(), fact: self.fact }, time))
    }
}

/// The retraction of an event that the outbox knows. Without a key of the client's the event itself
/// is one: taking it back twice is the same.
pub(super) fn retraction(
    retracted: &Entry,
    reason: RetractionReason,
    idempotency_key: Option<&str>,
    key: &ProgrammeKey,
    event_id: EventId,
    moment: &Moment,
) -> Result<Drafted, Fault> {
    let (occurred_at, time) = time(moment, None)?;
    let own = format!("retraction of {}", retracted.event_id);
    let text = idempotency_key.unwrap_or(&own);
    let entry = Entry {
        event_id,
        occurred_at,
        accepted_at: moment.reading.clock,
        key: Some(IdempotencyKey {
            key: key.digest("retraction key", text.as_bytes()),
            content: key.digest("idempotency content", own.as_bytes()),
        }),
        ..*retracted
    };
    let fact = Fact::Retracted { event_id: retracted.event_id, reason };
    Ok((Draft { entry, outreach_id: None, fact }, time))
}

/// The time of an event that happened at `given`, or just now.
fn time(
    moment: &Moment,
    given: Option<TimestampMs>,
) -> Result<(TimestampMs, Result<TimeSource, Untimely>), IntakeError> {
    match moment.time(given) {
        Ok(timed) => Ok((timed.occurred_at, Ok(timed.source))),
        Err(Untimely::Never(why)) => Err(why),
        Err(untimely) => Ok((given.unwrap_or(moment.reading.clock), Err(untimely))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::best_clock::{BestClock, Reading};
    use super::super::submission::event;
    use super::*;

    const GOOD: &str = r#"{"nik": "1871010101900001", "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}}}"#;

    #[test]
    fn a_draft_is_checked_as_a_worker_would_and_knows_the_request_again() {
        let kiosk = Kiosk { id: "k".parse().unwrap(), service_region: "18.71".parse().unwrap() };
        let key =
            ProgrammeKey::parse("6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1")
                .unwrap();
        let now = TimestampMs(1_770_000_000_000);
        let draft = |text: &str, now| {
            let reading = Reading { clock: now, uptime: Duration::from_secs(1) };
            let moment = Moment { reading, best: BestClock::new(TimestampMs(now.0 - 1), None) };
            let submission = event(text.as_bytes()).unwrap();
            let drafted = submission.draft(&kiosk, &key, EventId([1; 16]), &moment);
            drafted.map(|(draft, _)| draft.entry)
        };
        let named = GOOD.replace(r#"{"nik""#, r#"{"idempotency_key": "a", "nik""#);
        let first = draft(&named, now).unwrap();
        assert_eq!((first.occurred_at, first.service_region.to_string()), (now, "18.71".into()));
        let later = draft(&named, TimestampMs(now.0 + 5)).unwrap();
        let (first, later) = (first.key.unwrap(), later.key.unwrap());
        assert!(first.key == later.key && first.content == later.content);
        let other = draft(&named.replace("18.71", "18.72"), now).unwrap().key.unwrap();
        assert!(first.key == other.key && first.content != other.content);
        let absent = draft(&GOOD.replace("18.71", "18.99"), now).unwrap_err();
        assert_eq!(absent.field, "home_region");
        let early = GOOD.replace(r#"{"nik""#, r#"{"occurred_at": "2021-12-31T00:00:00Z", "nik""#);
        assert_eq!(draft(&early, now).unwrap_err().field, "occurred_at");
    }
}
