//! What went wrong, as `application/problem+json` (RFC 9457).

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};
use casewire_data::{Error, ErrorKind, FieldError, limits};
use schemars::JsonSchema;
use serde::Serialize;

/// Fields that one answer names; a body can hold far more mistakes than anybody reads.
pub(super) const FIELD_ERRORS_MAX: usize = 100;
/// Seconds after which a full queue is likely to have room again.
const RETRY_BUSY_SECONDS: &str = "1";
/// Seconds after which an engine that is going down is likely to be back.
const RETRY_CLOSED_SECONDS: &str = "5";
/// Seconds after which somebody may have looked at a failed disk.
const RETRY_STORAGE_SECONDS: &str = "30";

/// An answer other than success; its detail says what to do next.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, Cow<'static, str>)>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None }
    }

    fn with(mut self, name: HeaderName, value: impl Into<Cow<'static, str>>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// 400: what came is not what it claims to be.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: no token, or none that is valid.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "send a valid token as `Authorization: Bearer <token>`")
            .with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: a request to a source that proves nothing. One answer whatever it lacks, for a source that is not there too.
    pub(super) fn unproven() -> Self {
        let detail = "nothing shows who sent this; sign it as the source's dialect has it, with the secret that both \
                      sides know, or send a token that may publish as `Authorization: Bearer <token>`";
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 403: a valid token that may not do this.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404, in the same words for an id of another tenant and one that never was.
    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "there is nothing with this id; list what there is to find the right one",
        )
    }

    /// 404: no route has this path.
    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such path; /openapi.json has those that there are")
    }

    /// 404: nothing of the program's is at this path.
    pub(super) fn beside(prefix: &str) -> Self {
        let detail = format!("there is nothing here; every path of the API begins with {prefix}/");
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405 with the methods that the path does have.
    pub(super) fn method_not_allowed(allow: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allow}"))
            .with(header::ALLOW, allow.to_owned())
    }

    /// 408: the body did not come in time. The connection closes, since the rest of it may still come.
    pub(super) fn too_slow(limit: Duration) -> Self {
        let detail =
            format!("the body was not here after {} s; send it faster, or send less", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, detail)
    }

    /// 413: the body is over its limit, and was not read further.
    pub(super) fn too_large() -> Self {
        let detail = format!("send at most {} bytes in one request", limits::ADMIN_BODY_BYTES_MAX);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 415: the body is of a kind that is not read here.
    pub(super) fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).with(header::ACCEPT, "application/json")
    }

    /// 422 for one field.
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Error::field(field, message).into()
    }

    /// 503: not now, and not by a mistake of the caller's.
    pub(super) fn unavailable(detail: impl Into<String>, retry_seconds: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, retry_seconds)
    }

    /// 503 of an engine that accepts no events: `writable` says whether its journal is at fault.
    pub(super) fn not_ready(writable: bool) -> Self {
        if writable {
            Self::unavailable("the queue before the journal is full; try again soon", RETRY_BUSY_SECONDS)
        } else {
            storage_failed()
        }
    }
}

fn storage_failed() -> Problem {
    let detail =
        "the journal accepts nothing; the operator finds the reason in the log, and a restart is needed";
    Problem::unavailable(detail, RETRY_STORAGE_SECONDS)
}

fn stored_data_damaged() -> Problem {
    let detail = "what is stored of this is damaged; the operator finds the place in the log and must restore a backup";
    Problem::unavailable(detail, RETRY_STORAGE_SECONDS)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                detail: detail_of_invalid(&error),
                errors: error.field_errors().iter().take(FIELD_ERRORS_MAX).cloned().collect(),
                header: None,
            },
            ErrorKind::Conflict => Self::new(StatusCode::CONFLICT, error.message()),
            ErrorKind::NotFound => Self::not_found(),
            ErrorKind::Unproven => Self::unproven(),
            ErrorKind::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, error.message())
                .with(header::RETRY_AFTER, RETRY_BUSY_SECONDS),
            ErrorKind::Closed => {
                Self::unavailable("the engine is shutting down; try again soon", RETRY_CLOSED_SECONDS)
            }
            // Their messages name files: that is for the operator, not for a tenant.
            kind => {
                tracing::error!(?kind, %error, "a request failed for a reason of the engine's own");
                if kind == ErrorKind::Damaged { stored_data_damaged() } else { storage_failed() }
            }
        }
    }
}

/// What is wrong and where: a detail is often all that is shown or logged of a problem.
fn detail_of_invalid(error: &Error) -> String {
    match error.field_errors() {
        [only] if only.message == error.message() => format!("{}: {}", only.field, only.message),
        _ => error.message().to_owned(),
    }
}

impl From<Vec<FieldError>> for Problem {
    /// 422 for fields that are wrong; there must be at least one.
    fn from(wrong: Vec<FieldError>) -> Self {
        Error::fields(wrong).into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some((name, value)) = &self.header {
            response.insert_header((name.clone(), &**value));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // RFC 9110, 15.5.9.
            response.force_close();
        }
        let errors = self.errors.iter().map(|FieldError { field, message }| FieldView { field, message });
        let view = ProblemView {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: (self.status == StatusCode::UNPROCESSABLE_ENTITY).then(|| errors.collect()),
        };
        response.content_type("application/problem+json").body(super::answer::text(&view))
    }
}

/// Why it was not done, and what to do next (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemView<'a> {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong here, and what to do next.
    detail: &'a str,
    /// The fields at fault, with 422 and no other status; at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldView<'a>>>,
}

/// A field and what is wrong with it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FieldError")]
struct FieldView<'a> {
    /// The field's path in what was sent: `events[0]`, `actor.kind`. `body` for all of it.
    field: &'a str,
    /// What is wrong, and what would be right.
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn answer(problem: &Problem) -> (u16, Option<String>, String) {
        let response = problem.error_response();
        let retry =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().try_into_bytes().unwrap();
        (status, retry, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn every_kind_of_error_has_its_status_and_none_is_500() {
        for (kind, status, retry) in [
            (ErrorKind::Invalid, 422, None),
            (ErrorKind::Conflict, 409, None),
            (ErrorKind::NotFound, 404, None),
            (ErrorKind::Unproven, 401, None),
            (ErrorKind::Busy, 429, Some("1")),
            (ErrorKind::Storage, 503, Some("30")),
            (ErrorKind::Damaged, 503, Some("30")),
            (ErrorKind::Newer, 503, Some("30")),
            (ErrorKind::Locked, 503, Some("30")),
            (ErrorKind::Closed, 503, Some("5")),
        ] {
            let (answered, after, _) = answer(&Error::new(kind, "why").into());
            assert_eq!((answered, after.as_deref()), (status, retry), "{kind:?}");
        }
    }

    #[test]
    fn a_wrong_field_is_named_and_a_file_of_the_operators_is_not() {
        let (_, _, body) = answer(&Problem::field("events[0]", "is empty"));
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"events[0]: is empty","errors":[{"field":"events[0]","message":"is empty"}]}"#
        );
        let (_, _, body) = answer(&Error::new(ErrorKind::Damaged, "/var/lib/casewire/db at 17").into());
        assert!(!body.contains("/var/lib"), "{body}");
    }
}
