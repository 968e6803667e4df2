//! Before anything is sent: the outbox compared with the status that this kiosk last sent, which
//! shows whether the outbox was rolled back.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::blocking::blocking;
use super::super::rollback::RollbackNotice;
use super::super::shipping::Command;
use super::{FINAL_STATUS_TIMEOUT, Shipper};
use crate::latest_status::{LatestStatus, ReadTimeouts, StatusReadError, StatusSearch};
use crate::outbox::{Outbox, OutboxError, RolledBack};
use laju_kafka::connection::ask::ASK_PATIENCE;

/// How long one look for the kiosk's latest status may take.
const STATUS_READ_TIMEOUTS: ReadTimeouts = ReadTimeouts {
    idle: Duration::from_secs(10),
    total: Duration::from_secs(30),
    schema: Duration::from_secs(5),
};
/// How long it is looked for while the brokers answer: to send is worth more than to know.
const COMPARISON_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// No outbox falls back by more numbers than this: who may write to the status topic must not be
/// able to use up another kiosk's numbers.
const MAX_SEQUENCE_JUMP: u32 = 100_000_000;

impl Shipper {
    /// Compares the outbox with this kiosk's latest status in Kafka, before anything is sent: a
    /// status sent afterwards replaces that. Says whether anything may be sent; if not, the shipper
    /// is to stop.
    pub(super) async fn compare(&mut self) -> bool {
        self.recall_rollback().await;
        let kiosk = self.reporter.kiosk_id().clone();
        let mut search = StatusSearch::new(self.connection.clone(), kiosk.clone());
        let mut answered = Duration::ZERO;
        loop {
            let began = Instant::now();
            let look = tokio::task::spawn_blocking(move || {
                let looked = search.look(STATUS_READ_TIMEOUTS);
                (search, looked)
            });
            let looked = tokio::select! {
                looked = look => looked,
                () = Self::until_stopped(&self.outbox, &mut self.commands, &mut self.stop_at) => return false,
            };
            let why = match looked {
                Ok((_, Ok(None))) => return true,
                Ok((gone_on, Ok(Some(latest)))) => {
                    search = gone_on;
                    match self.number_above(&latest).await {
                        Ok(()) => return true,
                        Err(error) => self.outbox_failed("written", &error),
                    }
                }
                Ok((gone_on, Err(error))) => {
                    search = gone_on;
                    let why = error.to_string();
                    if given_up(&error, answered + began.elapsed()) {
                        tracing::warn!(
                            why,
                            "it is not known whether this outbox has been set back"
                        );
                        let not_compared = Some((why, advice(&error)));
                        self.shipping.update(|state| state.not_compared = not_compared);
                        return true;
                    }
                    if error.is_answer() {
                        answered += began.elapsed().max(self.backoff.pause());
                    }
                    why
                }
                Err(error) => {
                    search = StatusSearch::new(self.connection.clone(), kiosk.clone());
                    error.to_string()
                }
            };
            self.hold_off(&why);
            let again = self.backoff.until();
            tokio::select! {
                () = tokio::time::sleep_until(again) => {}
                () = Self::until_stopped(&self.outbox, &mut self.commands, &mut self.stop_at) => return false,
            }
        }
    }

    /// Waits until a stop was commanded and the time for it is over.
    async fn until_stopped(
        outbox: &Outbox,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        stop_at: &mut Option<Instant>,
    ) {
        loop {
            let over = async {
                match *stop_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                command = commands.recv() => match command {
                    // Everything is offered from the beginning.
                    Some(Command::Rewind(_)) => {}
                    Some(Command::Stop(at)) => {
                        let nothing_left = outbox.counts().unsent == 0;
                        let soon = Instant::now() + FINAL_STATUS_TIMEOUT;
                        *stop_at = Some(if nothing_left { at.min(soon) } else { at });
                    }
                    None => return,
                },
            }
        }
    }

    /// Numbers go on above those of the kiosk's latest status.
    async fn number_above(&mut self, latest: &LatestStatus) -> Result<(), OutboxError> {
        let announced = latest.status.highest_sequence;
        let counts = self.outbox.counts();
        let given = counts.highest_sequence;
        let at = latest.recorded_at.unwrap_or(latest.status.sent_at);
        if announced > given && announced - given > MAX_SEQUENCE_JUMP {
            let why = format!(
                "this kiosk's last word in Kafka, of {at}, speaks of {announced} numbers where \
                 this outbox has given {given}, which is not believed"
            );
            tracing::error!(why, "numbers are not changed");
            let not_compared = Some((why, FOREIGN_STATUS_ADVICE));
            self.shipping.update(|state| state.not_compared = not_compared);
            return Ok(());
        }
        if announced > given {
            let before = self.outbox.raise(announced).await?;
            let whose = format!("as this kiosk's last word in Kafka says, of {at}");
            self.note_finding(passed_over(before, announced, &whose)).await;
            return Ok(());
        }
        // Every number that was given is unsent, rejected, acknowledged or passed over, and the
        // last two never become fewer.
        let (was_settled, is_settled) = (
            u64::from(announced).saturating_sub(latest.status.unsent),
            counts.acknowledged + counts.passed_over,
        );
        if was_settled > is_settled {
            self.note_finding(format!(
                "this outbox knows of {is_settled} numbers that were sent or passed over, but \
                 there were {was_settled}, as this kiosk's last word in Kafka says, of {at}; \
                 meanwhile it has given {given} numbers, of which some had been given before: the \
                 worker names those as conflicts"
            ))
            .await;
        }
        Ok(())
    }

    /// Says what is remembered of rollbacks, and what the witness on another volume noticed.
    async fn recall_rollback(&mut self) {
        let counts = self.outbox.counts();
        if let Some(RolledBack { had_given, were_given }) = self.outbox.rolled_back() {
            let whose = "as the witness on another volume has seen";
            self.note_finding(passed_over(had_given, were_given, whose)).await;
        } else if let Some(notice) = self.rollbacks.unsaid(&counts, &self.time.moment()) {
            self.note_rollback(notice).await;
        } else if let Some(notice) = self.rollbacks.known() {
            self.shipping.update(|state| state.rollback = Some(notice.clone()));
        }
    }

    async fn note_finding(&mut self, what: String) {
        tracing::error!(what, "the outbox has been set back, or another device has this kiosk id");
        let passed_over = self.outbox.counts().passed_over;
        let notice = RollbackNotice::new(what, passed_over, &self.time.moment());
        self.note_rollback(notice).await;
    }

    async fn note_rollback(&mut self, notice: RollbackNotice) {
        self.shipping.update(|state| state.rollback = Some(notice.clone()));
        let mut rollbacks = std::mem::take(&mut self.rollbacks);
        self.rollbacks = blocking(move || {
            rollbacks.note(notice);
            rollbacks
        })
        .await;
    }
}

/// Whether a comparison that has failed so far is given up: permanently, or after the time that the
/// brokers have had for it.
fn given_up(error: &StatusReadError, answered: Duration) -> bool {
    let most = match error {
        error if !error.passes() => return true,
        error if !error.is_answer() => return false,
        StatusReadError::NoTopic(_) => ASK_PATIENCE,
        _ => COMPARISON_TIMEOUT,
    };
    answered >= most
}

fn passed_over(had_given: u32, were_given: u32, whose: &str) -> String {
    format!(
        "this outbox has given the numbers up to {had_given}, but {were_given} were given, \
         {whose}; numbers go on above {were_given}, and those in between count as missing unless \
         their events are in Kafka"
    )
}

const FOREIGN_STATUS_ADVICE: &str = "look for who writes to ikd.kiosk-status.v1 under this kiosk's id, or give \
    this kiosk another id and a new outbox";

/// What to do where the kiosk's latest status is not known.
fn advice(error: &StatusReadError) -> &'static str {
    match error {
        StatusReadError::NotAllowed { .. } => {
            "let the kiosk's user read ikd.kiosk-status.v1, or give --witness FILE on another volume"
        }
        StatusReadError::NoTopic(_) => {
            "make the topic with `laju topics create`, then start the agent again"
        }
        StatusReadError::Unfinished { .. } | StatusReadError::Away { .. } => {
            "have ikd.kiosk-status.v1 compacted (`laju topics check` names the settings), then \
             start the agent again, or give --witness FILE on another volume"
        }
        StatusReadError::Connection(_)
        | StatusReadError::Registry(_)
        | StatusReadError::Schema(_)
        | StatusReadError::Kafka { .. } => {
            "mend what it says, then start the agent again; until then look for who writes under \
             this kiosk's id, or give --witness FILE on another volume"
        }
    }
}
