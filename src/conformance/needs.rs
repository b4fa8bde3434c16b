//! What a case cannot do without, and why it is not there.
//!
//! `emit`, `status` (the hooks) · `second`, `reader` (credentials) · `push`, `poll` (the method, and for push the sink) ·
//! `endpoint:NAME` (in the metadata) · `subjects:ALL`, `subjects:NONE` (the default of a fresh stream) · `https` ·
//! `path`, `slash` (in the issuer) · `other_issuer` · `caep-interop` (the profile) · `token_answer`
//! (tokens by client credentials) · `bad_tls` (an endpoint with a bad certificate) · `metadata` · `known_subject` (one that
//! the transmitter knows) · `keep_alive` (it sends verification events that nobody asked for). A value of an `each` may also need `known:NAME`, something known by then. Never judges.

use super::lab::Lab;
use super::settings::Profile;
use super::token::Who;

/// Why the need is not met.
pub fn unmet(lab: &Lab, need: &str) -> Option<String> {
    let settings = &lab.settings;
    let (name, arg) = need.split_once(':').unwrap_or((need, ""));
    let path = url::Url::parse(&settings.issuer).map(|u| u.path().to_string()).unwrap_or_default();
    let unless = |met: bool, why: &str| (!met).then(|| why.to_string());
    match name {
        "emit" => unless(settings.emit.is_some(), "needs an event: there is no --emit-command"),
        "status" => unless(settings.status.is_some(), "needs the operator: there is no --status-command"),
        "second" => unless(Who::B.is_known(lab), "needs a second receiver: --token-b or --client-id-b"),
        "reader" => unless(Who::Reader.is_known(lab), "needs a token that may only read: --token-read"),
        "https" => unless(settings.issuer.starts_with("https:"), "the issuer is plain http: a laboratory"),
        "path" => unless(path.len() > 1, "the issuer has no path"),
        "slash" => unless(
            path.ends_with('/') && settings.issuer.ends_with('/'),
            "the issuer has no terminating slash",
        ),
        "other_issuer" => unless(settings.other_issuer.is_some(), "needs another issuer: --other-issuer"),
        "caep-interop" => unless(settings.profile == Profile::CaepInterop, "not in this profile"),
        "token_answer" => {
            unless(lab.token_answer().is_some(), "the run had no token from an authorization server")
        }
        "metadata" => unless(lab.metadata().is_object(), "there is no metadata"),
        "endpoint" => unless(lab.metadata()[arg].is_string(), &format!("the metadata names no {arg}")),
        "keep_alive" => unless(
            settings.keep_alive.is_some(),
            "needs a transmitter that verifies unasked, and to know how often: --keep-alive-s",
        ),
        "known_subject" => unless(settings.known_subject.is_some(), "needs --known-subject"),
        "bad_tls" => unless(lab.bad_tls.is_some(), "needs --bad-tls-listen and --bad-tls-url"),
        "push" => method(lab, "urn:ietf:rfc:8935")
            .or_else(|| unless(lab.sink.is_some(), "needs a place for pushes: --push-listen and --push-url")),
        "poll" => method(lab, "urn:ietf:rfc:8936"),
        "subjects" => subjects(lab, arg),
        _ => Some(format!("an unknown need: {need}")),
    }
}

fn method(lab: &Lab, uri: &str) -> Option<String> {
    let metadata = lab.metadata();
    let listed = metadata["delivery_methods_supported"].as_array();
    let there = listed.is_none_or(|all| all.iter().any(|m| *m == *uri));
    (!there).then(|| format!("the transmitter does not offer {uri}"))
}

fn subjects(lab: &Lab, wanted: &str) -> Option<String> {
    let metadata = lab.metadata();
    let default = lab.settings.default_subjects.as_deref().or(metadata["default_subjects"].as_str());
    match default {
        Some(default) if default == wanted => None,
        Some(default) => Some(format!("a fresh stream has {default}, not {wanted}")),
        None => Some("default_subjects is not stated: --default-subjects".into()),
    }
}

/// Whether a word is a need at all.
pub fn is_known(need: &str) -> bool {
    let (name, arg) = need.split_once(':').unwrap_or((need, ""));
    match name {
        "endpoint" => !arg.is_empty(),
        "subjects" => ["ALL", "NONE"].contains(&arg),
        _ => {
            let plain = [
                "emit",
                "status",
                "second",
                "reader",
                "https",
                "path",
                "slash",
                "other_issuer",
                "caep-interop",
                "token_answer",
                "metadata",
                "push",
                "poll",
                "bad_tls",
                "known_subject",
                "keep_alive",
            ];
            arg.is_empty() && plain.contains(&name)
        }
    }
}
