//! A poll request as it comes in (RFC 8936, 2.2).
//!
//! Members that the specification does not know are ignored (`timeoutSecs`, `max_events` and `stream_id` are sent
//! by real receivers); the ones it knows must have their type, or the answer is 400 (2.5.1).

use serde_json::{Map, Value};

/// What a receiver reports about one SET (RFC 8936, 2.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetErr {
    /// Which.
    pub jti: String,
    /// The error code: data, whatever it says.
    pub err: String,
}

/// A poll request.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PollRequest {
    /// `maxEvents`; `None` sets no limit.
    pub max_events: Option<u64>,
    /// `returnImmediately`.
    pub return_immediately: bool,
    /// `ack`: the `jti` of what the receiver has.
    pub ack: Vec<String>,
    /// `setErrs`: what it refuses.
    pub set_errs: Vec<SetErr>,
}

/// Why a request is refused with 400: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Not JSON, or not an object; an empty body is not one either. Or not unambiguous.
    #[error("the body must be a JSON object, no member twice, not nested too deep")]
    Body,
    /// Not an integer ≥ 0.
    #[error("maxEvents must be an integer of at least 0")]
    MaxEvents,
    /// Not a boolean.
    #[error("returnImmediately must be a boolean")]
    ReturnImmediately,
    /// Not an array of strings.
    #[error("ack must be an array of strings")]
    Ack,
    /// Not an object of `{err, description}`.
    #[error("setErrs must be an object whose members have the string err")]
    SetErrs,
}

impl PollRequest {
    /// Reads the body of a poll. How long it may be is the caller's limit.
    pub fn parse(body: &[u8]) -> Result<Self, Bad> {
        crate::jose::strict::check(body).map_err(|_| Bad::Body)?;
        let members: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Bad::Body)?;
        let mut request = Self::default();
        for (name, value) in members {
            match name.as_str() {
                "maxEvents" => request.max_events = Some(value.as_u64().ok_or(Bad::MaxEvents)?),
                "returnImmediately" => {
                    request.return_immediately = value.as_bool().ok_or(Bad::ReturnImmediately)?;
                }
                "ack" => request.ack = acks(value)?,
                "setErrs" => request.set_errs = set_errs(value)?,
                _ => {}
            }
        }
        Ok(request)
    }
}

fn acks(value: Value) -> Result<Vec<String>, Bad> {
    let Value::Array(list) = value else { return Err(Bad::Ack) };
    list.into_iter().map(|jti| if let Value::String(jti) = jti { Ok(jti) } else { Err(Bad::Ack) }).collect()
}

fn set_errs(value: Value) -> Result<Vec<SetErr>, Bad> {
    let Value::Object(members) = value else { return Err(Bad::SetErrs) };
    let one = |(jti, report): (String, Value)| match report.get("err") {
        Some(Value::String(err)) => Ok(SetErr { jti, err: err.clone() }),
        _ => Err(Bad::SetErrs),
    };
    members.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_receivers_really_send_is_read() {
        let none = PollRequest::default();
        let err = |jti: &str, err: &str| SetErr { jti: jti.into(), err: err.into() };
        let cases = [
            ("{}", none.clone()),
            (
                r#"{"stream_id":"s","max_events":10,"returnImmediately":true}"#,
                PollRequest { return_immediately: true, ..none.clone() },
            ),
            (
                "{\n \"maxEvents\": 1000,\n \"timeoutSecs\": 10\n}",
                PollRequest { max_events: Some(1000), ..none.clone() },
            ),
            (
                r#"{"ack":["a","b"],"maxEvents":0,"returnImmediately":false}"#,
                PollRequest { max_events: Some(0), ack: vec!["a".into(), "b".into()], ..none.clone() },
            ),
            (
                r#"{"setErrs":{"a":{"err":"jwtParse","description":"x"},"b":{"err":"e","more":1}},"ack":[]}"#,
                PollRequest { set_errs: vec![err("a", "jwtParse"), err("b", "e")], ..none },
            ),
        ];
        for (body, want) in cases {
            assert_eq!(PollRequest::parse(body.as_bytes()), Ok(want), "{body}");
        }
    }

    #[test]
    fn what_has_the_wrong_type_is_refused() {
        let cases = [
            ("", Bad::Body),
            ("[]", Bad::Body),
            ("null", Bad::Body),
            ("{", Bad::Body),
            (r#"{"ack":["a"],"ack":["b"]}"#, Bad::Body),
            (r#"{"setErrs":{"a":{"err":"x"},"a":{"err":"y"}}}"#, Bad::Body),
            (r#"{"maxEvents":-1}"#, Bad::MaxEvents),
            (r#"{"maxEvents":1.5}"#, Bad::MaxEvents),
            (r#"{"maxEvents":"1"}"#, Bad::MaxEvents),
            (r#"{"maxEvents":null}"#, Bad::MaxEvents),
            (r#"{"returnImmediately":"yes"}"#, Bad::ReturnImmediately),
            (r#"{"ack":"x"}"#, Bad::Ack),
            (r#"{"ack":[1]}"#, Bad::Ack),
            (r#"{"setErrs":[]}"#, Bad::SetErrs),
            (r#"{"setErrs":{"a":"invalid_key"}}"#, Bad::SetErrs),
            (r#"{"setErrs":{"a":{"description":"x"}}}"#, Bad::SetErrs),
        ];
        for (body, want) in cases {
            assert_eq!(PollRequest::parse(body.as_bytes()), Err(want), "{body}");
        }
    }
}
