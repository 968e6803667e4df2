//! The ledger itself over HTTP: how large it is, and each partition's rows as lines of JSON, made
//! from one state while they are sent. A reader holds no more than a few frames of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;

use super::ApiState;
use super::caching::{Answer, bear, dressed};
use super::documented::PartitionInPath;
use super::figures::answer;
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use crate::query::ledger::LedgerHead;
use crate::query::ledger::lines::write;
use crate::query::ledger::summary::{Ledger, summary};
use laju_producer::words;

/// Ledgers that are sent at the same time; others wait for their turn as long as an answer may take.
/// Figures do not wait for them.
pub(super) const AT_ONCE: usize = 4;
/// Frames that are made ahead of what the reader has taken.
const AHEAD: usize = 4;
/// How long a reader may take for a frame, and for all of them: then the turn is another's, and the
/// connection is cut.
const FRAME_TIME: Duration = Duration::from_secs(30);
const WHOLE_TIME: Duration = Duration::from_secs(1_800);

/// `GET /v1/ledger`.
#[utoipa::path(
    get,
    operation_id = "ledger",
    path = "/v1/ledger",
    tag = "ledger",
    responses((status = 200, description = "How large each partition's ledger is, and up to where it goes", body = Ledger))
)]
pub(super) async fn sizes(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let asked = parameters.finish()?;
    // Known as long as the cluster is, without which nothing is answered.
    let topic = api.live.readiness().topic.clone().unwrap_or_default();
    answer(api, asked, move |view| Ok(summary(view, &topic))).await
}

/// `GET /v1/ledger/{partition}`: whoever reads it knows by its last line that it is whole.
#[utoipa::path(
    get,
    operation_id = "partition_ledger",
    path = "/v1/ledger/{partition}",
    tag = "ledger",
    params(PartitionInPath),
    responses((
        status = 200,
        description = "Lines of JSON, each an object of one member that says what it is: head, \
            tallies, every posting, kiosk and quarantined, the latest refused, and end with the \
            count of the lines before it and their digest. What does not end with end is not whole.",
        body = String,
        content_type = "application/x-ndjson"
    ))
)]
pub(super) async fn partition(
    State(api): State<ApiState>,
    number: Result<Path<String>, PathRejection>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(number) = number.map_err(|_| Problem::bad_path_part("partition"))?;
    let number: u32 = number.parse().map_err(|_| {
        let detail =
            words!("partition: not a number from 0 on", "partition: bukan bilangan mulai dari 0");
        Problem::parameter("partition", detail)
    })?;
    let asked = parameters.finish()?;
    let now = (api.clock)();
    let live = Arc::clone(&api.live);
    let view = tokio::task::spawn_blocking(move || live.view(now));
    let view = view.await.map_err(|_| Problem::internal())??;
    let age = api.live.age_seconds(&view, now);
    let count = view.snapshot.partitions.len();
    let Some(part) = view.snapshot.partitions.get(&number).map(Arc::clone) else {
        let last = count.saturating_sub(1);
        let detail = words!(
            "there is no partition {number}: they are numbered 0 to {last}",
            "partisi {number} tidak ada: nomornya 0 sampai {last}"
        );
        return Err(Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail));
    };
    let head = LedgerHead {
        cluster_id: view.cluster_id.to_string(),
        topic: api.live.readiness().topic.as_deref().unwrap_or_default().to_owned(),
        topic_id: api.live.readiness().topic_id.as_deref().map(str::to_owned),
        partitions: count as u32,
        fold_version: view.fold_version.to_string(),
        partition: number,
        next_offset: part.next_offset,
    };
    // The same offset is the same ledger.
    let until = part.recorded_until.map_or(i64::MIN, |until| until.0);
    let tag = asked.tag_of_text(&format!("{head:?} {until}"), api.shapes);
    if asked.has(&tag) {
        return Ok(Answer::held(tag).from(&view).into_response(api.is_private(), Some(age)));
    }
    let turns = Arc::clone(&api.ledger_turns);
    let turn = turns.acquire_owned().await.map_err(|_| Problem::internal())?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(AHEAD);
    let is_whole = Arc::new(AtomicBool::new(false));
    let (whole, runtime, begun) =
        (Arc::clone(&is_whole), tokio::runtime::Handle::current(), Instant::now());
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // Who has gone takes nothing, and neither does who has stopped: then the rest is not made.
        let is_taken = |frame: Vec<u8>| {
            let limit = FRAME_TIME.min(WHOLE_TIME.saturating_sub(begun.elapsed()));
            let taken = runtime.block_on(tokio::time::timeout(limit, sender.send(frame.into())));
            taken.is_ok_and(|sent| sent.is_ok())
        };
        let mut every = true;
        write(&part, head, |frame| {
            every = every && is_taken(frame);
            every
        });
        whole.store(every, Ordering::Release);
    });
    // What is not whole ends with an error, which cuts the connection. Who compresses asks once
    // more after the end.
    let frames = futures_util::stream::unfold(Some(receiver), move |receiver| {
        let is_whole = Arc::clone(&is_whole);
        async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(frame) => Some((Ok(frame), Some(receiver))),
                None if is_whole.load(Ordering::Acquire) => None,
                None => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
            }
        }
    })
    .fuse();
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    let response = (kind, Body::from_stream(frames)).into_response();
    let mut response = dressed(response, &tag, api.is_private(), Some(age));
    bear(&mut response, Some(view.position.to_string()));
    Ok(response)
}
