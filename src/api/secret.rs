//! What the hub presents to others, to a push stream as `Authorization` or to an introspection endpoint: a file in `keys/` that changes together with the object that names it.
//!
//! A new value gets a new name, so that a command that is refused in the end has changed no file that is in use, and a
//! post under way never mixes an old address with a new credential. Behind the durable entry the old file goes. A crash
//! between the two leaves a file that nobody names, never an entry without its file.

use serde_json::{Map, Value};

use super::Api;
use super::objects::stored_member;
use super::problem::Problem;
use crate::clock::{OsChance, random_secret};
use crate::hub::command::Refused;
use crate::hub::object::ObjectKind;
use crate::keys::{authorization_id, introspection_id};
use crate::tenant::{EntryId, TenantId};

/// What becomes of the secret of one object.
#[derive(Default)]
pub struct Secret {
    /// The file in use before.
    old: Option<String>,
    /// The file and the value in use from now on.
    new: Option<(String, String)>,
    /// Whether the old one stays.
    stays: bool,
}

/// Where the secret of a kind of object stands: in which member, how it is given, how it is stored.
struct Place {
    /// The member that holds both; `None`: the object itself.
    within: Option<&'static str>,
    /// How its value is given.
    given: &'static str,
    /// How its file is named.
    stored: &'static str,
    /// Left out it stays as long as this member is there.
    with: &'static str,
    /// The id of the file, without what makes it new.
    id: fn(&str) -> String,
}

fn place(kind: ObjectKind) -> Option<Place> {
    match kind {
        ObjectKind::Stream => Some(Place {
            within: None,
            given: "authorization_header",
            stored: "authorization_secret",
            with: "endpoint_url",
            id: authorization_id,
        }),
        ObjectKind::AuthorizationServer => Some(Place {
            within: Some("introspection"),
            given: "client_secret",
            stored: "secret",
            with: "url",
            id: introspection_id,
        }),
        _ => None,
    }
}

impl Secret {
    /// Takes the value out of what was given: it is written under a new name, `null` removes it, left out it stays as
    /// long as there is somebody to send it to.
    pub async fn of(
        api: &Api,
        tenant: &TenantId,
        kind: ObjectKind,
        id: &str,
        given: &mut Map<String, Value>,
    ) -> Result<Self, Problem> {
        let mut secret = Self::gone(api, tenant, kind, id).await?;
        let Some(place) = place(kind) else { return Ok(secret) };
        let given = match place.within.map(|member| given.get_mut(member)) {
            None => given,
            Some(Some(Value::Object(members))) => members,
            Some(_) => return Ok(secret),
        };
        given.remove(place.stored);
        match given.remove(place.given) {
            // The same again changes nothing.
            Some(Value::String(value)) if secret.is_in_use(api, tenant, &value) => {
                given.insert(place.stored.into(), secret.old.clone().into());
                secret.stays = true;
            }
            Some(Value::String(value))
                if !value.is_empty() && http::HeaderValue::from_str(&value).is_ok() =>
            {
                let mut name = random_secret(&OsChance);
                name.truncate(16);
                let name = format!("{}-{name}", (place.id)(id));
                given.insert(place.stored.into(), name.clone().into());
                secret.new = Some((name, value));
            }
            Some(Value::Null) => {}
            Some(_) => {
                let what = format!("{} must be a header value, or null", place.given);
                return Err(Problem::bad_request(what));
            }
            None => {
                if let Some(old) = secret.old.clone().filter(|_| given.contains_key(place.with)) {
                    given.insert(place.stored.into(), old.into());
                    secret.stays = true;
                }
            }
        }
        Ok(secret)
    }

    /// Whether this value is what the file in use holds.
    fn is_in_use(&self, api: &Api, tenant: &TenantId, value: &str) -> bool {
        let old = self.old.as_deref().and_then(|old| api.keys.secret(tenant, old).ok().flatten());
        old.as_deref() == Some(value)
    }

    /// The secret of an object that is taken away.
    pub async fn gone(api: &Api, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<Self, Problem> {
        let Some(place) = place(kind) else { return Ok(Self::default()) };
        let old = stored_member(api, tenant, kind, id, place.within.unwrap_or(place.stored)).await?;
        let old = match place.within {
            Some(_) => old.and_then(|mut members| members.get_mut(place.stored).map(Value::take)),
            None => old,
        };
        Ok(Self { old: old.and_then(|old| old.as_str().map(Into::into)), ..Self::default() })
    }

    /// Runs `command`, which journals the object: with the new file if it is taken, and without it if it is not.
    pub async fn keep_with(
        self,
        api: &Api,
        tenant: &TenantId,
        command: impl Future<Output = Result<EntryId, Refused>>,
    ) -> Result<EntryId, Problem> {
        if let Some((name, value)) = &self.new {
            api.keys.put_secret(tenant, name, value).map_err(|error| {
                tracing::error!(%tenant, %error, "a secret cannot be written");
                Problem::later(http::StatusCode::SERVICE_UNAVAILABLE, "the secret cannot be kept", 5)
            })?;
        }
        let done = command.await;
        let useless = match &done {
            Ok(_) => self.old.filter(|_| !self.stays),
            // Not known whether it was written: a file too many is the smaller evil.
            Err(Refused::Stopping) => None,
            Err(_) => self.new.map(|(name, _)| name),
        };
        if let Some(name) = useless
            && let Err(error) = api.keys.drop_secret(tenant, &name)
        {
            tracing::warn!(%tenant, %error, "a secret that nobody needs any more could not be deleted");
        }
        Ok(done?)
    }
}
