//! Answers that go at least as far as their client knows of: through a balancer no figure goes back,
//! and who published an event reads what came of it.
//!
//! A request names a position that an answer bore (or that Kafka gave, of one event), and waits for
//! the node to get there.

use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use laju_kafka::problem::{Kind, Problem};
use laju_kafka::words;
use laju_schemas::position::{AT_LEAST_HEADER, NoPosition, Position};
use tokio::time::Instant;

use super::at_least::{AT_LEAST, is_heeded};
use super::state::ApiState;

/// How long a request waits for the node to get to a position.
pub(super) const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether the node is there.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The positions that a request named, and that the node has got to.
#[derive(Clone)]
pub(super) struct Wanted(pub(super) Vec<Position>);

/// The layer: hands a request on once the node is where it is wanted.
pub(super) async fn get_there(
    State(api): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    match wanted(&request) {
        Ok(wanted) => {
            for position in &wanted {
                if let Err(problem) = reach(&api, position).await {
                    return problem.into_response();
                }
            }
            request.extensions_mut().insert(Wanted(wanted));
            next.run(request).await
        }
        Err(NoPosition) => {
            let detail = words!(
                "{NoPosition}",
                "bukan posisi: posisi ada di header Laju-Position sebuah jawaban, dan diteruskan apa adanya"
            );
            Problem::parameter(AT_LEAST, detail).into_response()
        }
    }
}

/// The positions that a request names.
fn wanted(request: &Request) -> Result<Vec<Position>, NoPosition> {
    if !is_heeded(request.uri()) {
        return Ok(Vec::new());
    }
    let given = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    // What cannot be read at all is refused by the handler that takes the parameters.
    let Query(given) = given.unwrap_or_default();
    let given = given.iter().filter(|(name, _)| name == AT_LEAST).map(|(_, text)| text.parse());
    let headers = request.headers().get_all(AT_LEAST_HEADER).iter();
    let headers = headers.map(|text| text.to_str().map_err(|_| NoPosition)?.parse());
    given.chain(headers).collect()
}

/// Waits until the node is at a position. Where it answers no figures at all, the handler
/// that is asked for them says so.
///
/// # Errors
/// If it does not get there in time, or the position is of another log.
pub(super) async fn reach(api: &ApiState, wanted: &Position) -> Result<(), Problem> {
    let live = &api.live;
    let (until, asked_at) = (Instant::now() + CATCH_UP_TIMEOUT, (api.clock)());
    while live.lacks().is_empty() && !live.reaches(wanted) {
        let beyond = words!(
            "{AT_LEAST}: this position is of the log of another cluster or topic, or beyond the end of \
             this one: was the topic recreated?",
            "{AT_LEAST}: posisi ini dari log klaster atau topik lain, atau di luar akhir log ini: apakah \
             topiknya dibuat ulang?"
        );
        if !live.is_of(wanted.log) {
            return Err(Problem::parameter(AT_LEAST, beyond));
        }
        if Instant::now() >= until {
            if live.is_beyond_the_end(wanted, asked_at) {
                return Err(Problem::parameter(AT_LEAST, beyond));
            }
            let seconds = CATCH_UP_TIMEOUT.as_secs();
            let detail = words!(
                "this node did not get to {wanted} within {seconds} s: ask again, or another node",
                "simpul ini belum sampai ke {wanted} dalam {seconds} detik: coba lagi, atau tanya \
                 simpul lain"
            );
            return Err(Problem::new(Kind::NotReady, detail));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
