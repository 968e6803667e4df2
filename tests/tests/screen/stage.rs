//! What every test plays on: one demo that has told its story and goes on living, and one browser.

use std::path::Path;
use std::time::Instant;

use chromiumoxide::Browser;
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use futures_util::StreamExt as _;
use laju_tests::process::{PATIENCE, Process, command};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::browser;
use crate::tab::Tab;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");

/// The demo, the browser, and what drives it.
pub(crate) struct Stage {
    demo: Process,
    address: String,
    browser: Browser,
    runtime: Runtime,
    _profile: TempDir,
}

impl Stage {
    /// Starts both, and waits until the demo has played its three years.
    pub(crate) fn set() -> Self {
        let mut demo = Process::start(command(LAJU, &["demo", "--listen", "127.0.0.1:0"]));
        let program = browser::find().expect("looked for already");
        let profile = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let browser = runtime.block_on(launch(&program, profile.path()));
        let address = demo.address();
        demo.wait_for_output("The calendar goes on");
        Self { demo, address, browser, runtime, _profile: profile }
    }

    /// Plays a test, and then looks at what every tab has done meanwhile.
    pub(crate) fn play(&self, test: impl AsyncFnOnce(&mut Visit<'_>)) {
        self.runtime.block_on(async {
            let mut visit = Visit { stage: self, tabs: Vec::new() };
            test(&mut visit).await;
            for tab in visit.tabs {
                tab.leave(&self.address).await;
            }
        });
    }

    /// Ends both.
    pub(crate) fn strike(mut self) {
        self.runtime.block_on(async {
            drop(self.browser.close().await);
            drop(self.browser.wait().await);
        });
        assert!(self.demo.stop().status.success());
    }
}

async fn launch(program: &Path, profile: &Path) -> Browser {
    let (browser, mut events) = Browser::launch(browser::settings(program, profile)).await.unwrap();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    browser
}

/// One test's use of the stage.
pub(crate) struct Visit<'a> {
    stage: &'a Stage,
    tabs: Vec<Tab>,
}

impl Visit<'_> {
    /// Opens the screen at these parameters, in a tab and a profile of its own, on a desk.
    pub(crate) async fn open(&mut self, parameters: &str) -> Tab {
        let tab = self.blank().await;
        tab.go(parameters).await;
        tab
    }

    /// A tab that shows nothing yet.
    pub(crate) async fn blank(&mut self) -> Tab {
        let browser = &self.stage.browser;
        let profile =
            browser.create_browser_context(CreateBrowserContextParams::default()).await.unwrap();
        let mut target = CreateTargetParams::new("about:blank");
        target.browser_context_id = Some(profile.clone());
        let page = browser.new_page(target).await.unwrap();
        let tab = Tab::new(page, profile, format!("http://{}", self.stage.address)).await;
        self.tabs.push(tab.clone());
        tab
    }

    /// The browser, for what is no tab's.
    pub(crate) fn browser(&self) -> &Browser {
        &self.stage.browser
    }

    /// What the demo answers at a path.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.stage.address);
        let answer = tokio::task::spawn_blocking(move || {
            let until = Instant::now() + PATIENCE;
            loop {
                match ureq::get(&url).call() {
                    Ok(mut answer) => return answer.body_mut().read_json().unwrap(),
                    Err(error) => assert!(Instant::now() < until, "{url}: {error}"),
                }
            }
        });
        answer.await.unwrap()
    }
}
