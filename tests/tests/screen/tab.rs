//! A tab: goes somewhere, waits until something is so, presses keys, clicks, reads.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
    SetFocusEmulationEnabledParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
};
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::keys::get_key_definition;
use chromiumoxide::layout::Point;
use laju_tests::process::PATIENCE;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::watch::{LAST_WORD, Watch};

/// How large a screen is, in CSS pixels, and whether it is a phone's.
pub(crate) type Size = (i64, i64, bool);
/// A screen on a desk.
pub(crate) const DESK: Size = (1440, 900, false);
/// A phone's.
pub(crate) const PHONE: Size = (390, 844, true);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What every script of a test may use: the cards of the page by their headings.
const TOOLS: &str = "
    const one = (selector) => {
        const found = document.querySelector(selector);
        if (!found) throw new Error(`there is no ${selector}`);
        return found;
    };
    const all = (selector) => [...document.querySelectorAll(selector)];
    const card = (heading) => {
        const found = all('section.card').find((card) => card.querySelector('h2')?.textContent === heading);
        if (!found) throw new Error(`there is no card ${heading}`);
        return found;
    };
    const text = (element) => element.innerText.replaceAll('\\u00a0', ' ').trim();
";

/// A tab of the browser, with a profile of its own.
#[derive(Clone)]
pub(crate) struct Tab {
    page: Page,
    profile: BrowserContextId,
    server: String,
    watch: Arc<Mutex<Watch>>,
}

impl Tab {
    pub(crate) async fn new(page: Page, profile: BrowserContextId, server: String) -> Self {
        let watch = Arc::new(Mutex::new(Watch::new(&page).await));
        let tab = Self { page, profile, server, watch };
        // Every tab behaves as the one that is looked at.
        tab.page.execute(SetFocusEmulationEnabledParams::new(true)).await.unwrap();
        tab.resize(DESK).await;
        tab
    }

    /// The browser's own handle of it.
    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// The profile that it belongs to.
    pub(crate) fn profile(&self) -> &BrowserContextId {
        &self.profile
    }

    /// Where the screen is.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) async fn resize(&self, (width, height, is_phone): Size) {
        let metrics = SetDeviceMetricsOverrideParams::new(width, height, 1.0, is_phone);
        self.page.execute(metrics).await.unwrap();
    }

    /// Has the system be light or dark.
    pub(crate) async fn system(&self, scheme: &str) {
        let feature = MediaFeature::new("prefers-color-scheme", scheme);
        let media = SetEmulatedMediaParams::builder().features(vec![feature]).build();
        self.page.execute(media).await.unwrap();
    }

    /// Loads the screen at these parameters, and waits until it is drawn.
    pub(crate) async fn go(&self, parameters: &str) {
        self.load(parameters).await;
        self.is_drawn().await;
    }

    /// Loads the screen at these parameters.
    pub(crate) async fn load(&self, parameters: &str) {
        self.page.goto(format!("{}/{parameters}", self.server)).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.page.reload().await.unwrap();
        self.is_drawn().await;
    }

    /// Waits until what the address says is drawn.
    pub(crate) async fn is_drawn(&self) {
        let expected = "(() => {
            const given = new URLSearchParams(location.search);
            const key = given.has('figure') ? `figure ${given.get('figure')}` : given.get('region') ?? 'ID';
            return one('#content').dataset.ready === key && !document.querySelector('.wait');
        })()";
        self.wait("the page is drawn", expected).await;
    }

    /// What an expression says in the page.
    pub(crate) async fn read<T: DeserializeOwned>(&self, expression: &str) -> T {
        match self.try_read(expression).await {
            Ok(value) => serde_json::from_value(value.clone())
                .unwrap_or_else(|error| panic!("{expression} is {value}: {error}")),
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    async fn try_read(&self, expression: &str) -> Result<Value, String> {
        let script = format!("{{{TOOLS} ({expression}) }}");
        let evaluate = EvaluateParams::builder()
            .expression(script)
            .await_promise(true)
            .return_by_value(true)
            .user_gesture(true)
            .build()?;
        let answer = self.page.execute(evaluate).await.map_err(|error| error.to_string())?.result;
        if let Some(thrown) = answer.exception_details {
            let mut words = thrown.text;
            let described = thrown.exception.and_then(|exception| exception.description);
            let _ = write!(words, " {}", described.unwrap_or_default());
            return Err(words);
        }
        Ok(answer.result.value.unwrap_or_default())
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait(&self, what: &str, expression: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let last = self.try_read(expression).await;
            if last == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() >= until {
                let shown = self.try_read("text(document.body).slice(0, 1500)").await;
                panic!("not so in time: {what}: {last:?}; the page shows {shown:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The text of an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.read(&format!("text(one({}))", quoted(selector))).await
    }

    /// The address as the bar shows it, without the server.
    pub(crate) async fn address(&self) -> String {
        self.read("location.pathname + location.search").await
    }

    /// Gives an element the focus.
    pub(crate) async fn focus(&self, selector: &str) {
        let _: Value = self.read(&format!("one({}).focus()", quoted(selector))).await;
    }

    /// Where the middle of an element that an expression names is, scrolled into view.
    pub(crate) async fn middle(&self, expression: &str) -> Point {
        let script = format!(
            "(async () => {{
                const element = {expression};
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
                const {{left, top, width, height}} = element.getBoundingClientRect();
                return [left + width / 2, top + height / 2];
            }})()"
        );
        let [x, y]: [f64; 2] = self.read(&script).await;
        Point::new(x, y)
    }

    /// Clicks what a selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        self.click_on(&format!("one({})", quoted(selector))).await;
    }

    /// Clicks what an expression names.
    pub(crate) async fn click_on(&self, expression: &str) {
        let middle = self.middle(expression).await;
        self.page.click(middle).await.unwrap();
    }

    /// Puts the pointer on what an expression names.
    pub(crate) async fn point_at(&self, expression: &str) {
        let Point { x, y } = self.middle(expression).await;
        let moved = DispatchMouseEventParams::new(DispatchMouseEventType::MouseMoved, x, y);
        self.page.execute(moved).await.unwrap();
    }

    /// Presses a key, and lets it go.
    pub(crate) async fn press(&self, key: &str) {
        let definition = get_key_definition(key).expect("a key of the keyboard");
        let text = definition.text.or((definition.key.len() == 1).then_some(definition.key));
        let mut event = DispatchKeyEventParams::builder()
            .key(definition.key)
            .code(definition.code)
            .windows_virtual_key_code(definition.key_code)
            .native_virtual_key_code(definition.key_code);
        let up = event.clone().r#type(DispatchKeyEventType::KeyUp).build().unwrap();
        let kind = if text.is_some() {
            DispatchKeyEventType::KeyDown
        } else {
            DispatchKeyEventType::RawKeyDown
        };
        if let Some(text) = text {
            event = event.text(text);
        }
        self.page.execute(event.r#type(kind).build().unwrap()).await.unwrap();
        self.page.execute(up).await.unwrap();
    }

    /// Types a text, key by key.
    pub(crate) async fn type_text(&self, text: &str) {
        for key in text.chars() {
            self.press(&key.to_string()).await;
        }
    }

    /// Closes it, and looks at what it has done.
    ///
    /// # Panics
    /// If anything went wrong in it.
    pub(crate) async fn leave(self, address: &str) {
        let _: Value = self.read(&format!("console.debug({})", quoted(LAST_WORD))).await;
        self.watch.lock().await.judge(address).await;
        self.page.close().await.unwrap();
    }
}

/// A text as JavaScript writes it.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
