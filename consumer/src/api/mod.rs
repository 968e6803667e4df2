//! The HTTP interface: turns requests into questions and answers into JSON, and knows nothing of
//! how they are answered. Every error is an RFC 9457 problem.

pub mod access;
mod at_least;
mod body;
mod caching;
mod clock;
mod former;
pub mod health;
mod ledger;
mod not_ready;
mod openapi;
pub mod origin;
mod parameters;
mod position;
mod problem;
mod questions;
mod quoted;
mod rate;
mod screen;
mod sent;
pub mod server;
mod state;
pub mod store;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tokens;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use laju_kafka::problem::{Kind, Problem, as_problems};
use laju_kafka::words;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::query::explanations::change::ChangeQuestion;
use crate::query::explanations::evidence::EvidenceQuestion;
use crate::query::explanations::postings::PostingsQuestion;
use crate::query::figures::breakdown::BreakdownQuestion;
use crate::query::figures::flows::{FlowsQuestion, RegionFlowsQuestion};
use crate::query::figures::outreach::{OutreachQuestion, VisitQuestion};
use crate::query::figures::pace::PaceQuestion;
use crate::query::figures::pace_list::PaceListQuestion;
use crate::query::figures::progress::{ProgressListQuestion, ProgressQuestion};
use crate::query::figures::series::SeriesQuestion;
use crate::query::kiosks::event::EventQuestion;
use crate::query::kiosks::list::{KioskQuestion, KiosksQuestion};
use crate::query::kiosks::quarantine::QuarantineQuestion;
use access::{Access, Guard, guard};
use questions::route;

pub use clock::Clock;
pub use state::{ApiState, NotConfirmed, PublishFigure, QuotedFigures, RenderMetrics, StorePlace};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The largest request body: none has any use for one.
const MAX_BODY_BYTES: usize = 16 << 10;

/// Every path of the interface, each with its part of the document: a question says itself where it is
/// asked and what it answers, and of every other handler `#[utoipa::path]` does.
fn paths() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(questions::list_regions))
        .routes(route::<ProgressListQuestion>())
        .routes(route::<ProgressQuestion>())
        .routes(route::<SeriesQuestion>())
        .routes(route::<BreakdownQuestion>())
        .routes(route::<PaceQuestion>())
        .routes(route::<ChangeQuestion>())
        .routes(route::<EvidenceQuestion>())
        .routes(route::<PostingsQuestion>())
        .routes(route::<RegionFlowsQuestion>())
        .routes(route::<PaceListQuestion>())
        .routes(route::<FlowsQuestion>())
        .routes(route::<OutreachQuestion>())
        .routes(route::<VisitQuestion>())
        .routes(route::<KiosksQuestion>())
        .routes(route::<KioskQuestion>())
        .routes(route::<EventQuestion>())
        .routes(route::<QuarantineQuestion>())
        .routes(routes!(ledger::sizes))
        .routes(routes!(ledger::partition))
        .routes(routes!(store::manifest))
        .routes(routes!(store::chunks))
        .routes(routes!(quoted::list, quoted::quote))
        .routes(routes!(quoted::one))
        .routes(routes!(stream::stream))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi::explain))
        .routes(routes!(openapi::document))
        .routes(routes!(openapi::page_place))
        .routes(routes!(openapi::page))
}

/// The interface and the screen, in all their layers.
pub fn router(mut state: ApiState) -> Router {
    let (paths, document) = paths().split_for_parts();
    let document = openapi::complete(document, state.is_private());
    // It has nothing in it that cannot be written.
    state.document = document.to_json().unwrap_or_default().into();
    state.shapes = xxhash_rust::xxh3::xxh3_64(state.document.as_bytes());
    let paths = paths.route("/", get(screen::page)).route("/assets/{*path}", get(screen::asset));
    let there = from_fn_with_state(state.clone(), position::get_there);
    // Inside of all others: who may not ask does not wait.
    with_layers(paths.layer(there), state.access.clone()).with_state(state)
}

/// What goes for every path, from the inside out.
fn with_layers<S>(paths: Router<S>, access: Access) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let cors = access.cors();
    let no_store = HeaderValue::from_static("no-store");
    paths
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn(former::name_former))
        .layer(from_fn_with_state(Arc::new(Guard::new(access)), guard))
        .layer(option_layer(cors))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(as_problems))
        .layer(CompressionLayer::new())
        .layer(from_fn(caching::tag_encodings))
        // Figures move on with every commit: caches keep nothing that does not say otherwise.
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, no_store))
        // A node that is not ready answers 503 to every probe, and what fails has said so itself.
        .layer(TraceLayer::new_for_http().on_failure(()))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let seconds = TIMEOUT.as_secs();
            let detail = words!(
                "no answer within {seconds} s; ask again later, or for less at once",
                "tidak ada jawaban dalam {seconds} detik; coba lagi nanti, atau minta lebih sedikit sekaligus"
            );
            Problem::new(Kind::TimedOut, detail).into_response()
        }
    }
}
