//! What keeps a request from being answered, as a problem in both languages.

use std::any::Any;

use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use laju_kafka::problem::{Kind, Problem, Words};
use laju_kafka::words;
use laju_schemas::text::shown;

use super::not_ready;
use crate::query::QueryError;
use crate::query::quoted::NotRead;
use crate::query::readiness::NotReady;

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let of = |parameter| (Kind::BadParameter, Some(parameter));
        let ((kind, parameter), indonesian) = match &error {
            QueryError::UnknownRegion(code) => (
                (Kind::UnknownRegion, None),
                format!(
                    "tidak ada wilayah {code}; kode yang dipakai adalah kode Kepmendagri 300.2.2-2138/2025, lihat /v1/regions"
                ),
            ),
            QueryError::NoFacts(_) => (
                (Kind::NotReady, None),
                "fakta penduduk tidak terjangkau saat ini; coba lagi nanti".to_owned(),
            ),
            QueryError::UnknownKiosk(id) => (
                (Kind::UnknownKiosk, None),
                format!(
                    "kios '{}' belum pernah terdengar: tidak ada peristiwa maupun status",
                    shown(id)
                ),
            ),
            QueryError::UnknownOutreach(id) => (
                (Kind::UnknownOutreach, None),
                format!(
                    "tidak ada yang dilayani pada kunjungan '{}', sejauh hari-hari yang ditanyakan",
                    shown(id)
                ),
            ),
            QueryError::LevelAbove { within, .. } => (
                of("level"),
                format!(
                    "tingkat yang diminta tidak berada di dalam {within}; periksa level dan within"
                ),
            ),
            QueryError::NoPlace(given) => (
                of("after"),
                format!(
                    "after: '{}' bukan tempat dalam daftar ini; ambil dari next pada halaman sebelumnya",
                    shown(given)
                ),
            ),
            QueryError::EndsBeforeItBegins { from, to } => {
                (of("to"), format!("to ({to}) lebih awal daripada from ({from})"))
            }
            QueryError::NoDayBetween { from, to } => {
                (of("to"), format!("to ({to}) harus sesudah from ({from})"))
            }
            QueryError::Alone { given, missing } => {
                (of(missing), format!("{given} memerlukan {missing} juga"))
            }
            QueryError::OtherDay { to } => (
                of("as_of"),
                format!(
                    "as_of: laju dari satu hari ke hari lain berlaku pada hari terakhirnya, {to}"
                ),
            ),
            QueryError::DayOfAxis { parameter } => (
                of(parameter),
                format!("{parameter}: kedua hari sudah dari sumbu ini, jadi tidak ada hari ketiga"),
            ),
            QueryError::NotYet { parameter, day, today } => (
                of(parameter),
                format!(
                    "{parameter} ({day}) sesudah hari ini ({today}): yang belum terjadi tidak punya laju"
                ),
            ),
            QueryError::TooManySteps { from, to, limit } => (
                of("step"),
                format!(
                    "dari {from} sampai {to} ada lebih dari {limit} langkah: pilih langkah lebih panjang atau hari lebih sedikit"
                ),
            ),
        };
        let detail = Words::new(shown(&error.to_string()), indonesian);
        match parameter {
            Some(name) => Self::parameter(name, detail),
            None => Self::new(kind, detail),
        }
    }
}

impl From<NotReady> for Problem {
    fn from(error: NotReady) -> Self {
        Self::new(Kind::NotReady, not_ready::words(&error))
    }
}

impl From<NotRead> for Problem {
    fn from(error: NotRead) -> Self {
        let indonesian = "topik angka belum dibaca sampai akhir yang terlihat saat mulai; /readyz menyebut sebabnya";
        Self::new(Kind::NotReady, Words::new(error.to_string(), indonesian))
    }
}

/// A path of which a part is no text.
pub(super) fn bad_path_part(name: &str) -> Problem {
    Problem::parameter(name, not_text())
}

/// Why a path cannot be read.
pub(super) fn not_text() -> Words {
    words!(
        "the path is no text (UTF-8), or is written wrong",
        "alamat ini bukan teks (UTF-8), atau salah tulis"
    )
}

/// What a path answers that nothing is at.
pub(super) async fn not_found(uri: Uri) -> Problem {
    let path = shown(uri.path());
    let detail = words!("nothing is at {path}", "tidak ada apa-apa di {path}");
    Problem::new(Kind::NotFound, detail)
}

/// What a path answers that does not take the method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path = shown(uri.path());
    let detail = words!("{path} does not take {method}", "{path} tidak menerima {method}");
    Problem::new(Kind::MethodNotAllowed, detail)
}

/// What a panic answers.
pub(super) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a request failed by a fault of the program");
    Problem::internal().into_response()
}
