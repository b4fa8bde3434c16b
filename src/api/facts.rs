//! `POST v1/{agents,runs,tokens,tools,edges}` and `POST v1/{runs,agents}/{id}/complete` (DESIGN, Doors).
//!
//! The source of a fact is the authenticated client, never a member.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::{Api, public_tenant, unread};
use crate::hub::command::Done;
use crate::hub::object::{Client, Strength};
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
use crate::receiver::authority;
use crate::tenant::TenantId;

/// Longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// What is answered to a fact, a kill or a lift.
#[derive(Debug, serde::Serialize)]
pub struct Receipt {
    /// The entry: `tenant:seq`.
    id: String,
    /// The decision that followed: what `ssf-hub why` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// Runs that must stop.
    runs: u32,
    /// Known tokens that must stop.
    tokens: u32,
    /// Whether the walk was cut at a bound.
    truncated: bool,
    /// Whether nothing changed.
    no_change: bool,
    /// Whether something above was already dead: the run or token is revoked from the start.
    born_revoked: bool,
}

impl From<Done> for Receipt {
    fn from(done: Done) -> Self {
        Self {
            id: done.id.to_string(),
            decision: done.decision.map(|d| d.to_string()),
            runs: done.touched.runs,
            tokens: done.touched.tokens,
            truncated: done.touched.truncated,
            no_change: done.no_change,
            born_revoked: done.born_revoked,
        }
    }
}

/// `POST v1/{facts}`.
pub async fn post(
    State(api): State<Arc<Api>>,
    Path((tenant, facts)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let tenant = public_tenant(&tenant)?;
    let (parts, body) = request.into_parts();
    let client = may_tell(&api, &tenant, &parts.headers)?;
    let body = unread::read(body, api.sizes.fact, api.sizes.timeout).await?;
    let fact = match facts.as_str() {
        "agents" => Fact::Agent(parse(&body)?),
        "runs" => Fact::Run(parse(&body)?),
        "tokens" => Fact::Token(parse(&body)?),
        "tools" => Fact::Tool(parse(&body)?),
        "edges" => Fact::Edge(parse(&body)?),
        _ => return Err(Problem::not_found()),
    };
    tell(&api, &tenant, &client, fact, &parts.headers).await
}

/// `POST v1/runs/{id}/complete`, and the same for an agent (NEED-11).
pub async fn complete(
    State(api): State<Arc<Api>>,
    Path((tenant, facts, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let tenant = public_tenant(&tenant)?;
    let client = may_tell(&api, &tenant, &headers)?;
    let target = match facts.as_str() {
        "runs" => Alias::new("run", "", &id),
        "agents" => Alias::new("agent", "", &id),
        _ => return Err(Problem::not_found()),
    };
    tell(&api, &tenant, &client, Fact::Complete { target }, &headers).await
}

fn may_tell(api: &Api, tenant: &TenantId, headers: &HeaderMap) -> Result<Arc<Client>, Problem> {
    let client = api.client(tenant, headers)?;
    if !client.facts {
        return Err(Problem::new(StatusCode::FORBIDDEN, "this client may not tell facts"));
    }
    api.charge(tenant, &client)?;
    Ok(client)
}

/// A struct's members may not come twice, and depth is bounded, so that a fact means one thing to everybody.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    crate::jose::exact::from_slice(body).map_err(|e| Problem::bad_request(e.to_string()))
}

async fn tell(
    api: &Api,
    tenant: &TenantId,
    client: &Client,
    fact: Fact,
    headers: &HeaderMap,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let fact = fact.checked().map_err(|e| Problem::bad_request(e.to_string()))?;
    let aliases = fact.aliases();
    // Names that only this API gives (a run id, an agent id) belong to no namespace.
    let named = aliases.iter().filter(|a| !matches!(a.kind.as_str(), "run" | "agent"));
    if !authority::allows_names(&client.authority, named) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the fact lies beyond this client's authority"));
    }
    if matches!(fact, Fact::Complete { .. }) && client.authority.effect < Strength::Contain {
        return Err(Problem::new(StatusCode::FORBIDDEN, "this client may not end anything"));
    }
    let key = api.keys.tenant(tenant).map_err(|error| {
        tracing::error!(%tenant, %error, "the tenant's keys cannot be read");
        Problem::later(StatusCode::SERVICE_UNAVAILABLE, "the tenant's keys cannot be read", 5)
    })?;
    let hashes = fact.aliases().iter().map(|alias| key.subject_key().hashes(alias)).collect();
    let done = api.hub.fact(tenant, &client.id, fact, hashes, idempotency_key(headers)?).await?;
    let status = if done.no_change { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(done.into())))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_MAX => Ok(Some(key.into())),
        _ => Err(Problem::bad_request("Idempotency-Key must be 1 to 255 printable ASCII characters")),
    }
}
