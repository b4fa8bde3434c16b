//! The subjects of a stream, and its verification (SSF 1.0, 8.1.3 and 8.1.4).
//!
//! The answer is the same whether or not the subject is known to anybody (9.1).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Api;
use super::access::Carried;
use super::asked::Asked;
use super::problem::Problem;
use super::ssf::answer;
use crate::hub::command::{StreamAct, StreamChange};
use crate::set::sub_id::SubId;
use crate::stream::receiver::Scope;

/// Longest `state`, in bytes.
const STATE_MAX: usize = 4_096;
/// Longest `subject`, in bytes.
const SUBJECT_MAX: usize = 16_384;

/// `stream_id` of a body, where it must be.
pub(super) fn stream_id(members: &Map<String, Value>) -> Result<String, Problem> {
    match members.get("stream_id") {
        Some(Value::String(id)) => Ok(id.clone()),
        _ => Err(Problem::bad_request("stream_id is required, as a string")),
    }
}

/// `POST ssf/subjects/add` (8.1.3.2): 200, empty.
pub async fn add(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    subject(&api, &tenant, request, true).await?;
    Ok(answer(StatusCode::OK, None))
}

/// `POST ssf/subjects/remove` (8.1.3.3): 204.
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    subject(&api, &tenant, request, false).await?;
    Ok(answer(StatusCode::NO_CONTENT, None))
}

async fn subject(api: &Api, tenant: &str, request: Request, add: bool) -> Result<(), Problem> {
    let mut asked = api.asked_often(tenant, Carried::by(&request), Scope::Manage).await?;
    let members = api.members(request).await?;
    api.look_again(&mut asked)?;
    let stream_id = stream_id(&members)?;
    if !matches!(members.get("verified"), None | Some(Value::Null | Value::Bool(_))) {
        return Err(Problem::bad_request("verified must be true or false"));
    }
    let subject = well_formed(members.get("subject"))?;
    api.stream(&asked, &stream_id)?;
    let rights = &asked.access.receiver;
    let what = StreamChange::Subject {
        add,
        subject,
        grace_ms: if add { 0 } else { i64::from(rights.removal_grace_s) * 1000 },
        subjects_max: usize::try_from(rights.subjects_max).unwrap_or(usize::MAX),
    };
    let by = asked.by();
    api.hub.stream(&asked.tenant, StreamAct { stream_id, by, what }).await?;
    Ok(())
}

/// A subject identifier, without members that its format does not describe (AMB-21).
fn well_formed(subject: Option<&Value>) -> Result<Box<RawValue>, Problem> {
    let value = subject.ok_or_else(|| Problem::bad_request("subject is required"))?;
    let parsed = SubId::parse(value).map_err(|e| Problem::bad_request(format!("subject: {e}")))?;
    let text = value.to_string();
    if parsed.to_value().as_object().map(Map::len) != value.as_object().map(Map::len)
        || !same_members(&parsed.to_value(), value)
    {
        return Err(Problem::bad_request("subject has members that its format does not describe"));
    }
    if text.len() > SUBJECT_MAX {
        return Err(Problem::bad_request("subject is too long"));
    }
    RawValue::from_string(text).map_err(|_| Problem::bad_request("subject is no JSON"))
}

fn same_members(described: &Value, said: &Value) -> bool {
    match (described, said) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, v)| b.get(name).is_some_and(|w| same_members(v, w)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(v, w)| same_members(v, w))
        }
        (a, b) => a == b,
    }
}

/// `POST ssf/verify` (8.1.4.2): 204.
pub async fn verify(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut asked = api.asked(&tenant, Carried::by(&request), Scope::Manage).await?;
    let members = api.members(request).await?;
    api.look_again(&mut asked)?;
    let state = match members.get("state") {
        None | Some(Value::Null) => None,
        Some(Value::String(state)) if state.len() <= STATE_MAX => Some(state.clone()),
        Some(_) => return Err(Problem::bad_request("state must be a string of at most 4096 bytes")),
    };
    let stream_id = match members.get("stream_id") {
        None | Some(Value::Null) => only_stream(&api, &asked)?,
        Some(_) => stream_id(&members)?,
    };
    let (no, _) = api.stream(&asked, &stream_id)?;
    let interval_s = asked.access.receiver.min_verification_interval_s;
    let now_ms = api.clock.boot_ms();
    let taken = api.ssf.intervals.take(&asked.tenant, no, interval_s, now_ms).map_err(|wait_ms| {
        let seconds = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000);
        let detail = "verification was requested within min_verification_interval";
        Problem::later(StatusCode::TOO_MANY_REQUESTS, detail, seconds)
    })?;
    let act = StreamAct { stream_id, by: asked.by(), what: StreamChange::Verify { state } };
    if let Err(refused) = api.hub.stream(&asked.tenant, act).await {
        api.ssf.intervals.give_back(&taken);
        return Err(refused.into());
    }
    Ok(answer(StatusCode::NO_CONTENT, None))
}

/// A receiver with one stream need not name it: a leniency for those that do not.
fn only_stream(api: &Api, asked: &Asked) -> Result<String, Problem> {
    let view = api.views.of(&asked.tenant).ok_or_else(Problem::not_found)?;
    let mut own = view.streams_of(&asked.access.client.id).filter(|stream| !stream.relay);
    match (own.next(), own.next()) {
        (Some(only), None) => Ok(only.stream_id.clone()),
        _ => Err(Problem::bad_request("stream_id is required, as a string")),
    }
}
