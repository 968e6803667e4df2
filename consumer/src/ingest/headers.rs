//! A record's headers. rdkafka's own reading of them panics on a name that is not UTF-8, which
//! any producer can send, and which must not stop a partition.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

#[cfg(doc)]
use laju_schemas::quarantine::HEADER_RELEASED_ORIGIN;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka_sys as sys;
use rdkafka_sys::types::RDKafkaRespErr;

/// A record's headers, in order. What is not UTF-8 in a name is replaced by U+FFFD; values are as
/// they were.
#[must_use]
#[allow(unsafe_code, reason = "the safe interface panics on a name that is not UTF-8")]
pub fn owned(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut headers = null_mut();
    // SAFETY: the message lives during the call, and keeps its headers while it lives.
    if unsafe { sys::rd_kafka_message_headers(message.ptr(), &raw mut headers) } != FINE {
        return Vec::new();
    }
    // SAFETY: the headers are the message's, as above.
    let count = unsafe { sys::rd_kafka_header_cnt(headers) };
    let header = |index| {
        let (mut name, mut value, mut size) = (null(), null(), 0);
        // SAFETY: as above; on success the name is a C string, and the value has `size` bytes or
        // is null, both for as long as the headers live. They are copied here.
        unsafe {
            let error = sys::rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            (error == FINE).then(|| {
                let name = CStr::from_ptr(name).to_string_lossy().into_owned();
                let bytes = |at| std::slice::from_raw_parts(at, size).to_vec();
                (name, (!value.is_null()).then(|| bytes(value.cast::<u8>())))
            })
        }
    };
    (0..count).map_while(header).collect()
}

/// That a record's headers can be read, if it has any: else whoever passes the record on would
/// leave them out without knowing.
///
/// # Errors
/// What librdkafka says of them.
#[allow(unsafe_code, reason = "the safe interface takes what cannot be read for none")]
pub fn require_readable(message: &BorrowedMessage<'_>) -> Result<(), RDKafkaErrorCode> {
    let mut headers = null_mut();
    // SAFETY: the message lives during the call.
    readable(unsafe { sys::rd_kafka_message_headers(message.ptr(), &raw mut headers) })
}

fn readable(answer: RDKafkaRespErr) -> Result<(), RDKafkaErrorCode> {
    match answer {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR | RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => {
            Ok(())
        }
        error => Err(error.into()),
    }
}

/// [`HEADER_RELEASED_ORIGIN`] as librdkafka wants it.
const RELEASED_ORIGIN: &CStr = c"laju-released-origin";

/// Whether a record is an event sent anew from quarantine. Asked of every record: one without
/// headers costs a call.
#[must_use]
#[inline]
#[allow(unsafe_code, reason = "the safe interface copies every name")]
pub fn is_released(message: &BorrowedMessage<'_>) -> bool {
    const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut headers = null_mut();
    // SAFETY: the message lives during the call, and keeps its headers while it lives.
    if unsafe { sys::rd_kafka_message_headers(message.ptr(), &raw mut headers) } != FINE {
        return false;
    }
    let (mut value, mut size) = (null(), 0);
    let name = RELEASED_ORIGIN.as_ptr();
    // SAFETY: the headers are the message's, as above, and the name is a C string.
    let error =
        unsafe { sys::rd_kafka_header_get_last(headers, name, &raw mut value, &raw mut size) };
    error == FINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_headers_are_no_fault_and_those_that_cannot_be_read_are() {
        assert_eq!(readable(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR), Ok(()));
        assert_eq!(readable(RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT), Ok(()));
        let fault = readable(RDKafkaRespErr::RD_KAFKA_RESP_ERR__BAD_MSG);
        assert_eq!(fault, Err(RDKafkaErrorCode::BadMessage));
    }
}
