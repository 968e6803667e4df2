//! Whether a topic is still the one that is being read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::error::TopicChange;
use crate::topic_id::{Answer, Questions, REQUEST_TIMEOUT, leaders};

/// How often a topic that is being read is asked for, and how long that may take.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a reader waits for metadata where a broker does not answer.
const BRIEFLY: Duration = Duration::from_millis(250);

/// Looks every three seconds whether a topic is still the one that is being read, and never waits
/// for an answer: by the client that reads it, between two polls.
pub(super) struct Lookout {
    questions: Questions,
    topic: String,
    id: Option<String>,
    partitions: u32,
    leaders: Vec<i32>,
    is_asked: bool,
    asked_at: Instant,
}

impl Lookout {
    /// For a topic with so many partitions. The id is the first one that is answered, and it is
    /// waited for a little here.
    pub(super) fn new(client: &Arc<Client>, topic: &str, partitions: u32) -> Self {
        let leaders =
            leaders(client, topic, REQUEST_TIMEOUT).unwrap_or_default().into_iter().collect();
        let questions = Questions::new(Arc::clone(client));
        let (topic, asked_at) = (topic.to_owned(), Instant::now());
        let mut lookout =
            Self { questions, topic, id: None, partitions, leaders, is_asked: false, asked_at };
        lookout.ask();
        if lookout.is_asked {
            let answer = lookout.questions.answer(REQUEST_TIMEOUT * 2);
            // What is wrong now is reported by the next look.
            let _ = lookout.take(answer);
        }
        lookout
    }

    fn ask(&mut self) {
        self.asked_at = Instant::now();
        if let Some(&leader) = self.leaders.first() {
            self.questions.ask(leader, &self.topic, REQUEST_TIMEOUT);
            self.is_asked = true;
        }
    }

    fn take(&mut self, answer: Option<Answer>) -> Option<TopicChange> {
        let answer = answer?;
        self.is_asked = false;
        let described = match answer {
            Ok(described) => described,
            Err(reason) => {
                tracing::debug!(topic = self.topic, reason, "which topic it is was not said");
                let found = leaders(self.questions.client(), &self.topic, BRIEFLY);
                self.leaders = found.unwrap_or_default().into_iter().collect();
                return None;
            }
        };
        self.leaders = described.leaders.into_iter().collect();
        match (&self.id, described.id) {
            (Some(was), Some(is)) if *was != is => {
                return Some(TopicChange::MadeAgain { was: was.clone(), is });
            }
            (None, id) => self.id = id,
            _ => {}
        }
        let (were, are) = (self.partitions, described.partitions);
        (are > were).then_some(TopicChange::MorePartitions { were, are })
    }

    /// What has become of the topic, if anything is known to have.
    pub(super) fn look(&mut self) -> Option<TopicChange> {
        if self.is_asked {
            let answer = self.questions.answer(Duration::ZERO);
            return self.take(answer);
        }
        if self.asked_at.elapsed() >= LOOK_EVERY {
            if self.leaders.is_empty() {
                let found = leaders(self.questions.client(), &self.topic, BRIEFLY);
                self.leaders = found.unwrap_or_default().into_iter().collect();
            }
            self.ask();
        }
        None
    }
}
