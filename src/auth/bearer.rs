//! A bearer in the header fields of a request (RFC 6750, 2.1): one field, one token, nothing else.
//!
//! First step of authentication. Never looks into body or query for a token (RFC 6750, 2.2 and 2.3 are not
//! offered).

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Longest field value that is read, in bytes.
pub const FIELD_BYTES_MAX: usize = 16 * 1024;

/// Why a field holds no bearer that could be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The field is not there.
    #[error("the header field is missing")]
    Missing,
    /// More than one such field: proxy and hub might believe different ones.
    #[error("the header field is there more than once")]
    Several,
    /// Longer than [`FIELD_BYTES_MAX`].
    #[error("the header field is too long")]
    TooLong,
    /// Another scheme than `Bearer`.
    #[error("the scheme must be Bearer")]
    Scheme,
    /// Not a `b64token`.
    #[error("the bearer has characters that no bearer has")]
    Token,
}

impl Error {
    /// Whether nothing was presented at all, so that a challenge carries no `error` (RFC 6750, 3.1).
    pub fn is_absent(self) -> bool {
        matches!(self, Self::Missing | Self::Scheme)
    }
}

/// The bearer in `Authorization`.
///
/// Whose it is, the caller finds by `keys::hash_secret` of it in a map of `bearer_sha256`. A map's timing may
/// tell how much of a *hash* was right, never of the token: to use that, somebody would have to find tokens
/// by parts of their SHA-256, and ours have 256 bits of chance. A single known hash is compared by
/// `keys::secret_matches`, in constant time.
pub fn authorization(headers: &HeaderMap) -> Result<&str, Error> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Error::Missing)?;
    if values.next().is_some() {
        return Err(Error::Several);
    }
    if value.len() > FIELD_BYTES_MAX {
        return Err(Error::TooLong);
    }
    let text = value.to_str().map_err(|_| Error::Token)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::Scheme);
    }
    let token = rest.trim_matches(' ');
    if is_token(token) { Ok(token) } else { Err(Error::Token) }
}

/// Whether `text` is a `b64token` (RFC 6750, 2.1): letters, digits, `-._~+/`, and `=` at its end.
pub fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn one_field_one_token() {
        let long = format!("Bearer {}", "a".repeat(FIELD_BYTES_MAX));
        let fits = format!("Bearer {}", "a".repeat(FIELD_BYTES_MAX - 7));
        let table: [(Vec<&[u8]>, _); 19] = [
            (vec![b"Bearer abc"], Ok("abc")),
            (vec![b"bEARER abc"], Ok("abc")),
            (vec![b"Bearer   abc  "], Ok("abc")),
            (vec![b"Bearer aA0-._~+/=="], Ok("aA0-._~+/==")),
            (vec![fits.as_bytes()], Ok(&fits[7..])),
            (vec![], Err(Error::Missing)),
            (vec![b"Bearer abc", b"Bearer abc"], Err(Error::Several)),
            (vec![long.as_bytes()], Err(Error::TooLong)),
            (vec![b"Basic abc"], Err(Error::Scheme)),
            (vec![b"abc"], Err(Error::Scheme)),
            (vec![b""], Err(Error::Scheme)),
            (vec![b"Bearer"], Err(Error::Token)),
            (vec![b"Bearer "], Err(Error::Token)),
            (vec![b"Bearer ="], Err(Error::Token)),
            (vec![b"Bearer a b"], Err(Error::Token)),
            (vec![b"Bearer a=b"], Err(Error::Token)),
            (vec![b"Bearer a,Bearer b"], Err(Error::Token)),
            (vec![b"Bearer\tabc"], Err(Error::Scheme)),
            (vec![b"Bearer \xc3\xa4"], Err(Error::Token)),
        ];
        for (values, want) in table {
            assert_eq!(authorization(&headers(&values)), want, "{values:?}");
        }
    }
}
