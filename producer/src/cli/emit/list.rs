//! A list of events in NDJSON, sent to the agent in batches until each line is answered.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::agent::AgentClient;
use super::super::progress::progress;
use super::super::stop::Stop;
use crate::agent::http::BatchAnswer;
use crate::agent::submission::MAX_EVENT_BYTES;
use laju_kafka::terminal::shown;
use laju_kafka::text;

/// Lines sent in one request.
const BATCH: usize = 2_000;
/// How long an agent that does not answer, or has no room, is asked again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait before asking again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What became of a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    accepted: u64,
    repeated: u64,
    pub(super) refused: Vec<RefusedLine>,
    /// What the agent warned of: events of this kiosk could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<String>,
    /// And what is good to know: former codes that were taken as today's.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) notes: BTreeSet<String>,
}

/// A line that was refused.
#[derive(Debug, Serialize)]
pub(super) struct RefusedLine {
    line: u64,
    field: String,
    detail: String,
}

/// Sends a file's lines: what became of them, and whether all were sent.
///
/// # Errors
/// If nothing could be sent at all.
pub(super) fn send(
    path: &Path,
    client: &AgentClient,
) -> anyhow::Result<(Report, anyhow::Result<()>)> {
    let (input, bar) = open(path)?;
    let stop = Stop::listen().context("cannot listen for signals")?;
    let mut report = Report::default();
    let sent = send_lines(&mut Lines(input), client, &stop, &bar, &mut report);
    bar.finish_and_clear();
    Ok((report, sent))
}

/// Sends every line, until the user asks for an end; the report tells of those sent in any case.
fn send_lines(
    lines: &mut Lines,
    client: &AgentClient,
    stop: &Stop,
    bar: &ProgressBar,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        bar.inc(line.len() as u64);
        // What stands at the beginning of a file says what the whole of it is.
        let text = if number == 1 { text::begin(&line)? } else { line.as_slice() };
        batch.add(number, text, report);
        if batch.lines.len() == BATCH {
            batch.send(client, stop, report)?;
        }
        if stop.is_asked_for() {
            batch.send(client, stop, report)?;
            bail!("ended early, by a signal, after line {number}: {RESEND_ADVICE}");
        }
    }
    batch.send(client, stop, report)
}

const RESEND_ADVICE: &str = "send the same file again, what was accepted will not count twice";

impl Report {
    pub(super) fn print(&self) {
        for refused in &self.refused {
            match refused.field.as_str() {
                "" => println!("line {}: {}", refused.line, shown(&refused.detail)),
                field => {
                    let (field, detail) = (shown(field), shown(&refused.detail));
                    println!("line {}: {field}: {detail}", refused.line);
                }
            }
        }
        println!("accepted  {:>9}", self.accepted);
        println!("repeated  {:>9}   accepted before", self.repeated);
        println!("refused   {:>9}", self.refused.len());
    }
}

/// Lines on their way to the agent.
#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    body: Zeroizing<Vec<u8>>,
}

/// A line of the file within a body.
struct Line {
    number: u64,
    place: Range<usize>,
}

impl Batch {
    fn add(&mut self, number: u64, line: &[u8], report: &mut Report) {
        let text = line.trim_ascii();
        if text.is_empty() {
            return;
        }
        if text.len() > MAX_EVENT_BYTES {
            return report.refused.push(RefusedLine {
                line: number,
                field: String::new(),
                detail: format!("an event has at most {MAX_EVENT_BYTES} bytes"),
            });
        }
        let start = self.body.len();
        match named(text) {
            Some(event) => self.body.extend_from_slice(event.as_bytes()),
            // The agent says what is wrong with it.
            None => self.body.extend_from_slice(text),
        }
        self.body.push(b'\n');
        self.lines.push(Line { number, place: start..self.body.len() });
    }

    /// Sends the lines, those that the agent has no room for again and again, until each is
    /// answered finally.
    fn send(
        &mut self,
        client: &AgentClient,
        stop: &Stop,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut until = Instant::now() + RETRY_TIMEOUT;
        while let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) {
            let (first, last) = (first.number, last.number);
            let not_accepted =
                || format!("lines {first} to {last} were not all accepted; {RESEND_ADVICE}");
            let count = self.lines.len();
            let why = match client.post("/v1/events", "application/x-ndjson", &self.body) {
                Err(error) => error,
                Ok(answer) => match serde_json::from_slice::<BatchAnswer>(&answer.body) {
                    Ok(batch) if batch.items.len() == count => match self.take(batch, report) {
                        None => return Ok(()),
                        Some(detail) => anyhow!(detail),
                    },
                    Ok(_) => bail!("the agent's answer is not what it should be"),
                    Err(_) if answer.status >= 500 => anyhow!(answer.problem()),
                    Err(_) => return Err(anyhow!(answer.problem())).with_context(not_accepted),
                },
            };
            if self.lines.len() < count {
                until = Instant::now() + RETRY_TIMEOUT;
            }
            if Instant::now() > until || stop.is_asked_for() {
                return Err(why).with_context(not_accepted);
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
        Ok(())
    }

    /// Reports the lines that are answered finally, and keeps the others: why the first of them
    /// is not accepted, if there is any.
    fn take(&mut self, answer: BatchAnswer, report: &mut Report) -> Option<String> {
        report.warning = answer.warning.or(report.warning.take());
        let mut rest = Self::default();
        let mut why = None;
        for (line, item) in self.lines.drain(..).zip(answer.items) {
            let (field, detail) = (item.field.unwrap_or_default(), item.detail);
            if item.status >= 500 {
                why = why.or(detail).or_else(|| Some(format!("the agent answers {}", item.status)));
                let start = rest.body.len();
                rest.body.extend_from_slice(&self.body[line.place]);
                rest.lines.push(Line { number: line.number, place: start..rest.body.len() });
            } else if let Some(detail) = detail {
                report.refused.push(RefusedLine { line: line.number, field, detail });
            } else {
                report.notes.extend(item.note);
                match item.repeated {
                    Some(true) => report.repeated += 1,
                    _ => report.accepted += 1,
                }
            }
        }
        *self = rest;
        why
    }
}

/// A line with an idempotency key, if it is an object that has none. The key is a digest of the
/// line, which the agent digests again under the programme's key before it keeps it.
fn named(line: &[u8]) -> Option<Zeroizing<String>> {
    let mut event: Map<String, Value> = serde_json::from_slice(line).ok()?;
    if event.get("idempotency_key").is_none_or(Value::is_null) {
        let digest = Sha256::digest(line);
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        event.insert("idempotency_key".to_owned(), Value::String(format!("line {key}")));
    }
    serde_json::to_string(&event).ok().map(Zeroizing::new)
}

/// A file's lines, none of them without a limit.
struct Lines(Box<dyn BufRead>);

impl Lines {
    fn next(&mut self) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
        // Longer than any event may be: the rest of such a line is passed over.
        const LONGEST: usize = 2 * MAX_EVENT_BYTES;
        let mut line = Zeroizing::new(Vec::with_capacity(512));
        loop {
            let available = self.0.fill_buf().context("the file cannot be read")?;
            if available.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            let room = LONGEST.saturating_sub(line.len());
            line.extend_from_slice(&available[..used.min(room)]);
            self.0.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, ProgressBar)> {
    if path == Path::new("-") {
        let bar = progress(ProgressBar::no_length(), "{spinner} {bytes}, {elapsed}");
        return Ok((Box::new(std::io::stdin().lock()), bar));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress(ProgressBar::new(size), "{wide_bar} {bytes}/{total_bytes}, {eta} left");
    Ok((Box::new(BufReader::new(file)), bar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_by_its_text_unless_it_has_a_name() {
        let a = named(br#"{"nik": "1", "x": 2}"#).unwrap();
        assert_eq!(*a, *named(br#"{"nik": "1", "x": 2}"#).unwrap());
        assert_ne!(*a, *named(br#"{"nik": "1", "x": 3}"#).unwrap());
        assert!(a.contains(r#""idempotency_key":"line "#), "{}", *a);
        let own = named(br#"{"idempotency_key": "mine"}"#).unwrap();
        assert_eq!(*own, r#"{"idempotency_key":"mine"}"#);
        assert!(named(b"[1]").is_none() && named(b"{").is_none());
    }

    #[test]
    fn a_list_may_begin_with_a_byte_order_mark_and_utf_16_is_named() {
        let first = |file: &[u8]| {
            let mut lines = Lines(Box::new(std::io::Cursor::new(file.to_vec())));
            let line = lines.next().unwrap().unwrap();
            text::begin(&line).map(<[u8]>::to_vec)
        };
        assert_eq!(first(b"\xEF\xBB\xBF{}\r\n{}\r\n").unwrap(), b"{}\r\n");
        let wide: Vec<u8> = "{\"nik\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(first(&wide), Err(text::TextError::Utf16));
    }

    #[test]
    fn lines_that_find_no_room_are_kept_and_the_others_reported() {
        let mut report = Report::default();
        let mut batch = Batch::default();
        for number in 1..=4 {
            batch.add(number, format!("{number}\n").as_bytes(), &mut report);
        }
        let answer = serde_json::json!({
            "accepted": 1, "repeated": 0, "refused": 3, "items": [
                {"item": 1, "status": 202, "repeated": false},
                {"item": 2, "status": 507, "detail": "full"},
                {"item": 3, "status": 422, "field": "nik", "detail": "short"},
                {"item": 4, "status": 503, "detail": "failed"}]});
        let why = batch.take(serde_json::from_value(answer).unwrap(), &mut report);
        assert_eq!(why.as_deref(), Some("full"));
        assert_eq!(batch.body.as_slice(), b"2\n4\n");
        let answer = serde_json::json!({
            "accepted": 0, "repeated": 2, "refused": 0, "items": [
                {"item": 1, "status": 202, "repeated": true},
                {"item": 2, "status": 202, "repeated": true}]});
        assert_eq!(batch.take(serde_json::from_value(answer).unwrap(), &mut report), None);
        assert!(batch.lines.is_empty() && batch.body.is_empty());
        let refused: Vec<_> = report.refused.iter().map(|refused| refused.line).collect();
        assert_eq!((report.accepted, report.repeated, refused), (1, 2, vec![3]));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let text = format!("a\n{}\nb", "x".repeat(1 << 20));
        let mut lines = Lines(Box::new(std::io::Cursor::new(text)));
        let lengths: Vec<usize> =
            std::iter::from_fn(|| lines.next().unwrap().map(|line| line.len())).collect();
        assert_eq!(lengths, [2, 2 * MAX_EVENT_BYTES, 1]);
    }
}
