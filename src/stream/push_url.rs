//! Patterns of push URLs: which ones a receiver may name.
//!
//! A pattern is `*`, a URL, or the beginning of one with its host, then `*`. It means URLs as they are called:
//! `https://A.example:443/*` is `https://a.example/*`. Pure.

use url::Url;

/// Whether a pattern means this URL.
pub(super) fn matches(pattern: &str, url: &Url) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(beginning) => normal(beginning).is_some_and(|beginning| url.as_str().starts_with(&beginning)),
        None => Url::parse(pattern).is_ok_and(|pattern| pattern == *url),
    }
}

/// Whether it is a pattern that means any URL. One that ends within the host would let `https://good.example*` mean
/// `https://good.example.evil.example`.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let Some(beginning) = pattern.strip_suffix('*') else { return Url::parse(pattern).is_ok() };
    let host_ends = |rest: &str| rest.find('/').is_some_and(|at| at > 0);
    let names_host = || beginning.split_once("://").is_some_and(|(_, rest)| host_ends(rest));
    beginning.is_empty() || (names_host() && normal(beginning).is_some())
}

/// A beginning as it is in URLs that are called. `None`: of none.
fn normal(beginning: &str) -> Option<String> {
    // Something stands behind it in whatever it is the beginning of: a last `.` or `..` is no segment yet.
    let whole = Url::parse(&format!("{beginning}x")).ok()?;
    whole.as_str().strip_suffix('x').map(String::from)
}

#[cfg(test)]
mod tests {
    use super::super::receiver::Receiver;

    #[test]
    fn patterns_bind_the_host() {
        let receiver = |patterns: &[&str]| Receiver {
            push_urls: patterns.iter().map(|p| (*p).to_string()).collect(),
            ..Receiver::default()
        };
        for (pattern, good) in [
            ("*", true),
            ("https://a.example/events", true),
            ("https://a.example/*", true),
            ("https://a.example*", false),
            ("https://*", false),
            ("a.example/*", false),
            ("not a url", false),
            ("https://a b.example/*", false),
        ] {
            assert_eq!(receiver(&[pattern]).check().is_ok(), good, "{pattern}");
        }
        let one = receiver(&["https://a.example/in/*"]);
        assert!(one.may_push_to("https://a.example/in/1"));
        assert!(!one.may_push_to("https://a.example/in/../x") && !one.may_push_to("in/1"));
        assert!(!one.may_push_to("https://a.example/") && !one.may_push_to("https://b.example/in/1"));
    }

    #[test]
    fn a_pattern_means_the_urls_that_are_called() {
        let may = |pattern: &str, url: &str| {
            let receiver = Receiver { push_urls: vec![pattern.into()], ..Receiver::default() };
            assert_eq!(receiver.check(), Ok(()), "{pattern}");
            receiver.may_push_to(url)
        };
        for (pattern, url, want) in [
            ("*", "https://a.example/x", true),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example", "https://a.example/x", false),
            ("https://A.example/in", "https://a.EXAMPLE/in", true),
            ("https://A.example/*", "https://a.example/in", true),
            ("https://a.example:443/*", "https://a.example/in", true),
            ("https://a.example:444/*", "https://a.example/in", false),
            ("HTTPS://a.example/in/*", "https://a.example/in/1", true),
            ("https://a.example/in/*", "https://a.example/inx", false),
            ("https://a.example/x/../in/*", "https://a.example/in/1", true),
            ("https://a.example/in/.*", "https://a.example/in/.1", true),
            ("https://a.example/in/.*", "https://a.example/in/1", false),
            ("https://a.example/in/..*", "https://a.example/1", false),
            ("https://a.example/a b*", "https://a.example/a%20b1", true),
            ("https://b\u{fc}cher.example/*", "https://xn--bcher-kva.example/in", true),
            ("https://a.example/*", "https://a.example.evil.example/", false),
            ("https://a.example/*", "https://a.example@evil.example/", false),
        ] {
            assert_eq!(may(pattern, url), want, "{pattern} {url}");
        }
    }
}
