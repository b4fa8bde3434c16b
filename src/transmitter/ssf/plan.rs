//! What a receiver gets of what it asks for (SSF 1.0, 8.1.1.1, 8.1.1.3, 8.1.1.4).
//!
//! Pure: a wish, the receiver's rights and the stream as it is become the stream as it will be. That the URL may be
//! called at all is the egress guard's to say.

use serde_json::Value;

use super::Doors;
use super::shown::{configuration, events_supported};
use super::wish::{Delivery, Header, Wish};
use crate::stream::receiver::Receiver;
use crate::stream::{Method, Stream};

/// What is asked of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// `PATCH`: members that are absent stay.
    Update,
    /// `PUT`: members that are absent go.
    Replace,
}

/// A stream as it will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its configuration; `authorization_secret` is as before.
    pub stream: Stream,
    /// What becomes of its credential.
    pub header: Header,
}

/// Why a receiver does not get what it asks for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// 400.
    #[error("{0}")]
    Bad(String),
    /// 403.
    #[error("{0}")]
    Forbidden(&'static str),
}

/// A new stream of a client.
pub fn create(rights: &Receiver, client: &str, stream_id: String, wish: Wish) -> Result<Planned, Refused> {
    let requested = wish.events_requested.unwrap_or_default();
    // Without `delivery` poll is assumed (8.1.1.1).
    let poll = Delivery { method: Method::Poll, endpoint_url: None, header: Header::Unsaid };
    let delivery = wish.delivery.unwrap_or(poll);
    let stream = Stream {
        stream_id,
        client: client.into(),
        aud: rights.audience(client),
        events_delivered: Some(delivered(rights, &requested)),
        events_requested: requested,
        description: wish.description.filter(|text| !text.is_empty()),
        default_subjects: rights.default_subjects,
        ..Stream::default()
    };
    let (stream, header) = with_delivery(with_rights(stream, rights), rights, delivery)?;
    // A poll stream's URL is ours, whatever was said (AMB-06).
    Ok(Planned { stream, header })
}

/// A stream that is updated or replaced.
pub fn change(
    act: Act,
    doors: &Doors,
    rights: &Receiver,
    before: &Stream,
    wish: Wish,
) -> Result<Planned, Refused> {
    let shown = configuration(doors, rights, before);
    for (name, value) in &wish.supplied {
        // `events_delivered` is compared with what it was before (8.1.1.3).
        if !same(value, shown.get(name)) {
            return Err(Refused::Bad(format!("{name} is not what it is; only the transmitter changes it")));
        }
    }
    let replaces = act == Act::Replace;
    let mut stream = before.clone();
    match wish.events_requested {
        Some(requested) => {
            stream.events_delivered = Some(delivered(rights, &requested));
            stream.events_requested = requested;
        }
        None if replaces => (stream.events_delivered, stream.events_requested) = (Some(vec![]), vec![]),
        None => {}
    }
    match wish.description {
        Some(text) => stream.description = Some(text).filter(|text| !text.is_empty()),
        None if replaces => stream.description = None,
        None => {}
    }
    let delivery = match wish.delivery {
        Some(delivery) => delivery,
        // As where a stream is made (AMB-04).
        None if replaces => Delivery { method: Method::Poll, endpoint_url: None, header: Header::Unsaid },
        None => return Ok(Planned { stream, header: Header::Unsaid }),
    };
    if let (Method::Poll, Some(url)) = (delivery.method, &delivery.endpoint_url)
        && *url != doors.poll(&stream.stream_id)
    {
        return Err(Refused::Bad("delivery.endpoint_url of a poll stream is the transmitter's".into()));
    }
    let (stream, header) = with_delivery(stream, rights, delivery)?;
    Ok(Planned { stream, header })
}

/// A stream that a receiver made, by the rights that it has now; without any it gets nothing more. `None` where it is
/// as it should be.
pub fn revised(rights: Option<&Receiver>, stream: &Stream) -> Option<Stream> {
    stream.events_delivered.as_ref()?;
    let none = Receiver { event_types: vec![], ..Receiver::default() };
    let rights = rights.unwrap_or(&none);
    let events_delivered = Some(delivered(rights, &stream.events_requested));
    let revised = with_rights(Stream { events_delivered, ..stream.clone() }, rights);
    (revised != *stream).then_some(revised)
}

/// What follows from a receiver's rights and may change with them. Its audience may not (8.1.1), nor may which subjects
/// a stream began with.
fn with_rights(stream: Stream, rights: &Receiver) -> Stream {
    Stream {
        derived: rights.derived,
        alg: rights.alg,
        dialect: rights.dialect,
        literal_matching: rights.literal_matching,
        ..stream
    }
}

fn with_delivery(stream: Stream, rights: &Receiver, delivery: Delivery) -> Result<(Stream, Header), Refused> {
    if !rights.methods.contains(&delivery.method) {
        return Err(Refused::Forbidden("this receiver may not have this delivery method"));
    }
    let mut header = delivery.header;
    let endpoint_url = match (delivery.method, delivery.endpoint_url) {
        (Method::Poll, _) => {
            // Nothing is sent anywhere: there is no credential for it.
            header = Header::Removed;
            None
        }
        (Method::Push, None) => {
            return Err(Refused::Bad("delivery.endpoint_url is required for push".into()));
        }
        (Method::Push, Some(url)) if url::Url::parse(&url).is_err() => {
            return Err(Refused::Bad("delivery.endpoint_url must be a URL".into()));
        }
        (Method::Push, Some(url)) if !rights.may_push_to(&url) => {
            return Err(Refused::Forbidden("this receiver may not be pushed to at this URL"));
        }
        (Method::Push, Some(url)) => {
            // What was for one place is never sent to another.
            if header == Header::Unsaid && stream.endpoint_url.as_deref() != Some(&*url) {
                header = Header::Removed;
            }
            Some(url)
        }
    };
    Ok((Stream { method: delivery.method, endpoint_url, ..stream }, header))
}

/// `events_delivered`: what is requested and supported, each once.
fn delivered(rights: &Receiver, requested: &[String]) -> Vec<String> {
    let supported = events_supported(rights);
    let mut delivered: Vec<String> = vec![];
    for uri in requested {
        if supported.contains(uri) && !delivered.contains(uri) {
            delivered.push(uri.clone());
        }
    }
    delivered
}

/// Whether a transmitter-supplied member is what it is: one audience may be a string, and lists are sets.
fn same(said: &Value, is: Option<&Value>) -> bool {
    let Some(is) = is else { return false };
    let list = |value: &Value| match value {
        Value::Array(list) => {
            let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
            list.sort();
            Some(list)
        }
        Value::String(_) => Some(vec![value.to_string()]),
        _ => None,
    };
    said == is || (list(said).is_some() && list(said) == list(is))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
