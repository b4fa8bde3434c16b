//! What clients can find out by themselves: the metadata of a tenant as a protected resource (RFC 9728) and of its
//! built-in authorization server (RFC 8414). Pure; `api/well_known` serves it.

use serde_json::{Value, json};

use crate::jose::Alg;
use crate::stream::receiver::Scope;

/// How long it may be kept (s).
pub const MAX_AGE_S: u32 = 300;

fn scopes() -> [&'static str; 2] {
    [Scope::Read, Scope::Manage].map(Scope::as_str)
}

/// The protected resource (RFC 9728, 2). `servers` are the issuers whose tokens it takes.
pub fn protected_resource(issuer: &str, servers: &[&str]) -> Value {
    let mut resource = json!({
        "resource": issuer,
        "scopes_supported": scopes(),
        "bearer_methods_supported": ["header"],
        "resource_name": "ssf-hub",
    });
    if !servers.is_empty() {
        // What has no elements is left out (3.2).
        resource["authorization_servers"] = servers.into();
    }
    resource
}

/// The authorization server (RFC 8414, 2).
pub fn authorization_server(issuer: &str) -> Value {
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algs = Alg::ALL.map(Alg::name);
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "scopes_supported": scopes(),
        // Required, and so not left out though it is empty: there is no authorization endpoint (ADR 0012).
        "response_types_supported": [],
        "grant_types_supported": [super::server::GRANT],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        "protected_resources": [issuer],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_elements_is_left_out_unless_it_must_be_there() {
        let at = |servers: &[&str]| protected_resource("https://h/t/a", servers);
        assert_eq!(at(&["https://as"])["authorization_servers"], json!(["https://as"]));
        assert!(at(&[]).get("authorization_servers").is_none());
        assert_eq!(authorization_server("https://h/t/a")["response_types_supported"], json!([]));
    }
}
