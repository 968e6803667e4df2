//! The node's store, for another node that begins with it: `laju worker --seed`. It holds every subject's
//! pseudonym and facts, which no figure shows, so a token that may ask for figures is not enough.

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use laju_kafka::problem::{Kind as ProblemKind, Problem, Words};
use laju_kafka::words;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::access::forbidden;
use super::ledger::{no_partition, partition_in};
use super::parameters::Parameters;
use super::problem::bad_path_part;
use super::sent::made_while_sent;
use super::state::ApiState;
use super::tokens::{Caller, Role};
use super::turns::{blocking, turn};
use crate::projection::format::Kind;
use crate::projection::store::{StoreError, StoreReader};
use crate::query::store_manifest::{StoreManifest, frame};

/// Chunks are handed over in frames of the body of about this size.
const PIECE_BYTES: usize = 128 << 10;
/// Names the node whose chunks these are.
pub const NODE_HEADER: &str = "laju-node";

/// Chunks in frames: of each the length of the value (4 bytes, little endian), then the value, which is
/// the CRC-32 of the payload (little endian) and the payload.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "the document is made from its shape; nothing holds a value")]
pub(super) struct Chunks(Vec<u8>);

/// The kind of a store's chunks.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the document is made from its shape; nothing holds a value")]
enum ChunkKind {
    Dictionary,
    Facts,
    Kiosks,
    Quarantine,
}

/// Which chunks.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "the document is made from its shape; nothing holds a value")]
pub(super) struct KindInPath {
    /// What they hold.
    #[param(inline, example = "facts")]
    kind: ChunkKind,
}

/// From which chunk on, and up to which.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChunkRange {
    /// The number of the first one; 0 if it is not given.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    from: Option<u64>,
    /// The number after the last one; how many there are if it is not given.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    to: Option<u64>,
}

/// `GET /v1/store`: what this node's store is, and up to where it goes.
#[utoipa::path(
    get,
    operation_id = "store",
    path = "/v1/store",
    tag = "store",
    responses((status = 200, description = "What the store belongs to, and what it has of each partition", body = StoreManifest))
)]
pub(super) async fn manifest(
    State(api): State<ApiState>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let store = store_of(&api, &caller)?;
    let made = blocking(move || StoreManifest::of(&store)).await?;
    let manifest = made.map_err(|error| unreadable(&error))?;
    Ok(axum::Json(manifest).into_response())
}

/// `GET /v1/store/{partition}/{kind}`: chunks of a partition's store. They never change; there may be
/// more of them later.
#[utoipa::path(
    get,
    operation_id = "store_chunks",
    path = "/v1/store/{partition}/{kind}",
    tag = "store",
    params(("partition" = u32, Path, description = "Its number in the events topic, from 0 on.", minimum = 0, maximum = 4294967295i64), KindInPath, ChunkRange),
    responses((
        status = 200,
        description = "The chunks in their order, each in a frame. A body with fewer than were asked for is not whole.",
        body = Chunks,
        content_type = "application/octet-stream",
        headers(("Laju-Node" = String, description = "The node whose chunks they are, as node_id of /v1/store"))
    ))
)]
pub(super) async fn chunks(
    State(api): State<ApiState>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let Path((number, kind)) = path.map_err(|_| bad_path_part("partition"))?;
    let partition = partition_in(Ok(Path(number)))?;
    let ChunkRange { from, to } = parameters.take()?;
    parameters.finish()?;
    let store = store_of(&api, &caller)?;
    let count = store.identity().partitions;
    if partition >= count {
        return Err(no_partition(partition, count));
    }
    let kind = Kind::of_name(&kind).ok_or_else(no_kind)?;
    let turn = turn(&api.store_turns).await?;
    let read = store.clone();
    let row =
        blocking(move || read.position(partition)).await?.map_err(|error| unreadable(&error))?;
    let there = row.chains[kind as usize].count;
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(there));
    if from > to || to > there {
        let kind = kind.as_str();
        return Err(not_there(words!(
            "partition {partition} has {there} chunks of {kind}: there are none from {from} to {to}",
            "partisi {partition} punya {there} potongan {kind}: tidak ada dari {from} sampai {to}"
        )));
    }
    let node = store.identity().node_id.clone();
    let body = made_while_sent(turn, move |take| {
        let mut piece = Vec::with_capacity(PIECE_BYTES + (8 << 10));
        let read = store.read(partition, kind, from..to, |value| {
            frame(value, &mut piece);
            let is_full = piece.len() >= PIECE_BYTES;
            !is_full
                || take(std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES + (8 << 10))))
        });
        match read {
            Ok(every) => every && (piece.is_empty() || take(piece)),
            Err(error) => {
                tracing::error!(%error, "the store cannot be handed to another node");
                false
            }
        }
    });
    let headers =
        [(CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()), (NODE_HEADER, node)];
    Ok((headers, body).into_response())
}

/// The store, for who may have it.
fn store_of(api: &ApiState, caller: &Caller) -> Result<StoreReader, Problem> {
    if !caller.role.may_seed() {
        return Err(forbidden(caller, Role::Seed));
    }
    loaded_store(api)
}

/// The store, once it is loaded.
pub(super) fn loaded_store(api: &ApiState) -> Result<StoreReader, Problem> {
    let loading = || {
        words!(
            "the store is not loaded yet; /readyz tells how far it is",
            "penyimpanan belum selesai dimuat; kemajuannya ada di /readyz"
        )
    };
    api.store.get().cloned().ok_or_else(|| Problem::new(ProblemKind::NotReady, loading()))
}

fn no_kind() -> Problem {
    let kinds = Kind::ALL.map(Kind::as_str).join(", ");
    not_there(words!(
        "there is no such kind of chunk: there are {kinds}",
        "jenis potongan itu tidak ada: yang ada {kinds}"
    ))
}

fn not_there(detail: Words) -> Problem {
    Problem::new(ProblemKind::NotFound, detail)
}

pub(super) fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store cannot be read");
    Problem::internal()
}
