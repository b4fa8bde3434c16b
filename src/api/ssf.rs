//! The SSF management API: discovery, stream configurations, their status (SSF 1.0, 7 and 8.1.1, 8.1.2).
//!
//! Every handler first asks whose token it is (`asked`); then it reads the body; then, when it is its turn, it asks once
//! more what that client may do (`look_again`); then it looks for the stream. Somebody
//! else's stream is looked for and missed like one that does not exist. Subjects and verification are in `ssf_stream`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, Method as HttpMethod, StatusCode, Uri, header};
use serde_json::{Map, Value};

use super::access::Carried;
use super::asked::{Asked, parameter};
use super::problem::Problem;
use super::secret::Secret;
use super::{Api, public_tenant, ssf_stream};
use crate::auth::rate::Rate;
use crate::clock::{Chance as _, OsChance};
use crate::hub::base::hex;
use crate::hub::command::{StreamAct, StreamChange};
use crate::hub::object::{Object, ObjectKind};
use crate::stream::Stream;
use crate::stream::receiver::Scope;
use crate::stream::status::Status;
use crate::tenant::TenantId;
use crate::transmitter::ssf::plan::{self, Act, Planned};
use crate::transmitter::ssf::wish::{Header, Wish};
use crate::transmitter::ssf::{Doors, activity::Activity, interval::Intervals, metadata, shown};

/// Longest `reason` of a status, in bytes.
const REASON_MAX: usize = 1_000;

/// What the management API knows beside everything else.
pub struct Ssf {
    /// `public_url`.
    pub public_url: String,
    /// How often each client calls.
    pub calls: Rate<(TenantId, String)>,
    /// Calls of one client, per second as a long-term mean, but for those about subjects; requests to the built-in
    /// authorization server are among them.
    pub calls_per_s: u32,
    /// How often streams are verified.
    pub intervals: Intervals,
    /// When receivers were heard of.
    pub activity: Arc<Activity>,
    /// How long a receiver has to hear that an operator stops its stream (ms).
    pub announce_ms: i64,
}

/// The routes.
pub fn routes() -> Router<Arc<Api>> {
    let streams = get(read).post(create).patch(change).put(change).delete(remove);
    Router::new()
        .route("/.well-known/ssf-configuration/{*path}", get(discover))
        .route("/t/{tenant}/ssf/streams", streams)
        .route("/t/{tenant}/ssf/status", get(status).post(set_status))
        .route("/t/{tenant}/ssf/verify", post(ssf_stream::verify))
        .route("/t/{tenant}/ssf/subjects/add", post(ssf_stream::add))
        .route("/t/{tenant}/ssf/subjects/remove", post(ssf_stream::remove))
}

/// An answer that nobody keeps (SSF-TX-READ-07).
pub(super) fn answer(status: StatusCode, body: Option<&Value>) -> Response {
    let mut response = Response::new(body.map_or_else(axum::body::Body::empty, |b| b.to_string().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

async fn discover(State(api): State<Arc<Api>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let (_, name) = path.rsplit_once('/').ok_or_else(Problem::not_found)?;
    let tenant = public_tenant(name)?;
    let doors = Doors::new(&api.ssf.public_url, &tenant);
    // The whole path of the issuer stands behind the well-known part, whatever proxy there is.
    if !doors.well_known().ends_with(&format!("/.well-known/ssf-configuration/{path}")) {
        return Err(Problem::not_found());
    }
    let view = api.views.of(&tenant).ok_or_else(Problem::not_found)?;
    let document = metadata::document(&doors, view.receivers.rights());
    let mut response = answer(StatusCode::OK, Some(&document));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(response)
}

async fn read(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = api.asked(&tenant, Carried::by(&request), Scope::Read).await?;
    let rights = &asked.access.receiver;
    if let Some(stream_id) = parameter(request.uri(), "stream_id") {
        let (_, stream) = api.stream(&asked, &stream_id)?;
        return Ok(answer(StatusCode::OK, Some(&shown::configuration(&asked.doors, rights, &stream))));
    }
    let view = api.views.of(&asked.tenant).ok_or_else(Problem::not_found)?;
    let own = view.streams_of(&asked.access.client.id).filter(|stream| !stream.relay);
    let all: Vec<Value> = own.map(|stream| shown::configuration(&asked.doors, rights, stream)).collect();
    Ok(answer(StatusCode::OK, Some(&all.into())))
}

async fn create(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut asked = api.asked(&tenant, Carried::by(&request), Scope::Manage).await?;
    let wish = wish(api.members(request).await?)?;
    let mut id = [0; 16];
    OsChance.fill(&mut id);
    let _editing = api.editing.of(&asked.tenant).await;
    api.look_again(&mut asked)?;
    let planned = plan::create(&asked.access.receiver, &asked.access.client.id, hex(&id), wish)?;
    let stream = keep(&api, &asked, planned).await?;
    tracing::info!(tenant = %asked.tenant, client = asked.access.client.id, stream_id = stream.stream_id, "a receiver made a stream");
    let shown = shown::configuration(&asked.doors, &asked.access.receiver, &stream);
    Ok(answer(StatusCode::CREATED, Some(&shown)))
}

/// `PATCH` and `PUT`.
async fn change(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let act = if request.method() == HttpMethod::PUT { Act::Replace } else { Act::Update };
    let mut asked = api.asked(&tenant, Carried::by(&request), Scope::Manage).await?;
    let wish = wish(api.members(request).await?)?;
    let stream_id = wish.stream_id.clone().ok_or_else(|| Problem::bad_request("stream_id is required"))?;
    let _editing = api.editing.of(&asked.tenant).await;
    api.look_again(&mut asked)?;
    let (_, before) = api.stream(&asked, &stream_id)?;
    let rights = &asked.access.receiver;
    let planned = plan::change(act, &asked.doors, rights, &before, wish)?;
    let stream = if planned.stream == *before && planned.header == Header::Unsaid {
        planned.stream
    } else {
        keep(&api, &asked, planned).await?
    };
    Ok(answer(StatusCode::OK, Some(&shown::configuration(&asked.doors, rights, &stream))))
}

async fn remove(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut asked = api.asked(&tenant, Carried::by(&request), Scope::Manage).await?;
    let stream_id = required(request.uri())?;
    let _editing = api.editing.of(&asked.tenant).await;
    api.look_again(&mut asked)?;
    api.stream(&asked, &stream_id)?;
    let (tenant, kind) = (&asked.tenant, ObjectKind::Stream);
    let secret = Secret::gone(&api, tenant, kind, &stream_id).await?;
    secret.keep_with(&api, tenant, api.hub.remove(tenant, kind, &stream_id, &asked.by())).await?;
    tracing::info!(%tenant, client = asked.access.client.id, stream_id, "a receiver took its stream away");
    Ok(answer(StatusCode::NO_CONTENT, None))
}

fn wish(members: Map<String, Value>) -> Result<Wish, Problem> {
    Wish::of(members).map_err(|bad| Problem::bad_request(bad.to_string()))
}

/// `stream_id` of the query, where it must be (AMB-14).
fn required(uri: &Uri) -> Result<String, Problem> {
    parameter(uri, "stream_id").ok_or_else(|| Problem::bad_request("the parameter stream_id is required"))
}

impl From<plan::Refused> for Problem {
    fn from(refused: plan::Refused) -> Self {
        match refused {
            plan::Refused::Bad(detail) => Self::bad_request(detail),
            plan::Refused::Forbidden(detail) => Self::new(StatusCode::FORBIDDEN, detail),
        }
    }
}

/// Journals a stream as planned, with its credential in `keys/`.
async fn keep(api: &Api, asked: &Asked, planned: Planned) -> Result<Stream, Problem> {
    let Planned { mut stream, header } = planned;
    if let Some(url) = &stream.endpoint_url {
        // A URL that the hub will call passes the guard now, not only when it is called.
        api.egress.check_url(url).map_err(|refused| {
            Problem::bad_request(format!("delivery.endpoint_url is refused: {refused}"))
        })?;
    }
    let mut given = Map::new();
    if let Some(url) = &stream.endpoint_url {
        given.insert("endpoint_url".into(), url.as_str().into());
    }
    match header {
        Header::Unsaid => {}
        Header::Removed => drop(given.insert("authorization_header".into(), Value::Null)),
        Header::Set(value) => drop(given.insert("authorization_header".into(), value.into())),
    }
    let secret = Secret::of(api, &asked.tenant, ObjectKind::Stream, &stream.stream_id, &mut given).await?;
    let named = given.remove("authorization_secret");
    stream.authorization_secret = named.and_then(|name| name.as_str().map(String::from));
    let by = asked.by();
    let command = api.hub.put(&asked.tenant, Object::Stream(stream.clone()), &by);
    secret.keep_with(api, &asked.tenant, command).await?;
    Ok(stream)
}

async fn status(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = api.asked(&tenant, Carried::by(&request), Scope::Read).await?;
    let stream_id = required(request.uri())?;
    let (no, _) = api.stream(&asked, &stream_id)?;
    let tenant = asked.tenant.clone();
    let life = api.hub.look(move |spine| spine.state(&tenant).map(|state| state.life(no)));
    let life = life.await?.ok_or_else(Problem::not_found)?;
    Ok(answer(StatusCode::OK, Some(&shown::status(&stream_id, life.status, life.reason.as_deref()))))
}

async fn set_status(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut asked = api.asked(&tenant, Carried::by(&request), Scope::Manage).await?;
    let members = api.members(request).await?;
    api.look_again(&mut asked)?;
    let stream_id = ssf_stream::stream_id(&members)?;
    let wanted = members.get("status").and_then(Value::as_str).and_then(Status::from_name);
    let status = wanted.ok_or_else(|| Problem::bad_request("status must be enabled, paused or disabled"))?;
    let reason = match members.get("reason") {
        None | Some(Value::Null) => None,
        Some(Value::String(reason)) if reason.len() <= REASON_MAX => Some(reason.clone()),
        Some(_) => return Err(Problem::bad_request("reason must be a string of at most 1000 bytes")),
    };
    api.stream(&asked, &stream_id)?;
    let shown = shown::status(&stream_id, status, reason.as_deref());
    let what = StreamChange::Status { status, reason, announce_ms: None };
    let act = StreamAct { stream_id: stream_id.clone(), by: asked.by(), what };
    api.hub.stream(&asked.tenant, act).await?;
    tracing::info!(tenant = %asked.tenant, stream_id, status = status.as_str(), "a receiver set the status of its stream");
    Ok(answer(StatusCode::OK, Some(&shown)))
}
