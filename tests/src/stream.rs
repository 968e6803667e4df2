//! A client of the live stream: it reads events as they come, and forgets nothing when its
//! connection breaks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines};
use std::time::Instant;

use serde_json::Value;

use crate::process::{PATIENCE, Process};

/// An event of the live stream.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// `progress`, `live`, `resync` or `unready`.
    pub name: String,
    /// Its id, which few have.
    pub id: Option<String>,
    /// What it says.
    pub data: Value,
}

/// What a client has been told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The latest id.
    pub last_id: Option<String>,
    /// The latest state of each region, by its code.
    pub states: BTreeMap<String, Value>,
}

impl Told {
    /// Remembers what an event says.
    pub fn take(&mut self, event: &Event) {
        if let Some(code) = event.data["region"]["code"].as_str() {
            self.states.insert(code.to_owned(), event.data.clone());
        }
        self.last_id = event.id.clone().or(self.last_id.take());
    }
}

/// A connection to the live stream.
pub struct Stream {
    lines: Lines<BufReader<ureq::BodyReader<'static>>>,
}

impl Stream {
    /// Connects, with the id that the client was told last.
    ///
    /// # Panics
    /// If there is no stream.
    #[must_use]
    pub fn connect(process: &mut Process, query: &str, told: &Told) -> Self {
        Self::try_connect(&process.address(), query, told).expect("a stream")
    }

    /// Connects to an address; none if there is no stream.
    #[must_use]
    pub fn try_connect(address: &str, query: &str, told: &Told) -> Option<Self> {
        let url = format!("http://{address}/v1/stream{query}");
        let config = ureq::Agent::config_builder().timeout_recv_body(Some(PATIENCE));
        let mut request = config.build().new_agent().get(url);
        if let Some(id) = &told.last_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.call().ok()?;
        Some(Self { lines: BufReader::new(answer.into_body().into_reader()).lines() })
    }

    /// The next event; `None` if the stream has ended or broken.
    pub fn event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.lines.next()?.ok()?;
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data = serde_json::from_str(data).ok()?,
                None if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// Takes events until something is so of what was told; gives them.
    ///
    /// # Panics
    /// If it does not come to be.
    pub fn take_until(
        &mut self,
        told: &mut Told,
        mut is_so: impl FnMut(&Event, &Told) -> bool,
    ) -> Vec<Event> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        loop {
            let event = self.event().expect("the stream goes on");
            assert!(Instant::now() < deadline, "not told in time; the last was {event:?}");
            told.take(&event);
            let is_last = is_so(&event, told);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}
