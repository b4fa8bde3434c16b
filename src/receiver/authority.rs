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

fn covers(namespace: &str, alias: &Alias) -> bool {
    if !alias.iss.is_empty() {
        return alias.iss == namespace;
    }
    match namespace.strip_prefix('@') {
        Some(domain) => {
            alias.kind == "email"
                && alias.value.rsplit_once('@').is_some_and(|(_, host)| host.eq_ignore_ascii_case(domain))
        }
        None => alias.kind != "email" && alias.value.starts_with(namespace),
    }
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
        let cases: [(&[&str], &Alias, bool); 9] = [
            (&["*"], &sub, true),
            (&["https://a"], &sub, true),
            (&["https://"], &sub, false),
            (&["@a.example"], &mail, true),
            (&["@example"], &mail, false),
            (&["u"], &mail, false),
            (&["spiffe://a/"], &spiffe, true),
            (&["spiffe://b/"], &spiffe, false),
            (&[], &sub, false),
        ];
        for (namespaces, alias, want) in cases {
            assert_eq!(allows_names(&of(namespaces), [alias].into_iter()), want, "{namespaces:?} {alias:?}");
        }
        let both = [sub, mail];
        assert!(!allows_names(&of(&["https://a"]), both.iter()));
        assert!(allows_names(&of(&["https://a", "@A.EXAMPLE"]), both.iter()));
        let types = Authority { event_types: vec!["u:1".into()], ..Authority::default() };
        assert!(allows_type(&types, "u:1") && !allows_type(&types, "u:2"));
    }
}
