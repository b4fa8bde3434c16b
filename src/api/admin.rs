//! The admin listener: health, metrics, and what operators do by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::Receipt;
use super::operator::{Asked, acting, asked, reading};
use super::problem::Problem;
use super::{Api, accounts, bearer, credentials, deliveries, emit, judge, keys, objects, openapi, unread};
use crate::gate::ruling::Ruling;
use crate::hub::base::{Folded as _, hex};
use crate::hub::command::{Refused, StreamAct, StreamChange};
use crate::hub::entry::{Act, Named};
use crate::hub::object::ObjectKind;
use crate::hub::spine::Spine;
use crate::hub::state::State as Tenant;
use crate::jose::exact;
use crate::lineage::alias::Alias;
use crate::revocation::key::{KILLABLE, kinds_of};
use crate::stream::StreamNo;
use crate::stream::status::Status;
use crate::tenant::{EntryId, TenantId};
use crate::transmitter::ssf::shown;

/// Longest reason of a kill or lift, in bytes.
const REASON_MAX: usize = 1000;

/// How long the metrics page waits for the sequencer: who wants to know why it is slow must not wait for it.
const PAGE_PATIENCE: Duration = Duration::from_secs(1);

/// The routes.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi::admin))
        .route("/admin/v1/status", get(status))
        .route("/admin/v1/base", post(base))
        .route("/admin/v1/backup", post(backup))
        .route("/admin/v1/clock/accept", post(accept_clock))
        .route("/admin/v1/operations", get(operations))
        .route("/admin/v1/dry-run", post(judge::set))
        .route("/admin/v1/why/{id}", get(why))
        .route("/admin/v1/t/{tenant}/kill", post(kill))
        .route("/admin/v1/t/{tenant}/lift", post(lift))
        .route("/admin/v1/t/{tenant}/emit", post(emit::emit))
        .route("/admin/v1/t/{tenant}/accounts", get(accounts::state))
        .route("/admin/v1/t/{tenant}/dead-letters", get(deliveries::dead_letters))
        .route("/admin/v1/t/{tenant}/dead-letters/redrive", post(deliveries::redrive))
        .route("/admin/v1/t/{tenant}/dead-letters/discard", post(deliveries::discard))
        .route("/admin/v1/t/{tenant}/streams/{stream_id}/attempts", get(deliveries::attempts))
        .route("/admin/v1/t/{tenant}/streams/{stream_id}/status", get(stream_status).post(set_stream_status))
        .route("/admin/v1/t/{tenant}/clients/{id}/secrets", post(credentials::new_secret))
        .route(
            "/admin/v1/t/{tenant}/clients/{id}/tokens",
            post(credentials::new_token).delete(credentials::revoke_all),
        )
        .route("/admin/v1/t/{tenant}/clients/{id}/tokens/{token}", delete(credentials::revoke_token))
        .route("/admin/v1/t/{tenant}/keys", get(keys::list))
        .route("/admin/v1/t/{tenant}/keys/rotate", post(keys::rotate))
        .route("/admin/v1/t/{tenant}/keys/{kid}/revoke", post(keys::revoke))
        .route("/admin/v1/t/{tenant}/{collection}", get(objects::list))
        .route(
            "/admin/v1/t/{tenant}/{collection}/{id}",
            get(objects::read).put(objects::put).delete(objects::remove),
        )
        .route("/admin/v1/t/{tenant}/{collection}/{id}/bearer", post(bearer::renew))
        .with_state(api)
}

pub(super) fn tenant_of(name: &str) -> Result<TenantId, Problem> {
    TenantId::parse(name).map_err(|_| Problem::not_found())
}

async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, String) {
    if !api.ready.load(Ordering::Acquire) || api.hub.has_ended() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or stopping\n".into());
    }
    match api.hub.look(|spine| spine.intake().map_err(|e| e.to_string())).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n".into()),
        Ok(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn metrics(State(api): State<Arc<Api>>) -> ([(header::HeaderName, HeaderValue); 1], String) {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    api.metrics.waiting(api.hub.waiting());
    api.authorization.lookups(api.views.looked());
    // What the spine counted; a hub that is stopping, or held up, shows what it showed last.
    let look = api.hub.look(|spine| (spine.stats(), spine.health()));
    if let Ok(Ok((stats, health))) = tokio::time::timeout(PAGE_PATIENCE, look).await {
        api.metrics.journal(stats);
        api.metrics.health(health);
    }
    ([(header::CONTENT_TYPE, kind)], api.page.encode())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    /// With the digest of each tenant's state: every row is read for it.
    #[serde(default)]
    digest: bool,
}

async fn status(
    State(api): State<Arc<Api>>,
    query: Result<Query<Looked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    let Query(Looked { digest }) = query.map_err(|bad| Problem::bad_request(bad.body_text()))?;
    let kafka = (api.kafka)();
    let seen = move |spine: &Spine| seen(spine, kafka);
    if !digest {
        return Ok(Json(api.hub.look(seen).await?));
    }
    acting(&api, &headers)?;
    let (mut seen, snapshot) = api.hub.snapshot(seen).await?;
    let digests = move || -> Vec<_> {
        snapshot.states.into_iter().map(|(tenant, state)| (tenant, hex(&state.digest()))).collect()
    };
    for (tenant, digest) in tokio::task::spawn_blocking(digests).await.map_err(|_| Refused::Stopping)? {
        seen["tenants"][tenant.as_str()]["digest"] = digest.into();
    }
    Ok(Json(seen))
}

fn seen(spine: &Spine, kafka: Value) -> Value {
    let of = |s: &Tenant| {
        json!({
            "seq": s.seq().0,
            "time_ms": s.time_ms(),
            "nodes": s.graph().len(),
            "records": s.standings_len(),
            "owed": s.owed_len(),
            "dead_letters": s.dead_letters_len(),
        })
    };
    let tenants = spine.states().iter().map(|(tenant, state)| (tenant.to_string(), of(state)));
    let stats = spine.stats();
    json!({
        "journal": hex(&spine.journal().id().0),
        "end": spine.journal().end(),
        "intake": spine.intake().map_or_else(|e| e.to_string(), |()| "open".into()),
        "flushes": stats.flushes,
        "entries": stats.entries,
        "bytes": stats.bytes,
        "tenants": tenants.collect::<serde_json::Map<String, Value>>(),
        "kafka": kafka,
    })
}

async fn base(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    acting(&api, &headers)?;
    Ok(Json(json!({ "base": (api.base)().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupRequest {
    dir: std::path::PathBuf,
}

/// A backup holds the keys: for admins.
async fn backup(State(api): State<Arc<Api>>, request: Request) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let by = super::operator::admin(&api, &parts.headers)?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let asked: BackupRequest = exact::from_slice(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    tracing::warn!(by, dir = %asked.dir.display(), "a backup is written");
    let written = (api.backup)(asked.dir).await?;
    Ok(Json(written))
}

async fn accept_clock(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    let by = acting(&api, &headers)?;
    Ok(Json(json!({ "id": api.hub.accept_clock(&by).await?.to_string() })))
}

#[derive(Deserialize)]
struct Last {
    last: Option<usize>,
}

async fn operations(
    State(api): State<Arc<Api>>,
    query: Result<Query<Last>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    let Query(query) = query.map_err(|bad| Problem::bad_request(bad.body_text()))?;
    let last = query.last.unwrap_or(100).min(crate::operations::ROWS_MAX);
    let read = tokio::task::spawn_blocking(move || api.operations.latest(last)).await;
    Ok(Json(json!(read.map_err(|_| Refused::Stopping)?)))
}

async fn why(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    if let Some((tenant, code)) = id.rsplit_once(':')
        && TenantId::parse(tenant).is_ok()
        && let Some(reason) = Ruling::text_of(code)
    {
        return Ok(Json(json!({ "id": id, "reason_code": code, "reason": reason })));
    }
    let id = EntryId::parse(&id).ok_or_else(Problem::not_found)?;
    let history = api.history.clone();
    let found = tokio::task::spawn_blocking(move || history.why(&id)).await;
    match found {
        Ok(Ok(Some(value))) => Ok(Json(value)),
        Ok(Ok(None)) => Err(Problem::not_found()),
        Ok(Err(what)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, what)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the journal could not be read")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActRequest {
    target: Alias,
    reason: String,
}

async fn kill(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    act(&api, &tenant, true, request).await
}

async fn lift(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    act(&api, &tenant, false, request).await
}

async fn act(api: &Api, tenant: &str, kill: bool, request: Request) -> Result<Json<Receipt>, Problem> {
    let Asked { by, tenant, asked } = asked::<ActRequest>(api, tenant, request).await?;
    let target = asked.target.checked().map_err(|e| Problem::bad_request(format!("target: {e}")))?;
    if asked.reason.trim().is_empty() || asked.reason.len() > REASON_MAX {
        return Err(Problem::bad_request("a reason of 1 to 1000 characters is needed"));
    }
    if !can_be_killed(api, &tenant, &target).await? {
        let kinds = KILLABLE.join(", ");
        return Err(Problem::bad_request(format!(
            "target: kind must be one of {kinds}, or one that is in use here"
        )));
    }
    let key = api.keys.tenant(&tenant).map_err(|_| {
        Problem::later(StatusCode::SERVICE_UNAVAILABLE, "the tenant's keys cannot be read", 5)
    })?;
    let target = Named { hashes: key.subject_key().hashes(&target), alias: target };
    tracing::warn!(%tenant, by, kill, kind = target.alias.kind, value = target.alias.value, "operator's act");
    let done = api.hub.act(&tenant, kill, Act { by, target, reason: asked.reason }).await?;
    Ok(Json(done.into()))
}

/// Whether a token or a known principal may carry a name of this kind. A mistyped kind would be a kill that stops nobody
/// and looks as if it had.
async fn can_be_killed(api: &Api, tenant: &TenantId, target: &Alias) -> Result<bool, Problem> {
    if kinds_of(target).is_empty() {
        return Ok(false);
    }
    let kind = target.kind.as_str();
    let claimed = |view: &crate::hub::view::View| {
        view.token_issuers.iter().any(|issuer| issuer.alias_claims.iter().any(|claim| claim == kind))
    };
    if KILLABLE.contains(&kind) || api.views.of(tenant).is_some_and(|view| claimed(&view)) {
        return Ok(true);
    }
    let (tenant, target) = (tenant.clone(), target.clone());
    let known = api.hub.look(move |spine| spine.state(&tenant)?.graph().find(&target));
    Ok(known.await?.is_some())
}

/// How a stream is: status, reason, what it is about to become, how many subjects it has.
async fn stream_status(
    State(api): State<Arc<Api>>,
    Path((tenant, stream_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    let tenant = tenant_of(&tenant)?;
    let shown = api.hub.look(move |spine| {
        let state = spine.state(&tenant)?;
        let no = StreamNo(state.object(ObjectKind::Stream, &stream_id)?.no);
        let life = state.life(no);
        let mut shown = shown::status(&stream_id, life.status, life.reason.as_deref());
        shown["subjects"] = state.subject_count(no).into();
        if let Some(ending) = life.ending {
            shown["becomes"] = json!({ "status": ending.status, "at_ms": ending.due_ms });
        }
        Some(shown)
    });
    shown.await?.map(Json).ok_or_else(Problem::not_found)
}

/// An operator's change of a stream's status: the receiver is told (SSF 1.0, 8.1.5).
async fn set_stream_status(
    State(api): State<Arc<Api>>,
    Path((tenant, stream_id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        status: Status,
        #[serde(default)]
        reason: Option<String>,
    }
    let Asked { by, tenant, asked: wanted } = asked::<Wanted>(&api, &tenant, request).await?;
    if wanted.reason.as_ref().is_some_and(|reason| reason.len() > REASON_MAX) {
        return Err(Problem::bad_request("reason must have at most 1000 bytes"));
    }
    let announce_ms = Some(api.ssf.announce_ms);
    let what = StreamChange::Status { status: wanted.status, reason: wanted.reason, announce_ms };
    let id = api.hub.stream(&tenant, StreamAct { stream_id, by, what }).await?;
    Ok(Json(json!({ "id": id.to_string() })))
}
