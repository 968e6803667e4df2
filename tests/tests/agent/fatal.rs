//! A broker that makes every new producer useless at once: the agent tries another, less and less
//! often, and sends everything when one works. Only the embedded broker can be told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_producer::agent::submission::event;
use laju_producer::agent::{Agent, AgentSettings, Kiosk};
use laju_producer::clock;
use laju_producer::outbox::OutboxSettings;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::topic::{EVENTS, KIOSK_STATUS};
use laju_tests::process::PATIENCE;
use rdkafka::mocking::MockCluster;
use rdkafka_sys::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::KEY;
use crate::kiosk::{ID, activation};

/// How many producers are useless.
const USELESS: usize = 4;
/// Half of 250 and 500 ms, the shortest of the first two pauses: a producer may use up more than one
/// of the errors, so that there are fewer pauses than errors.
const SHORTEST: Duration = Duration::from_millis(375);

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_cannot_go_on_is_replaced_after_a_pause() {
    let cluster = MockCluster::new(1).unwrap();
    for topic in [EVENTS, KIOSK_STATUS] {
        cluster.create_topic(topic.name, 1, 1).unwrap();
    }
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[error; USELESS]);
    let folder = tempfile::tempdir().unwrap();
    let settings = AgentSettings {
        kiosk: Kiosk { id: ID.parse().unwrap(), service_region: "18.71".parse().unwrap() },
        outbox: folder.path().to_owned(),
        outbox_settings: OutboxSettings::default(),
        connection: Connection::to(cluster.bootstrap_servers()),
        worker: None,
        report_every: Duration::from_secs(3_600),
    };
    let begun = Instant::now();
    let agent =
        Agent::start(settings, ProgrammeKey::parse(KEY).unwrap(), Arc::new(clock::now)).unwrap();
    let submission = event(activation(1).to_string().as_bytes());
    assert!(agent.submit(vec![submission]).await.unwrap()[0].is_ok());
    while agent.status().await.unwrap().unsent > 0 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", agent.status().await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    println!("sent after {took:.1?}");
    assert!(took >= SHORTEST, "it was tried without a pause: {took:?}");
    assert_eq!(agent.shutdown(PATIENCE).await.unwrap(), 0);
}
