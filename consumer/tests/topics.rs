//! `laju topics`: on the embedded broker, which has no admin API, and on a real Kafka where
//! `LAJU_TEST_BROKERS` names one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::process::ExitCode;

use clap::Parser;
use laju_consumer::cli::topics::TopicsArgs;
use laju_consumer::ingest::progress::now_ms;
use laju_schemas::TimestampMs;
use laju_schemas::topic::{ALL, EVENTS, FIGURES};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use serde_json::Value;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: TopicsArgs,
}

fn run(args: &[&str]) -> anyhow::Result<(ExitCode, String)> {
    let cli = Cli::try_parse_from([&["topics"], args].concat())?;
    let mut out = Vec::new();
    let code = cli.args.run(TimestampMs(now_ms()), &mut out)?;
    Ok((code, String::from_utf8(out)?))
}

#[test]
fn a_broker_without_an_admin_api_is_told_as_such() {
    let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic(EVENTS.name, 2, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    for command in ["create", "check"] {
        let error = run(&[command, "--brokers", &brokers]).unwrap_err().to_string();
        assert!(error.contains("no admin API") && error.contains("laju demo"), "{error}");
    }
}

/// Topics under a prefix of their own on the real broker; they are deleted in the end.
struct Real {
    brokers: String,
    prefix: String,
}

impl Real {
    fn run(&self, args: &[&str]) -> (ExitCode, String) {
        run(&[args, &["--brokers", &self.brokers, "--topic-prefix", &self.prefix]].concat())
            .unwrap()
    }

    fn json(&self, args: &[&str]) -> (ExitCode, Value) {
        let (code, out) = self.run(&[args, &["--json"]].concat());
        (code, serde_json::from_str(&out).unwrap())
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap()
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let names: Vec<_> = ALL.iter().map(|topic| topic.with_prefix(&self.prefix)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let admin = self.admin();
        drop(self.wait(admin.delete_topics(&names, &AdminOptions::new())));
    }
}

#[test]
fn topics_are_made_as_the_contract_has_them_and_every_change_is_explained() {
    let Ok(brokers) = std::env::var("LAJU_TEST_BROKERS") else {
        // The embedded broker's part of it is the test above.
        return;
    };
    let real = Real { brokers, prefix: format!("test-{}.", std::process::id()) };

    let (code, missing) = real.json(&["check"]);
    assert_eq!((code, &missing["ok"]), (ExitCode::FAILURE, &false.into()));
    assert_eq!(missing["topics"][0]["deviations"][0]["property"], "exists");

    let create = ["create", "--partitions", "6", "--replication-factor", "1"];
    let (code, made) = real.json(&create);
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(made["topics"].as_array().unwrap().iter().all(|t| t["result"] == "created"), "{made}");
    let (code, again) = real.json(&["create"]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(again["topics"].as_array().unwrap().iter().all(|t| t["result"] == "existed"));

    let check = ["check", "--replication-factor", "1"];
    let (code, fine) = real.json(&check);
    assert_eq!((code, &fine["ok"]), (ExitCode::SUCCESS, &true.into()), "{fine}");
    assert_eq!(fine["topics"][0]["partitions"], 6);
    assert_eq!(fine["topics"][0]["config"]["message.timestamp.type"], "LogAppendTime");
    let (code, text) = real.run(&[&check[..], &["--partitions", "12"]].concat());
    assert_eq!(code, ExitCode::FAILURE);
    assert!(text.contains("partitions is 6, not 12") && text.contains("1 difference"), "{text}");

    // A clock in 2099: the first such record of a partition is named.
    let events = EVENTS.with_prefix(&real.prefix);
    let config = [
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
    ];
    let change = AlterConfig::new(ResourceSpecifier::Topic(&events));
    let change = config.into_iter().fold(change, |change, (key, value)| change.set(key, value));
    let admin = real.admin();
    real.wait(admin.alter_configs(&[change], &AdminOptions::new())).unwrap().remove(0).unwrap();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &real.brokers).create().unwrap();
    for timestamp in [now_ms(), 4_070_908_800_000, now_ms()] {
        let record = BaseRecord::to(&events).partition(4).key("k").payload("v");
        producer.send(record.timestamp(timestamp)).unwrap();
        producer.flush(std::time::Duration::from_secs(60)).unwrap();
    }
    let (_, text) = real.run(&check);
    assert!(text.contains("timestamps is far in the future in partition 4 at offset 1"), "{text}");
    assert_eq!(text.matches("far in the future").count(), 1, "{text}");

    // AlterConfigs puts every property that is not named back to the broker's default.
    let name = FIGURES.with_prefix(&real.prefix);
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", "1000");
    real.wait(admin.alter_configs(&[change], &AdminOptions::new())).unwrap().remove(0).unwrap();
    let (code, text) = real.run(&check);
    assert_eq!(code, ExitCode::FAILURE);
    for part in ["message.timestamp.type is CreateTime, not LogAppendTime", "retention.ms is 1000"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains(&format!("--entity-name {name} --add-config")), "{text}");
}
