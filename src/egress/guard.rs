//! What may be contacted: the judgement of URLs and addresses.
//!
//! Asked when a URL is configured, each time it is used, and for every address that a name resolves to. A
//! connection goes to a judged address and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use url::{Host, Url};

use super::address::is_forbidden;
use super::config::Config;

/// Why a URL or an address is not contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an absolute URL with a host.
    #[error("not a URL with a host")]
    Url,
    /// Neither `https`, nor `http` to where it is allowed.
    #[error("the scheme must be https")]
    Scheme,
    /// A user name or password in the URL.
    #[error("a URL must not carry credentials")]
    Userinfo,
    /// The host is, or resolves only to, addresses that are not public and not allowed.
    #[error("the address is not allowed")]
    Address,
    /// The host is a name that is never public, and no network inside is allowed.
    #[error("the name is one of inside networks, and none is allowed")]
    Name,
}

/// The operator's exceptions, and the judgement by them.
#[derive(Clone, Debug)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    http: bool,
}

impl Guard {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self { allow: config.allow_cidrs.clone().into(), http: config.allow_http }
    }

    /// Whether an address may be connected to. `plain`: to speak http.
    pub fn passes(&self, ip: IpAddr, plain: bool) -> bool {
        let allowed = self.allow.iter().any(|net| net.contains(&ip));
        if plain { allowed && (self.http || ip.is_loopback()) } else { allowed || !is_forbidden(ip) }
    }

    /// Judges a URL: when it is configured (no client is needed for that), and each time it is used.
    pub fn check_url(&self, url: &str) -> Result<Url, Refused> {
        let url = Url::parse(url).map_err(|_| Refused::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Userinfo);
        }
        let plain = match url.scheme() {
            "https" => false,
            "http" if !self.allow.is_empty() => true,
            _ => return Err(Refused::Scheme),
        };
        if url.port() == Some(0) {
            return Err(Refused::Url);
        }
        let address = match url.host().ok_or(Refused::Url)? {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            // Where plain http is for loopback only, a name says which it is: no SET waits for an address to tell.
            Host::Domain(name) if plain && !self.http && !is_local(name) => return Err(Refused::Scheme),
            // Such a name leads inside, or nowhere: said now, for no delivery could ever come of it.
            Host::Domain(name) if self.allow.is_empty() && is_inside(name) => return Err(Refused::Name),
            // Another name may be anything here; what it resolves to is judged before a connection is made.
            Host::Domain(_) => None,
        };
        match address {
            Some(ip) if !self.passes(ip, plain) => {
                Err(if plain { Refused::Scheme } else { Refused::Address })
            }
            _ => Ok(url),
        }
    }
}

/// Whether a name is this machine's, by its form (RFC 6761, 6.3).
fn is_local(name: &str) -> bool {
    lies_in(name, "localhost")
}

/// Whether a name is never one of the public DNS, by its form: this machine's, link-local (RFC 6762, 3), a home's (RFC
/// 8375), or of a network inside (`internal` is kept for that by ICANN; clouds have their metadata there).
fn is_inside(name: &str) -> bool {
    ["localhost", "local", "internal", "home.arpa"].iter().any(|zone| lies_in(name, zone))
}

fn lies_in(name: &str, zone: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], http: bool) -> Guard {
        let allow_cidrs = allow.iter().map(|a| a.parse().unwrap()).collect();
        Guard::of(&Config { allow_cidrs, allow_http: http, ..Config::default() })
    }

    #[test]
    fn urls() {
        let table = [
            ("https://example.com/x", None),
            ("https://93.184.216.34/", None),
            ("https://example.com:8443/", None),
            ("https://example.com:0/", Some(Refused::Url)),
            ("http://example.com/", Some(Refused::Scheme)),
            ("ftp://example.com/", Some(Refused::Scheme)),
            ("file:///etc/passwd", Some(Refused::Scheme)),
            ("data:text/plain,x", Some(Refused::Scheme)),
            ("/relative", Some(Refused::Url)),
            ("https://", Some(Refused::Url)),
            ("https://user@example.com/", Some(Refused::Userinfo)),
            ("https://:pw@example.com/", Some(Refused::Userinfo)),
            ("https://127.0.0.1/", Some(Refused::Address)),
            ("https://2130706433/", Some(Refused::Address)),
            ("https://0x7f.1/", Some(Refused::Address)),
            ("https://0177.0.0.1/", Some(Refused::Address)),
            ("https://169.254.169.254/latest", Some(Refused::Address)),
            ("https://[::ffff:127.0.0.1]/", Some(Refused::Address)),
            ("https://[64:ff9b::7f00:1]/", Some(Refused::Address)),
            ("https://[2002:7f00:1::]/", Some(Refused::Address)),
            ("https://[::1]/", Some(Refused::Address)),
            ("http://[::ffff:127.0.0.1]/", Some(Refused::Scheme)),
            ("https://localhost/x", Some(Refused::Name)),
            ("https://LOCALHOST./x", Some(Refused::Name)),
            ("https://a.localhost/", Some(Refused::Name)),
            ("https://printer.local/", Some(Refused::Name)),
            ("https://metadata.google.internal/", Some(Refused::Name)),
            ("https://nas.home.arpa/", Some(Refused::Name)),
            ("https://notlocalhost/", None),
            ("https://local.example/", None),
            ("https://internal.example.com/", None),
        ];
        for (url, want) in table {
            assert_eq!(guard(&[], true).check_url(url).err(), want, "{url}");
        }
    }

    #[test]
    fn exceptions() {
        let open = guard(&["127.0.0.0/8", "::1/128"], false);
        for good in ["http://127.0.0.1:8/", "http://2130706433/", "http://[::1]/", "https://127.0.0.1/"] {
            assert_eq!(open.check_url(good).err(), None, "{good}");
        }
        for bad in ["http://93.184.216.34/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/"] {
            assert_eq!(open.check_url(bad).err(), Some(Refused::Scheme), "{bad}");
        }
        for judged_later in ["https://localhost/", "http://localhost/", "https://hub.internal/"] {
            assert_eq!(open.check_url(judged_later).err(), None, "{judged_later}");
        }
        assert_eq!(open.check_url("http://a@127.0.0.1/").err(), Some(Refused::Userinfo));
        assert_eq!(open.check_url("https://10.0.0.1/").err(), Some(Refused::Address));
        // A network that may be reached is not yet one where http is spoken; loopback is.
        let (closed, plain) = (guard(&["10.0.0.0/8"], false), guard(&["10.0.0.0/8"], true));
        assert_eq!(closed.check_url("https://10.0.0.1/").err(), None);
        assert_eq!(closed.check_url("http://10.0.0.1/").err(), Some(Refused::Scheme));
        assert_eq!(plain.check_url("http://10.0.0.1/").err(), None);
        assert_eq!(plain.check_url("http://93.184.216.34/").err(), Some(Refused::Scheme));
    }
}
