//! Our own keys and secrets: files in `keys/`, never journal entries (DESIGN, spine 9).
//!
//! Beside the flow: `transmitter` signs with what lies here, `revocation` keys its hashes with it, `auth`
//! compares secrets. An entry only ever holds an id. Never logs a value, never serialises one.

//! - [`vault`], [`tenant`]: all of them, those of a tenant
//! - [`ring`], [`state`]: signing keys that come and go
//! - [`safe`], [`seal`], [`file`]: names and contents, through the seal, on the disk
//! - [`secret`]: what peers present, as hashes
//! - [`config`], [`metrics`]: settings; the age of keys

pub mod config;
pub mod file;
pub mod metrics;
pub mod ring;
pub mod safe;
pub mod seal;
pub mod secret;
pub mod state;
pub mod tenant;
pub mod vault;

pub use file::write as write_private;
pub use secret::{authorization_id, hash_secret, introspection_id, secret_matches};
pub use tenant::TenantKeys;
pub use vault::{Keys, Setup};
