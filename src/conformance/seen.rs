//! A SET that came: taken apart, its signature checked, as a document that shapes judge.
//!
//! `{"raw","header","claims","claims_text","type","types","event","by_roles","signature","key","stream","as","via","poll_key",…}`.
//! `signature` is `verified` or says why not. Signatures are checked through `jose` with the one key that `kid` names
//! in the transmitter's JWKS, fetched again once for a `kid` that is not there. Never judges claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::discover;
use super::lab::Lab;
use crate::clock::{Clock as _, System};
use crate::jose::strict::Object;
use crate::jose::{Alg, KeySet, verify_compact};

/// Longest SET that is read (bytes).
const SET_BYTES_MAX: usize = 1024 * 1024;

/// Takes a SET apart. `about` has what is known from outside: stream, via, poll_key.
pub async fn see(lab: &Lab, raw: &str, about: &Value) -> Value {
    let part =
        |n: usize| raw.split('.').nth(n).and_then(|p| URL_SAFE_NO_PAD.decode(p).ok()).unwrap_or_default();
    let (header, payload) = (part(0), part(1));
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (header_json, claims) = (json(&header), json(&payload));
    let events = claims["events"].as_object();
    let first = events.and_then(|e| e.iter().next());
    let mut doc = json!({
        "raw": raw, "header": header_json, "claims": claims,
        "type": first.map(|(uri, _)| uri), "event": first.map(|(_, event)| event),
        "types": events.map(serde_json::Map::len),
        "unambiguous": Object::parse(&header).is_ok() && Object::parse(&payload).is_ok(),
        "claims_text": String::from_utf8_lossy(&payload),
    });
    doc["by_roles"] = by_roles(&doc["claims"]["sub_id"]);
    // How far ahead of this machine's clock it says it was issued.
    doc["iat_ahead_s"] = doc["claims"]["iat"].as_i64().map(|iat| iat - System.wall_ms() / 1000).into();
    let (signature, key) = signature(lab, raw, &doc["header"]).await;
    doc["signature"] = signature.into();
    doc["key"] = key;
    for (name, value) in about.as_object().into_iter().flatten() {
        doc[name] = value.clone();
    }
    doc
}

/// The subject as it stood inside events before there was `sub_id`: a complex one without its `format`, a simple one as the
/// user.
fn by_roles(sub_id: &Value) -> Value {
    match sub_id.as_object() {
        Some(members) if sub_id["format"] == "complex" => {
            let roles = members.iter().filter(|(name, _)| *name != "format");
            Value::Object(roles.map(|(name, part)| (name.clone(), part.clone())).collect())
        }
        _ => json!({ "user": sub_id }),
    }
}

/// Whether a SET names one of these audiences: what tells streams apart that share a push URL.
pub fn is_for(raw: &str, aud: &Value) -> bool {
    let payload = raw.split('.').nth(1).and_then(|p| URL_SAFE_NO_PAD.decode(p).ok()).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
    let list = |v: &Value| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]);
    let ours = list(aud);
    list(&claims["aud"]).iter().any(|a| ours.contains(a))
}

/// How the signature is, and the key that `kid` names: `{"kty","bits","times"}`.
async fn signature(lab: &Lab, raw: &str, header: &Value) -> (String, Value) {
    let kid = header["kid"].as_str();
    let mut keys = lab.jwks();
    if named(&keys, kid).is_empty() {
        keys = refetch(lab).await.unwrap_or(keys);
    }
    let found = named(&keys, kid);
    let key = found.first().map_or(
        Value::Null,
        |key| json!({ "kty": key["kty"], "bits": modulus_bits(key), "times": found.len() }),
    );
    let set = KeySet::parse(keys.to_string().as_bytes());
    let said = match set.map(|set| verify_compact(raw.as_bytes(), &set, &Alg::ALL, SET_BYTES_MAX)) {
        Ok(Ok(_)) => "verified".to_string(),
        Ok(Err(e)) => e.to_string(),
        Err(e) => format!("jwks_uri: {e}"),
    };
    (said, key)
}

async fn refetch(lab: &Lab) -> Option<Value> {
    let url = lab.metadata()["jwks_uri"].as_str()?.to_string();
    let keys = discover::object(lab, &url).await.ok()??;
    lab.keep_jwks(keys.clone());
    Some(keys)
}

fn named<'a>(keys: &'a Value, kid: Option<&str>) -> Vec<&'a Value> {
    let all = keys["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|key| key["kid"].as_str() == kid).collect()
}

/// Bits of an RSA modulus.
fn modulus_bits(key: &Value) -> Option<usize> {
    let n = URL_SAFE_NO_PAD.decode(key["n"].as_str()?).ok()?;
    let first = n.iter().position(|b| *b != 0)?;
    let leading = n.get(first)?.leading_zeros() as usize;
    Some((n.len() - first) * 8 - leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_by_roles() {
        let email = json!({ "format": "email", "email": "a@b" });
        assert_eq!(by_roles(&email), json!({ "user": email }));
        let complex = json!({ "format": "complex", "user": email, "tenant": email });
        assert_eq!(by_roles(&complex), json!({ "user": email, "tenant": email }));
    }

    #[test]
    fn bits_of_a_modulus() {
        for (n, want) in [(vec![0u8, 0x80, 0], Some(16)), (vec![1, 0], Some(9)), (vec![0], None)] {
            assert_eq!(modulus_bits(&json!({ "n": URL_SAFE_NO_PAD.encode(n) })), want);
        }
        let keys = json!({ "keys": [{ "kid": "a" }, { "kid": "b" }, { "kid": "a" }] });
        assert_eq!((named(&keys, Some("a")).len(), named(&keys, Some("c")).len()), (2, 0));
    }
}
