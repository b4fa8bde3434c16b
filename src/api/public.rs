//! The public listener: what IdPs, receivers, brokers and gateways call.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::access::Carried;
use super::problem::Problem;
use super::{Api, facts, keys, oauth, openapi, public_tenant, ssf, unread, well_known};
use crate::gate::nginx::nobodys_door;
use crate::transmitter::poll::PollAnswer;
use crate::transmitter::request::PollRequest;

/// The routes.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/openapi.json", get(openapi::public))
        .route("/t/{tenant}/in/{upstream}", post(push))
        .route("/t/{tenant}/poll/{stream_id}", post(poll))
        .route("/t/{tenant}/jwks.json", get(jwks))
        .route("/t/{tenant}/v1/authz/nginx", any(authz_nginx))
        .route("/t/{tenant}/v1/{facts}", post(facts::post))
        .route("/t/{tenant}/v1/{facts}/{id}/complete", post(facts::complete))
        .merge(ssf::routes())
        .route("/t/{tenant}/oauth/token", post(oauth::token))
        .route("/t/{tenant}/oauth/revoke", post(oauth::revoke))
        .route("/.well-known/oauth-protected-resource/t/{tenant}", get(well_known::protected_resource))
        .route("/.well-known/oauth-authorization-server/t/{tenant}", get(well_known::authorization_server))
        .with_state(api)
}

async fn push(
    State(api): State<Arc<Api>>,
    Path((tenant, upstream)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Ok(tenant) = public_tenant(&tenant) else { return StatusCode::NOT_FOUND.into_response() };
    let (parts, body) = request.into_parts();
    // Read to its end before anything is judged: an answer in the middle of a body gets lost at many senders.
    let body = unread::read(body, api.sizes.set, api.sizes.timeout).await;
    let body = body.as_ref().map(|b| &b[..]).map_err(|unread| unread.status());
    api.door.receive(&tenant, &upstream, &parts.headers, body).await.into_response()
}

async fn poll(
    State(api): State<Arc<Api>>,
    Path((tenant, stream_id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = public_tenant(&tenant)?;
    let (parts, body) = request.into_parts();
    let client = api.poller(&tenant, Carried::in_parts(&parts)).await?;
    api.charge(&tenant, &client)?;
    let view = api.views.of(&tenant).ok_or_else(Problem::not_found)?;
    let (no, _) = view.stream_of(&client.id, &stream_id).ok_or_else(Problem::not_found)?;
    api.ssf.activity.touch(&tenant, *no, api.clock.boot_ms());
    let body = unread::read(body, api.sizes.poll, api.sizes.timeout).await?;
    let request = PollRequest::parse(&body).map_err(|bad| Problem::bad_request(bad.to_string()))?;
    let polling = api.ssf.activity.polling(&tenant, *no);
    let answer = api.poll.poll(&tenant, &stream_id, request).await;
    drop(polling);
    api.ssf.activity.touch(&tenant, *no, api.clock.boot_ms());
    match answer {
        PollAnswer::Sets(json) => Ok(json_response(json)),
        PollAnswer::NoStream => Err(Problem::not_found()),
        PollAnswer::TooManyWaiting { retry_after_s } => {
            let detail = "too many polls of this client are waiting";
            Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, detail, u64::from(retry_after_s)))
        }
    }
}

fn json_response(json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The tenant's public keys; cheap, and cacheable for a short while.
async fn jwks(State(api): State<Arc<Api>>, Path(tenant): Path<String>) -> Result<Response, Problem> {
    let tenant = public_tenant(&tenant)?;
    if api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    let jwks = keys::blocking(&api.keys, &tenant, |keys| keys.jwks()).await;
    let jwks = jwks.map_err(|error| keys::unavailable(&tenant, &error))?;
    let mut response = json_response(jwks.to_string());
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={}", api.jwks_max_age_s)) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    Ok(response)
}

/// NGINX `auth_request`: only 200, 401 and 403 are ever answered.
async fn authz_nginx(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response {
    match public_tenant(&tenant) {
        Ok(tenant) => api.gate.nginx(&tenant, &headers).await.map(|()| Body::empty()),
        Err(_) => nobodys_door().map(|()| Body::empty()),
    }
}
