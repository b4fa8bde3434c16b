//! The enforcement point, as NGINX with `auth_request` would be one, and the tool behind it.
//!
//! Every call is put to the hub first (`v1/authz/nginx`, DESIGN, Doors); nothing is cached here, and what is not
//! decided is refused. Runs call the tool through it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::cast::TOOL;
use super::peers::{Peers, bearing};
use crate::gate::nginx::{X_HUB_DECISION_ID, X_HUB_POINT, X_HUB_REASON};

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// The point.
pub struct Point {
    /// Where it asks.
    pub authz_url: String,
    /// What it says who it is with.
    pub secret: String,
    /// The tool behind it.
    pub tool: String,
    /// HTTP.
    pub peers: Peers,
}

/// Serves the tool: whoever reaches it is served. Its address.
pub async fn start_tool(peers: &Peers) -> anyhow::Result<String> {
    let router = Router::new().fallback(async || "{\"report\":\"all is well\"}\n");
    Ok(format!("http://{}", peers.serve("demo tool", router).await?))
}

impl Point {
    /// Serves; the URL by which runs call the tool.
    pub async fn start(self) -> anyhow::Result<String> {
        let peers = self.peers.clone();
        let router = Router::new().fallback(pass).with_state(Arc::new(self));
        Ok(format!("http://{}/{TOOL}", peers.serve("demo point", router).await?))
    }
}

async fn pass(State(point): State<Arc<Point>>, request: Request) -> Response {
    // The runs of the demo send no body.
    let (request, _) = request.into_parts();
    match ask(&point, &request).await {
        Ok((StatusCode::OK, headers)) if headers.contains_key(X_HUB_DECISION_ID) => {
            forward(&point, &request, headers).await
        }
        Ok((status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), headers)) => {
            (status, headers).into_response()
        }
        Ok(_) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Puts a call to the hub: the status, and of the headers those that the caller may see.
async fn ask(point: &Point, request: &Parts) -> anyhow::Result<(StatusCode, HeaderMap)> {
    let mut headers = bearing(X_HUB_POINT, &point.secret)?;
    for value in request.headers.get_all(AUTHORIZATION) {
        headers.append(AUTHORIZATION, value.clone());
    }
    headers.insert(X_ORIGINAL_METHOD, HeaderValue::from_str(request.method.as_str())?);
    headers.insert(X_ORIGINAL_URI, HeaderValue::from_str(request.uri.path())?);
    let answer = point.peers.send(Method::GET, &point.authz_url, headers, vec![], None).await?;
    let mut shown = HeaderMap::new();
    for name in [WWW_AUTHENTICATE, X_HUB_DECISION_ID, X_HUB_REASON] {
        shown.extend(answer.headers.get(&name).map(|value| (name.clone(), value.clone())));
    }
    Ok((StatusCode::from_u16(answer.status)?, shown))
}

async fn forward(point: &Point, request: &Parts, headers: HeaderMap) -> Response {
    let url = format!("{}{}", point.tool, request.uri.path());
    match point.peers.send(Method::GET, &url, HeaderMap::new(), vec![], None).await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, headers, answer.body).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// How a call of the tool was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// HTTP status.
    pub status: u16,
    /// `X-Hub-Decision-Id`.
    pub decision: Option<String>,
    /// `X-Hub-Reason`.
    pub reason_code: Option<String>,
}

impl Called {
    /// Whether the tool was reached.
    pub fn was_allowed(&self) -> bool {
        self.status == 200
    }

    /// Whether the token was refused. A point that could not decide (503) refused nothing.
    pub fn was_refused(&self) -> bool {
        self.status == 401
    }
}

/// One call of the tool by a run.
pub async fn call(peers: &Peers, url: &str, token: &str) -> anyhow::Result<Called> {
    let answer = peers.send(Method::GET, url, bearing(AUTHORIZATION, token)?, vec![], None).await?;
    let text = |name| answer.headers.get(name).and_then(|v| v.to_str().ok()).map(String::from);
    Ok(Called { status: answer.status, decision: text(X_HUB_DECISION_ID), reason_code: text(X_HUB_REASON) })
}
