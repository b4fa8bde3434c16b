//! `/.well-known/oauth-protected-resource/t/{tenant}` (RFC 9728) and `/.well-known/oauth-authorization-server/t/{tenant}`
//! (RFC 8414): where clients begin. For everybody, cacheable.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::Value;

use super::problem::Problem;
use super::{Api, public_tenant};
use crate::auth::metadata::{self, MAX_AGE_S};

fn cacheable(value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(age) = HeaderValue::try_from(format!("public, max-age={MAX_AGE_S}")) {
        headers.insert(header::CACHE_CONTROL, age);
    }
    response
}

/// The tenant as a protected resource.
pub async fn protected_resource(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
) -> Result<Response, Problem> {
    let tenant = public_tenant(&tenant)?;
    let view = api.views.of(&tenant).ok_or_else(Problem::not_found)?;
    let issuer = api.judge.issuer(&tenant);
    let own = api.token_server.iter().map(|_| issuer.as_str());
    let outside = view.authorization_servers.iter().map(|server| server.iss.as_str());
    let servers: Vec<&str> = own.chain(outside).collect();
    Ok(cacheable(&metadata::protected_resource(&issuer, &servers)))
}

/// The tenant's built-in authorization server.
pub async fn authorization_server(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
) -> Result<Response, Problem> {
    let tenant = public_tenant(&tenant)?;
    if api.token_server.is_none() || api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    Ok(cacheable(&metadata::authorization_server(&api.judge.issuer(&tenant))))
}
