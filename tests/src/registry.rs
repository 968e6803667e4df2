//! A schema registry that a test can take away: a stand-in within the process, or in front of the
//! real one that `LAJU_TEST_REGISTRY` names, to which it passes everything on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Names the real registry, as its URL.
pub const REGISTRY: &str = "LAJU_TEST_REGISTRY";

/// A schema that the stand-in has.
struct Registered {
    subject: String,
    schema: String,
    references: Value,
    version: usize,
}

struct Shared {
    up: AtomicBool,
    upstream: Option<String>,
    /// The stand-in's schemas by id.
    schemas: Mutex<BTreeMap<u32, Registered>>,
    /// Ids that it denies so many more times.
    hidden: Mutex<BTreeMap<u32, u32>>,
    /// How often it was asked for an id while it was up.
    asked: Mutex<BTreeMap<u32, u32>>,
}

/// A registry that can be taken away and brought back.
pub struct TestRegistry {
    url: String,
    shared: Arc<Shared>,
}

impl TestRegistry {
    /// Starts it.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let upstream = std::env::var(REGISTRY).ok().filter(|url| !url.is_empty());
        let shared = Arc::new(Shared {
            up: AtomicBool::new(true),
            upstream,
            schemas: Mutex::default(),
            hidden: Mutex::default(),
            asked: Mutex::default(),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client that goes away is none of our business.
                std::thread::spawn(move || drop(server.serve(&stream)));
            }
        });
        Self { url, shared }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a real one stands behind it.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.shared.upstream.is_some()
    }

    /// Registers a schema that refers to others: an array of `{name, subject, version}`. Answers its id.
    ///
    /// # Panics
    /// If it is not taken.
    #[must_use]
    pub fn register(&self, subject: &str, schema: &str, references: &Value) -> u32 {
        let body = json!({ "schema": schema, "references": references }).to_string();
        let url = format!("{}/subjects/{subject}/versions", self.url);
        let (status, answer) = pass_on(&url, "POST", &body);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.unwrap_or_else(|| panic!("{status}: {answer}"))
    }

    /// Takes it away: it answers 503.
    pub fn take_away(&self) {
        self.shared.up.store(false, Ordering::Release);
    }

    /// Has it say so many times that it has no schema with an id, which it has: as registries do for a
    /// while after registering.
    pub fn hide(&self, id: u32, times: u32) {
        lock(&self.shared.hidden).insert(id, times);
    }

    /// How often it was asked for an id.
    #[must_use]
    pub fn asked(&self, id: u32) -> u32 {
        lock(&self.shared.asked).get(&id).copied().unwrap_or(0)
    }

    /// Brings it back.
    pub fn bring_back(&self) {
        self.shared.up.store(true, Ordering::Release);
    }
}

impl Registered {
    fn to_json(&self) -> Value {
        if self.references.is_array() {
            json!({ "schema": self.schema, "references": self.references })
        } else {
            json!({ "schema": self.schema })
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let (status, answer) = self.answer(method, path, &body);
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} Status\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn answer(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        if !self.up.load(Ordering::Acquire) {
            return (503, "the registry is away".to_owned());
        }
        let id = path.strip_prefix("/schemas/ids/").and_then(|id| id.parse::<u32>().ok());
        if let Some(id) = id.filter(|_| method == "GET") {
            *lock(&self.asked).entry(id).or_default() += 1;
            let mut hidden = lock(&self.hidden);
            if let Some(times) = hidden.get_mut(&id).filter(|times| **times > 0) {
                *times -= 1;
                let no = json!({"error_code": 40_403, "message": "no such schema yet"});
                return (404, no.to_string());
            }
        }
        match &self.upstream {
            Some(url) => pass_on(&format!("{url}{path}"), method, body),
            None => self.stand_in(method, path, body),
        }
    }

    fn stand_in(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut schemas = lock(&self.schemas);
        let unknown = |code: u32| (404, json!({"error_code": code, "message": "no"}).to_string());
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, &parts[..]) {
            ("GET", ["schemas", "ids", id]) => {
                match id.parse().ok().and_then(|id: u32| schemas.get(&id)) {
                    Some(found) => (200, found.to_json().to_string()),
                    None => unknown(40_403),
                }
            }
            ("GET", ["subjects", subject, "versions", version]) => {
                let is_it = |found: &&Registered| {
                    found.subject == *subject && found.version.to_string() == *version
                };
                match schemas.values().find(is_it) {
                    Some(found) => (200, found.to_json().to_string()),
                    None => unknown(40_402),
                }
            }
            ("POST", ["subjects", subject, rest @ ..]) => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let schema = body["schema"].as_str().unwrap_or_default();
                let mut versions = 0;
                let known = schemas.iter().find(|(_, found)| {
                    versions += usize::from(found.subject == *subject);
                    found.subject == *subject && found.schema == schema
                });
                let id = match (known, rest) {
                    (Some((id, _)), _) => *id,
                    (None, ["versions"]) => {
                        let id = schemas.len() as u32 + 1;
                        let new = Registered {
                            subject: (*subject).to_owned(),
                            schema: schema.to_owned(),
                            references: body["references"].clone(),
                            version: versions + 1,
                        };
                        schemas.insert(id, new);
                        id
                    }
                    (None, _) => return unknown(40_403),
                };
                (200, json!({ "id": id }).to_string())
            }
            _ => (405, String::new()),
        }
    }
}

fn pass_on(url: &str, method: &str, body: &str) -> (u16, String) {
    const KIND: &str = "application/vnd.schemaregistry.v1+json";
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let response = match method {
        "POST" => agent.post(url).content_type(KIND).send(body),
        _ => agent.get(url).header("accept", KIND).call(),
    };
    match response {
        Ok(mut response) => {
            let body = response.body_mut().read_to_string().unwrap_or_default();
            (response.status().as_u16(), body)
        }
        Err(error) => (502, error.to_string()),
    }
}
