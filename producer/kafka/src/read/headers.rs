//! A record's headers. rdkafka's own reading of them panics on a name that is not UTF-8, which
//! any producer can send, and which must not stop a partition.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};

use laju_schemas::framing::SchemaHeader;
#[cfg(doc)]
use laju_schemas::quarantine::HEADER_RELEASED_ORIGIN;
use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;

use super::queue::Record;

/// A record's headers: names, and values that may be null.
pub type Headers = Vec<(String, Option<Vec<u8>>)>;

/// What a record's headers say to who judges it, wherever they are.
pub trait RecordHeaders {
    /// Whether the record is an event sent again from quarantine: see [`HEADER_RELEASED_ORIGIN`].
    /// Asked of every record: one without headers costs a call.
    fn is_released(&self) -> bool;

    /// Whose header names the value's schema, if one does.
    fn schema_header(&self) -> Option<SchemaHeader>;
}

impl RecordHeaders for Record<'_> {
    #[inline]
    fn is_released(&self) -> bool {
        headers_of(*self).is_ok_and(|headers| headers.is_some_and(|it| has(it, RELEASED_ORIGIN)))
    }

    #[inline]
    fn schema_header(&self) -> Option<SchemaHeader> {
        let names = SCHEMA_HEADERS.iter().zip(SchemaHeader::NAMES);
        let headers = headers_of(*self).ok()??;
        names.into_iter().find(|(name, _)| has(headers, name)).map(|(_, (_, whose))| whose)
    }
}

/// [`HEADER_RELEASED_ORIGIN`] as librdkafka wants it.
const RELEASED_ORIGIN: &CStr = c"laju-released-origin";

/// The names of [`SchemaHeader::NAMES`] as librdkafka wants them.
const SCHEMA_HEADERS: [&CStr; SchemaHeader::NAMES.len()] = [
    c"__value_schema_id",
    c"apicurio.value.contentId",
    c"apicurio.value.globalId",
    c"apicurio.value.contentHash",
];

/// A record's headers, in order. What is not UTF-8 in a name is replaced by U+FFFD; values are as
/// they were.
#[must_use]
pub fn owned(message: &BorrowedMessage<'_>) -> Headers {
    let mut all = Vec::new();
    // Headers that cannot be read are as good as none here.
    let _ = each_raw(message, |name, value| {
        all.push((String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec)));
    });
    all
}

/// Hands over a record's headers in order, each with its name and value as the bytes that they are.
///
/// # Errors
/// What librdkafka says of headers that cannot be read; none are handed over then.
#[allow(unsafe_code, reason = "the safe interface panics on a name that is not UTF-8")]
#[inline]
pub fn each_raw(
    message: &BorrowedMessage<'_>,
    mut each: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<(), RDKafkaErrorCode> {
    let Some(HeadersOf(headers, _)) = headers_of(message.into())? else { return Ok(()) };
    // SAFETY: the headers are those of a message that lives.
    let count = unsafe { sys::rd_kafka_header_cnt(headers) };
    for index in 0..count {
        let (mut name, mut value, mut size) = (null(), null(), 0);
        // SAFETY: as above; on success the name is a C string, and the value has `size` bytes or
        // is null, both for as long as the headers live.
        unsafe {
            let error = sys::rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if error != FINE {
                break;
            }
            let value = value.cast::<u8>();
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value, size));
            each(CStr::from_ptr(name).to_bytes(), value);
        }
    }
    Ok(())
}

/// That a record's headers can be read, if it has any: else the code that passes it on would
/// leave them out without knowing.
///
/// # Errors
/// What librdkafka says of them.
pub fn require_readable(message: &BorrowedMessage<'_>) -> Result<(), RDKafkaErrorCode> {
    headers_of(message.into()).map(drop)
}

const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// A message's headers, borrowed from it.
#[derive(Clone, Copy)]
struct HeadersOf<'m>(*mut sys::rd_kafka_headers_t, PhantomData<&'m ()>);

/// A message's headers, if it has any.
#[inline]
#[allow(unsafe_code, reason = "the safe interface takes what cannot be read for none")]
fn headers_of<'m>(message: Record<'m>) -> Result<Option<HeadersOf<'m>>, RDKafkaErrorCode> {
    let mut headers = null_mut();
    // SAFETY: the message lives during the call, and keeps its headers while it lives.
    let answer = unsafe { sys::rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    Ok(are_there(answer)?.then_some(HeadersOf(headers, PhantomData)))
}

#[inline]
fn are_there(answer: RDKafkaRespErr) -> Result<bool, RDKafkaErrorCode> {
    match answer {
        FINE => Ok(true),
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => Ok(false),
        error => Err(error.into()),
    }
}

/// Whether there is one of this name.
#[inline]
#[allow(unsafe_code, reason = "the safe interface copies every name")]
fn has(HeadersOf(headers, _): HeadersOf<'_>, name: &CStr) -> bool {
    let (mut value, mut size) = (null(), 0);
    // SAFETY: the headers are those of a message that lives, and the name is a C string.
    let error = unsafe {
        sys::rd_kafka_header_get_last(headers, name.as_ptr(), &raw mut value, &raw mut size)
    };
    error == FINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let names = SCHEMA_HEADERS.map(|name| name.to_str().unwrap());
        assert_eq!(names, SchemaHeader::NAMES.map(|(name, _)| name));
    }

    #[test]
    fn no_headers_are_no_fault_and_those_that_cannot_be_read_are() {
        assert_eq!(are_there(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR), Ok(true));
        assert_eq!(are_there(RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT), Ok(false));
        let fault = are_there(RDKafkaRespErr::RD_KAFKA_RESP_ERR__BAD_MSG);
        assert_eq!(fault, Err(RDKafkaErrorCode::BadMessage));
    }
}
