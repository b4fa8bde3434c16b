//! `GET /admin/v1/t/{tenant}/accounts`: whether the account that a subject is about has opted out (RISC 2.8).
//!
//! Only reads; what changes it is an opt event, emitted or received. The state holds hashes of names, so that an account
//! can be asked about and none can be listed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Api, operator, public_tenant};
use crate::hub::accounts;
use crate::jose::exact;
use crate::set::sub_id::SubId;
use crate::tenant::EntryId;

/// Whose state.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// A subject identifier (RFC 9493), as JSON.
    subject: String,
    /// The issuer whose opaque id it is.
    #[serde(default)]
    iss: String,
}

/// The state of an account, and since which entry.
pub async fn state(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    operator::reading(&api, &headers)?;
    let tenant = public_tenant(&tenant)?;
    let Query(asked) = query.map_err(|bad| Problem::bad_request(bad.body_text()))?;
    let bad = |what: String| Problem::bad_request(format!("subject: {what}"));
    let subject: Value = exact::from_slice(asked.subject.as_bytes()).map_err(|e| bad(e.to_string()))?;
    let sub_id = SubId::parse(&subject).map_err(|e| bad(e.to_string()))?.to_value().to_string();
    if accounts::said(&sub_id, &asked.iss).is_empty() {
        return Err(bad(accounts::NO_ACCOUNT.into()));
    }
    let id = tenant.clone();
    let look = api.hub.look(move |spine| spine.state(&id).map(|state| state.opted(&sub_id, &asked.iss)));
    let (opted, since) = look.await?.ok_or_else(Problem::not_found)?.unwrap_or_default();
    let since = since.map(|seq| EntryId { tenant, seq }.to_string());
    Ok(Json(json!({ "state": opted.as_str(), "since": since })))
}
