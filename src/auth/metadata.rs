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
    json!({
        "resource": issuer,
        "authorization_servers": servers,
        "scopes_supported": scopes(),
        "bearer_methods_supported": ["header"],
        "resource_name": "ssf-hub",
    })
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
        // Required, and empty: there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": [super::server::GRANT],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        "protected_resources": [issuer],
    })
}
