//! JOSE: josekit behind parse, verify, sign and publish. The only home of josekit.
//!
//! Stands between bytes from outside and everything that trusts a signature: SETs, access tokens, signed
//! chain heads. josekit's JWT types, its JSON deserialisation and its `JwkSet` are never used (they panic
//! on large numbers, skip `crit`, and keep removed keys): only its signer and verifier objects, each built
//! once per key. Never decides whether an issuer is trusted; that is the caller's word.

pub mod alg;
pub mod compact;
pub mod exact;
pub mod jwk;
pub mod keyset;
pub mod published;
pub mod remote;
pub mod sign;
pub mod sources;
pub mod strict;

pub use alg::Alg;
pub use compact::{Compact, Header, verify_compact};
pub use keyset::KeySet;
pub use remote::{JwksSource, RemoteKeys};
pub use sign::{SigningKey, sign_compact};
