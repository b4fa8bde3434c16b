//! Who an operator is, and whether his role is enough.
//!
//! First step of every handler of the admin API. A handler that says nothing else is for admins.

use axum::extract::Request;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::admin::tenant_of;
use super::problem::Problem;
use super::{Api, unread};
use crate::auth;
use crate::hub::object::Role;
use crate::jose::exact;
use crate::tenant::TenantId;

/// The operator behind a bearer, if his role is enough: his name in the journal.
fn known(api: &Api, headers: &HeaderMap, need: Role) -> Result<String, Problem> {
    let bearer = auth::bearer(headers).map_err(|_| Problem::unauthorized("Bearer"))?;
    let hash = crate::keys::hash_secret(bearer);
    let view = api.views.of(&TenantId::hub());
    match view.and_then(|view| view.operator(&hash)?.at(api.now_s()).cloned()) {
        None => Err(Problem::unauthorized("Bearer error=\"invalid_token\"")),
        Some(operator) if operator.role.may(need) => Ok(operator.id.clone()),
        Some(operator) => {
            let (role, need) = (operator.role.as_str(), need.as_str());
            let what = format!("this needs the role {need}; the operator {} has {role}", operator.id);
            Err(Problem::new(StatusCode::FORBIDDEN, what))
        }
    }
}

/// For what changes objects and takes keys along.
pub fn admin(api: &Api, headers: &HeaderMap) -> Result<String, Problem> {
    known(api, headers, Role::Admin)
}

/// For an operator's acts: emit, kill, lift, redrive, bases, the clock.
pub fn acting(api: &Api, headers: &HeaderMap) -> Result<String, Problem> {
    known(api, headers, Role::Operator)
}

/// For what only reads.
pub fn reading(api: &Api, headers: &HeaderMap) -> Result<String, Problem> {
    known(api, headers, Role::Viewer)
}

/// An operator's act on a tenant that exists.
pub struct Asked<T> {
    /// By whom.
    pub by: String,
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub asked: T,
}

/// Reads one: 401 and 403 before anything else is looked at, 400 for a body that is not what it should be, 404 where
/// there is no such tenant.
pub async fn asked<T: DeserializeOwned>(
    api: &Api,
    tenant: &str,
    request: Request,
) -> Result<Asked<T>, Problem> {
    let (parts, body) = request.into_parts();
    let by = acting(api, &parts.headers)?;
    let tenant = tenant_of(tenant)?;
    let body = unread::read(body, api.sizes.admin, api.sizes.timeout).await?;
    let asked = exact::from_slice(&body).map_err(|e| Problem::bad_request(e.to_string()))?;
    match api.views.of(&tenant) {
        Some(_) => Ok(Asked { by, tenant, asked }),
        None => Err(Problem::not_found()),
    }
}
