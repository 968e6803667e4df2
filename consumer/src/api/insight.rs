//! What lies behind a figure, over HTTP: each handler turns a request into one question and its
//! answer into JSON.

use axum::extract::State;
use axum::response::Response;

use super::ApiState;
use super::figures::answer;
use super::parameters::{Parameters, RegionInPath};
use super::problem::Problem;
use crate::query::pace;

/// `GET /v1/regions/{code}/pace?as_of&known_at`, or with `from&to`.
pub(super) async fn region_pace(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let span = match (parameters.date("from")?, parameters.date("to")?) {
        (None, None) => None,
        (Some(from), Some(to)) => Some((from, to)),
        (None, Some(_)) => return Err(Problem::parameter("from", "to needs from as well")),
        (Some(_), None) => return Err(Problem::parameter("to", "from needs to as well")),
    };
    let question = parameters.question()?;
    if let (Some((_, to)), Some(as_of)) = (span, question.as_of)
        && to != as_of
    {
        let detail = format!("as_of: a pace from one day to another is as of the latter, {to}");
        return Err(Problem::parameter("as_of", detail));
    }
    parameters.finish()?;
    answer(api, move |view| pace::pace(view, region, span, &question)).await
}
