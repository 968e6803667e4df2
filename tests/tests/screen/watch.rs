//! What a tab does beside what it shows: what it writes to the console, what goes wrong in it, and
//! whom it asks.

use std::sync::Arc;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::log::{self, EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::network::EventRequestWillBeSent;
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::listeners::EventStream;
use futures_util::{FutureExt as _, StreamExt as _};
use laju_tests::process::PATIENCE;

/// The last word of a tab: everything that came before it has been heard.
pub(crate) const LAST_WORD: &str = "the test has ended";

/// The streams of what it does.
pub(crate) struct Watch {
    console: EventStream<EventConsoleApiCalled>,
    exceptions: EventStream<EventExceptionThrown>,
    entries: EventStream<EventEntryAdded>,
    requests: EventStream<EventRequestWillBeSent>,
}

impl Watch {
    /// Begins to listen: before the tab shows anything.
    pub(crate) async fn new(page: &Page) -> Self {
        let watch = Self {
            console: page.event_listener().await.unwrap(),
            exceptions: page.event_listener().await.unwrap(),
            entries: page.event_listener().await.unwrap(),
            requests: page.event_listener().await.unwrap(),
        };
        page.execute(log::EnableParams::default()).await.unwrap();
        page.enable_runtime().await.unwrap();
        watch
    }

    /// Looks at everything up to the last word.
    ///
    /// # Panics
    /// If anything went wrong in the tab, or anybody but the server at `address` was asked.
    pub(crate) async fn judge(&mut self, address: &str) {
        let mut wrong = Vec::new();
        loop {
            let event = tokio::time::timeout(PATIENCE, self.console.next()).await;
            let event = event.expect("a last word").expect("the browser lives");
            let words: Vec<_> = event.args.iter().map(|word| word.value.clone()).collect();
            if words == [Some(LAST_WORD.into())] {
                break;
            }
            if matches!(event.r#type, ConsoleApiCalledType::Error | ConsoleApiCalledType::Warning) {
                wrong.push(format!("console: {words:?}"));
            }
        }
        for thrown in waiting(&mut self.exceptions) {
            wrong.push(format!("exception: {:?}", thrown.exception_details));
        }
        for added in waiting(&mut self.entries) {
            if matches!(added.entry.level, LogEntryLevel::Error | LogEntryLevel::Warning) {
                wrong.push(format!("log: {} ({:?})", added.entry.text, added.entry.url));
            }
        }
        let ours = format!("http://{address}/");
        let mut asked = 0;
        for request in waiting(&mut self.requests) {
            let url = &request.request.url;
            asked += 1;
            if !url.starts_with(&ours) && !url.starts_with("data:") {
                wrong.push(format!("it asked elsewhere: {url}"));
            }
        }
        assert!(asked > 0, "nothing was seen of what the page asks for");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn waiting<T>(stream: &mut EventStream<T>) -> Vec<Arc<T>>
where
    EventStream<T>: futures_util::Stream<Item = Arc<T>> + Unpin,
    T: chromiumoxide::cdp::IntoEventKind,
{
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect()
}
