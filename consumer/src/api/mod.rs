//! The HTTP interface: turns requests into questions and answers into JSON, and knows nothing of
//! how they are answered. Every error is an RFC 9457 problem.

pub mod access;
#[cfg(test)]
mod access_tests;
mod body;
mod caching;
#[cfg(test)]
mod caching_tests;
mod events;
mod figures;
pub mod health;
mod insight;
mod kiosks;
pub mod origin;
mod parameters;
pub mod problem;
pub mod quoted;
#[cfg(test)]
mod quoted_tests;
mod rate;
mod screen;
pub mod server;
#[cfg(test)]
mod server_tests;
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

use crate::query::view::LiveView;
use access::{Access, Guard, guard};
use problem::Problem;
use quoted::FigureDesk;
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
    /// Those that wait for the folding thread: figures never stand in line behind them.
    fold_turns: Arc<Semaphore>,
    feed: Feed,
    access: Access,
    figures: FigureDesk,
    /// Figures that may be on their way to their topic at the same time: while it is away they
    /// wait for each other, and for nobody else.
    quote_turns: Arc<Semaphore>,
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
        let access = Access::default();
        let (turns, fold_turns, quote_turns) = (turns(), turns(), turns());
        let figures = FigureDesk::default();
        Self { live, clock, metrics, turns, fold_turns, feed, access, figures, quote_turns }
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

    /// With what quoted figures are kept by.
    #[must_use]
    pub fn with_figures(self, figures: FigureDesk) -> Self {
        Self { figures, ..self }
    }
}

/// Every path of the interface.
pub fn router(state: ApiState) -> Router {
    let paths = Router::new()
        .route("/v1/regions", get(figures::list_regions))
        .route("/v1/progress", get(figures::progress_list))
        .route("/v1/regions/{code}/progress", get(figures::region_progress))
        .route("/v1/regions/{code}/series", get(figures::region_series))
        .route("/v1/regions/{code}/breakdown", get(figures::region_breakdown))
        .route("/v1/regions/{code}/pace", get(insight::region_pace))
        .route("/v1/regions/{code}/change", get(insight::region_change))
        .route("/v1/regions/{code}/evidence", get(insight::region_evidence))
        .route("/v1/regions/{code}/postings", get(insight::region_postings))
        .route("/v1/regions/{code}/flows", get(insight::region_flows))
        .route("/v1/pace", get(insight::list_paces))
        .route("/v1/flows", get(insight::list_flows))
        .route("/v1/outreach", get(insight::list_outreach))
        .route("/v1/outreach/{id}", get(insight::one_visit))
        .route("/v1/kiosks", get(kiosks::list))
        .route("/v1/kiosks/{id}", get(kiosks::one))
        .route("/v1/events/{event_id}", get(events::fate))
        .route("/v1/figures", get(quoted::list).post(quoted::quote))
        .route("/v1/figures/{id}", get(quoted::one))
        .route("/v1/quarantine", get(figures::list_quarantine))
        .route("/", get(screen::page))
        .route("/assets/{*path}", get(screen::asset))
        .route("/v1/stream", get(stream::stream))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/problems/{kind}", get(problem::explain));
    with_layers(paths, state.access.clone()).with_state(state)
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
        .layer(from_fn_with_state(Arc::new(Guard::new(access)), guard))
        .layer(option_layer(cors))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(problem::dress))
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
