//! Finding the transmitter's documents from its issuer: SSF 7.2, RFC 8414 3, RFC 9728 3.
//!
//! Well-known strings are put between host and path; a terminating slash is left out of the URL. Never judges what the
//! documents say: that is for the cases.

use serde_json::Value;

use super::Trouble;
use super::exchange::{Request, send};
use super::lab::Lab;

/// The URL of a well-known document of `issuer`.
pub fn well_known(issuer: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(issuer).ok().filter(url::Url::has_host)?;
    let path = url.path().trim_end_matches('/');
    let origin = url.origin().ascii_serialization();
    Some(format!("{origin}/.well-known/{name}{path}"))
}

/// GETs a JSON object; nothing if there is none.
pub async fn object(lab: &Lab, url: &str) -> Result<Option<Value>, Trouble> {
    let request = Request { method: "GET".into(), url: url.into(), ..Request::default() };
    let doc = send(lab, &request).await?.doc;
    Ok(Some(doc["body"].clone()).filter(|body| doc["status"] == 200 && body.is_object()))
}

/// Where the transmitter's authorization server gives out tokens.
pub async fn token_endpoint(lab: &Lab) -> Result<String, Trouble> {
    let issuer = &lab.settings.issuer;
    let missing = || Trouble::na(format!("{issuer} is no URL"));
    let resource = well_known(issuer, "oauth-protected-resource").ok_or_else(missing)?;
    let named = object(lab, &resource)
        .await?
        .and_then(|doc| doc["authorization_servers"].as_array()?.first()?.as_str().map(String::from));
    let server = named.unwrap_or_else(|| issuer.clone());
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let url = well_known(&server, name).ok_or_else(missing)?;
        if let Some(endpoint) =
            object(lab, &url).await?.and_then(|d| d["token_endpoint"].as_str().map(String::from))
        {
            return Ok(endpoint);
        }
    }
    Err(Trouble::na(format!("no token endpoint was found for {server}; name it with --token-endpoint")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_string_stands_between_host_and_path() {
        for (issuer, want) in [
            ("https://h", "https://h/.well-known/ssf-configuration"),
            ("https://h/", "https://h/.well-known/ssf-configuration"),
            ("https://h:8/a/b", "https://h:8/.well-known/ssf-configuration/a/b"),
            ("https://h/a/", "https://h/.well-known/ssf-configuration/a"),
        ] {
            assert_eq!(well_known(issuer, "ssf-configuration").as_deref(), Some(want), "{issuer}");
        }
        assert_eq!(well_known("h/a", "x"), None);
    }
}
