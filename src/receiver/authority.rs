//! What a source may speak of (DESIGN 11): event types and subject namespaces.
//!
//! Outside of it a SET is answered 202, kept, marked, and sent to no stream. A fact outside of it is refused.

use crate::hub::object::Authority;
use crate::lineage::alias::Alias;

/// Whether the event type lies within.
pub fn allows_type(authority: &Authority, uri: &str) -> bool {
    authority.event_types.iter().any(|t| t == "*" || t == uri)
}

/// Whether every name lies within. An alias without an issuer is judged by its value: `@domain` for e-mail
/// addresses, a prefix for all else.
pub fn allows_names<'a>(authority: &Authority, mut names: impl Iterator<Item = &'a Alias>) -> bool {
    if authority.namespaces.iter().any(|n| n == "*") {
        return true;
    }
    names.all(|alias| authority.namespaces.iter().any(|n| covers(n, alias)))
}

/// Whether a SET's subject lies within. One without any name that could be looked at lies beyond, unless every
/// namespace is allowed.
pub fn allows_subject(authority: &Authority, names: &[Alias]) -> bool {
    let all = authority.namespaces.iter().any(|n| n == "*");
    all || (!names.is_empty() && allows_names(authority, names.iter()))
}

fn covers(namespace: &str, alias: &Alias) -> bool {
    if !alias.iss.is_empty() {
        return alias.iss == namespace;
    }
    match namespace.strip_prefix('@') {
        Some(domain) => {
            alias.kind == "email"
                && alias.value.rsplit_once('@').is_some_and(|(_, host)| host.eq_ignore_ascii_case(domain))
        }
        None => alias.kind != "email" && begins(&alias.value, namespace),
    }
}

/// Whether `value` begins with a namespace. Where that is a URL, not in the middle of a host or of a part of the path:
/// `https://idp.example` does not cover `https://idp.example.attacker.example`.
fn begins(value: &str, namespace: &str) -> bool {
    let Some(rest) = value.strip_prefix(namespace) else { return false };
    let whole =
        rest.is_empty() || rest.starts_with(['/', '?', '#']) || namespace.ends_with(['/', '?', '#', '=']);
    !namespace.is_empty() && (whole || !namespace.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces() {
        let of = |namespaces: &[&str]| Authority {
            namespaces: namespaces.iter().map(|s| s.to_string()).collect(),
            ..Authority::default()
        };
        let sub = Alias::new("iss_sub", "https://a", "u");
        let mail = Alias::new("email", "", "u@a.example");
        let spiffe = Alias::new("spiffe", "", "spiffe://a/x");
        let uri = |value: &str| Alias::new("uri", "", value);
        let (own, under, evil) = (uri("https://a"), uri("https://a/x"), uri("https://a.evil/x"));
        let phone = Alias::new("phone_number", "", "+4930123");
        let cases: [(&[&str], &Alias, bool); 16] = [
            (&["*"], &sub, true),
            (&["https://a"], &sub, true),
            (&["https://"], &sub, false),
            (&["@a.example"], &mail, true),
            (&["@example"], &mail, false),
            (&["u"], &mail, false),
            (&["spiffe://a/"], &spiffe, true),
            (&["spiffe://b/"], &spiffe, false),
            (&[], &sub, false),
            (&["https://a"], &own, true),
            (&["https://a"], &under, true),
            (&["https://a"], &evil, false),
            (&["https://a/"], &under, true),
            (&["+49"], &phone, true),
            (&[""], &phone, false),
            (&[""], &sub, false),
        ];
        for (namespaces, alias, want) in cases {
            assert_eq!(allows_names(&of(namespaces), [alias].into_iter()), want, "{namespaces:?} {alias:?}");
        }
        assert!(!allows_subject(&of(&["https://a"]), &[]), "nothing to look at");
        assert!(allows_subject(&of(&["*"]), &[]));
        let both = [sub, mail];
        assert!(!allows_names(&of(&["https://a"]), both.iter()));
        assert!(allows_names(&of(&["https://a", "@A.EXAMPLE"]), both.iter()));
        let types = Authority { event_types: vec!["u:1".into()], ..Authority::default() };
        assert!(allows_type(&types, "u:1") && !allows_type(&types, "u:2"));
    }
}
