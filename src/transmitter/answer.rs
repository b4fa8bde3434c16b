//! What a receiver's answer to a push means (RFC 8935, 2.2 to 2.4 and 4).
//!
//! Between the HTTP answer and the retry table. A receiver's words are data: they choose among fixed
//! classes and are kept as a short reason, nothing more. No answer ever disables a stream.

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::signer;
use crate::egress;
use crate::outbox::outcomes::reason;
use crate::outbox::pace::{Class, retry_after_ms};

/// The word for a 400 that does not say why.
const NO_REASON: &str = "http_400";

/// How a push went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The receiver has the SET. 202 is the specified answer; any 2xx is taken for it.
    Taken,
    /// It has not.
    Failed {
        /// What that means for the next try.
        class: Class,
        /// A short word for it: the receiver's `err`, `http_503`, `timeout` …
        reason: Box<str>,
        /// What the receiver asked for in `Retry-After` (ms).
        retry_after_ms: Option<u64>,
    },
}

impl Answer {
    fn failed(class: Class, word: &str) -> Self {
        Self::Failed { class, reason: reason("", word), retry_after_ms: None }
    }

    /// The short word of a failure.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Taken => None,
            Self::Failed { reason, .. } => Some(reason),
        }
    }

    /// Whether it may mean that the receiver does not know the key: `invalid_key`, or a 400 that does not say why.
    pub fn may_mean_key(&self) -> bool {
        match self {
            Self::Failed { class: Class::Structural, reason, .. } => is_key(reason) || &**reason == NO_REASON,
            _ => false,
        }
    }

    /// Reads an HTTP answer; `wall_ms` is what dates in `Retry-After` are measured from.
    pub fn of_http(status: u16, headers: &HeaderMap, body: &[u8], wall_ms: i64) -> Self {
        let (class, word) = match status {
            200..=299 => return Self::Taken,
            400 => match err_of(body) {
                Some(err) if is_credential(&err) => (Class::Credential, err),
                Some(err) => (Class::Structural, err),
                None => (Class::Structural, NO_REASON.into()),
            },
            401 | 403 => (Class::Credential, err_of(body).unwrap_or_else(|| format!("http_{status}"))),
            408 | 425 | 429 | 500..=599 => (Class::Transient, format!("http_{status}")),
            _ => (Class::Misdirected, format!("http_{status}")),
        };
        let asked = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let retry_after_ms = asked.and_then(|v| retry_after_ms(v, wall_ms));
        Self::Failed { class, reason: reason("", &word), retry_after_ms }
    }

    /// Reads why there is no answer.
    pub fn of_egress(error: &egress::Error) -> Self {
        match error {
            // The guard judges addresses too, and those may change: tried a few times.
            egress::Error::Refused(_) => Self::failed(Class::Misdirected, "address_refused"),
            egress::Error::Timeout => Self::failed(Class::Transient, "timeout"),
            egress::Error::Connect => Self::failed(Class::Transient, "connect"),
            egress::Error::Tls => Self::failed(Class::Transient, "tls"),
            egress::Error::Busy => Self::failed(Class::Transient, "busy"),
            egress::Error::Proxy(0) => Self::failed(Class::Transient, "proxy"),
            egress::Error::Proxy(status) => Self::failed(Class::Transient, &format!("proxy_{status}")),
            egress::Error::TooLarge | egress::Error::Other => Self::failed(Class::Transient, "exchange"),
        }
    }

    /// The stream names a secret that is not there: nothing is sent without it.
    pub fn no_secret() -> Self {
        Self::failed(Class::Credential, "authorization_secret_missing")
    }

    /// What a relay stream is owed is not there: a bug, which no second try mends.
    pub fn no_original() -> Self {
        Self::failed(Class::Structural, "original_missing")
    }

    /// The SET could not be signed.
    pub fn of_signer(error: &signer::Error) -> Self {
        match error {
            signer::Error::NotJson(_) => Self::failed(Class::Structural, "not_json"),
            _ => Self::failed(Class::Transient, "signing"),
        }
    }
}

/// Codes that speak of our credential, not of the SET (AMB-16, AMB-30).
pub fn is_credential(err: &str) -> bool {
    matches!(err, "authentication_failed" | "access_denied")
}

/// The code that speaks of the key, which may only be new.
pub fn is_key(err: &str) -> bool {
    err == "invalid_key"
}

/// The `err` member of an error body, whatever its media type says; `None` for anything else.
fn err_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        err: String,
    }
    serde_json::from_slice::<Body>(body).ok().map(|b| b.err).filter(|err| !err.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_class() {
        let json = |err: &str| format!(r#"{{"err":"{err}","description":"x"}}"#);
        let cases = [
            (400, json("invalid_request"), Class::Structural, "invalid_request"),
            (400, json("invalid_key"), Class::Structural, "invalid_key"),
            (400, json("invalid_issuer"), Class::Structural, "invalid_issuer"),
            (400, json("invalid_audience"), Class::Structural, "invalid_audience"),
            (400, json("foo bar"), Class::Structural, "foo?bar"),
            (400, json("authentication_failed"), Class::Credential, "authentication_failed"),
            (400, json("access_denied"), Class::Credential, "access_denied"),
            (400, "<html>no</html>".into(), Class::Structural, "http_400"),
            (400, String::new(), Class::Structural, "http_400"),
            (400, r#"{"err":7}"#.into(), Class::Structural, "http_400"),
            (401, String::new(), Class::Credential, "http_401"),
            (403, json("access_denied"), Class::Credential, "access_denied"),
            (408, String::new(), Class::Transient, "http_408"),
            (425, String::new(), Class::Transient, "http_425"),
            (429, String::new(), Class::Transient, "http_429"),
            (500, json("invalid_request"), Class::Transient, "http_500"),
            (503, String::new(), Class::Transient, "http_503"),
            (301, String::new(), Class::Misdirected, "http_301"),
            (307, String::new(), Class::Misdirected, "http_307"),
            (404, String::new(), Class::Misdirected, "http_404"),
            (410, String::new(), Class::Misdirected, "http_410"),
            (413, String::new(), Class::Misdirected, "http_413"),
            (415, String::new(), Class::Misdirected, "http_415"),
        ];
        for (status, body, class, word) in cases {
            let got = Answer::of_http(status, &HeaderMap::new(), body.as_bytes(), 0);
            let want = Answer::Failed { class, reason: word.into(), retry_after_ms: None };
            assert_eq!(got, want, "{status} {body}");
            assert_eq!(got.may_mean_key(), matches!(word, "invalid_key" | "http_400"), "{status} {body}");
        }
        for status in [200, 202, 204] {
            assert_eq!(Answer::of_http(status, &HeaderMap::new(), b"whatever", 0), Answer::Taken);
        }
    }

    #[test]
    fn retry_after_is_carried() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        let got = Answer::of_http(503, &headers, b"", 0);
        assert!(matches!(got, Answer::Failed { retry_after_ms: Some(3_000), .. }));
    }
}
