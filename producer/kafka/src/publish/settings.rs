//! How a publisher works.

use std::time::Duration;

use laju_schemas::topic::EVENTS;
use rdkafka::ClientConfig;

/// How a publisher works. The defaults suit a program that sends single events.
#[derive(Clone, Copy, Debug)]
pub struct PublishSettings {
    /// How long a delivery is tried before it fails; zero: for ever.
    pub delivery_timeout: Duration,
    /// How long a message waits for others to share its batch.
    pub linger: Duration,
    /// How many messages may wait; more make [`Publisher::publish`](super::Publisher::publish) wait.
    pub queue_messages: u32,
    /// How many bytes of messages may wait, in KiB.
    pub queue_kib: u32,
    /// The largest message, in bytes; larger ones are refused.
    pub max_message_bytes: u32,
    /// Whether nothing is sent any more once a record has failed, so that those behind it do not
    /// stand without it.
    pub gapless: bool,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(30),
            linger: Duration::from_millis(5),
            queue_messages: 100_000,
            queue_kib: 64 << 10,
            max_message_bytes: EVENTS.max_message_bytes,
            gapless: false,
        }
    }
}

impl PublishSettings {
    /// For sending as much as the brokers take.
    #[must_use]
    pub fn bulk() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(120),
            linger: Duration::from_millis(20),
            queue_messages: 500_000,
            queue_kib: 256 << 10,
            ..Self::default()
        }
    }

    /// Sets what they say; what the connection says of compression stands.
    pub(super) fn apply(&self, config: &mut ClientConfig) {
        let mut default = |key: &str, value: &str| {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        };
        default("compression.type", "lz4");
        // A topic that is not there is soon said to be; 30 s by default.
        default("topic.metadata.propagation.max.ms", "5000");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", self.delivery_timeout.as_millis().to_string())
            .set("linger.ms", self.linger.as_millis().to_string())
            .set("queue.buffering.max.messages", self.queue_messages.to_string())
            .set("queue.buffering.max.kbytes", self.queue_kib.to_string())
            .set("message.max.bytes", self.max_message_bytes.to_string());
        if self.gapless {
            config.set("enable.gapless.guarantee", "true");
        }
    }
}
