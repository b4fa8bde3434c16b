//! Answers of the push door as RFC 8935 wants them (2.2, 2.3).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::receiver::push::Pushed;

impl IntoResponse for Pushed {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        match self {
            Self::Accepted => *response.status_mut() = StatusCode::ACCEPTED,
            Self::Status(status) => {
                *response.status_mut() = status;
                if status == StatusCode::REQUEST_TIMEOUT {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
            }
            Self::Later(status, seconds) => {
                *response.status_mut() = status;
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Rejected(err, description) => {
                let body = serde_json::json!({ "err": err.as_str(), "description": description });
                response = Response::new(Body::from(body.to_string()));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
            }
        }
        response
    }
}
