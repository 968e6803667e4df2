//! Records of some partitions of one consumer, many at a time: librdkafka's own call for that. Polled one
//! by one through the safe interface each record costs two looks at the clock, an allocation and an event
//! beside what it is.
//!
//! What is not of a partition (statistics, errors of brokers) still comes from the consumer itself, which
//! has to be polled as well, now and then.

use std::ffi::CString;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Timestamp};
use rdkafka::types::RDKafkaRespErr;

/// A record as librdkafka holds it.
#[derive(Clone, Copy)]
pub struct Record<'a>(*const sys::rd_kafka_message_t, PhantomData<&'a ()>);

impl<'a> From<&'a BorrowedMessage<'_>> for Record<'a> {
    fn from(message: &'a BorrowedMessage<'_>) -> Self {
        Self(message.ptr(), PhantomData)
    }
}

#[allow(unsafe_code, reason = "the safe interface has no batches")]
impl<'a> Record<'a> {
    #[inline]
    fn message(&self) -> &'a sys::rd_kafka_message_t {
        // SAFETY: made only of messages that live for `'a`.
        unsafe { &*self.0 }
    }

    /// Where it is.
    #[must_use]
    #[inline]
    pub(super) fn ptr(&self) -> *const sys::rd_kafka_message_t {
        self.0
    }

    /// Its partition.
    #[must_use]
    #[inline]
    pub fn partition(&self) -> u32 {
        self.message().partition as u32
    }

    /// Its offset there.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> i64 {
        self.message().offset
    }

    /// Its key, if it has one.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        let message = self.message();
        // SAFETY: librdkafka's pointer and length, which belong to the message.
        unsafe { bytes(message.key, message.key_len) }
    }

    /// Its value, if it has one.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        let message = self.message();
        // SAFETY: as of the key.
        unsafe { bytes(message.payload, message.len) }
    }

    /// Its timestamp, and whose word that is.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        use sys::rd_kafka_timestamp_type_t as Kind;
        let mut kind = Kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message lives during the call.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        match kind {
            _ if timestamp == -1 => Timestamp::NotAvailable,
            Kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::NotAvailable,
            Kind::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::CreateTime(timestamp),
            Kind::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::LogAppendTime(timestamp),
        }
    }
}

/// # Safety
/// The pointer is null, or there are as many bytes behind it for as long as `'a`.
#[allow(unsafe_code, reason = "the safe interface has no batches")]
#[inline]
unsafe fn bytes<'a>(from: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as this function's.
    (!from.is_null()).then(|| unsafe { std::slice::from_raw_parts(from.cast(), length) })
}

/// What a queue brings.
pub enum Entry<'a> {
    /// A record.
    Record(Record<'a>),
    /// The end of a partition was reached, at this offset.
    End(u32, i64),
    /// Something is wrong.
    Error(RDKafkaErrorCode),
}

/// The queue of some partitions of a consumer.
pub struct RecordQueue<C: ConsumerContext> {
    consumer: Arc<BaseConsumer<C>>,
    queue: *mut sys::rd_kafka_queue_t,
    topic: CString,
    partitions: Range<u32>,
    taken: Vec<*mut sys::rd_kafka_message_t>,
}

#[allow(unsafe_code, reason = "the safe interface has no batches")]
impl<C: ConsumerContext> RecordQueue<C> {
    /// Leads what comes of these partitions of a topic into a queue of their own, from which at most so
    /// many records are taken at a time. Before they are assigned, so that nothing comes by another
    /// way.
    #[must_use]
    pub fn new(
        consumer: Arc<BaseConsumer<C>>,
        topic: &str,
        partitions: Range<u32>,
        at_once: usize,
    ) -> Self {
        // No topic's name has a null in it.
        let topic = CString::new(topic).unwrap_or_default();
        // SAFETY: the client lives as long as `self`, which destroys the queue before it.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = Self { consumer, queue, topic, partitions, taken: vec![null_mut(); at_once] };
        queue.lead_here();
        queue
    }

    /// Leads the partitions here again: one that is unassigned and assigned again has forgotten it, and
    /// keeps what comes until then. Nothing changes for those that did not.
    pub fn lead_here(&self) {
        let client = self.consumer.client().native_ptr();
        for partition in self.partitions.clone() {
            // SAFETY: client and queue live, the name is a C string, and the handle of the partition's
            // own queue is destroyed here.
            unsafe {
                let topic = self.topic.as_ptr();
                let of = sys::rd_kafka_queue_get_partition(client, topic, partition as i32);
                if !of.is_null() {
                    sys::rd_kafka_queue_forward(of, self.queue);
                    sys::rd_kafka_queue_destroy(of);
                }
            }
        }
    }

    /// Takes what is there.
    pub fn take(&mut self) -> Taken<'_> {
        self.take_some(self.taken.len(), Duration::ZERO)
    }

    /// Waits for a record or for what else there may be.
    pub fn wait(&mut self, patience: Duration) -> Taken<'_> {
        // The call waits for as many as it may take.
        self.take_some(1, patience)
    }

    fn take_some(&mut self, most: usize, patience: Duration) -> Taken<'_> {
        let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: queue and array live, and the array has room for so many.
        let count = unsafe {
            let room = self.taken.as_mut_ptr();
            sys::rd_kafka_consume_batch_queue(self.queue, patience, room, most)
        };
        // Below 0 there is nothing; the client's own events say why.
        let count = usize::try_from(count).unwrap_or(0);
        Taken { messages: &self.taken[..count] }
    }
}

#[allow(unsafe_code, reason = "the safe interface has no batches")]
impl<C: ConsumerContext> Drop for RecordQueue<C> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and used by nobody else.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) }
    }
}

/// What was taken of a queue at a time.
pub struct Taken<'q> {
    messages: &'q [*mut sys::rd_kafka_message_t],
}

#[allow(unsafe_code, reason = "the safe interface has no batches")]
impl Taken<'_> {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Each of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.messages.iter().map(|message| {
            // SAFETY: destroyed only by dropping `self`.
            let sys::rd_kafka_message_t { err, partition, offset, .. } = unsafe { &**message };
            match *err {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    Entry::Record(Record(*message, PhantomData))
                }
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                    Entry::End(*partition as u32, *offset)
                }
                error => Entry::Error(error.into()),
            }
        })
    }
}

#[allow(unsafe_code, reason = "the safe interface has no batches")]
impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for message in self.messages {
            // SAFETY: given by the queue, and destroyed once.
            unsafe { sys::rd_kafka_message_destroy(*message) }
        }
    }
}
