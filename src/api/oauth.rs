//! `POST /t/{tenant}/oauth/token` (RFC 6749, 3.2) and `/oauth/revoke` (RFC 7009): the built-in authorization server on
//! the wire.
//!
//! Parameters come in the body and nowhere else. No answer is kept by anybody on the way.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Api, public_tenant, unread};
use crate::auth::claims::Claims;
use crate::auth::form::{BODY_BYTES_MAX, Form};
use crate::auth::oauth::Error;
use crate::auth::server::Server;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::receivers::Holder;
use crate::tenant::TenantId;

/// What a client must do about a 401 (RFC 6749, 5.2; RFC 7617, 2.1).
const CHALLENGE: &str = "Basic realm=\"ssf-hub\", charset=\"UTF-8\"";

/// An answer of the authorization server.
struct Answer(Result<Value, Error>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, body) = match &self.0 {
            Ok(body) => (StatusCode::OK, body.clone()),
            Err(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                json!({ "error": error.code(), "error_description": error.description() }),
            ),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        if let Some(seconds) = self.0.err().and_then(Error::retry_after_s) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A request: whose server, and the parameters of the body, if they are well-formed.
type Asked = (TenantId, HeaderMap, Result<Form, Error>);

async fn asked(api: &Api, tenant: &str, request: Request) -> Result<Asked, Problem> {
    let tenant = public_tenant(tenant)?;
    if api.token_server.is_none() || api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    let (parts, body) = request.into_parts();
    let body = unread::read(body, BODY_BYTES_MAX, api.sizes.timeout).await?;
    let form = match parts.uri.query() {
        // A secret in a URL lies in every log on its way (RFC 6749, 2.3.1).
        Some(query) if !query.is_empty() => Err(Error::InvalidRequest("parameters belong into the body")),
        _ => Form::parse(&parts.headers, &body),
    };
    Ok((tenant, parts.headers, form))
}

fn server(api: &Api) -> Result<&Server, Problem> {
    api.token_server.as_ref().ok_or_else(Problem::not_found)
}

/// The client that authenticated, and did not ask too often: a request costs a signature or an entry, and is counted with
/// its calls of the management API. Nobody else can use up its rate: who does not authenticate is not counted there.
async fn client(
    api: &Api,
    server: &Server,
    (tenant, headers, form): (&TenantId, &HeaderMap, &Form),
    endpoint: &str,
) -> Result<Arc<Holder>, Error> {
    let holder = server.authenticate(tenant, headers, form, endpoint).await?;
    let taken = api.take_call(tenant, &holder.client);
    taken.map_err(|too| Error::TooOften { retry_after_s: too.retry_after_s() })?;
    Ok(holder)
}

/// `POST oauth/token`.
pub async fn token(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (tenant, headers, form) = asked(&api, &tenant, request).await?;
    let server = server(&api)?;
    let granted = match form {
        Ok(form) => client(&api, server, (&tenant, &headers, &form), "token")
            .await
            .and_then(|holder| server.token(&tenant, &holder, &form)),
        Err(error) => Err(error),
    };
    let error = granted.as_ref().err().map_or("granted", |error| error.code());
    api.authorization.request(&tenant, error);
    let answer = granted.map(|granted| {
        json!({
            "access_token": granted.access_token,
            "token_type": "Bearer",
            "expires_in": granted.expires_in,
            "scope": granted.scopes.to_string(),
        })
    });
    Ok(Answer(answer).into_response())
}

/// `POST oauth/revoke`: 200 also for what is no token any more (RFC 7009, 2.2).
pub async fn revoke(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (tenant, headers, form) = asked(&api, &tenant, request).await?;
    let server = server(&api)?;
    let claims = match form {
        Ok(form) => client(&api, server, (&tenant, &headers, &form), "revoke")
            .await
            .and_then(|holder| server.to_revoke(&tenant, &holder, &form)),
        Err(error) => Err(error),
    };
    let done = match claims {
        Ok(Some(claims)) => revoke_token(&api, &tenant, &claims).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    Ok(Answer(done.map(|()| json!({}))).into_response())
}

/// Writes it into the client's object: what is revoked stays so after a restart. Refused by the hub, it is not revoked,
/// and the client is told.
async fn revoke_token(api: &Api, tenant: &TenantId, claims: &Claims) -> Result<(), Error> {
    let later = Error::Unavailable { retry_after_s: 5 };
    let (Some(id), Some(jti), Some(exp_s)) = (claims.client_id.clone(), &claims.jti, claims.exp_s) else {
        return Ok(());
    };
    // Between the look and the entry nobody may change the client.
    let _editing = api.editing.of(tenant).await;
    let (whose, name) = (tenant.clone(), id);
    let found = api.hub.look(move |spine| spine.state(&whose)?.object(ObjectKind::Client, &name).cloned());
    let Some(stored) = found.await.map_err(|_| later)? else { return Ok(()) };
    let Object::Client(mut client) = stored.object else { return Ok(()) };
    let Some(receiver) = &mut client.receiver else { return Ok(()) };
    if receiver.revoked.iter().any(|revoked| revoked.jti == *jti) {
        return Ok(());
    }
    receiver.revoke(jti, exp_s, api.clock.wall_ms().div_euclid(1000));
    // Still his object who made it: the client changed none of its rights.
    api.hub.put(tenant, Object::Client(client), &stored.by).await.map(drop).map_err(|error| {
        tracing::warn!(%tenant, %error, "a token could not be revoked");
        later
    })
}
