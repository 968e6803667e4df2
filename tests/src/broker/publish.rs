//! Records put into the events topic as they are.

use std::ffi::{CStr, CString};

use laju_kafka::publish::{Delivery, PublishError, Publisher, Record};
use laju_schemas::TimestampMs;
use laju_schemas::topic::EVENTS;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::{PATIENCE, TestBroker};
use crate::log::LogRecord;

impl TestBroker {
    /// Hands a record of the events topic over as it is, into its own partition.
    ///
    /// # Errors
    /// If it cannot be queued.
    pub fn send(
        &self,
        record: &LogRecord,
        headers: &[(&str, &[u8])],
    ) -> Result<Delivery, PublishError> {
        self.publisher.publish_record(&Record {
            topic: &self.connection.topic(&EVENTS),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            partition: Some(record.partition),
            // librdkafka takes zero for "now".
            timestamp: (record.timestamp_ms != 0).then_some(TimestampMs(record.timestamp_ms)),
            headers,
        })
    }

    /// Publishes records as they are, and waits until all are confirmed.
    ///
    /// # Panics
    /// If one is not.
    pub fn publish(&self, records: &[LogRecord]) {
        let deliveries: Vec<_> =
            records.iter().map(|record| self.send(record, &[]).expect("room for it")).collect();
        for delivery in deliveries {
            delivery.wait().expect("confirmed");
        }
    }

    /// Publishes a record of the events topic with a header whose name may be any bytes, which
    /// rdkafka's safe interface does not let through.
    ///
    /// # Panics
    /// If it is not delivered.
    #[allow(unsafe_code, reason = "the safe interface has no names that are not UTF-8")]
    pub fn publish_with_raw_header(&self, record: &LogRecord, name: &CStr, value: &[u8]) {
        use rdkafka_sys::rd_kafka_vtype_t as Type;
        let config = self.connection.client_config().expect("a plain connection");
        let producer: BaseProducer = config.create().expect("a plain client");
        let topic = CString::new(self.connection.topic(&EVENTS)).expect("no zero in a name");
        let key = record.key.as_deref().unwrap_or_default();
        let payload = record.value.as_deref().unwrap_or_default();
        // SAFETY: every type is followed by what librdkafka.h says it takes, all of it lives
        // during the call, and librdkafka copies it (RD_KAFKA_MSG_F_COPY).
        let error = unsafe {
            rdkafka_sys::rd_kafka_producev(
                producer.client().native_ptr(),
                Type::RD_KAFKA_VTYPE_TOPIC,
                topic.as_ptr(),
                Type::RD_KAFKA_VTYPE_PARTITION,
                record.partition as i32,
                Type::RD_KAFKA_VTYPE_MSGFLAGS,
                rdkafka_sys::RD_KAFKA_MSG_F_COPY,
                Type::RD_KAFKA_VTYPE_KEY,
                key.as_ptr(),
                key.len(),
                Type::RD_KAFKA_VTYPE_VALUE,
                payload.as_ptr(),
                payload.len(),
                Type::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp_ms,
                Type::RD_KAFKA_VTYPE_HEADER,
                name.as_ptr(),
                value.as_ptr(),
                value.len(),
                Type::RD_KAFKA_VTYPE_END,
            )
        };
        assert_eq!(error, rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
        producer.flush(PATIENCE).expect("delivered");
    }

    /// A publisher to this broker.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }
}
