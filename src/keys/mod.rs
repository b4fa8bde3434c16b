//! Our own keys and secrets: files in `keys/`, never journal entries (DESIGN, spine 9).
//!
//! Beside the flow: `transmitter` signs with what lies here, `revocation` keys its hashes with it, `auth`
//! compares secrets. An entry only ever holds an id. Never logs a value, never serialises one.

pub mod file;
pub mod secret;
pub mod tenant;
pub mod vault;

pub use file::{private_dir, write as write_private};
pub use secret::{authorization_id, hash_secret, introspection_id, secret_matches};
pub use tenant::TenantKeys;
pub use vault::Keys;
