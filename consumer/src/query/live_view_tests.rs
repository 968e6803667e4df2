//! When a node answers, and how old its answers are.

use crate::query::fixtures::position;
use crate::query::readiness::{NotReadyReason, Readiness};
use crate::query::tests::five_cities;
use crate::query::view::View;

#[test]
fn figures_wait_until_everything_is_there() {
    let now = "2024-08-02T05:00:00Z".parse().unwrap();
    let live = five_cities().live(now);
    assert!(live.view(now).is_ok());
    let lacks = |change: fn(&mut Readiness)| {
        let live = five_cities().live(now);
        live.update_readiness(change);
        let lacks = live.lacks();
        assert_eq!(live.view(now).map(|_| ()).unwrap_err().0, lacks);
        lacks
    };
    assert_eq!(lacks(|r| r.cluster_id = None), [NotReadyReason::Cluster]);
    assert_eq!(lacks(|r| r.partitions = None), [NotReadyReason::Cluster]);
    assert_eq!(
        lacks(|r| r.partitions = Some(12)),
        [NotReadyReason::Partitions { loaded: 2, total: 12 }]
    );
    assert_eq!(
        lacks(|r| r.positions.retain(|partition, _| *partition != 1)),
        [NotReadyReason::Partitions { loaded: 1, total: 2 }]
    );
    assert_eq!(lacks(|r| r.reference_read = false), [NotReadyReason::Reference]);
    assert_eq!(lacks(|r| r.status_read = false), [NotReadyReason::Status]);
    assert_eq!(lacks(|r| r.decisions_read = false), [NotReadyReason::Decisions]);
    assert_eq!(
        lacks(|r| {
            r.positions.insert(1, position(2, 9, laju_schemas::TimestampMs(0)));
        }),
        [NotReadyReason::CatchingUp { partitions: 1, events: 7 }]
    );
    live.snapshot.store(std::sync::Arc::default());
    assert_eq!(live.lacks(), [NotReadyReason::Partitions { loaded: 0, total: 2 }]);
}

#[test]
fn the_age_is_that_of_the_partition_furthest_behind() {
    let checked = "2024-08-02T05:00:00Z".parse().unwrap();
    let live = five_cities().live(checked);
    let now = laju_schemas::TimestampMs(checked.0 + 90_500);
    let view = live.view(now).unwrap();
    assert_eq!(live.age_seconds(&view, now), 90, "both were at their ends when looked at");
    // Behind the last record of one stand only the marks of a transaction.
    live.update_readiness(|readiness| {
        let next = readiness.positions[&0].next_offset;
        readiness.positions.insert(0, position(next + 1, next + 1, checked));
    });
    assert_eq!(live.age_seconds(&view, now), 90);
    // Of an answer from before the last commit that is not known.
    let older = View { snapshot: std::sync::Arc::new(five_cities().snapshot()), ..view.clone() };
    assert!(live.age_seconds(&older, now) > 90);
    live.update_readiness(|readiness| {
        let next = view.snapshot.partitions[&0].next_offset;
        readiness.positions.insert(0, position(next, next + 1, now));
        let next = readiness.positions[&1].next_offset;
        readiness.positions.insert(1, position(next, next, now));
    });
    let recorded = view.snapshot.partitions[&0].recorded_until.unwrap();
    assert_eq!(live.age_seconds(&view, now), ((now.0 - recorded.0) / 1_000) as u64);
    assert_eq!(live.age_seconds(&view, laju_schemas::TimestampMs(0)), 0);
}
