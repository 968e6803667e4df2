//! Figures once quoted, over HTTP: quoting one, giving it back for ever beside what the same
//! question answers now, and the latest ones.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use laju_schemas::position::{LogDigest, Position};
use laju_schemas::{QuotedFigure, RegionCode};
use utoipa::ToSchema;

use super::body::Members;
use super::caching::{Answer, bear};
use super::former;
use super::parameters::Parameters;
use super::position::{self, Wanted};
use super::questions::json;
use super::state::ApiState;
use super::tokens::{Caller, Role};
use super::turns::in_turn;
use crate::domain::day::Day;
use crate::domain::figure_book::Kept;
use crate::query::days::{Days, NoDays, today};
use crate::query::live_view::LiveView;
use crate::query::page::{self, no_place};
use crate::query::question::{Endpoint as _, rows};
use crate::query::quoted::{self, FigureQuestion, FigureStore, FiguresQuestion, Found, ROWS};
use crate::query::quoted::{DamagedFigure, Figure, FigureList, FigureThenAndNow, LatestFigures};
use crate::query::scope::region_name;
use laju_kafka::problem::{Kind, Problem, ProblemBody};
use laju_kafka::words;
use laju_schemas::text::shown;

/// How long a figure that is in its topic may take until this node has read it from there.
const READ_BACK: Duration = Duration::from_secs(3);

/// A figure to be quoted.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the document is made from its shape; nothing holds a value")]
pub(super) struct Quotation {
    /// The region.
    region: RegionCode,
    /// The day that the figure speaks of; today if it is not given.
    as_of: Option<Date>,
    /// The day whose knowledge it rests on; all that is known if it is not given.
    known_at: Option<Date>,
    /// A remark for people; it may not hold a NIK.
    #[schema(min_length = 1, max_length = 500)]
    note: Option<String>,
}

/// `POST /v1/figures` `{"region", "as_of", "known_at", "note"}`: 201 with the figure that was
/// quoted, or 200 with the one that the same answer had been quoted as before.
#[utoipa::path(
    post,
    operation_id = "quote_figure",
    path = "/v1/figures",
    tag = "quoted figures",
    request_body = Quotation,
    responses(
        (status = 201, description = "The figure, fixed under its id for ever", body = Figure),
        (status = 200, description = "The figure that the same answer was quoted as before", body = Figure),
        (status = 415, description = "The body is not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, description = "Stored, but not read back in time", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn quote(
    State(api): State<ApiState>,
    parameters: Parameters,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let mut members = Members::read(&headers, body)?;
    let (region, former) = members.region("region")?;
    let mut response = quote_region(&api, region, members, caller).await.into_response();
    former::say(former.as_slice(), &mut response);
    Ok(response)
}

/// Quotes a region's figure, for the rest of the members.
async fn quote_region(
    api: &ApiState,
    region: RegionCode,
    mut members: Members,
    caller: Caller,
) -> Result<Response, Problem> {
    let question =
        Days { as_of: members.date("as_of")?, known_at: members.date("known_at")?, ahead: false };
    let note = members.note("note")?;
    members.finish()?;
    let day = today((api.clock)());
    for (name, asked) in [("as_of", question.as_of), ("known_at", question.known_at)] {
        if asked.is_some_and(|asked| asked > day) {
            let detail = words!(
                "{name} is after today ({day}): what is to come cannot be quoted",
                "{name} sesudah hari ini ({day}): yang belum terjadi tidak dapat dikutip"
            );
            return Err(Problem::field(name, detail));
        }
        if asked.is_some_and(|asked| Day::of_date(asked).is_none()) {
            let began = Day(0);
            let detail = words!(
                "{name} is before the programme began ({began}): nothing was then",
                "{name} sebelum program dimulai ({began}): saat itu belum ada apa-apa"
            );
            return Err(Problem::field(name, detail));
        }
    }

    let by = (caller.role != Role::Local).then(|| caller.name.to_string());
    let quoted_figures = api.figures.clone();
    let (live, clock) = (Arc::clone(&api.live), Arc::clone(&api.clock));
    let (quoted, position) = in_turn(&api.turns, move || -> Result<_, Problem> {
        let view = live.view(clock())?;
        let quoted = quoted::quote(&view, region, &question, (by, note))?;
        Ok((quoted, view.position))
    })
    .await??;

    let id = quoted.figure_id;
    if let Some(Kept::Sound { figure, .. }) = quoted_figures.figure_store.find(id)? {
        let position = Position { figures: quoted_figures.figure_store.next_offset(), ..position };
        return told(StatusCode::OK, &figure, &position);
    }
    let publish = Arc::clone(&quoted_figures.publish);
    let published = in_turn(&api.quote_turns, move || publish(&quoted)).await?;
    let offset = published.map_err(|error| {
        let detail = words!(
            "the figure is not known to be stored: {error}. Quote it again; stored twice it is \
             still one figure",
            "belum pasti angka ini tersimpan. Kutip sekali lagi; tersimpan dua kali pun tetap satu angka"
        );
        Problem::new(Kind::FigureNotStored, detail)
    })?;
    match quoted_figures.figure_store.wait_for(id, READ_BACK).await {
        // Another node may have quoted the same at the same time: the first one stands.
        Some(Found { offset: stands, figure }) => {
            let is_ours = offset.is_none_or(|offset| offset == stands);
            let status = if is_ours { StatusCode::CREATED } else { StatusCode::OK };
            // A client that asks another node for it with this finds it there.
            let position = Position { figures: stands + 1, ..position };
            told(status, &figure, &position)
        }
        None => {
            let seconds = READ_BACK.as_secs();
            let detail = words!(
                "the figure is stored as {id}, but this node has not read it back within \
                 {seconds} s; ask for /v1/figures/{id} later",
                "angka sudah tersimpan sebagai {id}, tetapi simpul ini belum membacanya kembali \
                 dalam {seconds} detik; tanyakan /v1/figures/{id} nanti"
            );
            Err(Problem::new(Kind::FigureNotReadBack, detail))
        }
    }
}

/// Up to where each partition is in a figure, if it is one of this node's log.
fn rests_on(figure: &QuotedFigure, live: &LiveView) -> Position {
    let evidence = &figure.content.evidence;
    let topic = live.readiness().topic.clone().unwrap_or_default();
    let events = evidence.partitions.iter().map(|row| (row.partition, row.next_offset));
    let log = LogDigest::of(&evidence.cluster_id, &topic);
    Position { log, events: events.collect(), ..Position::default() }
}

fn told(
    status: StatusCode,
    figure: &QuotedFigure,
    position: &Position,
) -> Result<Response, Problem> {
    let figure = quoted::figure(figure)?;
    let location = HeaderValue::try_from(&figure.link).map_err(|_| Problem::internal())?;
    let kind = HeaderValue::from_static("application/json");
    let headers = [(LOCATION, location), (CONTENT_TYPE, kind)];
    let mut response = (status, headers, Bytes::from(json(&figure)?)).into_response();
    bear(&mut response, Some(position.to_string()));
    Ok(response)
}

/// Waits until the figures topic has been read as far as the request wants, but not for ever.
async fn get_there(figure_store: &FigureStore, wanted: &[Position]) {
    if let Some(offset) = wanted.iter().map(|position| position.figures).max() {
        figure_store.reach(offset, position::CATCH_UP_TIMEOUT).await;
    }
}

/// `GET /v1/figures/{id}`: the figure, what the same question answers now, and why they differ.
#[utoipa::path(
    get,
    operation_id = "quoted_figure",
    path = "/v1/figures/{id}",
    tag = "quoted figures",
    params(FigureQuestion),
    responses((status = 200, description = "The figure, what the same question answers now, and why the two differ", body = FigureThenAndNow))
)]
pub(super) async fn one(
    State(api): State<ApiState>,
    mut parameters: Parameters,
    Extension(Wanted(wanted)): Extension<Wanted>,
) -> Result<Response, Problem> {
    let FigureQuestion { id } = parameters.take()?;
    let asked = parameters.finish()?;
    let is_private = api.is_private();
    get_there(&api.figures.figure_store, &wanted).await;
    // Asked first, so that what is not found is not before it.
    let read = api.figures.figure_store.next_offset();
    let figure = match api.figures.figure_store.find(id)? {
        Some(Kept::Sound { figure, .. }) => figure,
        Some(Kept::Damaged { offset, why }) => {
            let why = shown(&why);
            let detail = words!(
                "what the figures topic has under {id} (offset {offset}) is not what was quoted: \
                 {why}",
                "isi topik angka dengan id {id} (offset {offset}) bukan yang pernah dikutip"
            );
            return Err(Problem::new(Kind::DamagedFigure, detail));
        }
        None => {
            let detail = words!(
                "this node has read the figures topic up to offset {read}, and no figure {id} in \
                 it; one that another node quoted a moment ago may still be on its way",
                "simpul ini sudah membaca topik angka sampai offset {read}, dan tidak ada angka {id} \
                 di dalamnya; yang baru saja dikutip simpul lain mungkin masih di jalan"
            );
            return Err(Problem::new(Kind::UnknownFigure, detail));
        }
    };
    // A node that is behind what the figure rests on would take it for one of another log. Whatever
    // comes of it: the figure itself needs no other.
    let _ = position::reach(&api, &rests_on(&figure, &api.live)).await;
    let turns = Arc::clone(&api.turns);
    in_turn(&turns, move || {
        let now = (api.clock)();
        let view = match api.live.view(now) {
            Ok(view) => view,
            Err(not_ready) => {
                // The figure itself needs no other.
                let alone = json(&FigureThenAndNow {
                    figure: quoted::figure(&figure)?,
                    now: None,
                    difference: None,
                    without_now: Some(not_ready.to_string()),
                })?;
                return Ok(Answer::made(&asked, None, alone).into_response(is_private, None));
            }
        };
        let age = api.live.age_seconds(&view, now);
        let both = json(&quoted::then_and_now(&view, &figure)?)?;
        Ok(Answer::made(&asked, None, both).from(&view).into_response(is_private, Some(age)))
    })
    .await?
}

/// `GET /v1/figures?region&limit&after`: the latest quoted first.
#[utoipa::path(
    get,
    operation_id = "list_figures",
    path = "/v1/figures",
    tag = "quoted figures",
    params(FiguresQuestion),
    responses((status = 200, description = "The latest figures quoted, the newest first", body = FigureList))
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    mut parameters: Parameters,
    Extension(Wanted(wanted)): Extension<Wanted>,
) -> Result<Response, Problem> {
    let FiguresQuestion { region, limit, after } = parameters.take()?;
    let limit = rows(limit, ROWS);
    let asked = parameters.finish()?;
    get_there(&api.figures.figure_store, &wanted).await;
    if let Some(region) = region {
        region_name(region)?;
    }
    let is_private = api.is_private();
    let turns = Arc::clone(&api.turns);
    in_turn(&turns, move || {
        let figure_store = &api.figures.figure_store;
        // One more than are shown tells whether there is a next page.
        let LatestFigures { total, rows: figures } =
            figure_store.latest(region, after, limit + 1)?;
        let mut figures =
            figures.ok_or_else(|| no_place(&after.map(|id| id.to_string()).unwrap_or_default()))?;
        let has_more = page::cut(&mut figures, 0, limit);
        let next = figures.last().filter(|_| has_more).map(|last| {
            let (limit, after) = (Some(limit as u32), Some(last.figure_id));
            FiguresQuestion { region, limit, after }.link(&NoDays {})
        });
        let rows: Result<_, _> = figures.iter().map(|figure| quoted::figure(figure)).collect();
        let (damaged_total, damaged) = figure_store.damaged(limit)?;
        let damaged = damaged
            .into_iter()
            .map(|(figure_id, why)| DamagedFigure { figure_id, detail: why.to_string() })
            .collect();
        let list = json(&FigureList { total, rows: rows?, next, damaged_total, damaged })?;
        Ok(Answer::made(&asked, None, list).into_response(is_private, None))
    })
    .await?
}
