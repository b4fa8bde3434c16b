//! Who an operator is, and whether his role is enough.
//!
//! First step of every handler of the admin API. A handler that says nothing else is for admins.

use http::{HeaderMap, StatusCode};

use super::Api;
use super::problem::Problem;
use crate::auth;
use crate::hub::object::Role;
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
