//! Who may: the access token of a request at the SSF API and the poll endpoint, before anything else is looked at.
//!
//! Handlers call [`Api::access`] first. What is refused says so as RFC 6750 and RFC 9728 have it, with a problem as the
//! body.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::Api;
use super::problem::Problem;
use crate::auth::access::{Access, Refusal};
use crate::hub::object::Client;
use crate::stream::receiver::Scope;
use crate::tenant::TenantId;

impl Api {
    /// What the access token in these header fields may do, if that is enough for `needed`.
    pub async fn access(
        &self,
        tenant: &TenantId,
        headers: &HeaderMap,
        needed: Scope,
    ) -> Result<Access, Problem> {
        let known = self.judge.known(tenant, headers).await;
        known.and_then(|known| known.access(needed)).map_err(|refusal| self.refused(tenant, refusal, needed))
    }

    /// The client that polls. One that is no SSF receiver polls with the bearer that it has.
    pub(super) async fn poller(
        &self,
        tenant: &TenantId,
        headers: &HeaderMap,
    ) -> Result<Arc<Client>, Problem> {
        let refused = |refusal| self.refused(tenant, refusal, Scope::Read);
        let known = self.judge.known(tenant, headers).await.map_err(refused)?;
        if known.receiver.is_none() {
            return Ok(known.client);
        }
        known.access(Scope::Read).map(|access| access.client).map_err(refused)
    }

    fn refused(&self, tenant: &TenantId, refusal: Refusal, needed: Scope) -> Problem {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let retry_after_s = match refusal {
            Refusal::Unavailable { retry_after_s } => Some(retry_after_s),
            _ => None,
        };
        let challenge = refusal.challenge(needed, &self.judge.resource_metadata(tenant));
        Problem { status, detail: refusal.detail().into(), retry_after_s, challenge }
    }
}

/// A layer: an access token comes in one way only. One in the query as well as in the header is `invalid_request` (RFC
/// 6750, 3.1); one in the query alone is none at all (INTEROP-32).
pub async fn one_way(request: Request, next: Next) -> Response {
    let in_query = request.uri().query().is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
    });
    if in_query && request.headers().contains_key(header::AUTHORIZATION) {
        let refusal = Refusal::InvalidRequest("the access token came in more than one way");
        let challenge = "Bearer realm=\"ssf-hub\", error=\"invalid_request\"";
        let problem = Problem::bad_request(refusal.detail());
        return Problem { challenge: Some(challenge.into()), ..problem }.into_response();
    }
    next.run(request).await
}
