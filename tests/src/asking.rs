//! Clients that ask for a figure all the while, each time from where their last answer was, and what
//! they meet.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use laju_schemas::position::{AT_LEAST_HEADER, POSITION_HEADER, Position};
use serde_json::Value;

/// How long a client waits for an answer: longer than the balancer and the nodes together do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says that something is over when it is dropped, so that threads end also where a test fails.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A question that had no answer.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// When it was asked.
    pub begun: Instant,
    /// When it was known to have failed.
    pub ended: Instant,
    /// What the answer was to rest on at least.
    pub at_least: Option<Position>,
    /// What came instead.
    pub what: String,
}

/// What clients have met.
#[derive(Default)]
pub struct Met {
    /// Whether they are to end.
    pub over: AtomicBool,
    /// How often they were answered.
    pub answers: AtomicU64,
    /// The latest figure.
    pub latest: AtomicU64,
    said: Mutex<Said>,
}

/// What they were told.
#[derive(Default)]
pub struct Said {
    /// Questions that had no answer.
    pub unanswered: Vec<Unanswered>,
    /// Answers that cannot be right beside others: what is wrong with them.
    pub wrong: Vec<String>,
    /// The activations of the nation by how far the events topic was folded.
    pub figures: BTreeMap<BTreeMap<u32, i64>, u64>,
    /// Questions that were asked once more, because the connection was closed before any answer.
    pub asked_again: u64,
    /// The longest that an answer took.
    pub longest: Duration,
    /// The longest time in which nobody had an answer, and when it was over.
    pub longest_silence: Option<(Duration, Instant)>,
    last_answer: Option<Instant>,
}

/// Whether a connection was closed before anything of an answer came.
fn is_closed(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Io(error) => {
            matches!(error.kind(), ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        _ => false,
    }
}

impl Met {
    /// What they were told so far.
    pub fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks at an address for the activations of the nation until it is over, with a pause between two
    /// questions.
    ///
    /// # Panics
    /// If an answer is not what the interface has.
    pub fn ask(&self, address: &str, pause: Duration) {
        let url = format!("http://{address}/v1/regions/ID/progress");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let (mut at_least, mut activated) = (None::<Position>, 0);
        while !self.over.load(Ordering::Acquire) {
            let begun = Instant::now();
            let question = || {
                let request = agent.get(&url);
                let request = match &at_least {
                    Some(position) => request.header(AT_LEAST_HEADER, position.to_string()),
                    None => request,
                };
                request.call().and_then(|mut answer| {
                    let bears = answer.headers().get(POSITION_HEADER);
                    let bears =
                        bears.and_then(|position| position.to_str().ok()).map(str::to_owned);
                    Ok((answer.status().as_u16(), bears, answer.body_mut().read_to_string()?))
                })
            };
            // A kept connection may be closed as a question is on its way: an HTTP client asks
            // once more then (RFC 9112, 9.3.1).
            let answered = question().or_else(|error| {
                if !is_closed(&error) {
                    return Err(error);
                }
                self.said().asked_again += 1;
                question()
            });
            let ended = Instant::now();
            match answered {
                Ok((200, Some(bears), body)) => {
                    let bears = Position::from_str(&bears).expect("a position");
                    let body: Value = serde_json::from_str(&body).expect("JSON");
                    let now = body["activated"].as_u64().expect("a figure");
                    self.note(begun, ended, &bears, now);
                    if now < activated || at_least.as_ref().is_some_and(|at| !bears.covers(at)) {
                        let was = at_least.map(|at| at.to_string());
                        self.said().wrong.push(format!(
                            "it went back from {activated} at {was:?} to {now} at {bears}"
                        ));
                    }
                    (activated, at_least) = (now, Some(bears));
                }
                Ok((status, _, body)) => {
                    self.unanswered(begun, &at_least, format!("{status}: {body}"));
                }
                Err(error) => self.unanswered(begun, &at_least, error.to_string()),
            }
            std::thread::sleep(pause);
        }
    }

    fn unanswered(&self, begun: Instant, at_least: &Option<Position>, what: String) {
        let at_least = at_least.clone();
        let one = Unanswered { begun, ended: Instant::now(), at_least, what };
        self.said().unanswered.push(one);
    }

    fn note(&self, begun: Instant, ended: Instant, bears: &Position, now: u64) {
        let mut said = self.said();
        said.longest = said.longest.max(ended - begun);
        if let Some(last) = said.last_answer {
            let silence = ended.saturating_duration_since(last);
            said.longest_silence = said.longest_silence.max(Some((silence, ended)));
        }
        said.last_answer = said.last_answer.max(Some(ended));
        let known = *said.figures.entry(bears.events.clone()).or_insert(now);
        if known != now {
            said.wrong.push(format!("{known} and {now} were said at {bears}"));
        }
        drop(said);
        self.latest.fetch_max(now, Ordering::AcqRel);
        self.answers.fetch_add(1, Ordering::AcqRel);
    }

    /// That every question was answered, and rightly beside the others; says how many.
    ///
    /// # Panics
    /// If not.
    pub fn assert_all_answered(&self) {
        let said = self.said();
        println!(
            "{} answers, the slowest after {} ms",
            self.answers.load(Ordering::Acquire),
            said.longest.as_millis()
        );
        let unanswered = said.unanswered.iter().map(|one| &one.what);
        let failures: Vec<_> = unanswered.chain(&said.wrong).collect();
        assert!(
            failures.is_empty(),
            "{} failed: {:#?}",
            failures.len(),
            &failures[..failures.len().min(9)]
        );
    }
}
