//! A stream as its receiver sees it (SSF 1.0, 8.1.1), and its status (8.1.2.1).
//!
//! The receiver's own `authorization_header` is a secret and never shown (AMB-19).

use serde_json::{Value, json};

use super::Doors;
use crate::set::event_type::EventType;
use crate::stream::receiver::Receiver;
use crate::stream::status::Status;
use crate::stream::{Method, Stream};

/// The event types that a receiver may have of those that the hub knows, and those that it was given by name.
pub fn events_supported(rights: &Receiver) -> Vec<String> {
    let known = EventType::NAMED.iter().filter(|t| !t.is_control()).map(EventType::uri);
    let known = known.filter(|uri| rights.may_have(uri)).map(String::from);
    let named = rights.event_types.iter().filter(|uri| *uri != "*");
    let others = named.filter(|uri| matches!(EventType::from_uri(uri), EventType::Other(_))).cloned();
    known.chain(others).collect()
}

/// The stream configuration.
pub fn configuration(doors: &Doors, rights: &Receiver, stream: &Stream) -> Value {
    let supported = events_supported(rights);
    // What an operator made may want everything; its receiver sees what that is.
    let spelled = |list: &[String]| match list.iter().any(|uri| uri == "*") {
        true => supported.clone(),
        false => list.to_vec(),
    };
    let delivered = stream.events_delivered.as_ref().unwrap_or(&stream.events_requested);
    let mut shown = json!({
        "stream_id": stream.stream_id,
        "iss": doors.iss(),
        "aud": stream.aud,
        "events_supported": supported,
        "events_requested": spelled(&stream.events_requested),
        "events_delivered": spelled(delivered),
        "delivery": { "method": stream.method, "endpoint_url": endpoint_url(doors, stream) },
        "min_verification_interval": rights.min_verification_interval_s,
    });
    if let Some(description) = &stream.description {
        shown["description"] = description.as_str().into();
    }
    if let Some(timeout) = rights.inactivity_timeout_s {
        shown["inactivity_timeout"] = timeout.into();
    }
    shown
}

/// Where a stream's SETs are: the receiver's URL, or ours.
pub fn endpoint_url(doors: &Doors, stream: &Stream) -> String {
    match (&stream.method, &stream.endpoint_url) {
        (Method::Push, Some(url)) => url.clone(),
        _ => doors.poll(&stream.stream_id),
    }
}

/// The status of a stream.
pub fn status(stream_id: &str, status: Status, reason: Option<&str>) -> Value {
    let mut shown = json!({ "stream_id": stream_id, "status": status });
    if let Some(reason) = reason {
        shown["reason"] = reason.into();
    }
    shown
}
