//! Says in a response which of the request's region codes were former ones: the answer is of their
//! successors, and has today's codes.

use axum::extract::{Query, Request};
use axum::http::header::LINK;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::Response;
use laju_schemas::FormerCode;
use percent_encoding::percent_decode_str;

/// The header: `91.01=93.01`, several with commas between.
pub(super) const FORMER_CODE: HeaderName = HeaderName::from_static("laju-former-code");

/// Parameters that hold region codes, several with commas between.
const PARAMETERS: [&str; 3] = ["within", "region", "regions"];
const REGION_PATH: &str = "/v1/regions/";

/// The layer.
pub(super) async fn name_former(request: Request, next: Next) -> Response {
    let in_path = in_path(request.uri());
    let in_query = in_query(request.uri());
    let canonical = in_path.map(|former| canonical(request.uri(), former));
    let mut response = next.run(request).await;
    let mut named: Vec<_> = in_path.into_iter().chain(in_query).collect();
    named.dedup();
    say(&named, &mut response);
    if let Some(Ok(link)) = canonical.map(HeaderValue::try_from) {
        response.headers_mut().append(LINK, link);
    }
    response
}

/// Names the former codes that a request had, if it had any.
pub(super) fn say(former: &[&FormerCode], response: &mut Response) {
    let named: Vec<_> = former.iter().map(|f| format!("{}={}", f.code, f.now)).collect();
    if let (false, Ok(named)) = (named.is_empty(), HeaderValue::try_from(named.join(", "))) {
        response.headers_mut().insert(FORMER_CODE, named);
    }
}

/// The code in the path as the router reads it: `91%2E01` is `91.01` too.
fn in_path(uri: &Uri) -> Option<&'static FormerCode> {
    let rest = uri.path().strip_prefix(REGION_PATH)?;
    FormerCode::find(&percent_decode_str(rest.split('/').next()?).decode_utf8().ok()?)
}

fn in_query(uri: &Uri) -> Vec<&'static FormerCode> {
    let Ok(Query(given)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Vec::new();
    };
    let codes = given.iter().filter(|(name, _)| PARAMETERS.contains(&name.as_str()));
    codes.flat_map(|(_, text)| text.split(',')).filter_map(FormerCode::find).collect()
}

/// The same question under today's code (RFC 6596).
fn canonical(uri: &Uri, former: &FormerCode) -> String {
    let behind = uri.path().strip_prefix(REGION_PATH).and_then(|path| path.split_once('/'));
    let rest = behind.map_or_else(String::new, |(_code, rest)| format!("/{rest}"));
    let query = uri.query().map(super::at_least::without).filter(|query| !query.is_empty());
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("<{REGION_PATH}{}{rest}{query}>; rel=\"canonical\"", former.now)
}
