//! The OpenAPI 3.1 document, made from the code that answers, a page that shows it, and what kinds of
//! problem mean. What every answer has in common is added here, once: errors, headers, who may ask.

use std::sync::{Arc, LazyLock};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use laju_kafka::problem::{Kind, Language, PROBLEM_JSON, Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Header, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_swagger_ui::Config;

use super::at_least::AT_LEAST;
use super::caching::Answer;
use super::parameters::Parameters;
use super::position::CATCH_UP_TIMEOUT;
use super::problem::not_found;
use super::state::ApiState;
use crate::query::kiosks::conflicts::ConflictingSequence;

/// Members that are left out where there is nothing; every other member is always there.
const LEFT_OUT: [(&str, &str); 2] = [("Problem", "parameter"), ("Problem", "field")];

const DESCRIPTION: &str = "How far, and how fast, the activation of the digital identity (IKD) is \
    going, for every regency, city and province of Indonesia.\n\n\
    Counts are integers: people, events or cards, as each member says. Percentages and rates are \
    decimal strings with two places, never binary floats. Days are `YYYY-MM-DD`: of what happened \
    the local day at the citizen's home, of what was known the day in Asia/Jakarta. Instants are \
    UTC. Every member is always there, and null where there is nothing.\n\n\
    Every answer below /v1 but the store has a strong ETag and is answered with 304 to who has it already; the \
    header Age tells how old its data is, in seconds. HEAD is taken wherever GET is. A parameter \
    that is not known is refused. Errors are problem details (RFC 9457).\n\n\
    A figure bears in the header Laju-Position up to where it goes; with at_least a later question \
    is answered from there or later, by whichever node.";

/// What the page may do: show the document of this node, and ask nobody else for anything.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
    'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'none'";

/// The document of the paths collected, with what they have in common.
pub(super) fn complete(mut document: OpenApi, with_tokens: bool) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Laju")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            utoipa::openapi::LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    for name in ["bearer", "basic"] {
        components.add_security_scheme(name, scheme(name));
    }
    // Those that no handler names: of errors, and within a generic member.
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let name = ConflictingSequence::name().into_owned();
    components.schemas.insert(name, ConflictingSequence::schema());
    for (name, schema) in &mut components.schemas {
        require_all(name, schema);
    }
    for (status, description) in ERRORS {
        components.responses.insert(format!("Problem{status}"), error(status, description).into());
    }
    for (path, item) in &mut document.paths.paths {
        // No path takes another method.
        for (reads, operation) in [(true, &mut item.get), (false, &mut item.post)] {
            if let Some(operation) = operation {
                add_common(path, reads, operation, with_tokens);
            }
        }
    }
    document
}

/// What can go wrong anywhere.
const ERRORS: [(&str, &str); 12] = [
    ("400", "A parameter or the request cannot be used"),
    ("401", "A token is needed"),
    ("403", "The token is good for less, or a page of another site sent this"),
    ("404", "Nothing is here, or what is asked about does not exist"),
    ("406", "Accept-Encoding leaves no form of the answer"),
    ("408", "The request did not come in whole"),
    ("413", "The body is too large"),
    ("414", "The path and query are too long"),
    ("421", "Without tokens a node answers to the names of its own machine only"),
    ("429", "Too many requests of one client; Retry-After says when there is room again"),
    ("500", "A fault of the program; its log says more"),
    ("503", "Not ready to answer figures, or overloaded; Retry-After says when to ask again"),
];

fn add_common(path: &str, reads: bool, operation: &mut Operation, with_tokens: bool) {
    let is_open = path == "/healthz";
    let names_something = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => {
            parameter.parameter_in == ParameterIn::Path
                || ["within", "region"].contains(&parameter.name.as_str())
        }
        RefOr::Ref(_) => false,
    });
    let responses = &mut operation.responses.responses;
    for (status, _) in ERRORS {
        let can_be = match status {
            "401" => with_tokens && !is_open,
            "403" => !reads || (with_tokens && is_of_store(path)),
            "413" => !reads,
            "404" => names_something,
            "414" | "429" => !is_open,
            "421" => !with_tokens && !is_open,
            _ => true,
        };
        if can_be && !responses.contains_key(status) {
            let reference = Ref::from_response_name(format!("Problem{status}"));
            responses.insert(status.to_owned(), RefOr::Ref(reference));
        }
    }
    // A store is taken once, and is never the same twice.
    if reads && path.starts_with("/v1/") && !is_of_store(path) {
        let event_stream = |response: &RefOr<utoipa::openapi::Response>| match response {
            RefOr::T(response) => response.content.contains_key("text/event-stream"),
            RefOr::Ref(_) => false,
        };
        if let Some(found) = responses.get_mut("200").filter(|found| !event_stream(found)) {
            if let RefOr::T(response) = found {
                add_headers(response);
            }
            let mut same = ResponseBuilder::new()
                .description("The client has the answer already: If-None-Match named its ETag")
                .build();
            add_headers(&mut same);
            responses.insert("304".to_owned(), same.into());
        }
    }
    if !reads && path.starts_with("/v1/") {
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
            if let RefOr::T(response) = response {
                let (name, header) = former_code();
                response.headers.insert(name.to_owned(), header.into());
            }
        }
    }
    if path.starts_with("/v1/") {
        operation.parameters.get_or_insert_default().extend(at_least());
    }
    if with_tokens && !is_open {
        let scheme = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
        operation.security = Some(vec![scheme("bearer"), scheme("basic")]);
    }
}

fn is_of_store(path: &str) -> bool {
    path == "/v1/store" || path.starts_with("/v1/store/")
}

fn text(description: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(description.to_owned());
    header
}

/// The position that an answer is to go up to at least: as a parameter, or as a header.
fn at_least() -> [RefOr<Parameter>; 2] {
    let of = |name: &str, place| {
        let description = format!(
            "A position that an answer bore in Laju-Position: this one goes at least as far. The node \
             is waited for, {} s at most; else the answer is 503 with Retry-After",
            CATCH_UP_TIMEOUT.as_secs()
        );
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        RefOr::T(parameter.build())
    };
    [of(AT_LEAST, ParameterIn::Query), of("Laju-At-Least", ParameterIn::Header)]
}

fn former_code() -> (&'static str, Header) {
    let description = "Only where the request named a region by the code that it had before: that \
                       and today's, which the answer has, as 91.01=93.01";
    ("Laju-Former-Code", text(description))
}

fn add_headers(response: &mut utoipa::openapi::Response) {
    let mut age = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
    age.description = Some("How old the data is, in seconds; not of /v1/regions".to_owned());
    let headers = [
        ("ETag", text("Strong: the same only where the answer is, byte for byte")),
        ("Cache-Control", text("no-cache: to be kept, and asked for again with If-None-Match")),
        ("Age", age),
        ("Laju-Position", text("Up to where each topic is in the answer; of figures")),
        former_code(),
    ];
    response.headers.extend(headers.map(|(name, header)| (name.to_owned(), header.into())));
}

fn error(status: &str, description: &str) -> utoipa::openapi::Response {
    let body = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))));
    let mut response =
        ResponseBuilder::new().description(description).content(PROBLEM_JSON, body).build();
    let headers: &[(&str, &str)] = match status {
        "401" => &[("WWW-Authenticate", "Bearer and Basic")],
        "429" | "503" => &[("Retry-After", "In seconds")],
        _ => &[],
    };
    for (name, description) in headers {
        response.headers.insert((*name).to_owned(), text(description).into());
    }
    response
}

fn scheme(name: &str) -> SecurityScheme {
    let (scheme, description) = match name {
        "bearer" => (HttpAuthScheme::Bearer, "A token that `laju token new` made."),
        _ => (HttpAuthScheme::Basic, "Any user name, and the token as the password: for browsers."),
    };
    SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
}

/// Every member is always there: a reader need not tell null from left out.
fn require_all(name: &str, schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            let left_out =
                |member: &String| LEFT_OUT.iter().any(|(of, it)| (*of, *it) == (name, member));
            object.required =
                object.properties.keys().filter(|member| !left_out(member)).cloned().collect();
            object.properties.values_mut().for_each(|inner| require_all(name, inner));
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(|item| require_all(name, item)),
        Schema::OneOf(one) => one.items.iter_mut().for_each(|item| require_all(name, item)),
        _ => {}
    }
}

/// `GET /openapi.json`: this interface, for programs.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "node",
    responses((status = 200, description = "This document", body = Value))
)]
pub(super) async fn document(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let asked = parameters.finish()?;
    let json = api.document.as_bytes().to_vec();
    Ok(Answer::made(&asked, None, json).into_response(api.is_private(), None))
}

/// `GET /docs`: where the page is.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "node",
    responses((status = 308, description = "The page that shows this document"))
)]
pub(super) async fn page_place(parameters: Parameters) -> Result<Redirect, Problem> {
    parameters.finish()?;
    Ok(Redirect::permanent("/docs/index.html"))
}

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // The usual validator is a service elsewhere.
    Arc::new(Config::from("/openapi.json").validator_url("none").doc_expansion("list"))
});

/// `GET /docs/{file}`: the page that shows this document, from within the program.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "node",
    params(("file" = String, Path, description = "The file.", example = "index.html")),
    responses((status = 200, description = "A file of the page", body = String, content_type = "text/html"))
)]
pub(super) async fn page(
    Path(file): Path<String>,
    uri: Uri,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&PAGE)).map_err(|error| {
        tracing::error!(%error, "the page of the document cannot be shown");
        Problem::internal()
    })?;
    let Some(found) = found.filter(|_| !file.is_empty()) else {
        return Err(not_found(uri).await);
    };
    let mut response = found.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::try_from(found.content_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if found.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Ok(response)
}

/// What a kind of problem is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Explanation {
    /// The path of this explanation.
    #[schema(examples("/problems/unknown-region"))]
    pub r#type: String,
    /// The kind of problem, in words.
    pub title: String,
    /// What it means, and what to do about it.
    pub explanation: String,
}

/// `GET /problems/{kind}`: what a kind of problem is.
#[utoipa::path(
    get,
    operation_id = "explain_problem",
    path = "/problems/{kind}",
    tag = "node",
    params(("kind" = String, Path, description = "The last part of a problem's `type`.", example = "unknown-region")),
    responses((status = 200, description = "What this kind of problem is", body = Explanation))
)]
pub(super) async fn explain(
    kind: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let Some(kind) = kind.ok().and_then(|Path(name)| Kind::of_name(&name)) else {
        return Err(not_found(uri).await);
    };
    let language = Language::of(&headers);
    let (path, title, explanation) = kind.told(language);
    let headers = [(CONTENT_LANGUAGE, language.tag()), (VARY, "accept-language")];
    let explanation = Explanation { r#type: path.to_owned(), title, explanation };
    Ok((headers, axum::Json(explanation)).into_response())
}
