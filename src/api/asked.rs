//! A request of the SSF management API up to where its handler begins: whose it is, whether he asks too often, what it says.
//!
//! Handlers in [`super::ssf`] and `ssf_stream` call [`Api::asked`] first. Changes nothing but a stream's sign of life.

use std::sync::Arc;

use axum::extract::Request;
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value};

use super::access::Carried;
use super::problem::Problem;
use super::{Api, public_tenant, unread};
use crate::auth::access::Access;
use crate::auth::rate::TooMany;
use crate::hub::object::Client;
use crate::hub::owner;
use crate::jose::exact;
use crate::stream::receiver::Scope;
use crate::stream::{Stream, StreamNo};
use crate::tenant::TenantId;
use crate::transmitter::ssf::Doors;

/// A request whose sender is known.
pub(super) struct Asked {
    pub tenant: TenantId,
    pub access: Access,
    /// What it needs.
    needed: Scope,
    pub doors: Doors,
}

impl Asked {
    /// By whom, as it stands in the journal.
    pub fn by(&self) -> String {
        owner::client(&self.access.client.id)
    }
}

impl From<TooMany> for Problem {
    fn from(too: TooMany) -> Self {
        Self::later(StatusCode::TOO_MANY_REQUESTS, "too many requests", too.retry_after_s())
    }
}

impl Api {
    /// Takes one call of a client: of the management API, or of the built-in authorization server.
    pub(super) fn take_call(&self, tenant: &TenantId, client: &Client) -> Result<(), TooMany> {
        let per_s = self.ssf.calls_per_s.min(client.authority.rate_per_s);
        self.ssf.calls.take(&(tenant.clone(), client.id.clone()), per_s, self.clock.boot_ms())
    }

    /// Who asks, before anything else is looked at. What he changes is an entry and a flush, what he has said to him is
    /// owed beside his events: so there is a rate for it, far above what anybody needs who is in his right mind.
    pub(super) async fn asked(
        &self,
        tenant: &str,
        carried: Carried<'_>,
        needed: Scope,
    ) -> Result<Asked, Problem> {
        let asked = self.who(tenant, carried, needed).await?;
        self.take_call(&asked.tenant, &asked.access.client)?;
        Ok(asked)
    }

    /// Who asks about a subject. Receivers tell many at once: as fast as everything else of a client may come.
    pub(super) async fn asked_often(
        &self,
        tenant: &str,
        carried: Carried<'_>,
        needed: Scope,
    ) -> Result<Asked, Problem> {
        let asked = self.who(tenant, carried, needed).await?;
        self.charge(&asked.tenant, &asked.access.client)?;
        Ok(asked)
    }

    async fn who(&self, tenant: &str, carried: Carried<'_>, needed: Scope) -> Result<Asked, Problem> {
        let tenant = public_tenant(tenant)?;
        let access = self.access(&tenant, carried, needed).await?;
        let doors = Doors::new(&self.ssf.public_url, &tenant);
        Ok(Asked { tenant, access, needed, doors })
    }

    /// Looks up once more what the client may do. Between its token and its turn are the body, which may take its time, and
    /// others' changes: what an operator took away meanwhile counts, or this request would undo it.
    pub(super) fn look_again(&self, asked: &mut Asked) -> Result<(), Problem> {
        let view = self.views.of(&asked.tenant);
        let holder = view.as_ref().and_then(|view| view.receivers.of_id(&asked.access.client.id));
        let access = asked.access.anew(holder.map(|holder| &**holder), asked.needed);
        asked.access = access.map_err(|refusal| self.refused(&asked.tenant, refusal, asked.needed))?;
        Ok(())
    }

    /// The body of a request: a JSON object, whatever its type is called as long as that is nothing else (AMB-38).
    pub(super) async fn members(&self, request: Request) -> Result<Map<String, Value>, Problem> {
        let (parts, body) = request.into_parts();
        let is_json = |value: &HeaderValue| {
            let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        };
        if parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| !is_json(value)) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be application/json",
            ));
        }
        let body = unread::read(body, self.sizes.admin, self.sizes.timeout).await?;
        match exact::object(&body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Problem::bad_request("the body must be a JSON object")),
            Err(error) => Err(Problem::bad_request(error.to_string())),
        }
    }

    /// A stream of who asks; a sign of life of its receiver. A relay is no SSF stream.
    pub(super) fn stream(&self, asked: &Asked, stream_id: &str) -> Result<(StreamNo, Arc<Stream>), Problem> {
        let view = self.views.of(&asked.tenant).ok_or_else(Problem::not_found)?;
        let found = view.stream_of(&asked.access.client.id, stream_id).filter(|(_, stream)| !stream.relay);
        let (no, stream) = found.ok_or_else(Problem::not_found)?;
        self.ssf.activity.touch(&asked.tenant, *no, self.clock.boot_ms());
        Ok((*no, stream.clone()))
    }
}

/// A parameter of the query.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
