//! Who may: the access token of a request at the SSF API and the poll endpoint, before anything else is looked at.
//!
//! Handlers call [`Api::access`] first. What is refused says so as RFC 6750 and RFC 9728 have it, with a problem as the
//! body.

use std::sync::Arc;

use axum::extract::Request;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};

use super::Api;
use super::problem::Problem;
use crate::auth::access::{Access, Known, Refusal};
use crate::hub::object::Client;
use crate::stream::receiver::Scope;
use crate::tenant::TenantId;

/// Where a request may carry an access token: in the header, and nowhere else.
#[derive(Clone, Copy)]
pub struct Carried<'a> {
    headers: &'a HeaderMap,
    uri: &'a Uri,
}

impl<'a> Carried<'a> {
    /// A whole request.
    pub fn by(request: &'a Request) -> Self {
        Self { headers: request.headers(), uri: request.uri() }
    }

    /// A request without its body.
    pub fn in_parts(parts: &'a Parts) -> Self {
        Self { headers: &parts.headers, uri: &parts.uri }
    }

    fn in_query(self) -> bool {
        let query = self.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
    }
}

impl Api {
    /// What the access token of a request may do, if that is enough for `needed`.
    pub(super) async fn access(
        &self,
        tenant: &TenantId,
        carried: Carried<'_>,
        needed: Scope,
    ) -> Result<Access, Problem> {
        let known = self.known(tenant, carried).await;
        let access = known.and_then(|known| known.access(needed));
        self.count(tenant, access.as_ref().err());
        access.map_err(|refusal| self.refused(tenant, refusal, needed))
    }

    /// The client that polls. One that is no SSF receiver polls with the bearer that it has.
    pub(super) async fn poller(
        &self,
        tenant: &TenantId,
        carried: Carried<'_>,
    ) -> Result<Arc<Client>, Problem> {
        let known = self.known(tenant, carried).await;
        let client = known.and_then(|known| match known.holder {
            None => Ok(known.client),
            Some(_) => known.access(Scope::Read).map(|access| access.client),
        });
        self.count(tenant, client.as_ref().err());
        client.map_err(|refusal| self.refused(tenant, refusal, Scope::Read))
    }

    /// Whose the token in the header is. A good one that came in the query as well is `invalid_request` (RFC 6750, 3.1); one
    /// in the query alone is none at all (INTEROP-32).
    async fn known(&self, tenant: &TenantId, carried: Carried<'_>) -> Result<Known, Refusal> {
        let known = self.judge.known(tenant, carried.headers).await?;
        if carried.in_query() {
            return Err(Refusal::InvalidRequest("the access token came in more than one way"));
        }
        Ok(known)
    }

    fn count(&self, tenant: &TenantId, refusal: Option<&Refusal>) {
        // No label for names that anybody could make up.
        if self.views.of(tenant).is_some() {
            self.authorization.access(tenant, refusal.map_or("granted", |refusal| refusal.code()));
        }
    }

    /// What is answered to a refusal.
    pub(super) fn refused(&self, tenant: &TenantId, refusal: Refusal, needed: Scope) -> Problem {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let retry_after_s = match refusal {
            Refusal::Unavailable { retry_after_s } => Some(retry_after_s),
            _ => None,
        };
        let challenge = refusal.challenge(needed, &self.judge.resource_metadata(tenant));
        Problem { status, detail: refusal.detail().into(), retry_after_s, challenge }
    }
}
