//! A client of the live stream behind the balancer, that comes back with the id it was told last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use laju_tests::stream::{Event, Stream, Told};

/// How long it waits before it comes back.
const PAUSE: Duration = Duration::from_millis(50);

/// What it was told of the nation.
#[derive(Default)]
pub(crate) struct Follower {
    latest: AtomicU64,
    states: AtomicU64,
    came_back: AtomicU64,
    went_back: Mutex<Vec<String>>,
}

impl Follower {
    /// The activations that it was told of last.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Follows until it is over.
    pub(crate) fn follow(&self, address: &str, over: &AtomicBool) {
        let mut told = Told::default();
        while !over.load(Ordering::Acquire) {
            if let Some(mut stream) = Stream::try_connect(address, "?regions=ID", &told) {
                self.came_back.fetch_add(1, Ordering::AcqRel);
                while let Some(event) = stream.event().filter(|_| !over.load(Ordering::Acquire)) {
                    told.take(&event);
                    self.note(&event, &told);
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn note(&self, event: &Event, told: &Told) {
        let Some(now) = event.data["activated"].as_u64() else { return };
        let before = self.latest.swap(now, Ordering::AcqRel);
        self.states.fetch_add(1, Ordering::AcqRel);
        if now < before {
            let what = format!("from {before} to {now}, behind the id {:?}", told.last_id);
            self.went_back.lock().unwrap().push(what);
        }
    }

    /// That it was never told less than before, and something for each fault.
    pub(crate) fn assert_never_went_back(&self, faults: u64) {
        let went_back = self.went_back.lock().unwrap();
        assert!(went_back.is_empty(), "the stream went back: {went_back:#?}");
        let states = self.states.load(Ordering::Acquire);
        println!(
            "{states} states told by the live stream, over {} connections",
            self.came_back.load(Ordering::Acquire)
        );
        assert!(states >= faults, "it was told little");
    }
}
