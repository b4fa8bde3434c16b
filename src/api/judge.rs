//! What changes of objects would come to: one, or a whole set, judged and compared and not made.
//!
//! `POST /admin/v1/dry-run` is what `ssf-hub apply` asks before it changes anything: each object is judged as if those
//! before it were made, so that two which only refuse each other are found too.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::objects::{Prepared, by_of, members, prepare, target};
use super::operator::admin;
use super::problem::Problem;
use super::{Api, diff, unread};
use crate::hub::command::Refused;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::owner::Owner;
use crate::hub::spine::trial::{Change, Trial};
use crate::hub::state::State as TenantState;
use crate::jose::exact;
use crate::tenant::TenantId;
use crate::transmitter::ssf::follow;

/// So many admin requests may a set be long.
pub const SET_REQUESTS_MAX: usize = 16;
/// Sets are read and judged one at a time: they may be long.
static ONE: Semaphore = Semaphore::const_new(1);

/// A trial, and what became of the change that it was asked for.
type Tried = (Trial, Result<Value, Problem>);

/// Judges a `PUT` behind what the trial holds, with what would follow from it: what would change, or why nothing would.
pub(super) async fn put(
    api: &Api,
    mut trial: Trial,
    tenant: &TenantId,
    object: &Object,
    by: &str,
) -> Result<Tried, Refused> {
    let (of, object, by) = (tenant.clone(), object.clone(), by.to_string());
    let tried = api.hub.look(move |spine| {
        let state = spine.state(&of);
        let difference = difference(state, &object, &by);
        let puts = follow::with_streams(state, object, by);
        let fits = spine.attempt(&mut trial, &of, Change::Put(puts));
        (trial, fits.map(|()| difference))
    });
    let (trial, judged) = tried.await?;
    Ok((trial, judged.map_err(Problem::from)))
}

/// What would change: nothing, an object more, or members of one that is there. Another owner is a change too.
fn difference(state: Option<&TenantState>, object: &Object, by: &str) -> Value {
    let mut after = members(object);
    let Some(stored) = state.and_then(|state| state.object(object.kind(), object.id())) else {
        return json!({ "change": "add", "members": diff::members(&Map::new(), &after) });
    };
    let mut before = members(&stored.object);
    if Owner::of(&stored.by) != Owner::of(by) {
        before.insert("made_by".into(), stored.by.clone().into());
        after.insert("made_by".into(), by.into());
    }
    let members = diff::members(&before, &after);
    json!({ "change": if members.is_empty() { "none" } else { "change" }, "members": members })
}

/// What an apply is about to do, in its order: first what is put, then what is taken away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    apply: String,
    #[serde(default)]
    put: Vec<Put>,
    #[serde(default)]
    remove: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    tenant: String,
    collection: String,
    id: String,
    object: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    tenant: String,
    collection: String,
    id: String,
}

/// `POST` of a set: for each of its changes, in its order, what it would come to.
pub async fn set(State(api): State<Arc<Api>>, request: Request) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let operator = admin(&api, &parts.headers)?;
    // It is never closed.
    let _one = ONE.acquire().await;
    let body = unread::read(body, SET_REQUESTS_MAX * api.sizes.admin, api.sizes.timeout).await?;
    let set: Set = exact::from_slice(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    let by = by_of(operator, Some(&set.apply))?;
    // One change after another is looked at; what they are held against must stay as it is meanwhile.
    let _editing = api.editing.all().await;
    let mut trial = Trial::default();
    let (mut put, mut removed) = (vec![], vec![]);
    for one in set.put {
        let (next, judged) = try_put(&api, trial, one, &by).await?;
        (trial, put) = (next, pushed(put, judged));
    }
    for one in set.remove {
        let (next, judged) = try_remove(&api, trial, one, &by).await?;
        (trial, removed) = (next, pushed(removed, judged));
    }
    Ok(Json(json!({ "put": put, "remove": removed })))
}

fn pushed(mut all: Vec<Value>, judged: Result<Value, Problem>) -> Vec<Value> {
    all.push(judged.unwrap_or_else(
        |problem| json!({ "refused": { "status": problem.status.as_u16(), "detail": problem.detail } }),
    ));
    all
}

async fn try_put(api: &Api, trial: Trial, one: Put, by: &str) -> Result<Tried, Refused> {
    let (tenant, kind) = match target(&one.tenant, &one.collection) {
        Ok(target) => target,
        Err(problem) => return Ok((trial, Err(problem))),
    };
    match prepare(api, &tenant, kind, &one.id, one.object).await {
        Ok(Prepared { object, .. }) => put(api, trial, &tenant, &object, by).await,
        Err(problem) => Ok((trial, Err(problem))),
    }
}

async fn try_remove(api: &Api, mut trial: Trial, one: Named, by: &str) -> Result<Tried, Refused> {
    let (tenant, kind): (TenantId, ObjectKind) = match target(&one.tenant, &one.collection) {
        Ok(target) => target,
        Err(problem) => return Ok((trial, Err(problem))),
    };
    let (id, by) = (one.id, by.to_string());
    let tried = api.hub.look(move |spine| {
        let fits = spine.attempt(&mut trial, &tenant, Change::Remove(kind, id, by));
        (trial, fits.map(|()| json!({ "change": "remove" })))
    });
    let (trial, judged) = tried.await?;
    Ok((trial, judged.map_err(Problem::from)))
}
