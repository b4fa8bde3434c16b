//! `/admin/v1/t/{tenant}/keys`: what signs, what will, what did; rotate, revoke.
//!
//! Keys are files, not state: no act here is a journal entry. Each is a line of the log and an operational event with the
//! name of who did it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::operator::{admin, reading};
use super::problem::Problem;
use super::unread;
use crate::jose::{Alg, exact};
use crate::keys::state::Unfit;
use crate::keys::vault::Error;
use crate::keys::{Keys, TenantKeys};
use crate::operations::Operations;
use crate::tenant::TenantId;

/// The operational event of a rotation.
pub const ROTATED: &str = "key_rotated";
/// The operational event of a revocation.
pub const REVOKED: &str = "key_revoked";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateRequest {
    alg: Option<Alg>,
}

/// `GET` of all.
pub async fn list(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    let tenant = known(&api, &tenant)?;
    Ok(Json(json!(on_disk(&api, &tenant, |keys| keys.list()).await?)))
}

/// `POST …/rotate`: `{"alg"}`, or nothing for all algorithms.
pub async fn rotate(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let by = admin(&api, &parts.headers)?;
    let tenant = known(&api, &tenant)?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let asked: RotateRequest = match body.is_empty() {
        true => RotateRequest::default(),
        false => exact::from_slice(&body).map_err(|e| Problem::bad_request(e.to_string()))?,
    };
    let one = asked.alg;
    let algs = one.map_or_else(|| Alg::ALL.to_vec(), |alg| vec![alg]);
    let (operations, of) = (api.operations.clone(), tenant.clone());
    let done = on_disk(&api, &tenant, move |keys| {
        let mut done = vec![];
        for alg in algs {
            match rotate_one(keys, &operations, &of, alg, &by) {
                // All were asked for: one whose turn it is already needs nothing.
                Err(Error::Unfit(Unfit::Rotating(_))) if one.is_none() => {}
                rotated => done.push(rotated?),
            }
        }
        Ok(done)
    });
    Ok(Json(json!(done.await?)))
}

/// Rotates the keys of one algorithm, and says so.
pub fn rotate_one(
    keys: &TenantKeys,
    operations: &Operations,
    tenant: &TenantId,
    alg: Alg,
    by: &str,
) -> Result<crate::keys::ring::Rotated, Error> {
    let rotated = keys.rotate(alg)?;
    let (kid, signs_from_ms) = (rotated.kid.as_str(), rotated.signs_from_ms);
    tracing::info!(%tenant, %alg, kid, by, signs_from_ms, "a new signing key is published");
    operations.note(tenant.as_str(), ROTATED, kid, &format!("{alg} by {by}, signs from {signs_from_ms}"), 0);
    Ok(rotated)
}

/// `POST …/{kid}/revoke`.
pub async fn revoke(
    State(api): State<Arc<Api>>,
    Path((tenant, kid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let by = admin(&api, &headers)?;
    let tenant = known(&api, &tenant)?;
    let who = by.clone();
    let gone = on_disk(&api, &tenant, move |keys| keys.revoke(&kid, &who)).await?;
    let (kid, alg, signing) = (gone.kid.as_str(), gone.alg, gone.signing.as_str());
    tracing::warn!(%tenant, %alg, kid, by, signing, "a signing key is revoked");
    api.operations.note(tenant.as_str(), REVOKED, kid, &format!("{alg} by {by}, {signing} signs now"), 0);
    Ok(Json(json!(gone)))
}

fn known(api: &Api, tenant: &str) -> Result<TenantId, Problem> {
    let tenant = TenantId::parse(tenant).ok().filter(|tenant| !tenant.is_hub());
    tenant.filter(|tenant| api.views.of(tenant).is_some()).ok_or_else(Problem::not_found)
}

/// Runs what may read, write or make keys on a thread that may block.
async fn on_disk<T: Send + 'static>(
    api: &Api,
    tenant: &TenantId,
    act: impl FnOnce(&TenantKeys) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    blocking(&api.keys, tenant, act).await.map_err(|error| match error {
        Error::Unfit(Unfit::NoKey) => Problem::new(StatusCode::NOT_FOUND, "there is no such key"),
        Error::Unfit(unfit) => Problem::new(StatusCode::CONFLICT, unfit.to_string()),
        error => unavailable(tenant, &error),
    })
}

pub(super) fn unavailable(tenant: &TenantId, error: &Error) -> Problem {
    tracing::error!(%tenant, %error, "the tenant's keys cannot be used");
    Problem::later(StatusCode::SERVICE_UNAVAILABLE, "the keys cannot be used now", 5)
}

pub(super) async fn blocking<T: Send + 'static>(
    keys: &Arc<Keys>,
    tenant: &TenantId,
    act: impl FnOnce(&TenantKeys) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (keys, of) = (keys.clone(), tenant.clone());
    let done = tokio::task::spawn_blocking(move || act(&*keys.tenant(&of)?)).await;
    // The thread panicked or the runtime ends: nothing is known of the keys.
    done.unwrap_or_else(|_| {
        Err(Error::Io { path: tenant.as_str().into(), source: std::io::ErrorKind::Interrupted.into() })
    })
}
