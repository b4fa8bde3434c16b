//! Ways to go wrong in what is said: in the metadata, in events, in subjects, in the claims of a SET.

use serde_json::{Map, Value, json};

use super::scripted::VERIFICATION;
use super::wire::{base64url, split};

fn without(object: &mut Value, name: &str) {
    object.as_object_mut().unwrap().remove(name);
}

pub fn metadata(wrong: &str, doc: &mut Value) {
    let subjects = ["add_subject_endpoint", "remove_subject_endpoint"];
    let endpoints = ["configuration_endpoint", "status_endpoint", "verification_endpoint"];
    match wrong {
        "no issuer" => without(doc, "issuer"),
        "no jwks_uri" => without(doc, "jwks_uri"),
        "no methods" => without(doc, "delivery_methods_supported"),
        "no schemes" => without(doc, "authorization_schemes"),
        "no default" => without(doc, "default_subjects"),
        "offers poll alone" => doc["delivery_methods_supported"] = json!(["urn:ietf:rfc:8936"]),
        "offers push alone" => doc["delivery_methods_supported"] = json!(["urn:ietf:rfc:8935"]),
        "offers no subjects" => subjects.iter().for_each(|name| without(doc, name)),
        "offers the least" => {
            let more = [&subjects[..], &endpoints[1..], &["default_subjects"]].concat();
            more.iter().for_each(|name| without(doc, name));
        }
        "issuer with a query" => doc["issuer"] = json!("https://h.example/t/x?a=b"),
        "points to http" => {
            for name in [&subjects[..], &endpoints[..], &["jwks_uri"]].concat() {
                doc[name] = json!(doc[name].as_str().unwrap().replace("https://", "http://"));
            }
        }
        _ => {}
    }
}

/// What goes wrong in an event.
pub fn event(wrong: &str, uri: &str, subject: &Value, event: &mut Value) {
    let members = event.as_object_mut().unwrap();
    let mut put = |name: &str, value: Value| {
        if members.contains_key(name) {
            members.insert(name.into(), value);
        }
    };
    match wrong {
        "drops claims" => *event = json!({}),
        "spoils words" => {
            for (name, value) in [
                ("event_timestamp", json!(1_700_000_000_000_i64)),
                ("initiating_entity", json!("robot")),
                ("reason_user", json!("text")),
                ("credential_type", json!("fido2-u2f")),
                ("friendly_name", json!(7)),
                ("change_direction", json!("up")),
                ("previous_status", json!("ok")),
                ("fp_ua", json!(7)),
                ("amr", json!("otp")),
                ("current_level", json!("high")),
                ("reason", json!("because")),
                ("new-value", json!(7)),
            ] {
                put(name, value);
            }
        }
        "old words" => event["subject_type"] = json!("email"),
        "another subject inside" => event["subject"] = json!({ "format": "opaque", "id": "x" }),
        "the subject inside as well" => event["subject"] = subject.clone(),
        "the subject inside by roles" => event["subject"] = json!({ "user": subject }),
        "event_timestamp of the issue" if uri.ends_with("session-established") => {
            event["event_timestamp"] = json!(crate::peers::now_s())
        }
        _ => {}
    }
}

/// What goes wrong in a subject.
pub fn subject(wrong: &str, uri: &str, subject: &mut Value) {
    let of = |name: &str| subject[name].clone();
    let user = of("email").as_str().unwrap_or("user").to_string();
    let format = of("format").as_str().unwrap_or_default().to_string();
    let mut spoilt = Map::new();
    spoilt.insert("format".into(), json!(format));
    let inside = json!({ "format": format, "identifiers": [], "user": of("user") });
    match (wrong, format.as_str()) {
        ("opaque subjects", _) => *subject = json!({ "format": "opaque", "id": user }),
        ("account for an address", _) if uri.contains("/identifier-") => {
            *subject = json!({ "format": "account", "uri": format!("acct:{user}") })
        }
        ("user for a token", _) if uri.ends_with("token-claims-change") => {
            *subject = json!({ "format": "opaque", "id": of("jti") })
        }
        ("adds to subjects", _) => subject["x"] = json!(1),
        ("format of its own", _) => *subject = json!({ "format": "kerberos", "id": user }),
        ("no format", _) => without(subject, "format"),
        ("nests subjects", "aliases") => subject["identifiers"] = json!([inside, inside]),
        ("nests subjects", "complex") => subject["session"] = inside,
        ("spoils subjects", _) => {
            let (name, value) = match format.as_str() {
                "account" => ("uri", json!(format!("mailto:{}", of("uri")))),
                "email" => ("email", json!(format!("User <{user}>"))),
                "iss_sub" => ("sub", of("iss")),
                "opaque" => ("id", json!(7)),
                "phone_number" => ("phone_number", json!("+1 206 555 0100")),
                "did" => ("url", json!("example")),
                "uri" => ("uri", json!("conformance/example")),
                "aliases" => ("identifiers", json!([])),
                "jwt_id" => ("iss", of("jti")),
                "saml_assertion_id" => ("id", of("assertion_id")),
                "ip-addresses" => ("ip-addresses", json!(["localhost"])),
                _ => ("x", json!("y")),
            };
            spoilt.insert(name.into(), value);
            *subject = Value::Object(spoilt);
        }
        _ => {}
    }
}

/// What goes wrong in the claims of a SET.
pub fn claims(wrong: &str, uri: &str, claims: &mut Value) {
    match wrong {
        "no iss" => without(claims, "iss"),
        "no aud" => without(claims, "aud"),
        "no events" => claims["events"] = json!({}),
        "the event is a text" => claims["events"] = json!({ uri: "x" }),
        "a subject in verification" if uri == VERIFICATION => {
            claims["events"][uri]["subject"] = claims["sub_id"].clone()
        }
        _ => {}
    }
}

/// The payload as it is signed.
pub fn text(wrong: &str, claims: &Value) -> String {
    let text = claims.to_string();
    if wrong != "an event twice" {
        return text;
    }
    text.replacen("\"events\":{", "\"events\":{\"urn:example:twice\":{},\"urn:example:twice\":{},", 1)
}

/// The SET as it is sent.
pub fn compact(wrong: &str, compact: &str, claims: &Value) -> String {
    let (head, tail) = split(compact);
    match wrong {
        "signature" => {
            format!("{head}.{}.{tail}", base64url(&claims.to_string().replace("iat", "iaT")))
        }
        "unsigned" => {
            let none = base64url(r#"{"alg":"none","typ":"secevent+jwt"}"#);
            format!("{none}.{}.", base64url(&claims.to_string()))
        }
        _ => compact.into(),
    }
}
