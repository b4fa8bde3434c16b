//! `GET`, `PUT`, `DELETE /admin/v1/t/{tenant}/{collection}[/{id}]`: what operators configure.
//!
//! Instead of `bearer_sha256` a secret `bearer` may be given, or `"new_bearer": true` ([`bearer`]); a push stream takes
//! `authorization_header`. Only the hash, or the id of a file in `keys/`, reaches the journal; a new bearer is answered once.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::operator::{admin, reading};
use super::problem::Problem;
use super::secret::Secret;
use super::{Api, bearer, credentials, judge, unread};
use crate::hub::object::{Object, ObjectKind};
use crate::hub::owner;
use crate::hub::spine::trial::Trial;
use crate::hub::state::Stored;
use crate::jose::exact;
use crate::stream::is_id;
use crate::tenant::TenantId;
use crate::transmitter::ssf::follow;

pub(super) fn target(tenant: &str, collection: &str) -> Result<(TenantId, ObjectKind), Problem> {
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
    credentials::hide_hashes(value.get_mut("old_bearers"));
    if let Some(Value::Object(asked)) = value.get_mut("introspection") {
        asked.remove("secret");
    }
    if let Some(Value::Object(receiver)) = value.get_mut("receiver") {
        credentials::hide(receiver);
    }
    value.insert("made_by".into(), stored.by.clone().into());
    Value::Object(value)
}

pub(super) fn members(object: &Object) -> Map<String, Value> {
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
    reading(&api, &headers)?;
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
    reading(&api, &headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    let found = api.hub.look(move |spine| Some(shown(spine.state(&tenant)?.object(kind, &id)?))).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// How a `PUT` is meant.
#[derive(Deserialize)]
pub struct How {
    /// The set of an apply that the object belongs to: what is the same already is not written again.
    apply: Option<String>,
    /// Judge and compare, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// By whom a change is journaled: the operator, or the operator for a set.
pub(super) fn by_of(by: String, set: Option<&str>) -> Result<String, Problem> {
    match set {
        None => Ok(by),
        Some(set) if is_id(set) => Ok(owner::apply(set, &by)),
        Some(_) => Err(Problem::bad_request("apply must name a set as an object is named")),
    }
}

/// `PUT` of one object.
pub async fn put(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (parts, body) = request.into_parts();
    let by = admin(&api, &parts.headers)?;
    let Query(how) = how.map_err(|bad| Problem::bad_request(bad.body_text()))?;
    let by = by_of(by, how.apply.as_deref())?;
    let (tenant, kind) = target(&tenant, &collection)?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let Value::Object(given) = exact::object(&body).map_err(|e| Problem::bad_request(e.to_string()))? else {
        return Err(Problem::bad_request("the body must be a JSON object"));
    };
    if api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    // What stays as it was is looked up below: nobody may change it in between.
    let _editing = api.editing.of(&tenant).await;
    let Prepared { object, secret, new_bearer, new_secret } =
        prepare(&api, &tenant, kind, &id, given).await?;
    if how.dry_run || how.apply.is_some() {
        let (_, difference) = judge::put(&api, Trial::default(), &tenant, &object, &by).await?;
        let difference = difference?;
        if how.dry_run || difference["change"] == "none" {
            return Ok((StatusCode::OK, Json(difference)));
        }
    }
    let of = tenant.clone();
    let puts = api.hub.look(move |spine| follow::with_streams(spine.state(&of), object, by)).await?;
    let entry = secret.keep_with(&api, &tenant, api.hub.put_all(&tenant, puts)).await?;
    let mut answer = json!({ "id": entry.to_string() });
    if let Some(bearer) = new_bearer {
        answer["bearer"] = bearer.into();
    }
    if let Some(secret) = new_secret {
        answer["secret"] = secret.into();
    }
    Ok((StatusCode::OK, Json(answer)))
}

/// An object as it will be, and what was made for it.
pub(super) struct Prepared {
    pub object: Object,
    pub secret: Secret,
    pub new_bearer: Option<String>,
    pub new_secret: Option<String>,
}

/// Makes an object of what was given: hashes in the place of credentials, what is left out as it was.
pub(super) async fn prepare(
    api: &Api,
    tenant: &TenantId,
    kind: ObjectKind,
    id: &str,
    mut given: Map<String, Value>,
) -> Result<Prepared, Problem> {
    given.remove("made_by");
    let name = if kind == ObjectKind::Stream { "stream_id" } else { "id" };
    if given.insert(name.into(), id.into()).is_some_and(|old| old != id) {
        return Err(Problem::bad_request(format!("{name} differs from the path")));
    }
    let new_bearer = bearer::of_put(api, tenant, kind, id, &mut given).await?;
    let new_secret = credentials::of_receiver(api, tenant, id, &mut given).await?;
    let secret = Secret::of(api, tenant, kind, id, &mut given).await?;
    let object: Object =
        exact::from_value(&json!({ tag(kind): given })).map_err(|e| Problem::bad_request(e.to_string()))?;
    object.check().map_err(|e| Problem::bad_request(e.to_string()))?;
    check_urls(api, &object)?;
    Ok(Prepared { object, secret, new_bearer, new_secret })
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
        ObjectKind::AuthorizationServer => "authorization_server",
    }
}

pub(super) async fn stored_member(
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

/// A URL that the hub will call passes the guard now, not only when it is called; and the hub is nobody's issuer.
fn check_urls(api: &Api, object: &Object) -> Result<(), Problem> {
    use crate::jose::remote::JwksSource::Url;
    let inside = |client: &crate::hub::object::Client| match client.receiver.as_ref()?.jwks.as_ref()? {
        Url(url) => Some(url.clone()),
        crate::jose::remote::JwksSource::Inline(_) => None,
    };
    let of_client = match object {
        Object::Client(client) => inside(client),
        _ => None,
    };
    let url = match object {
        Object::Client(_) => of_client.as_deref(),
        Object::AuthorizationServer(server) => match (&server.jwks, &server.introspection) {
            (Some(Url(url)), _) => Some(url.as_str()),
            (_, asked) => asked.as_ref().map(|asked| asked.url.as_str()),
        },
        Object::Stream(s) => s.endpoint_url.as_deref(),
        Object::Upstream(crate::hub::object::Upstream { jwks: Url(url), .. }) => Some(url.as_str()),
        Object::TokenIssuer(crate::hub::object::TokenIssuer { jwks: Url(url), .. }) => Some(url.as_str()),
        _ => None,
    };
    if let Some(Err(refused)) = url.map(|u| api.egress.check_url(u)) {
        return Err(Problem::bad_request(format!("the URL is refused: {refused}")));
    }
    let iss = match object {
        Object::Upstream(o) => &o.iss,
        Object::TokenIssuer(o) => &o.iss,
        Object::AuthorizationServer(o) => &o.iss,
        _ => return Ok(()),
    };
    if iss.starts_with(&api.door.own_issuer_prefix) {
        return Err(Problem::bad_request(
            "iss is an issuer of this hub; it takes no SET and no token of its own",
        ));
    }
    Ok(())
}

/// `DELETE` of one object.
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let by = admin(&api, &headers)?;
    let (tenant, kind) = target(&tenant, &collection)?;
    if api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    let _editing = api.editing.of(&tenant).await;
    let secret = Secret::gone(&api, &tenant, kind, &id).await?;
    secret.keep_with(&api, &tenant, api.hub.remove(&tenant, kind, &id, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}
