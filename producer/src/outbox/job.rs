//! What the writer is asked, and what it answers.

use tokio::sync::oneshot;

use super::{Accepted, Draft, OutboxError, Outcome, Refusal, Retry};

pub(super) type Reply<T> = oneshot::Sender<Result<T, OutboxError>>;

/// What the writer is asked to do.
pub(super) enum Job {
    Accept(Vec<Draft>, Reply<Vec<Result<Accepted, Refusal>>>),
    Settle(Vec<(u32, Outcome)>, Reply<()>),
    Retry(Retry, Reply<Option<(u32, u64)>>),
    /// Numbers go on above this one. The answer is the highest given before.
    Raise(u32, Reply<u32>),
    /// Somebody found the database shut: open it again if that is possible by now.
    Reopen,
    Close(Reply<()>),
}

/// What a transaction does for a job, or for a part of one.
pub(super) enum Work<'a> {
    Accept(&'a [Draft]),
    Settle(&'a [(u32, Outcome)]),
    Retry(&'a Retry),
    Raise(u32),
    /// So many of the oldest acknowledged, before their time.
    Forget(usize),
    Nothing,
}

impl Job {
    pub(super) fn accepts(&self) -> bool {
        matches!(self, Self::Accept(..))
    }

    pub(super) fn work(&self) -> Work<'_> {
        match self {
            Self::Accept(drafts, _) => Work::Accept(drafts),
            Self::Settle(outcomes, _) => Work::Settle(outcomes),
            Self::Retry(which, _) => Work::Retry(which),
            Self::Raise(to, _) => Work::Raise(*to),
            Self::Reopen | Self::Close(_) => Work::Nothing,
        }
    }

    pub(super) fn events(&self) -> usize {
        match self {
            Self::Accept(drafts, _) => drafts.len(),
            Self::Settle(outcomes, _) => outcomes.len(),
            Self::Retry(..) | Self::Raise(..) | Self::Reopen | Self::Close(_) => 1,
        }
    }

    pub(super) fn refuse(self, error: OutboxError) {
        // A caller that does not wait any more needs no answer.
        match self {
            Self::Accept(_, reply) => drop(reply.send(Err(error))),
            Self::Settle(_, reply) | Self::Close(reply) => drop(reply.send(Err(error))),
            Self::Retry(_, reply) => drop(reply.send(Err(error))),
            Self::Raise(_, reply) => drop(reply.send(Err(error))),
            Self::Reopen => {}
        }
    }

    pub(super) fn answer(self, done: Done) {
        match (self, done) {
            (Self::Accept(_, reply), Done::Accepted(answers)) => drop(reply.send(Ok(answers))),
            (Self::Settle(_, reply), Done::Nothing) => drop(reply.send(Ok(()))),
            (Self::Retry(_, reply), Done::Retried(lowest)) => drop(reply.send(Ok(lowest))),
            (Self::Raise(_, reply), Done::Raised(before)) => drop(reply.send(Ok(before))),
            _ => {}
        }
    }
}

/// The answer to a job, until the transaction is durable.
pub(super) enum Done {
    Accepted(Vec<Result<Accepted, Refusal>>),
    Retried(Option<(u32, u64)>),
    Raised(u32),
    Nothing,
}
