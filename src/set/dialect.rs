//! The dialect an upstream speaks: SSF 1.0, or SSF with the habits of one product.
//!
//! Configured per upstream, handed to `set::verify`. Every leniency is tied to a dialect by name; under
//! `Ssf` none of them exists.

use serde::{Deserialize, Serialize};

/// How far from SSF 1.0 an upstream may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// SSF 1.0 final.
    #[default]
    Ssf,
    /// Keycloak. Beyond SSF 1.0 it is accepted that
    /// - the subject lies inside the event and `sub_id` is missing (its legacy profile);
    /// - `status` of stream-updated is an object that holds the status;
    /// - control events have no `aud` (lost when a poll stream was changed);
    /// - a session `ALL` means all sessions of the user, ended by an administrator.
    Keycloak,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(serde_json::to_string(&Dialect::Keycloak).unwrap(), "\"keycloak\"");
        assert_eq!(serde_json::from_str::<Dialect>("\"ssf\"").unwrap(), Dialect::default());
    }
}
