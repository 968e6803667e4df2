//! The live stream over HTTP, as server-sent events: `progress` (a region's latest state), `live`
//! (everything has been sent), `resync` (the reader begins again), `unready` (the node cannot answer
//! figures any more; the stream ends), `heartbeat` (nothing to tell).
//!
//! Revisions are made once for all readers, a few times a second and only while there is one. A
//! reader has a cursor and no queue: what it has not taken yet is sent as it is when it takes it.
//! Nothing here takes a lock that ingest waits for. The more there is to send, the longer it is to
//! the next revision, so that readers take a bounded share of the machine.

mod events;
pub(super) mod feed;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use laju_kafka::problem::Problem;
use laju_kafka::words;
use laju_schemas::RegionCode;
use laju_schemas::region::RegionCodeError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::parameters::Parameters;
use super::position::{self, Wanted};
use super::state::ApiState;
use crate::query::question::Level;
use crate::query::stream::{LastEventId, Reader, Selection};
use events::Events;

pub use feed::StreamSettings;

/// `GET /v1/stream?regions` or `?level&within`, with `Last-Event-ID` or `last_event_id`.
#[utoipa::path(
    get,
    path = "/v1/stream",
    tag = "figures",
    params(StreamChoice),
    responses((
        status = 200,
        description = "Server-sent events: progress (a region's latest state, a row of /v1/progress \
            with its as_of), live, resync, unready and heartbeat. The last event of a batch has an \
            id to come back with.",
        body = String,
        content_type = "text/event-stream"
    ))
)]
pub(super) async fn stream(
    State(api): State<ApiState>,
    Extension(Wanted(mut wanted)): Extension<Wanted>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let StreamChoice { regions, level, within, last_event_id: last_id } = parameters.take()?;
    parameters.finish()?;
    let selection = match regions {
        Some(_) if level.is_some() || within.is_some() => {
            let detail = words!(
                "regions: either these, or those of a level or within a region",
                "regions: pilih wilayah ini, atau yang setingkat atau di dalam satu wilayah"
            );
            return Err(Problem::parameter("regions", detail));
        }
        Some(Regions(codes)) => Selection::of(&codes)?,
        None => Selection::within(within.unwrap_or(RegionCode::NATION), level.map(Into::into))?,
    };
    let brought = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let last_id = brought.or(last_id).filter(|id| !id.is_empty());
    // States sent here must not be older than those another node has sent.
    if let Some(mark) = last_id.as_deref().and_then(LastEventId::parse)
        && api.live.is_of(mark.position.log)
    {
        position::reach(&api, &mark.position).await?;
        wanted.push(mark.position);
    }
    let (subscription, revision, upto) = api.feed.join(&wanted).await?;
    let reader = Reader::new(selection, (&revision, &upto), last_id.as_deref());
    let frames = Events::new(subscription, reader).frames();
    let headers = [(CONTENT_TYPE, "text/event-stream"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Keeps a proxy from collecting events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whose states are streamed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamChoice {
    /// Codes with commas between them: these regions; not together with `level` and `within`.
    #[param(value_type = Option<String>, example = "18.71,19,ID")]
    regions: Option<Regions>,
    /// Only regions of this level; without any of the three parameters every region.
    #[param(inline)]
    level: Option<Level>,
    /// Only regions within this one.
    within: Option<RegionCode>,
    /// The id of the last event that the reader had; the header `Last-Event-ID` goes before it.
    last_event_id: Option<String>,
}

/// Codes of regions, with commas between them.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Regions(Vec<RegionCode>);

impl TryFrom<String> for Regions {
    type Error = RegionCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}
