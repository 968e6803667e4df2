//! What the interface answers from.

use std::sync::{Arc, OnceLock};

use laju_schemas::QuotedFigure;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::access::Access;
use super::clock::Clock;
use super::stream::feed::{Feed, StreamSettings};
use crate::projection::store::StoreReader;
use crate::query::live_view::LiveView;
use crate::query::quoted::FigureStore;

/// Ledgers that are sent at the same time; others wait for their turn as long as an answer may take.
/// Figures do not wait for them.
pub(super) const LEDGERS_AT_ONCE: usize = 4;
/// Runs of the store's chunks that are sent at the same time; others wait as those for ledgers do.
pub(super) const STORE_RUNS_AT_ONCE: usize = 2;

/// What writes the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Where the store is, once it is loaded.
pub type StorePlace = Arc<OnceLock<StoreReader>>;

/// Why a figure is not known to be in its topic, in words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotConfirmed(pub String);

/// What puts a figure into its topic and waits until that is confirmed: it answers the offset, if
/// the broker tells it. It may block for seconds.
pub type PublishFigure =
    Arc<dyn Fn(&QuotedFigure) -> Result<Option<i64>, NotConfirmed> + Send + Sync>;

/// What quoted figures are kept by.
#[derive(Clone)]
pub struct QuotedFigures {
    /// Those that this node has read.
    pub figure_store: Arc<FigureStore>,
    pub publish: PublishFigure,
}

impl Default for QuotedFigures {
    /// Those of a node that has none: every question about them is answered 503.
    fn default() -> Self {
        let publish = |_: &QuotedFigure| Err(NotConfirmed("this node has no Kafka".to_owned()));
        Self { figure_store: Arc::default(), publish: Arc::new(publish) }
    }
}

/// What the interface answers from.
#[derive(Clone)]
pub struct ApiState {
    pub(super) live: Arc<LiveView>,
    pub(super) clock: Clock,
    pub(super) metrics: RenderMetrics,
    /// Questions that may be worked on at the same time.
    pub(super) turns: Arc<Semaphore>,
    /// Those that wait for the fold: figures never stand in line behind them.
    pub(super) fold_turns: Arc<Semaphore>,
    /// Ledgers that may be sent at the same time.
    pub(super) ledger_turns: Arc<Semaphore>,
    /// A partition's ledger is made of all its citizens: one at a time.
    pub(super) ledger_makers: Arc<Semaphore>,
    pub(super) store: StorePlace,
    /// Runs of the store's chunks that may be sent at the same time.
    pub(super) store_turns: Arc<Semaphore>,
    pub(super) feed: Feed,
    pub(super) access: Access,
    pub(super) figures: QuotedFigures,
    /// Figures that may be on their way to their topic at the same time: while it is away they
    /// wait for each other, and for nobody else.
    pub(super) quote_turns: Arc<Semaphore>,
    /// The OpenAPI document, as it is sent.
    pub(super) document: Arc<str>,
    /// A digest of it: of the shapes of all answers.
    pub(super) shapes: u64,
}

impl ApiState {
    /// From the state that the worker keeps up to date, what tells the time, and what writes the
    /// metrics.
    pub fn new(live: Arc<LiveView>, clock: Clock, metrics: RenderMetrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let turns = || Arc::new(Semaphore::new(processors));
        let feed = Feed::new(&live, &clock, StreamSettings::default());
        Self {
            live,
            clock,
            metrics,
            turns: turns(),
            fold_turns: turns(),
            ledger_turns: Arc::new(Semaphore::new(LEDGERS_AT_ONCE)),
            ledger_makers: Arc::new(Semaphore::new(1)),
            store: StorePlace::default(),
            store_turns: Arc::new(Semaphore::new(STORE_RUNS_AT_ONCE)),
            feed,
            access: Access::default(),
            figures: QuotedFigures::default(),
            quote_turns: turns(),
            document: Arc::from(""),
            shapes: 0,
        }
    }

    /// With a live stream that runs like this.
    pub fn with_stream(self, settings: StreamSettings) -> Self {
        Self { feed: Feed::new(&self.live, &self.clock, settings), ..self }
    }

    /// The same for whom it is to answer: without this for everybody on this machine.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Whether it took a token to ask, so that no cache that others use may keep the answer.
    pub(super) fn is_private(&self) -> bool {
        self.access.tokens.is_some()
    }

    /// With where its store will be once it is loaded, to be handed to other nodes.
    pub fn with_store(self, store: StorePlace) -> Self {
        Self { store, ..self }
    }

    /// With what quoted figures are kept by.
    pub fn with_figures(self, figures: QuotedFigures) -> Self {
        Self { figures, ..self }
    }
}
