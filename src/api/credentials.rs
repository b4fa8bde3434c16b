//! Credentials of receivers, as operators make, overlap and revoke them: client secrets and long-lived tokens.
//!
//! `POST /admin/v1/t/{tenant}/clients/{id}/secrets` and `…/tokens`, `DELETE …/tokens[/{token}]`; and what a `PUT` of a
//! client says about them. A value is answered once, when the hub made it; only its hash reaches the journal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::objects::stored_member;
use super::operator::admin;
use super::problem::Problem;
use super::unread;
use crate::auth;
use crate::clock::{OsChance, random_secret};
use crate::hub::object::{Client, Object, ObjectKind};
use crate::jose::exact;
use crate::keys::hash_secret;
use crate::stream::is_id;
use crate::stream::receiver::{Receiver, Scope, StaticToken};
use crate::tenant::{EntryId, TenantId};

/// Shortest secret or bearer, in characters: of a shorter one the plain hash in the journal could be guessed.
const BEARER_MIN: usize = 16;
/// Longest life of a long-lived token (s): ten years.
const TOKEN_LIFE_MAX_S: i64 = 10 * 366 * 86_400;
/// Longest overlap of two secrets, or two bearers (s).
const OVERLAP_MAX_S: i64 = 366 * 86_400;

/// Takes hashes, and what is nobody's to see, out of a receiver that is shown.
pub(super) fn hide(receiver: &mut Map<String, Value>) {
    receiver.remove("revoked");
    receiver.remove("revoked_tokens");
    for list in ["secrets", "tokens"] {
        hide_hashes(receiver.get_mut(list));
    }
}

/// Takes the hashes out of a list of credentials.
pub(super) fn hide_hashes(list: Option<&mut Value>) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(item) = item {
            item.remove("sha256");
        }
    }
}

/// A value that somebody chose, as its hash: long enough that a plain hash tells nobody what it was.
pub(super) fn chosen(value: &Value, name: &str) -> Result<String, Problem> {
    let good = |text: &&str| text.len() >= BEARER_MIN && auth::bearer::is_token(text);
    let text = value.as_str().filter(good);
    text.map(hash_secret).ok_or_else(|| {
        let what = "a string of at least 16 characters, of those that a bearer has (RFC 6750, 2.1)";
        Problem::bad_request(format!("{name} must be {what}"))
    })
}

/// Puts hashes in the place of what a `PUT` of a client says about its receiver's credentials; what it does not speak
/// of stays as it was. The secret that was made, if one was.
pub(super) async fn of_receiver(
    api: &Api,
    tenant: &TenantId,
    id: &str,
    given: &mut Map<String, Value>,
) -> Result<Option<String>, Problem> {
    let bearers = bearers(given);
    let Some(Value::Object(receiver)) = given.get_mut("receiver") else { return Ok(None) };
    let before = stored_member(api, tenant, ObjectKind::Client, id, "receiver").await?;
    let before: Option<Receiver> = before.and_then(|value| serde_json::from_value(value).ok());
    let before = before.unwrap_or_default();
    if before.revoked_tokens.iter().any(|revoked| bearers.contains(revoked)) {
        return Err(Problem::new(StatusCode::CONFLICT, "the bearer was revoked: it needs another value"));
    }
    let asked = Asked::take(receiver)?;
    let now_s = api.now_s();
    let mut kept = before.clone();
    kept.drop_expired(now_s);
    if let Some(sha256) = asked.sha256() {
        kept.add_secret(sha256, now_s, asked.overlap_s);
    }
    secrets(receiver, &kept, asked.sha256().is_some())?;
    tokens(receiver, &kept)?;
    let given = receiver.get("tokens_not_before").filter(|value| !value.is_null());
    // What is no time is refused with the object.
    if given.is_none_or(Value::is_i64) {
        let later = given.and_then(Value::as_i64).max(before.tokens_not_before);
        receiver.insert("tokens_not_before".into(), json!(later));
    }
    receiver.insert("revoked".into(), json!(before.revoked));
    receiver.insert("revoked_tokens".into(), json!(before.revoked_tokens));
    Ok(asked.made)
}

/// The bearers of a client that a `PUT` names, as their hashes.
fn bearers(given: &Map<String, Value>) -> Vec<String> {
    let old = given.get("old_bearers").and_then(Value::as_array).into_iter().flatten();
    let hashes = old.filter_map(|old| old.get("sha256")).chain(given.get("bearer_sha256"));
    hashes.filter_map(|hash| hash.as_str().map(String::from)).collect()
}

/// A new secret that a `PUT` asks for.
struct Asked {
    given: Option<String>,
    made: Option<String>,
    overlap_s: i64,
}

impl Asked {
    fn take(receiver: &mut Map<String, Value>) -> Result<Self, Problem> {
        let given = receiver.remove("secret").map(|value| chosen(&value, "receiver.secret")).transpose()?;
        let made = match receiver.remove("new_secret") {
            Some(Value::Bool(true)) => Some(random_secret(&OsChance)),
            Some(Value::Bool(false)) | None => None,
            Some(_) => return Err(Problem::bad_request("receiver.new_secret must be true or false")),
        };
        if given.is_some() && made.is_some() {
            return Err(Problem::bad_request("receiver.secret and receiver.new_secret exclude each other"));
        }
        let overlap_s = overlap(receiver.remove("overlap_s").as_ref())?;
        Ok(Self { given, made, overlap_s })
    }

    fn sha256(&self) -> Option<String> {
        self.given.clone().or_else(|| self.made.as_deref().map(hash_secret))
    }
}

pub(super) fn overlap(value: Option<&Value>) -> Result<i64, Problem> {
    let Some(value) = value else { return Ok(0) };
    let overlap_s = value.as_i64().filter(|s| (0..=OVERLAP_MAX_S).contains(s));
    overlap_s.ok_or_else(|| Problem::bad_request(format!("overlap_s must be from 0 to {OVERLAP_MAX_S}")))
}

/// `secrets` of a `PUT`: each with its value. A list that shows none, as `GET` gives it, changes none.
fn secrets(receiver: &mut Map<String, Value>, kept: &Receiver, one_is_new: bool) -> Result<(), Problem> {
    let says_something = |item: &Value| item.get("secret").is_some() || item.get("sha256").is_some();
    match receiver.get_mut("secrets") {
        Some(Value::Array(items)) if one_is_new && items.iter().any(says_something) => {
            return Err(Problem::bad_request("a new secret and a list of secrets exclude each other"));
        }
        // All others go.
        Some(Value::Array(items)) if one_is_new && items.is_empty() => {
            items.extend(kept.secrets.last().map(|new| json!(new)));
        }
        Some(Value::Array(items)) if items.is_empty() || items.iter().any(says_something) => {
            for item in items {
                let Value::Object(item) = item else { continue };
                if let Some(value) = item.remove("secret") {
                    item.insert("sha256".into(), chosen(&value, "receiver.secrets[].secret")?.into());
                }
            }
        }
        Some(Value::Array(_)) | None => drop(receiver.insert("secrets".into(), json!(kept.secrets))),
        // Refused with the object.
        Some(_) => {}
    }
    Ok(())
}

/// `tokens` of a `PUT`: each with its value, or by the name of one that there is.
fn tokens(receiver: &mut Map<String, Value>, kept: &Receiver) -> Result<(), Problem> {
    match receiver.get_mut("tokens") {
        Some(Value::Array(items)) => {
            for item in items {
                let Value::Object(item) = item else { continue };
                if let Some(value) = item.remove("token") {
                    item.insert("sha256".into(), chosen(&value, "receiver.tokens[].token")?.into());
                } else if !item.contains_key("sha256")
                    && let Some(old) = kept.tokens.iter().find(|t| item.get("id") == Some(&json!(t.id)))
                {
                    item.insert("sha256".into(), old.sha256.clone().into());
                }
                let hash = item.get("sha256").and_then(Value::as_str).unwrap_or_default();
                if kept.revoked_tokens.iter().any(|revoked| revoked == hash) {
                    let name = item.get("id").and_then(Value::as_str).unwrap_or_default();
                    let what = format!("the token {name} was revoked: it needs another value");
                    return Err(Problem::new(StatusCode::CONFLICT, what));
                }
            }
        }
        None => drop(receiver.insert("tokens".into(), json!(kept.tokens))),
        Some(_) => {}
    }
    Ok(())
}

/// Changes a client that is a receiver by `change`, and journals it; without `by` whose it was it stays: a revocation must not
/// wait for a file to be edited.
async fn edit<T>(
    api: &Api,
    tenant: &TenantId,
    id: &str,
    by: Option<&str>,
    change: impl FnOnce(&mut Client) -> Result<T, Problem>,
) -> Result<(EntryId, T), Problem> {
    if api.views.of(tenant).is_none() {
        return Err(Problem::not_found());
    }
    let _editing = api.editing.of(tenant).await;
    let (whose, name) = (tenant.clone(), id.to_string());
    let found = api.hub.look(move |spine| spine.state(&whose)?.object(ObjectKind::Client, &name).cloned());
    let Some(stored) = found.await? else { return Err(Problem::not_found()) };
    let Object::Client(mut client) = stored.object else { return Err(Problem::not_found()) };
    let changed = change(&mut client)?;
    rights(&mut client)?.check().map_err(|e| Problem::bad_request(e.to_string()))?;
    let by = by.unwrap_or(&stored.by);
    Ok((api.hub.put(tenant, Object::Client(client), by).await?, changed))
}

fn rights(client: &mut Client) -> Result<&mut Receiver, Problem> {
    let conflict = |id: &str| Problem::new(StatusCode::CONFLICT, format!("the client {id} is no receiver"));
    client.receiver.as_mut().ok_or_else(|| conflict(&client.id))
}

pub(super) async fn asked<T: for<'de> Deserialize<'de>>(
    api: &Api,
    tenant: &str,
    request: Request,
) -> Result<(String, TenantId, T), Problem> {
    let (parts, body) = request.into_parts();
    let by = admin(api, &parts.headers)?;
    let tenant = TenantId::parse(tenant).map_err(|_| Problem::not_found())?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let body = exact::object(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    let asked = exact::from_value(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    Ok((by, tenant, asked))
}

/// What a new secret is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    overlap_s: Option<Value>,
}

/// `POST …/secrets`: a new secret, answered once; those there were are good for `overlap_s` more.
pub async fn new_secret(
    State(api): State<Arc<Api>>,
    Path((tenant, id)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (by, tenant, NewSecret { overlap_s }) = asked(&api, &tenant, request).await?;
    let (overlap_s, now_s) = (overlap(overlap_s.as_ref())?, api.now_s());
    let secret = random_secret(&OsChance);
    let sha256 = hash_secret(&secret);
    let (entry, ()) = edit(&api, &tenant, &id, Some(&by), |client| {
        rights(client)?.add_secret(sha256, now_s, overlap_s);
        Ok(())
    })
    .await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": entry.to_string(), "client_id": id, "secret": secret }))))
}

/// What a new token is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    id: Option<String>,
    scopes: Option<Vec<Scope>>,
    expires_in_s: i64,
}

/// `POST …/tokens`: a new long-lived token, answered once.
pub async fn new_token(
    State(api): State<Arc<Api>>,
    Path((tenant, id)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (by, tenant, NewToken { id: name, scopes, expires_in_s }) = asked(&api, &tenant, request).await?;
    if !(1..=TOKEN_LIFE_MAX_S).contains(&expires_in_s) {
        return Err(Problem::bad_request(format!("expires_in_s must be from 1 to {TOKEN_LIFE_MAX_S}")));
    }
    let name = name.unwrap_or_else(|| {
        let chance = random_secret(&OsChance);
        format!("t-{}", chance.chars().take(10).collect::<String>())
    });
    if !is_id(&name) {
        return Err(Problem::bad_request("id must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`"));
    }
    let (now_s, token) = (api.now_s(), random_secret(&OsChance));
    let expires_at = now_s.saturating_add(expires_in_s);
    let sha256 = hash_secret(&token);
    let (entry, name) = edit(&api, &tenant, &id, Some(&by), |client| {
        let receiver = rights(client)?;
        receiver.drop_expired(now_s);
        if receiver.tokens.iter().any(|t| t.id == name) {
            return Err(Problem::new(StatusCode::CONFLICT, format!("there is a token {name}")));
        }
        let scopes = scopes.unwrap_or_else(|| receiver.scopes.clone());
        receiver.tokens.push(StaticToken { id: name.clone(), sha256, scopes, expires_at });
        Ok(name)
    })
    .await?;
    let answer = json!({ "id": entry.to_string(), "client_id": id, "token_id": name, "token": token,
                         "expires_at": expires_at });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `DELETE …/tokens/{token}`: one long-lived token is refused from now on.
pub async fn revoke_token(
    State(api): State<Arc<Api>>,
    Path((tenant, id, token)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let by = admin(&api, &headers)?;
    let tenant = TenantId::parse(&tenant).map_err(|_| Problem::not_found())?;
    edit(&api, &tenant, &id, None, |client| match rights(client)?.revoke_tokens(|t| t.id == token) {
        0 => Err(Problem::not_found()),
        _ => Ok(()),
    })
    .await?;
    tracing::warn!(%tenant, client = id, token, by, "a long-lived token of a receiver is revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/tokens`: every token of the client is refused from now on: its bearers, long-lived ones, and those issued so
/// far.
pub async fn revoke_all(
    State(api): State<Arc<Api>>,
    Path((tenant, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let by = admin(&api, &headers)?;
    let tenant = TenantId::parse(&tenant).map_err(|_| Problem::not_found())?;
    let now_s = api.now_s();
    edit(&api, &tenant, &id, None, |client| {
        rights(client)?;
        client.revoke_all(now_s);
        Ok(())
    })
    .await?;
    tracing::warn!(%tenant, client = id, by, "all tokens of a receiver are revoked");
    Ok(StatusCode::NO_CONTENT)
}
