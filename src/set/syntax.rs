//! The syntax of the names inside subject identifiers (RFC 9493 §3.2, SSF 3.5).
//!
//! Used by `sub_id` alone. Only what makes a value impossible is refused: these are other people's names,
//! and whether they exist is not a question of syntax. Never changes a value.

/// An `acct:` URI with user and host (RFC 7565).
pub fn is_acct(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let Some((user, host)) = rest.rsplit_once('@') else { return false };
    scheme.eq_ignore_ascii_case("acct") && !user.is_empty() && !host.is_empty() && is_printable(rest)
}

/// An addr-spec (RFC 5322 §3.4.1): `local@domain`, no display name, no comments.
pub fn is_addr_spec(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    let outside = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"@".contains(c);
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let local_fits = quoted || (!local.is_empty() && !local.contains(outside));
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    let domain_fits = match literal {
        Some(inside) => {
            !inside.is_empty() && !inside.contains(|c: char| c.is_whitespace() || "[]\\".contains(c))
        }
        None => !domain.is_empty() && !domain.contains(outside),
    };
    local_fits && domain_fits && !email.contains(char::is_control)
}

/// An E.164 number with its `+`. Separators are put up with (AMB-03); the value stays as it came.
pub fn is_phone_number(number: &str) -> bool {
    let Some(rest) = number.strip_prefix('+') else { return false };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (1..=15).contains(&digits) && rest.bytes().all(|c| c.is_ascii_digit() || b" -.()".contains(&c))
}

/// A DID, or a DID URL: `did:method:id…`.
pub fn is_did(url: &str) -> bool {
    let mut parts = url.splitn(3, ':');
    let method = |m: &str| !m.is_empty() && m.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    parts.next() == Some("did")
        && parts.next().is_some_and(method)
        && parts.next().is_some_and(|id| !id.is_empty() && is_printable(id))
}

/// A URI with a scheme (RFC 3986 §3); relative references are none.
pub fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
        && !rest.is_empty()
        && is_printable(rest)
}

/// An IPv4 or IPv6 address in textual form; IPv6 with or without a zone (RFC 4001).
pub fn is_ip_address(text: &str) -> bool {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && address.contains(':') => address,
        Some(_) => return false,
        None => text,
    };
    address.parse::<std::net::IpAddr>().is_ok()
}

fn is_printable(s: &str) -> bool {
    !s.contains(|c: char| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        type Check = fn(&str) -> bool;
        let table: [(Check, &[&str], &[&str]); 6] = [
            (
                is_acct,
                &["acct:user@example.com", "acct:a%40b@c"],
                &["https://a@b", "acct:", "acct:x", "acct:@b", ""],
            ),
            (
                is_addr_spec,
                &["a@b", "user@example.com", "\"a b\"@example.com", "a@[192.0.2.1]", "ü@example.com"],
                &["Foo <a@b>", "a", "@b", "a@", "a b@c", "a@b c", "a@b@c", "a@[]", "", "a\n@b"],
            ),
            (
                is_phone_number,
                &["+12065550100", "+1 206 555 0123"],
                &["12065550100", "+", "+1x", "+1234567890123456"],
            ),
            (
                is_did,
                &["did:example:123", "did:web:a.b:c#k"],
                &["did:", "did:x:", "did::x", "https://x", "did:x"],
            ),
            (
                is_uri,
                &["https://x/", "urn:a:b", "spiffe://d/w", "tel:+1"],
                &["/relative", "x", "1a:b", "a:", "a: b", ""],
            ),
            (
                is_ip_address,
                &["192.0.2.1", "2001:db8::1", "fe80::1%eth0"],
                &["x", "1.2.3", "1.2.3.4/8", "1.2.3.4%e", ""],
            ),
        ];
        for (check, good, bad) in table {
            good.iter().for_each(|s| assert!(check(s), "{s}"));
            bad.iter().for_each(|s| assert!(!check(s), "{s}"));
        }
    }
}
