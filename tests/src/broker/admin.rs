//! What is done to the broker's topics, and what it says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use laju_schemas::topic::{self, EVENTS, Topic};
use rdkafka::admin::{
    AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::{Kind, PATIENCE, TestBroker};

impl TestBroker {
    /// Makes a topic; the number of partitions is for those that have many.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn create_topic(&self, topic: &Topic, partitions: u32, largest: u32) {
        let admin = match &self.kind {
            Kind::Embedded(broker) => {
                return broker.create_topic(topic, partitions).expect("a new topic");
            }
            Kind::Real(admin) => admin,
        };
        let name = self.connection.topic(topic);
        let count = if topic.partitioned { partitions } else { 1 };
        let largest = largest.to_string();
        let config = topic.config();
        let mut new =
            NewTopic::new(&name, count as i32, TopicReplication::Fixed(self.copies.into()));
        for (key, value) in &config {
            let value = if *key == "max.message.bytes" { &largest } else { value };
            new = new.set(key, value);
        }
        let made = wait(admin.create_topics(&[new], &options())).expect("the broker answers");
        made.into_iter().for_each(|made| drop(made.expect("a new topic")));
        self.until(|| self.connection.check(PATIENCE).is_ok_and(|c| c.partitions(&name).is_some()));
    }

    /// Has the events topic take messages of so many bytes from now on, which only a real Kafka does.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn set_largest_event(&self, bytes: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker has no limit") };
        let name = self.connection.topic(&EVENTS);
        let bytes = bytes.to_string();
        let config = AlterConfig::new(ResourceSpecifier::Topic(&name))
            .set("max.message.bytes", &bytes)
            .set("message.timestamp.type", "LogAppendTime");
        let done = wait(admin.alter_configs(&[config], &options())).expect("the broker answers");
        done.into_iter().for_each(|done| drop(done.expect("a topic of ours")));
    }

    /// Deletes a topic, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn delete_topic(&self, topic: &Topic) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker keeps its topics") };
        let name = self.connection.topic(topic);
        let gone = wait(admin.delete_topics(&[&name], &options())).expect("the broker answers");
        gone.into_iter().for_each(|gone| drop(gone.expect("it was there")));
        self.until(|| self.connection.check(PATIENCE).is_ok_and(|c| c.partitions(&name).is_none()));
    }

    /// Deletes a topic and makes it again at once, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn make_again(&self, topic: &Topic, partitions: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker keeps its topics") };
        let name = self.connection.topic(topic);
        let gone = wait(admin.delete_topics(&[&name], &options())).expect("the broker answers");
        gone.into_iter().for_each(|gone| drop(gone.expect("it was there")));
        let count = if topic.partitioned { partitions } else { 1 };
        let config = topic.config();
        self.until(|| {
            let new = NewTopic::new(&name, count as i32, TopicReplication::Fixed(1));
            let new = config.iter().fold(new, |new, (key, value)| new.set(key, value));
            let made = wait(admin.create_topics(&[new], &options()));
            made.expect("the broker answers").into_iter().all(|made| made.is_ok())
        });
    }

    /// Gives a topic more partitions, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn add_partitions(&self, topic: &Topic, partitions: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker adds none") };
        let name = self.connection.topic(topic);
        let more = NewPartitions::new(&name, partitions as usize);
        let done = wait(admin.create_partitions(&[more], &options())).expect("the broker answers");
        done.into_iter().for_each(|done| drop(done.expect("a topic of ours")));
    }

    /// Deletes the first records of a partition of the events topic, which only a real Kafka does.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn cut_events(&self, partition: u32, before: i64) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker cuts by itself") };
        let mut until = TopicPartitionList::new();
        let name = self.connection.topic(&EVENTS);
        let until_offset =
            until.add_partition_offset(&name, partition as i32, Offset::Offset(before));
        until_offset.expect("an offset");
        wait(admin.delete_records(&until, &options())).expect("the broker answers");
    }

    /// Whether every partition of every topic of the test has all its copies in sync.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        let Ok(config) = self.connection.client_config() else { return false };
        let Ok(client) = config.create::<BaseProducer>() else { return false };
        topic::ALL.iter().all(|topic| {
            let name = self.connection.topic(topic);
            let known = client.client().fetch_metadata(Some(&name), Duration::from_secs(5));
            known.is_ok_and(|known| {
                let partitions = known.topics().iter().flat_map(|topic| topic.partitions());
                let mut copies = partitions.map(|partition| partition.isr().len());
                copies.all(|copies| copies == usize::from(self.copies))
            })
        })
    }

    /// The brokers that lead the partitions of the events topic, as one of them says now.
    #[must_use]
    pub fn leaders(&self) -> Option<BTreeSet<i32>> {
        let client: BaseProducer = self.connection.client_config().ok()?.create().ok()?;
        let name = self.connection.topic(&EVENTS);
        let known = client.client().fetch_metadata(Some(&name), Duration::from_secs(5)).ok()?;
        let partitions = known.topics().iter().flat_map(|topic| topic.partitions());
        Some(partitions.map(|partition| partition.leader()).collect())
    }

    fn until(&self, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "the broker does not do what it was asked to");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A topic's configuration, set or not, which only a real Kafka tells.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    #[must_use]
    pub fn config(&self, topic: &Topic) -> BTreeMap<String, String> {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker does not tell") };
        let name = self.connection.topic(topic);
        let resource = ResourceSpecifier::Topic(&name);
        let told = wait(admin.describe_configs([&resource], &options())).expect("an answer");
        let told = told.into_iter().map(|config| config.expect("a topic of ours"));
        let entries = told.flat_map(|config| config.entries);
        entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

pub(super) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads")
        .block_on(future)
}
