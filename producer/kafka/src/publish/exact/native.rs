//! A record handed to librdkafka by its own interface: the safe one has no header names that are not
//! UTF-8, which any producer can send and a copy has to keep.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use sys::rd_kafka_resp_err_t as Answer;

use super::ExactRecord;

/// Hands a record over, which is copied. Its confirmation bears its offset.
///
/// # Errors
/// What librdkafka says; nothing was taken then.
#[allow(unsafe_code, reason = "the safe interface has no header names that are not UTF-8")]
pub(super) fn hand_over(
    client: *mut sys::rd_kafka_t,
    topic: &CStr,
    record: &ExactRecord<'_>,
) -> Result<(), RDKafkaErrorCode> {
    use sys::rd_kafka_vtype_t as Type;
    let bytes = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => (bytes.as_ptr(), bytes.len()),
        None => (null(), 0),
    };
    let (key, key_length) = bytes(record.key);
    let (value, length) = bytes(record.value);
    let partition = i32::try_from(record.partition).unwrap_or(i32::MAX);
    // librdkafka takes 0 for "now".
    let timestamp = record.timestamp.map_or(0, |at| at.max(1));
    let headers = headers_of(record)?;
    let expected = std::ptr::without_provenance_mut::<c_void>(record.offset as usize);
    // SAFETY: every type is followed by what librdkafka.h says it takes, and all of it lives during
    // the call; librdkafka copies it (RD_KAFKA_MSG_F_COPY) but the headers, which are its own from
    // success on, and the opaque, which is a number.
    let answer = unsafe {
        sys::rd_kafka_producev(
            client,
            Type::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            Type::RD_KAFKA_VTYPE_PARTITION,
            partition,
            Type::RD_KAFKA_VTYPE_MSGFLAGS,
            sys::RD_KAFKA_MSG_F_COPY,
            Type::RD_KAFKA_VTYPE_KEY,
            key,
            key_length,
            Type::RD_KAFKA_VTYPE_VALUE,
            value,
            length,
            Type::RD_KAFKA_VTYPE_TIMESTAMP,
            timestamp,
            Type::RD_KAFKA_VTYPE_HEADERS,
            headers,
            Type::RD_KAFKA_VTYPE_OPAQUE,
            expected,
            Type::RD_KAFKA_VTYPE_END,
        )
    };
    if answer == Answer::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    if !headers.is_null() {
        // SAFETY: they were not taken.
        unsafe { sys::rd_kafka_headers_destroy(headers) };
    }
    Err(answer.into())
}

/// A record's headers as librdkafka wants them; null for none.
#[allow(unsafe_code, reason = "the safe interface has no header names that are not UTF-8")]
fn headers_of(record: &ExactRecord<'_>) -> Result<*mut sys::rd_kafka_headers_t, RDKafkaErrorCode> {
    if record.headers.is_empty() {
        return Ok(null_mut());
    }
    // SAFETY: librdkafka copies names and values during the call, each of the length given.
    unsafe {
        let headers = sys::rd_kafka_headers_new(record.headers.len());
        for (name, value) in record.headers {
            let (value, size) = match value {
                Some(value) => (value.as_ptr().cast(), value.len() as isize),
                None => (null(), 0),
            };
            let length = name.len() as isize;
            let answer =
                sys::rd_kafka_header_add(headers, name.as_ptr().cast(), length, value, size);
            if answer != Answer::RD_KAFKA_RESP_ERR_NO_ERROR {
                sys::rd_kafka_headers_destroy(headers);
                return Err(answer.into());
            }
        }
        Ok(headers)
    }
}
