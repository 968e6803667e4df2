//! Kiosks over HTTP: all of them by pages, and one with everything that is known of it. They
//! speak of the moment of the answer, so they take no day.

use axum::extract::{Path, State};
use axum::response::Response;

use super::ApiState;
use super::documented::{KioskInPath, KiosksFilter};
use super::figures::{answer, answer_from_fold};
use super::parameters::Parameters;
use super::problem::Problem;
use crate::query::answer::{KioskDetail, Kiosks};
use crate::query::kiosks::{self, KiosksQuestion, LARGEST_PAGE, PAGE};

/// `GET /v1/kiosks?within&silent&missing&after&limit`.
#[utoipa::path(
    get,
    operation_id = "list_kiosks",
    path = "/v1/kiosks",
    tag = "kiosks and events",
    params(KiosksFilter),
    responses((status = 200, description = "The kiosks heard of", body = Kiosks))
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let question = KiosksQuestion {
        within: parameters.optional("within")?,
        silent: parameters.flag("silent")?,
        missing: parameters.flag("missing")?,
        after: parameters.optional("after")?,
        limit: parameters.limit(PAGE, LARGEST_PAGE)?,
    };
    let asked = parameters.finish()?;
    // A status says when it was sent, of which the version of the state knows nothing.
    answer(api, asked.by_content(), move |view| kiosks::kiosks(view, &question)).await
}

/// `GET /v1/kiosks/{id}`: the id is percent-encoded.
#[utoipa::path(
    get,
    operation_id = "one_kiosk",
    path = "/v1/kiosks/{id}",
    tag = "kiosks and events",
    params(KioskInPath),
    responses((status = 200, description = "All that is known of the kiosk", body = KioskDetail))
)]
pub(super) async fn one(
    State(api): State<ApiState>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_path())?;
    let asked = parameters.finish()?;
    answer_from_fold(api, asked, move |view| kiosks::kiosk(view, &id)).await
}
