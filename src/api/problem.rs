//! Errors of the hub's own APIs as RFC 9457 problem details.
//!
//! Who is at fault is in the status: 4xx the caller, 5xx or 429 with `Retry-After` the hub's state.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::hub::command::Refused;

/// A problem.
#[derive(Debug)]
pub struct Problem {
    /// Its HTTP status.
    pub status: StatusCode,
    /// What is wrong, for the caller.
    pub detail: String,
    /// `Retry-After` (s).
    pub retry_after_s: Option<u64>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Problem {
    /// A problem with a status and a detail.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_s: None, challenge: None }
    }

    /// 400.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404, the same for what does not exist and what is not yours.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    /// 401 with a challenge.
    pub fn unauthorized(challenge: impl Into<String>) -> Self {
        Self {
            challenge: Some(challenge.into()),
            ..Self::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed")
        }
    }

    /// 429 or 503 with `Retry-After`.
    pub fn later(status: StatusCode, detail: &str, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(status, detail) }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        let at = |status| Self::new(status, detail.clone());
        let later = |s| Self::later(StatusCode::SERVICE_UNAVAILABLE, &detail, s);
        match refused {
            Refused::NoTenant | Refused::NoObject(_) | Refused::Unknown => at(StatusCode::NOT_FOUND),
            Refused::Busy => later(1),
            Refused::DiskFull | Refused::ClockLeapt | Refused::Stopping => later(10),
            Refused::Object(_) => at(StatusCode::BAD_REQUEST),
            Refused::Unfit(_) | Refused::Owned(_) | Refused::Fact(_) | Refused::IdempotencyKey => {
                at(StatusCode::CONFLICT)
            }
            Refused::SubjectsMax | Refused::Subject(_) | Refused::NotTheClients => at(StatusCode::FORBIDDEN),
            Refused::StreamsMax => at(StatusCode::CONFLICT),
            Refused::TooLarge => at(StatusCode::PAYLOAD_TOO_LARGE),
            Refused::Of(_, why) => Self { detail, ..Self::from(*why) },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let body =
            serde_json::json!({ "title": title, "status": self.status.as_u16(), "detail": self.detail });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body may still come: it must not be read as the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // Our own words and names that are tokens: always a header value.
        if let Some(Ok(challenge)) = self.challenge.map(HeaderValue::try_from) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
