//! Events as bytes, written by hand from the Avro specification, so that a log can hold what no
//! typed event can: an impossible region, a sequence of 0, bytes that break off.

use laju_schemas::Fact;
use laju_schemas::framing::Framing;
use laju_schemas::known::ACTIVATION_EVENT;
use laju_schemas::raw::RawEvent;

/// An event's bytes in single-object encoding, whatever its fields say.
#[must_use]
pub fn single_object(event: &RawEvent<'_>) -> Vec<u8> {
    framed(event, Framing::SingleObject(ACTIVATION_EVENT.fingerprint))
}

/// An event's bytes behind any framing.
#[must_use]
pub fn framed(event: &RawEvent<'_>, framing: Framing) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    framing.write(&mut out);
    out.extend_from_slice(&event.event_id.0);
    text(&mut out, event.kiosk_id);
    long(&mut out, event.sequence);
    long(&mut out, event.occurred_at);
    out.extend_from_slice(&event.subject.0);
    text(&mut out, event.home_region);
    text(&mut out, event.service_region);
    match event.outreach_id {
        None => long(&mut out, 0),
        Some(id) => {
            long(&mut out, 1);
            text(&mut out, id);
        }
    }
    long(&mut out, event.fact.kind() as i64);
    match event.fact {
        Fact::Activated { channel, venue, first_time_holder } => {
            long(&mut out, channel.index().into());
            match venue {
                None => long(&mut out, 0),
                Some(venue) => {
                    long(&mut out, 1);
                    long(&mut out, venue.index().into());
                }
            }
            out.push(first_time_holder.into());
        }
        Fact::Deactivated { reason } => long(&mut out, reason.index().into()),
        Fact::Relocated { from_region } => text(&mut out, from_region),
        Fact::Deferred { reason } => long(&mut out, reason.index().into()),
        Fact::CardRecorded { first_time_holder } => out.push(first_time_holder.into()),
        Fact::CardRequested { reason } | Fact::CardPrinted { reason } => {
            long(&mut out, reason.index().into());
        }
        Fact::Retracted { event_id, reason } => {
            out.extend_from_slice(&event_id.0);
            long(&mut out, reason.index().into());
        }
    }
    out
}

/// Zigzag, then seven bits a byte, the lowest first.
fn long(out: &mut Vec<u8>, number: i64) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}
