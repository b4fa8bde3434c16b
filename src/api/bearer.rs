//! Bearers of operators, upstreams, clients and points: made, overlapped, replaced.
//!
//! `POST /admin/v1/t/{tenant}/{collection}/{id}/bearer`, and what a `PUT` of an object says about them. A value is answered
//! once, when the hub made it; only its hash reaches the journal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::credentials::{asked, chosen, overlap};
use super::objects::{stored_member, target};
use super::problem::Problem;
use crate::clock::{OsChance, random_secret};
use crate::hub::bearer::{OldBearer, replace};
use crate::hub::object::ObjectKind;
use crate::keys::hash_secret;
use crate::tenant::TenantId;

/// What a new bearer is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBearer {
    overlap_s: Option<Value>,
}

/// `POST …/bearer`: a new bearer, answered once; the one in use, and those before it, are good for `overlap_s` more.
pub async fn renew(
    State(api): State<Arc<Api>>,
    Path((tenant, collection, id)): Path<(String, String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (by, tenant, NewBearer { overlap_s }) = asked(&api, &tenant, request).await?;
    let (tenant, kind) = target(tenant.as_str(), &collection)?;
    let overlap_s = overlap(overlap_s.as_ref())?;
    if !kind.has_bearer() {
        return Err(Problem::bad_request(format!("{collection} have no bearer")));
    }
    let _editing = api.editing.of(&tenant).await;
    let (whose, name) = (tenant.clone(), id.clone());
    let found = api.hub.look(move |spine| Some(spine.state(&whose)?.object(kind, &name)?.object.clone()));
    let mut object = found.await?.ok_or_else(Problem::not_found)?;
    let bearer = random_secret(&OsChance);
    object.replace_bearer(hash_secret(&bearer), api.now_s(), overlap_s);
    object.check().map_err(|e| Problem::bad_request(e.to_string()))?;
    let entry = api.hub.put(&tenant, object, &by).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": entry.to_string(), "bearer": bearer }))))
}

/// Puts hashes in the place of what a `PUT` says about bearers; what it does not speak of stays as it was. The bearer that
/// was made, if one was.
pub(super) async fn of_put(
    api: &Api,
    tenant: &TenantId,
    kind: ObjectKind,
    id: &str,
    given: &mut Map<String, Value>,
) -> Result<Option<String>, Problem> {
    if !kind.has_bearer() {
        // Whatever it says is refused with the object.
        return Ok(None);
    }
    let asked = Asked::take(given)?;
    let mut current = text(stored_member(api, tenant, kind, id, "bearer_sha256").await?);
    let old = stored_member(api, tenant, kind, id, "old_bearers").await?;
    let mut old: Vec<OldBearer> = old.and_then(|old| serde_json::from_value(old).ok()).unwrap_or_default();
    if let Some(new) = asked.sha256.filter(|new| *new != current) {
        replace(&mut current, &mut old, new, api.now_s(), asked.overlap_s.unwrap_or_default());
    }
    match given.get("bearer_sha256") {
        None if current.is_empty() => {}
        None => drop(given.insert("bearer_sha256".into(), current.into())),
        // None any more, where there may be none.
        Some(Value::Null) => old.clear(),
        // As it was asked for, or refused with the object.
        Some(_) => {}
    }
    old_bearers(given, &old, asked.overlap_s.is_some())?;
    Ok(asked.made)
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// A new bearer that a `PUT` asks for, or names.
struct Asked {
    sha256: Option<String>,
    made: Option<String>,
    overlap_s: Option<i64>,
}

impl Asked {
    fn take(given: &mut Map<String, Value>) -> Result<Self, Problem> {
        let mut hash = given.remove("bearer").map(|value| chosen(&value, "bearer")).transpose()?;
        let made = match given.remove("new_bearer") {
            Some(Value::Bool(true)) => Some(random_secret(&OsChance)),
            Some(Value::Bool(false)) | None => None,
            Some(_) => return Err(Problem::bad_request("new_bearer must be true or false")),
        };
        let said = [made.is_some(), hash.is_some(), given.contains_key("bearer_sha256")];
        if said.into_iter().filter(|said| *said).count() > 1 {
            return Err(Problem::bad_request("give one of bearer, new_bearer and bearer_sha256"));
        }
        let overlap_s = given.remove("overlap_s");
        if overlap_s.is_some() && said == [false; 3] {
            return Err(Problem::bad_request("overlap_s belongs to a new bearer"));
        }
        let overlap_s = overlap_s.map(|value| overlap(Some(&value))).transpose()?;
        hash = hash.or_else(|| made.as_deref().map(hash_secret));
        if hash.is_none() {
            // What is no text is refused with the object.
            hash = given.get("bearer_sha256").and_then(Value::as_str).map(Into::into);
        }
        Ok(Self { sha256: hash, made, overlap_s })
    }
}

/// `old_bearers` of a `PUT`: each with its value. A list that shows none, as `GET` gives it, changes none.
fn old_bearers(given: &mut Map<String, Value>, kept: &[OldBearer], overlaps: bool) -> Result<(), Problem> {
    let says_something = |item: &Value| item.get("bearer").is_some() || item.get("sha256").is_some();
    match given.get_mut("old_bearers") {
        Some(Value::Array(items)) if items.is_empty() || items.iter().any(says_something) => {
            if overlaps {
                return Err(Problem::bad_request("old_bearers and overlap_s exclude each other"));
            }
            for item in items {
                let Value::Object(item) = item else { continue };
                if let Some(value) = item.remove("bearer") {
                    item.insert("sha256".into(), chosen(&value, "old_bearers[].bearer")?.into());
                }
            }
        }
        Some(Value::Array(_)) | None if kept.is_empty() => drop(given.remove("old_bearers")),
        Some(Value::Array(_)) | None => drop(given.insert("old_bearers".into(), json!(kept))),
        // Refused with the object.
        Some(_) => {}
    }
    Ok(())
}
