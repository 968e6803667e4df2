//! A long answer that is made while it is sent: its reader holds no more of it than a few frames.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

/// Frames that are made ahead of what the reader has taken.
const AHEAD: usize = 4;
/// How long a reader may take for a frame, and for all of them: then the turn is another's, and the
/// connection is cut.
const FRAME_TIME: Duration = Duration::from_secs(30);
const WHOLE_TIME: Duration = Duration::from_secs(1_800);

/// A body of what `make` hands over frame by frame, on a thread that may block. It says whether that is
/// all of it; what is handed over says whether anybody still takes it.
pub(super) fn made_while_sent(
    turn: OwnedSemaphorePermit,
    make: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> bool) -> bool + Send + 'static,
) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(AHEAD);
    let is_whole = Arc::new(AtomicBool::new(false));
    let (whole, runtime, begun) =
        (Arc::clone(&is_whole), tokio::runtime::Handle::current(), Instant::now());
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // Who has gone takes nothing, and neither does who has stopped: then the rest is not made.
        let mut take = |frame: Vec<u8>| {
            let limit = FRAME_TIME.min(WHOLE_TIME.saturating_sub(begun.elapsed()));
            let taken = runtime.block_on(tokio::time::timeout(limit, sender.send(frame.into())));
            taken.is_ok_and(|sent| sent.is_ok())
        };
        whole.store(make(&mut take), Ordering::Release);
    });
    // What is not whole ends with an error, which cuts the connection. Who compresses asks once
    // more after the end.
    let frames = futures_util::stream::unfold(Some(receiver), move |receiver| {
        let is_whole = Arc::clone(&is_whole);
        async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(frame) => Some((Ok(frame), Some(receiver))),
                None if is_whole.load(Ordering::Acquire) => None,
                None => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
            }
        }
    })
    .fuse();
    Body::from_stream(frames)
}
