//! What a receiver asks for when it makes, updates or replaces a stream (SSF 1.0, 8.1.1).
//!
//! Members that the specification does not know are ignored; those that it knows must have their type. `null` is as
//! good as absent, but for `authorization_header`, where it removes (AMB-19).

use serde_json::{Map, Value};

use crate::stream::Method;

/// Longest `description`, in bytes; what is longer is cut (SSF 1.0, 8.1.1).
pub const DESCRIPTION_MAX: usize = 1_000;
/// Most event types that one request may name.
pub const EVENTS_MAX: usize = 1_000;
/// Longest URI of an event type, URL or header value, in bytes.
pub const TEXT_MAX: usize = 2_048;

/// What becomes of the value that is sent as `Authorization`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Header {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// It is removed.
    Removed,
    /// It is this from now on.
    Set(String),
}

/// `delivery`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// How SETs travel.
    pub method: Method,
    /// Where to; an empty one is none.
    pub endpoint_url: Option<String>,
    /// With which credential.
    pub header: Header,
}

/// A request for a stream.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Wish {
    /// `stream_id`.
    pub stream_id: Option<String>,
    /// `events_requested`.
    pub events_requested: Option<Vec<String>>,
    /// `delivery`.
    pub delivery: Option<Delivery>,
    /// `description`.
    pub description: Option<String>,
    /// Members that only the transmitter supplies: they must be what they are, or are ignored where a stream is made.
    pub supplied: Map<String, Value>,
}

/// Why a request is refused with 400: the receiver's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Bad {
    /// A member of the wrong type.
    #[error("{0}")]
    Member(&'static str),
}

const SUPPLIED: [&str; 6] =
    ["iss", "aud", "events_supported", "events_delivered", "min_verification_interval", "inactivity_timeout"];

impl Wish {
    /// Reads the body's members.
    pub fn of(members: Map<String, Value>) -> Result<Self, Bad> {
        let mut wish = Self::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("stream_id", value) => {
                    wish.stream_id = Some(text(value, "stream_id must be a string")?);
                }
                ("events_requested", value) => wish.events_requested = Some(events(value)?),
                ("delivery", value) => wish.delivery = Some(delivery(value)?),
                ("description", value) => {
                    wish.description = Some(cut(text(value, "description must be a string")?));
                }
                (supplied, value) if SUPPLIED.contains(&supplied) => {
                    wish.supplied.insert(name, value);
                }
                _ => {}
            }
        }
        Ok(wish)
    }
}

fn text(value: Value, what: &'static str) -> Result<String, Bad> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Bad::Member(what)),
    }
}

fn events(value: Value) -> Result<Vec<String>, Bad> {
    let what = "events_requested must be an array of at most 1000 event type URIs";
    let Value::Array(list) = value else { return Err(Bad::Member(what)) };
    if list.len() > EVENTS_MAX {
        return Err(Bad::Member(what));
    }
    let uri =
        |value: Value| text(value, what).and_then(|uri| fits(&uri).then_some(uri).ok_or(Bad::Member(what)));
    list.into_iter().map(uri).collect()
}

fn fits(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len())
}

fn delivery(value: Value) -> Result<Delivery, Bad> {
    let Value::Object(mut members) = value else { return Err(Bad::Member("delivery must be an object")) };
    let method = match members.remove("method") {
        Some(Value::String(urn)) if urn == "urn:ietf:rfc:8935" => Method::Push,
        Some(Value::String(urn)) if urn == "urn:ietf:rfc:8936" => Method::Poll,
        _ => return Err(Bad::Member("delivery.method must be urn:ietf:rfc:8935 or urn:ietf:rfc:8936")),
    };
    let endpoint_url = match members.remove("endpoint_url") {
        None | Some(Value::Null) => None,
        Some(value) => Some(text(value, "delivery.endpoint_url must be a string")?),
    };
    let endpoint_url = endpoint_url.filter(|url| !url.is_empty());
    if endpoint_url.as_ref().is_some_and(|url| !fits(url)) {
        return Err(Bad::Member("delivery.endpoint_url must have at most 2048 bytes"));
    }
    let what = "delivery.authorization_header must be a header value of at most 2048 bytes";
    let header = match members.remove("authorization_header") {
        None => Header::Unsaid,
        Some(Value::Null) => Header::Removed,
        Some(Value::String(value)) if value.is_empty() => Header::Removed,
        Some(Value::String(value)) if fits(&value) && http::HeaderValue::from_str(&value).is_ok() => {
            Header::Set(value)
        }
        Some(_) => return Err(Bad::Member(what)),
    };
    Ok(Delivery { method, endpoint_url, header })
}

fn cut(mut text: String) -> String {
    let end = (0..=DESCRIPTION_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wish(value: Value) -> Result<Wish, Bad> {
        let Value::Object(members) = value else { unreachable!() };
        Wish::of(members)
    }

    #[test]
    fn what_receivers_really_send_is_read() {
        assert_eq!(wish(json!({})), Ok(Wish::default()));
        let caep_dev = wish(json!({
            "delivery": {"method": "urn:ietf:rfc:8936", "endpoint_url": ""}, "events_requested": ["u:1"],
            "description": "d", "format": "email", "more": [1],
        }))
        .unwrap();
        let poll = Delivery { method: Method::Poll, endpoint_url: None, header: Header::Unsaid };
        assert_eq!((caep_dev.delivery, caep_dev.description.as_deref()), (Some(poll), Some("d")));
        let i2gosignals =
            wish(json!({"stream_id": "", "iss": "x", "aud": ["y"], "description": null})).unwrap();
        assert_eq!(i2gosignals.supplied.len(), 2);
        for (value, header) in [
            (json!(null), Header::Removed),
            (json!(""), Header::Removed),
            (json!("Bearer x"), Header::Set("Bearer x".into())),
        ] {
            let push = json!({"method": "urn:ietf:rfc:8935", "endpoint_url": "https://r", "authorization_header": value});
            assert_eq!(wish(json!({"delivery": push})).unwrap().delivery.unwrap().header, header);
        }
        let long = wish(json!({"description": "ä".repeat(2000)})).unwrap().description.unwrap();
        assert_eq!(long.len(), DESCRIPTION_MAX);
    }

    #[test]
    fn what_has_the_wrong_type_is_refused() {
        let push = |endpoint: Value, header: Value| json!({"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint, "authorization_header": header}});
        for bad in [
            json!({"stream_id": 1}),
            json!({"events_requested": "u:1"}),
            json!({"events_requested": [1]}),
            json!({"events_requested": [""]}),
            json!({"events_requested": vec!["u"; 1001]}),
            json!({"description": {}}),
            json!({"delivery": "push"}),
            json!({"delivery": {}}),
            json!({"delivery": {"method": "urn:example:x"}}),
            json!({"delivery": {"method": "push"}}),
            push(json!(7), json!("x")),
            push(json!("u".repeat(3000)), json!("x")),
            push(json!("https://r"), json!(7)),
            push(json!("https://r"), json!("two\nlines")),
        ] {
            assert!(wish(bad.clone()).is_err(), "{bad}");
        }
    }
}
