//! `GET`, `PUT`, `DELETE /admin/v1/t/{tenant}/{collection}[/{id}]`: what operators configure.
//!
//! Instead of `bearer_sha256` a secret `bearer` may be given, or `"new_bearer": true`; a push stream takes
//! `authorization_header`. Only the hash, or the id of a file in `keys/`, reaches the journal; a new bearer is answered once.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::admin::operator;
use super::problem::Problem;
use crate::clock::{OsChance, random_secret};
use crate::hub::object::{Object, ObjectKind};
use crate::hub::state::Stored;
use crate::keys::authorization_id;
use crate::tenant::TenantId;

fn target(tenant: &str, collection: &str) -> Result<(TenantId, ObjectKind), Problem> {
    let kind = ObjectKind::of_collection(collection).ok_or_else(Problem::not_found)?;
    let tenant = TenantId::parse(tenant).map_err(|_| Problem::not_found())?;
    if kind.in_hub() != tenant.is_hub() {
        return Err(Problem::not_found());
    }
    Ok((tenant, kind))
}

/// An object as it is shown: members, and who made it; hashes of secrets stay inside.
fn shown(stored: &Stored) -> Value {
    let mut value = members(&stored.object);
    value.remove("bearer_sha256");
    value.remove("authorization_secret");
    value.insert("made_by".into(), stored.by.clone().into());
    Value::Object(value)
}

fn members(object: &Object) -> Map<String, Value> {
    // An externally tagged object has exactly one member: the kind.
    match serde_json::to_value(object) {
        Ok(Value::Object(outer)) => match outer.into_iter().next() {
            Some((_, Value::Object(inner))) => inner,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// `GET` of a collection.
pub async fn list(
    State(api): State<Arc<Api>>,
    Path((tenant, collection)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    operator(&api, &headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    let found = api
        .hub
        .look(move |spine| {
            let state = spine.state(&tenant)?;
            Some(state.objects().filter(|s| s.object.kind() == kind).map(shown).collect::<Vec<_>>())
        })
        .await?;
    found.map(|list| Json(Value::from(list))).ok_or_else(Problem::not_found)
}

/// `GET` of one object.
pub async fn read(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    operator(&api, &headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    let found = api.hub.look(move |spine| Some(shown(spine.state(&tenant)?.object(kind, &id)?))).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// `PUT` of one object.
pub async fn put(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (parts, body) = request.into_parts();
    let by = operator(&api, &parts.headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    let body = to_bytes(body, api.sizes.admin)
        .await
        .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the object is too large"))?;
    crate::jose::strict::check(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    let Ok(Value::Object(mut given)) = serde_json::from_slice(&body) else {
        return Err(Problem::bad_request("an object is a JSON object"));
    };
    given.remove("made_by");
    let name = if kind == ObjectKind::Stream { "stream_id" } else { "id" };
    if given.insert(name.into(), id.clone().into()).is_some_and(|old| old != id) {
        return Err(Problem::bad_request(format!("{name} differs from the path")));
    }
    let new_bearer = bearer_of(&api, &tenant, kind, &id, &mut given).await?;
    let secret = secret_of(&api, &tenant, kind, &id, &mut given).await?;
    let object: Object = serde_json::from_value(json!({ tag(kind): given }))
        .map_err(|e| Problem::bad_request(e.to_string()))?;
    object.check().map_err(|e| Problem::bad_request(e.to_string()))?;
    check_urls(&api, &object)?;
    if let Some((secret_id, value)) = secret {
        api.keys.put_secret(&tenant, &secret_id, &value).map_err(|error| {
            tracing::error!(%tenant, %error, "a secret cannot be written");
            Problem::later(StatusCode::SERVICE_UNAVAILABLE, "the secret cannot be kept", 5)
        })?;
    }
    let entry = api.hub.put(&tenant, object, &by).await?;
    let mut answer = json!({ "id": entry.to_string() });
    if let Some(bearer) = new_bearer {
        answer["bearer"] = bearer.into();
    }
    Ok((StatusCode::OK, Json(answer)))
}

fn tag(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Tenant => "tenant",
        ObjectKind::Operator => "operator",
        ObjectKind::Upstream => "upstream",
        ObjectKind::TokenIssuer => "token_issuer",
        ObjectKind::Stream => "stream",
        ObjectKind::Client => "client",
        ObjectKind::Point => "point",
    }
}

/// The hash of the bearer given or made; one that is left out stays as it was.
async fn bearer_of(
    api: &Api,
    tenant: &TenantId,
    kind: ObjectKind,
    id: &str,
    given: &mut Map<String, Value>,
) -> Result<Option<String>, Problem> {
    let bearer = match given.remove("bearer") {
        Some(Value::String(bearer)) if bearer.len() >= 16 => Some(bearer),
        Some(_) => return Err(Problem::bad_request("bearer must be a string of at least 16 characters")),
        None => None,
    };
    let made = match given.remove("new_bearer") {
        Some(Value::Bool(true)) => Some(random_secret(&OsChance)),
        Some(Value::Bool(false)) | None => None,
        Some(_) => return Err(Problem::bad_request("new_bearer must be true or false")),
    };
    if let Some(bearer) = made.as_ref().or(bearer.as_ref()) {
        given.insert("bearer_sha256".into(), crate::keys::hash_secret(bearer).into());
    } else if !given.contains_key("bearer_sha256")
        && let Some(old) = stored_member(api, tenant, kind, id, "bearer_sha256").await?
    {
        given.insert("bearer_sha256".into(), old);
    }
    Ok(made)
}

/// A push stream's `authorization_header`: its value goes to `keys/`; `null` removes it, left out it stays.
async fn secret_of(
    api: &Api,
    tenant: &TenantId,
    kind: ObjectKind,
    id: &str,
    given: &mut Map<String, Value>,
) -> Result<Option<(String, String)>, Problem> {
    if kind != ObjectKind::Stream {
        return Ok(None);
    }
    given.remove("authorization_secret");
    match given.remove("authorization_header") {
        Some(Value::String(value)) if http::HeaderValue::from_str(&value).is_ok() && !value.is_empty() => {
            let secret_id = authorization_id(id);
            given.insert("authorization_secret".into(), secret_id.clone().into());
            Ok(Some((secret_id, value)))
        }
        Some(Value::Null) => Ok(None),
        Some(_) => Err(Problem::bad_request("authorization_header must be a header value, or null")),
        None => {
            if let Some(old) = stored_member(api, tenant, kind, id, "authorization_secret").await? {
                given.insert("authorization_secret".into(), old);
            }
            Ok(None)
        }
    }
}

async fn stored_member(
    api: &Api,
    tenant: &TenantId,
    kind: ObjectKind,
    id: &str,
    member: &'static str,
) -> Result<Option<Value>, Problem> {
    let (tenant, id) = (tenant.clone(), id.to_string());
    let found =
        api.hub.look(move |spine| members(&spine.state(&tenant)?.object(kind, &id)?.object).remove(member));
    Ok(found.await?)
}

/// A URL that the hub will call passes the guard now, not only when it is called.
fn check_urls(api: &Api, object: &Object) -> Result<(), Problem> {
    use crate::jose::remote::JwksSource::Url;
    let url = match object {
        Object::Stream(s) => s.endpoint_url.as_deref(),
        Object::Upstream(crate::hub::object::Upstream { jwks: Url(url), .. }) => Some(url.as_str()),
        Object::TokenIssuer(crate::hub::object::TokenIssuer { jwks: Url(url), .. }) => Some(url.as_str()),
        _ => None,
    };
    match url.map(|u| api.egress.check_url(u)) {
        Some(Err(refused)) => Err(Problem::bad_request(refused.to_string())),
        _ => Ok(()),
    }
}

/// `DELETE` of one object.
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let by = operator(&api, &headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    api.hub.remove(&tenant, kind, &id, &by).await?;
    if kind == ObjectKind::Stream
        && let Err(error) = api.keys.drop_secret(&tenant, &authorization_id(&id))
    {
        tracing::warn!(%tenant, stream_id = id, %error, "the secret of a removed stream could not be deleted");
    }
    Ok(StatusCode::NO_CONTENT)
}
