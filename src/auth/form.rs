//! A request body of the authorization server: `application/x-www-form-urlencoded`, each parameter once (RFC 6749, 3.2).
//!
//! First step of [`super::server`]. Knows no parameter by name but `resource`, which RFC 8707 lets come more than once.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::oauth::Error;

/// Longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Most parameters of one body.
const PARAMETERS_MAX: usize = 64;
/// The parameter that may be repeated (RFC 8707, 2).
const RESOURCE: &str = "resource";

/// The parameters of a body. Those without a value count as left out (RFC 6749, 3.1).
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Error::InvalidRequest("the body must be application/x-www-form-urlencoded"));
        }
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            if form.0.len() >= PARAMETERS_MAX {
                return Err(Error::InvalidRequest("too many parameters"));
            }
            if name != RESOURCE && form.0.iter().any(|(known, _)| *known == name) {
                return Err(Error::InvalidRequest("a parameter is there more than once"));
            }
            form.0.push((name.into_owned(), value.into_owned()));
        }
        form.0.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of `resource`.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, _)| name == RESOURCE).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn parse(kind: &'static str, body: &str) -> Result<Form, Error> {
        Form::parse(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]), body.as_bytes())
    }

    #[test]
    fn each_parameter_once() {
        let kind = "application/x-www-form-urlencoded";
        let form = parse(kind, "a=b+c&d=%2B&e=&resource=x&resource=y&f").unwrap();
        let got = ["a", "d", "e", "f", "g"].map(|name| form.value(name));
        assert_eq!(got, [Some("b c"), Some("+"), None, None, None]);
        assert_eq!(form.resources().collect::<Vec<_>>(), ["x", "y"]);
        assert!(parse("Application/X-WWW-form-urlencoded; charset=UTF-8", "a=b").is_ok());
        let many = (0..65).map(|n| format!("p{n}=1&")).collect::<String>();
        for (kind, body) in
            [(kind, "a=b&a=b"), (kind, "a=&a=b"), (kind, &many), ("application/json", "{}"), ("", "a=b")]
        {
            assert!(matches!(parse(kind, body), Err(Error::InvalidRequest(_))), "{kind} {body}");
        }
    }
}
