//! What is hard to bring about from outside: answers that come in an awkward order.

use laju_schemas::event::DeferralReason;
use laju_schemas::{EventId, Fact, SubjectId, TimestampMs};

use super::*;
use crate::agent::kiosk::Kiosk;
use crate::outbox::{Draft, Entry, OutboxSettings};

const NOW: TimestampMs = TimestampMs(1_770_000_000_000);

/// A shipper without a broker, over an outbox with so many events.
async fn shipper(folder: &std::path::Path, events: u8) -> Shipper {
    let kiosk = Kiosk { id: "k".parse().unwrap(), service_region: "18.71".parse().unwrap() };
    let outbox = Outbox::open(folder, &kiosk.id, OutboxSettings::default()).unwrap();
    let drafts = (1..=events).map(|number| Draft {
        entry: Entry {
            event_id: EventId([number; 16]),
            occurred_at: NOW,
            subject: SubjectId([number; 16]),
            home_region: kiosk.service_region,
            service_region: kiosk.service_region,
            accepted_at: NOW,
            key: None,
        },
        outreach_id: None,
        fact: Fact::Deferred { reason: DeferralReason::NoSmartphone },
    });
    let accepted = outbox.accept(drafts.collect()).await.unwrap();
    assert!(accepted.iter().all(Result::is_ok));
    let (sender, commands) = mpsc::unbounded_channel();
    let key_id = "07c598c15884ead6".parse().unwrap();
    Shipper::new(
        outbox,
        Connection::to("127.0.0.1:9".to_owned()),
        Reporter::new(kiosk, key_id, Duration::from_secs(60)),
        Arc::new(Shipping::new(sender)),
        Arc::new(Timekeeper::new(Arc::new(|| NOW), folder, None, Vec::new())),
        commands,
        RollbackFile::of(folder),
    )
    .unwrap()
}

fn receipt() -> Receipt {
    Receipt { partition: 0, offset: Some(7), timestamp: Some(NOW), by_broker: true }
}

/// It used to ask again and again until the pause was over, and let nothing else run meanwhile.
#[tokio::test]
async fn the_end_settles_at_once_what_a_failed_write_had_put_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut shipper = shipper(folder.path(), 1).await;
    let outbox = shipper.outbox.clone();
    shipper.window.offer(1);
    shipper.window.completed(1);
    shipper.outcomes.push((1, Outcome::Acknowledged(receipt())));
    shipper.shipping.update(|state| state.outbox_failed = true);
    let began = Instant::now();
    let mut pause_ends = began;
    for _ in 0..10 {
        shipper.backoff.hold(pause_ends, 1.0);
        pause_ends = shipper.backoff.wake_at().unwrap();
    }
    let long = Duration::from_secs(30);
    assert!(pause_ends > began + long);
    tokio::time::timeout(long, shipper.end()).await.unwrap();
    assert_eq!((outbox.counts().unsent, outbox.counts().acknowledged), (0, 1));
}

/// Partitions learn of new rights at different times: one acknowledges while another refuses.
#[tokio::test]
async fn what_is_rejected_after_an_acknowledgement_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut shipper = shipper(folder.path(), 2).await;
    for sequence in 1..=2 {
        shipper.window.offer(sequence);
    }
    let began = Instant::now();
    let completed = |sequence, result| Completed::Event { sequence, began, result };
    shipper.completed(completed(1, Err(DeliveryError::NotAllowed("ikd.events.v1".to_owned()))));
    shipper.completed(completed(2, Ok(receipt())));
    shipper.settle();
    let (_, pending) = shipper.settling.as_mut().unwrap();
    let settled = pending.await;
    shipper.settled(settled);
    assert_eq!(shipper.outbox.counts().rejected, 1);
    assert!(shipper.unauthorised, "nobody would try it again");
}
