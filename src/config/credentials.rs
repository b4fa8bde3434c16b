//! The credentials of objects in the file: bearers, client secrets, what the hub presents elsewhere.
//!
//! Called by [`super::objects`]. What others present to us becomes a hash; what we present goes beside the object, for
//! `keys/`. A value that stands in the file itself is a mistake that the schema finds.

use serde_json::{Map, Value};

use super::mistake::{Fault, Place};
use super::secret::{Sources, check_bearer};
use crate::hub::object::ObjectKind;
use crate::keys::{authorization_id, hash_secret, introspection_id};

/// The id of a secret in `keys/`, and its value.
pub type Kept = (String, String);

/// Reads the bearer of an object, and the credentials of a receiver in it.
pub fn presented(
    kind: ObjectKind,
    members: &mut Map<String, Value>,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) {
    let before = faults.len();
    let bearer = hashed(members, "bearer", "bearer_sha256", place, sources, faults);
    let is_receiver = members.contains_key("receiver") && kind == ObjectKind::Client;
    if !bearer
        && faults.len() == before
        && !members.contains_key("bearer")
        && !is_receiver
        && matches!(kind, ObjectKind::Client | ObjectKind::Point | ObjectKind::Operator)
    {
        faults.push(Fault::new(place.clone(), "`bearer_file` or `bearer_env` is missing"));
    }
    each_hashed(members.get_mut("old_bearers"), "bearer", &place.key("old_bearers"), sources, faults);
    let Some(Value::Object(receiver)) = members.get_mut("receiver") else { return };
    for (list, name) in [("secrets", "secret"), ("tokens", "token")] {
        let at = place.key("receiver").key(list);
        each_hashed(receiver.get_mut(list), name, &at, sources, faults);
    }
}

/// Reads every credential of a list.
fn each_hashed(
    list: Option<&mut Value>,
    name: &str,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) {
    for (i, item) in list.and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let Value::Object(item) = item else { continue };
        let (at, before) = (place.index(i), faults.len());
        if !hashed(item, name, "sha256", &at, sources, faults) && faults.len() == before {
            faults.push(Fault::new(at, format!("`{name}_file` or `{name}_env` is missing")));
        }
    }
}

/// Replaces `{name}_file` or `{name}_env` by the hash of what is there; whether it was there.
fn hashed(
    members: &mut Map<String, Value>,
    name: &str,
    hash: &str,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> bool {
    let Some(secret) = sources.take(members, name, place, faults) else { return false };
    match check_bearer(&secret) {
        Ok(()) => drop(members.insert(hash.into(), hash_secret(secret.reveal()).into())),
        Err(what) => faults.push(Fault::new(place.clone(), what)),
    }
    true
}

/// Reads what the hub itself presents for an object: to a push stream, to an introspection endpoint.
pub fn kept(
    kind: ObjectKind,
    members: &mut Map<String, Value>,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Kept> {
    match kind {
        ObjectKind::Stream => authorization(members, place, sources, faults),
        ObjectKind::AuthorizationServer => introspection(members, place, sources, faults),
        _ => None,
    }
}

fn authorization(
    members: &mut Map<String, Value>,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Kept> {
    let secret = sources.take(members, "authorization_header", place, faults)?;
    let at = place.clone();
    if members.get("endpoint_url").is_none() {
        faults
            .push(Fault::new(at, "`authorization_header_file` and `_env` belong to push, and only to push"));
        return None;
    }
    if http::HeaderValue::from_str(secret.reveal()).is_err() {
        faults.push(Fault::new(at, "what is to be sent as Authorization does not fit into a header"));
        return None;
    }
    let id = authorization_id(members.get("stream_id").and_then(Value::as_str).unwrap_or_default());
    members.insert("authorization_secret".into(), id.clone().into());
    Some((id, secret.reveal().into()))
}

fn introspection(
    members: &mut Map<String, Value>,
    place: &Place,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Kept> {
    let id = introspection_id(members.get("id").and_then(Value::as_str).unwrap_or_default());
    let Some(Value::Object(asked)) = members.get_mut("introspection") else { return None };
    let (at, before) = (place.key("introspection"), faults.len());
    let Some(secret) = sources.take(asked, "client_secret", &at, faults) else {
        if faults.len() == before {
            faults.push(Fault::new(at, "`client_secret_file` or `client_secret_env` is missing"));
        }
        return None;
    };
    asked.insert("secret".into(), id.clone().into());
    Some((id, secret.reveal().into()))
}
