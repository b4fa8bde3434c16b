//! The transmitter configuration metadata (SSF 1.0, 7.1).
//!
//! Readable by anybody. A member whose list would be empty is left out (7.2.3).

use serde_json::{Value, json};

use super::Doors;
use crate::stream::Method;
use crate::stream::receiver::{DefaultSubjects, Receiver};

/// The version of the specification that this hub implements, as it writes it.
const SPEC_VERSION: &str = "1_0";

/// The document of a tenant whose receivers are these.
pub fn document<'a>(doors: &Doors, receivers: impl Iterator<Item = &'a Receiver>) -> Value {
    let mut document = json!({
        "spec_version": SPEC_VERSION,
        "issuer": doors.iss(),
        "jwks_uri": doors.at("jwks.json"),
        "delivery_methods_supported": [Method::Push, Method::Poll],
        "configuration_endpoint": doors.at("ssf/streams"),
        "status_endpoint": doors.at("ssf/status"),
        "add_subject_endpoint": doors.at("ssf/subjects/add"),
        "remove_subject_endpoint": doors.at("ssf/subjects/remove"),
        "verification_endpoint": doors.at("ssf/verify"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
    });
    if let Some(default_subjects) = common(receivers.map(|r| r.default_subjects)) {
        document["default_subjects"] = json!(default_subjects);
    }
    document
}

/// What all receivers have; nothing where they differ, for the document would be wrong for some. Without receivers what
/// a new one gets.
fn common(mut all: impl Iterator<Item = DefaultSubjects>) -> Option<DefaultSubjects> {
    let first = all.next().unwrap_or_default();
    all.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::TenantId;

    #[test]
    fn complete_and_without_empty_lists() {
        let doors = Doors::new("https://h.example", &TenantId::default_tenant());
        let all = Receiver::default();
        let none = Receiver { default_subjects: DefaultSubjects::None, ..Receiver::default() };
        let document = document(&doors, [&all, &all].into_iter());
        assert_eq!(document["issuer"], "https://h.example/t/default");
        assert_eq!(document["spec_version"], "1_0");
        assert_eq!(document["default_subjects"], "ALL");
        assert_eq!(document["delivery_methods_supported"], json!(["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"]));
        let empty = |v: &Value| v.as_array().is_some_and(Vec::is_empty);
        assert!(!document.as_object().unwrap().values().any(empty));
        let of = |receivers: &[&Receiver]| super::document(&doors, receivers.iter().copied());
        assert_eq!(of(&[&none])["default_subjects"], "NONE");
        assert!(of(&[&none, &all]).get("default_subjects").is_none(), "it would be wrong for one of them");
        assert_eq!(of(&[])["default_subjects"], "ALL");
    }
}
