//! The ledger itself over HTTP: how large it is, and each partition's rows as lines of JSON. A
//! partition has no ledger of its own in memory: it is folded from the store when it is asked for, and
//! its rows are made while they are sent.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::caching::{Answer, bear, dressed};
use super::parameters::Parameters;
use super::problem::bad_path_part;
use super::questions::answer;
use super::sent::made_while_sent;
use super::state::ApiState;
use super::store::{loaded_store, unreadable};
use super::turns::{blocking, turn};
use crate::query::ledger::LedgerHead;
use crate::query::ledger::lines::write;
use crate::query::ledger::summary::{Ledger, summary};
use laju_kafka::problem::{Kind, Problem};
use laju_kafka::words;

/// `GET /v1/ledger`.
#[utoipa::path(
    get,
    operation_id = "ledger",
    path = "/v1/ledger",
    tag = "ledger",
    responses((status = 200, description = "How large the ledger is, and up to where it goes in each partition", body = Ledger))
)]
pub(super) async fn sizes(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let asked = parameters.finish()?;
    // Known as long as the cluster is, without which nothing is answered.
    let topic = api.live.readiness().topic.clone().unwrap_or_default();
    answer(&api, &api.turns, asked, move |view| Ok(summary(view, &topic))).await
}

/// `GET /v1/ledger/{partition}`: the reader knows by its last line that it is whole.
#[utoipa::path(
    get,
    operation_id = "partition_ledger",
    path = "/v1/ledger/{partition}",
    tag = "ledger",
    params(("partition" = u32, Path, description = "Its number in the events topic, from 0 on.", minimum = 0, maximum = 4294967295i64)),
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
    let number = partition_in(number)?;
    let asked = parameters.finish()?;
    let now = (api.clock)();
    let live = Arc::clone(&api.live);
    let view = blocking(move || live.view(now)).await??;
    let age = api.live.age_seconds(&view, now);
    let count = view.snapshot.partitions.len();
    if !view.snapshot.partitions.contains_key(&number) {
        return Err(no_partition(number, count as u32));
    }
    let store = loaded_store(&api)?;
    let head = |next_offset| LedgerHead {
        cluster_id: view.cluster_id.to_string(),
        topic: api.live.readiness().topic.as_deref().unwrap_or_default().to_owned(),
        topic_id: api.live.readiness().topic_id.as_deref().map(str::to_owned),
        partitions: count as u32,
        fold_version: view.fold_version.to_string(),
        partition: number,
        next_offset,
    };
    // The same offset is the same ledger.
    let tag_of = |head: &LedgerHead, until: Option<i64>| {
        asked.tag(format!("{head:?} {}", until.unwrap_or(i64::MIN)).as_bytes(), api.shapes)
    };
    let reader = store.clone();
    let row = blocking(move || reader.position(number)).await?;
    let position = row.map_err(|error| unreadable(&error))?.position;
    let tag = tag_of(&head(position.next_offset), position.recorded_until);
    if asked.has(&tag) {
        return Ok(Answer::held(tag).from(&view).into_response(api.is_private(), Some(age)));
    }
    let (sending, making) = (turn(&api.ledger_turns).await?, turn(&api.ledger_makers).await?);
    let part = blocking(move || store.ledger(number)).await?.map_err(|error| unreadable(&error))?;
    drop(making);
    let head = head(part.view.next_offset);
    let tag = tag_of(&head, part.view.recorded_until.map(|until| until.0));
    let body = made_while_sent(sending, move |take| {
        let mut every = true;
        write(&part, head, |frame| {
            every = every && take(frame);
            every
        });
        every
    });
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    let response = (kind, body).into_response();
    let mut response = dressed(response, &tag, api.is_private(), Some(age));
    bear(&mut response, Some(view.position.to_string()));
    Ok(response)
}

/// The number of a partition in a path.
pub(super) fn partition_in(number: Result<Path<String>, PathRejection>) -> Result<u32, Problem> {
    let Path(number) = number.map_err(|_| bad_path_part("partition"))?;
    number.parse().map_err(|_| {
        let detail =
            words!("partition: not a number from 0 on", "partition: bukan bilangan mulai dari 0");
        Problem::parameter("partition", detail)
    })
}

/// That there are fewer partitions.
pub(super) fn no_partition(number: u32, count: u32) -> Problem {
    let last = count.saturating_sub(1);
    let detail = words!(
        "there is no partition {number}: they are numbered 0 to {last}",
        "partisi {number} tidak ada: nomornya 0 sampai {last}"
    );
    Problem::new(Kind::NotFound, detail)
}
