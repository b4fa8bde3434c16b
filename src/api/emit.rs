//! `POST /admin/v1/t/{tenant}/emit`: an operator says something to the tenant's streams.
//!
//! Telling, not stopping: it makes no decision. What may be said, `set::emission` judges.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::{Api, operator, public_tenant, unread};
use crate::hub::accounts::{self, Word};
use crate::hub::effect::Item;
use crate::hub::emit::{EmitDraft, Emitted};
use crate::hub::names;
use crate::jose::exact;
use crate::set::emission::{Emission, TEXT_BYTES_MAX};
use crate::set::event::TIME_S_MAX;
use crate::tenant::TenantId;
use crate::transmitter::issue::jti;

/// Names of the SET that are answered, one for each audience.
const NAMES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(rename = "type")]
    event_type: String,
    subject: Value,
    #[serde(default)]
    event: Map<String, Value>,
    stream_id: Option<String>,
    txn: Option<String>,
    toe: Option<i64>,
}

/// Emits an event.
pub async fn emit(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let by = operator::acting(&api, &parts.headers)?;
    let tenant = public_tenant(&tenant)?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let asked: Asked = exact::from_slice(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    if api.views.of(&tenant).is_none() {
        return Err(Problem::not_found());
    }
    let (draft, warnings) = draft(asked, by, api.sizes.set)?;
    tracing::warn!(%tenant, by = draft.by, uri = draft.uri, stream_id = draft.stream_id, "operator emits");
    let emitted = api.hub.emit(&tenant, draft).await?;
    Ok(Json(told(&api, &tenant, &emitted, &warnings)))
}

/// The checked words as they go to the sequencer.
fn draft(asked: Asked, by: String, set_bytes: usize) -> Result<(EmitDraft, Vec<String>), Problem> {
    let bad = |what: String| Problem::bad_request(what);
    let said = Emission::checked(&asked.event_type, &asked.subject, &asked.event);
    let Emission { uri, sub_id, event, warnings } = said.map_err(|e| bad(e.to_string()))?;
    let fits = |txn: &String| (1..=TEXT_BYTES_MAX).contains(&txn.len());
    if !asked.txn.as_ref().is_none_or(fits) {
        return Err(bad(format!("txn must have 1 to {TEXT_BYTES_MAX} bytes")));
    }
    if !asked.toe.is_none_or(|toe| (0..=TIME_S_MAX).contains(&toe)) {
        return Err(bad("toe must be seconds since 1970".into()));
    }
    let raw = |value: &Value| to_raw_value(value).map_err(|e| bad(e.to_string()));
    let (sub_id, event) = (raw(&sub_id)?, raw(&event)?);
    if Word::of(&uri).is_some() && accounts::said(sub_id.get(), "").is_empty() {
        return Err(bad(format!("subject: {}", accounts::NO_ACCOUNT)));
    }
    if sub_id.get().len() + event.get().len() > set_bytes {
        // What this hub would not take in, it does not send.
        let what = format!("subject and event are longer than limits.set_bytes, {set_bytes}");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what));
    }
    let event_hash = names::event_hash(&uri, sub_id.get(), event.get());
    let (txn, toe, stream_id) = (asked.txn, asked.toe, asked.stream_id);
    Ok((EmitDraft { by, uri, sub_id, event, event_hash, txn, toe, stream_id }, warnings))
}

/// The entry, to how many streams it is owed, and under which names.
fn told(api: &Api, tenant: &TenantId, emitted: &Emitted, warnings: &[String]) -> Value {
    let item = Item { seq: emitted.id.seq, index: 0 };
    let view = api.views.of(tenant);
    let owed: std::collections::BTreeSet<_> = emitted.owed.iter().copied().collect();
    let streams = view.iter().flat_map(|view| view.streams.values());
    let mut jtis = BTreeMap::new();
    for (_, stream) in streams.filter(|(no, _)| owed.contains(no)) {
        if jtis.len() == NAMES_MAX {
            break;
        }
        let aud = stream.aud_json();
        let name = api.issuer.name(tenant, item, &aud);
        jtis.insert(aud, json!({ "aud": stream.aud, "jti": jti(&name) }));
    }
    json!({
        "id": emitted.id.to_string(),
        "txn": emitted.txn,
        "owed": emitted.owed.len(),
        "withheld": emitted.withheld,
        "no_change": emitted.no_change,
        "sets": jtis.into_values().collect::<Vec<_>>(),
        "warnings": warnings,
        "stops": false,
    })
}
