//! The shape of every answer: one object or a list under `data` (http-api, conventions).

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
};
use serde::Serialize;

/// An answer with one object.
pub(super) fn one(status: StatusCode, view: &impl Serialize) -> HttpResponse {
    json(status, &Document { data: view, next_cursor: None })
}

/// An answer with a list, and where it goes on if it does.
pub(super) fn list(
    status: StatusCode,
    views: &[impl Serialize],
    next_cursor: Option<String>,
) -> HttpResponse {
    json(status, &Document { data: views, next_cursor })
}

/// An answer with a bare object.
pub(super) fn json(status: StatusCode, view: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(text(view))
}

/// The same answer, which holds a secret: for whoever asked, and for no cache.
pub(super) fn unstored(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A view as JSON.
pub(super) fn text(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("views have string keys and no value that JSON can't hold")
}

#[derive(Serialize)]
struct Document<T> {
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}
