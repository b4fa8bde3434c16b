//! What a refusal says to the caller: the `WWW-Authenticate` field (RFC 9110, 11.6.1; RFC 6750, 3).
//!
//! Last step of authentication. Words come from this table alone: no name of a rule, a receiver or a person.

use http::HeaderMap;

use super::bearer;

/// Nothing was presented: no `error` (RFC 6750, 3.1).
pub const ABSENT: &str = "Bearer realm=\"ssf-hub\"";
/// A bearer that is malformed or that nobody has.
pub const INVALID_TOKEN: &str = "Bearer realm=\"ssf-hub\", error=\"invalid_token\"";

/// The challenge that goes with the 401 for a request with these header fields, whose bearer is missing,
/// malformed or unknown.
pub fn of(headers: &HeaderMap) -> &'static str {
    match bearer::authorization(headers) {
        Err(e) if e.is_absent() => ABSENT,
        Ok(_) | Err(_) => INVALID_TOKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::AUTHORIZATION;

    #[test]
    fn challenges() {
        let table = [
            (vec![], ABSENT),
            (vec!["Basic YTpi"], ABSENT),
            (vec!["Bearer"], INVALID_TOKEN),
            (vec!["Bearer unknown"], INVALID_TOKEN),
            (vec!["Bearer a", "Bearer b"], INVALID_TOKEN),
        ];
        for (values, want) in table {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(of(&headers), want, "{values:?}");
        }
    }
}
