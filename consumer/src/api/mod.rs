//! The HTTP interface: turns requests into questions and answers into JSON, and knows nothing of
//! how they are answered. Every error is an RFC 9457 problem.

pub mod access;
#[cfg(test)]
mod access_tests;
mod body;
mod caching;
#[cfg(test)]
mod caching_tests;
mod documented;
mod former;
pub mod health;
mod ledger;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod link_tests;
mod not_ready;
mod openapi;
#[cfg(test)]
mod openapi_tests;
pub mod origin;
mod parameters;
mod position;
#[cfg(test)]
mod position_tests;
pub mod problem;
#[cfg(test)]
mod problem_tests;
mod questions;
pub mod quoted;
#[cfg(test)]
mod quoted_tests;
mod rate;
mod screen;
mod sent;
pub mod server;
#[cfg(test)]
mod server_tests;
pub mod store;
#[cfg(test)]
mod store_tests;
pub mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use laju_schemas::TimestampMs;
use tokio::sync::Semaphore;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
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
use crate::query::kiosks::fate::EventQuestion;
use crate::query::kiosks::list::{KioskQuestion, KiosksQuestion};
use crate::query::kiosks::quarantine::QuarantineQuestion;
use crate::query::view::LiveView;
use access::{Access, Guard, guard};
use problem::Problem;
use questions::route;
use quoted::QuotedFigures;
use store::StorePlace;
use stream::{Feed, StreamSettings};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The largest request body: none has any use for one.
const MAX_BODY_BYTES: usize = 16 << 10;

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;
/// What writes the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the interface answers from.
#[derive(Clone)]
pub struct ApiState {
    live: Arc<LiveView>,
    clock: Clock,
    metrics: RenderMetrics,
    /// Questions that may be worked on at the same time.
    turns: Arc<Semaphore>,
    /// Those that wait for the fold: figures never stand in line behind them.
    fold_turns: Arc<Semaphore>,
    /// Ledgers that may be sent at the same time.
    ledger_turns: Arc<Semaphore>,
    store: StorePlace,
    /// Runs of the store's chunks that may be sent at the same time.
    store_turns: Arc<Semaphore>,
    feed: Feed,
    access: Access,
    figures: QuotedFigures,
    /// Figures that may be on their way to their topic at the same time: while it is away they
    /// wait for each other, and for nobody else.
    quote_turns: Arc<Semaphore>,
    /// The OpenAPI document, as it is sent.
    document: Arc<str>,
    /// A digest of it: of the shapes of all answers.
    shapes: u64,
}

impl ApiState {
    /// From the state that the worker keeps up to date, what tells the time, and what writes the
    /// metrics.
    #[must_use]
    pub fn new(live: Arc<LiveView>, clock: Clock, metrics: RenderMetrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let turns = || Arc::new(Semaphore::new(processors));
        let run = uuid::Uuid::new_v4().simple().to_string();
        let settings = StreamSettings::default();
        let feed = Feed::new(Arc::clone(&live), Arc::clone(&clock), &run[..8], settings);
        Self {
            live,
            clock,
            metrics,
            turns: turns(),
            fold_turns: turns(),
            ledger_turns: Arc::new(Semaphore::new(ledger::AT_ONCE)),
            store: StorePlace::default(),
            store_turns: Arc::new(Semaphore::new(store::AT_ONCE)),
            feed,
            access: Access::default(),
            figures: QuotedFigures::default(),
            quote_turns: turns(),
            document: Arc::from(""),
            shapes: 0,
        }
    }

    /// With a live stream that runs like this.
    #[must_use]
    pub fn with_stream(mut self, settings: StreamSettings) -> Self {
        self.feed = self.feed.with(settings);
        self
    }

    /// The same for whom it is to answer: without this for everybody on this machine.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Whether it took a token to ask, so that no cache that others use may keep the answer.
    fn is_private(&self) -> bool {
        self.access.tokens.is_some()
    }

    /// With where its store will be once it is loaded, to be handed to other nodes.
    #[must_use]
    pub fn with_store(self, store: StorePlace) -> Self {
        Self { store, ..self }
    }

    /// With what quoted figures are kept by.
    #[must_use]
    pub fn with_figures(self, figures: QuotedFigures) -> Self {
        Self { figures, ..self }
    }
}

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
        .routes(routes!(problem::explain))
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
    paths
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn(former::name_former))
        .layer(from_fn_with_state(Arc::new(Guard::new(access)), guard))
        .layer(option_layer(cors))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(problem::as_problems))
        .layer(CompressionLayer::new())
        .layer(from_fn(caching::tag_encodings))
        // A node that is not ready answers 503 to every probe, and what fails has said so itself.
        .layer(TraceLayer::new_for_http().on_failure(()))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timed_out(TIMEOUT.as_secs()).into_response(),
    }
}
