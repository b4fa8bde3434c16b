//! How a client presents itself to the authorization server (RFC 6749, 2.3; RFC 7523, 2.2): in one way, not in two.
//!
//! In the flow: between the form and [`super::server`], which checks what is presented. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::form::Form;
use super::oauth::Error;

/// `client_assertion_type` (RFC 7523, 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client presents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presented {
    /// `client_secret_basic` or `client_secret_post`.
    Secret {
        /// `client_id`.
        client_id: String,
        /// `client_secret`.
        secret: String,
    },
    /// `private_key_jwt`.
    Assertion {
        /// `client_id`, if it is said beside the assertion.
        client_id: Option<String>,
        /// The assertion.
        jwt: String,
    },
}

impl Presented {
    /// What this request presents.
    pub fn read(headers: &HeaderMap, form: &Form) -> Result<Self, Error> {
        let basic = basic(headers)?;
        let client_id = form.value("client_id").map(String::from);
        let (secret, assertion) = (form.value("client_secret"), form.value("client_assertion"));
        let ways = [basic.is_some(), secret.is_some(), assertion.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(Error::InvalidRequest("the client authenticates in more than one way"));
        }
        if let Some((id, secret)) = basic {
            if client_id.is_some_and(|other| other != id) {
                return Err(Error::InvalidRequest("client_id is not the one in Authorization"));
            }
            return Ok(Self::Secret { client_id: id, secret });
        }
        match (assertion, form.value("client_assertion_type")) {
            (Some(jwt), Some(JWT_BEARER)) => return Ok(Self::Assertion { client_id, jwt: jwt.into() }),
            (Some(_), _) | (None, Some(_)) => {
                return Err(Error::InvalidRequest("client_assertion and its type must be there together"));
            }
            (None, None) => {}
        }
        match (client_id, secret) {
            (Some(client_id), Some(secret)) => Ok(Self::Secret { client_id, secret: secret.into() }),
            // A name alone is no authentication.
            _ => Err(Error::InvalidClient),
        }
    }
}

/// `Authorization: Basic …`; each half is form-encoded (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Error> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::InvalidRequest("the header field Authorization is there more than once"));
    }
    let text = value.to_str().map_err(|_| Error::InvalidClient)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Error::InvalidClient);
    }
    let pair = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.ok_or(Error::InvalidClient)?;
    let (id, secret) = pair.split_once(':').ok_or(Error::InvalidClient)?;
    Ok(Some((form_decoded(id), form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    // What separates parameters is part of this one value.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    let decoded = url::form_urlencoded::parse(escaped.as_bytes()).next();
    decoded.map(|(value, _)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    fn read(authorization: &[&str], body: &str) -> Result<Presented, Error> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Presented::read(&headers, &Form::parse(&headers, body.as_bytes()).unwrap())
    }

    fn basic_of(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn secret(client_id: &str, secret: &str) -> Result<Presented, Error> {
        Ok(Presented::Secret { client_id: client_id.into(), secret: secret.into() })
    }

    #[test]
    fn one_way() {
        let assertion = |client_id: Option<&str>| {
            Ok(Presented::Assertion { client_id: client_id.map(Into::into), jwt: "j".into() })
        };
        let jwt = format!("client_assertion=j&client_assertion_type={JWT_BEARER}");
        assert_eq!(read(&[&basic_of("a:b")], ""), secret("a", "b"));
        assert_eq!(read(&[&basic_of("a:b")], "client_id=a"), secret("a", "b"));
        assert_eq!(read(&["basic   YTpi  "], ""), secret("a", "b"));
        assert_eq!(read(&[&basic_of("a%3Ab:c%2Bd+e=&f:g")], ""), secret("a:b", "c+d e=&f:g"));
        assert_eq!(read(&[&basic_of("a:")], ""), secret("a", ""));
        assert_eq!(read(&[], "client_id=a&client_secret=b%20c"), secret("a", "b c"));
        assert_eq!(read(&[], &jwt), assertion(None));
        assert_eq!(read(&[], &format!("{jwt}&client_id=a")), assertion(Some("a")));
    }

    #[test]
    fn no_way_or_two() {
        let jwt = format!("client_assertion=j&client_assertion_type={JWT_BEARER}");
        let basic = basic_of("a:b");
        let request: [(&[&str], &str); 8] = [
            (&[&basic, &basic], ""),
            (&[&basic], "client_id=c"),
            (&[&basic], "client_id=a&client_secret=b"),
            (&[&basic], &jwt),
            (&[], &format!("{jwt}&client_id=a&client_secret=b")),
            (&[], "client_assertion=j"),
            (&[], &format!("client_assertion_type={JWT_BEARER}")),
            (&[], "client_assertion=j&client_assertion_type=saml"),
        ];
        for (authorization, body) in request {
            let got = read(authorization, body);
            assert!(matches!(got, Err(Error::InvalidRequest(_))), "{authorization:?} {body}: {got:?}");
        }
        let client: [(&[&str], &str); 7] = [
            (&[], ""),
            (&[], "client_id=a"),
            (&[], "client_secret=b"),
            (&["Bearer x"], ""),
            (&["Basic !"], ""),
            (&["Basic YQ=="], ""),
            (&["Basic"], ""),
        ];
        for (authorization, body) in client {
            assert_eq!(read(authorization, body), Err(Error::InvalidClient), "{authorization:?} {body}");
        }
    }
}
