//! Kinds of values by name, as the cases speak of them: `https_url`, `epoch_s`, `language_map`.
//!
//! Asked by [`super::shape`] for a matcher that is a bare word. The syntax of names is that of `set::syntax`; what only
//! looks odd passes, for the values are another program's. Never sees where a value comes from.

use serde_json::Value;

use crate::set::syntax;

/// Largest number that is read as seconds since 1970; beyond it somebody wrote milliseconds.
const SECONDS_MAX: f64 = 1e11;

/// Whether `value` is of the kind; `None` for a word that is no kind.
pub fn is(kind: &str, value: &Value) -> Option<bool> {
    let text = value.as_str();
    let is_text = |check: fn(&str) -> bool| text.is_some_and(check);
    Some(match kind {
        "present" => true,
        "string" => value.is_string(),
        "text" => is_text(|t| !t.trim().is_empty()),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "epoch_s" => value.as_f64().is_some_and(|n| (0.0..SECONDS_MAX).contains(&n)),
        "https_url" => is_text(is_https_url),
        "url" => is_text(|t| url::Url::parse(t).is_ok_and(|u| u.has_host())),
        "uri" => is_text(syntax::is_uri),
        "urn" => is_text(|t| t.len() > 4 && t.to_ascii_lowercase().starts_with("urn:")),
        "email" => is_text(syntax::is_addr_spec),
        "acct_uri" => is_text(syntax::is_acct),
        "did_url" => is_text(syntax::is_did),
        "ip" => is_text(syntax::is_ip_address),
        "e164" => is_text(is_e164),
        "guid" => is_text(is_guid),
        "unreserved" => is_text(is_unreserved),
        "jws" => is_text(is_jws),
        "retry_after" => is_text(is_retry_after),
        "language_map" => value.as_object().is_some_and(|map| {
            !map.is_empty()
                && map.iter().all(|(tag, text)| is_tag(tag) && text.as_str().is_some_and(|t| !t.is_empty()))
        }),
        _ => return None,
    })
}

/// An https URL with a host, without query and fragment.
fn is_https_url(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|u| u.scheme() == "https" && u.has_host() && u.query().is_none() && u.fragment().is_none())
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|p| p.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// RFC 3986 2.3.
fn is_unreserved(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~".contains(&c))
}

/// Three parts of base64url without padding.
fn is_jws(text: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c));
    text.split('.').count() == 3 && text.split('.').all(part)
}

/// Seconds, or the outline of an HTTP date (RFC 9110, 10.2.3).
fn is_retry_after(text: &str) -> bool {
    let seconds = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    seconds || (text.len() == 29 && text.ends_with(" GMT") && text.as_bytes().get(3) == Some(&b','))
}

/// The outline of a BCP 47 tag.
fn is_tag(tag: &str) -> bool {
    tag.split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_by_table() {
        let table = [
            ("https_url", json!("https://h:1/p"), true),
            ("https_url", json!("https://h/p?q"), false),
            ("https_url", json!("https://h/p#f"), false),
            ("https_url", json!("http://h/p"), false),
            ("https_url", json!(7), false),
            ("epoch_s", json!(1_700_000_000), true),
            ("epoch_s", json!(1_700_000_000_000_i64), false),
            ("epoch_s", json!("1700000000"), false),
            ("language_map", json!({ "en": "x", "de-AT": "y" }), true),
            ("language_map", json!({}), false),
            ("language_map", json!({ "en": 1 }), false),
            ("language_map", json!({ "english!": "x" }), false),
            ("language_map", json!("x"), false),
            ("e164", json!("+12065550100"), true),
            ("e164", json!("+1 206 555 0100"), false),
            ("jws", json!("a.b-_.c"), true),
            ("jws", json!("\"a.b.c\""), false),
            ("jws", json!("a.b"), false),
            ("retry_after", json!("30"), true),
            ("retry_after", json!("Fri, 31 Dec 1999 23:59:59 GMT"), true),
            ("retry_after", json!("-1"), false),
            ("retry_after", json!("soon"), false),
            ("retry_after", json!(""), false),
            ("unreserved", json!("aA0-._~"), true),
            ("unreserved", json!("a/b"), false),
            ("guid", json!("00000000-0000-0000-0000-000000000000"), true),
            ("guid", json!("0"), false),
            ("text", json!(" "), false),
            ("urn", json!("urn:ietf:rfc:6749"), true),
        ];
        for (kind, value, want) in table {
            assert_eq!(is(kind, &value), Some(want), "{kind} {value}");
        }
        assert_eq!(is("nonsense", &json!(1)), None);
    }
}
