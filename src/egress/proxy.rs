//! The outbound proxy: where it is, what it is told, and what is reached past it.
//!
//! Plain data, parsed when the configuration is judged. The proxy's own address is the operator's word and is not
//! judged; what is asked of it is.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use url::{Host, Url};

use super::config::Config;

/// What is wrong with the proxy's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Its URL.
    #[error("must be http://host:port, without path and credentials")]
    Url,
    /// One of the exceptions.
    #[error("`{0}` is no host, domain, address or CIDR block")]
    Exception(String),
    /// Its credentials.
    #[error("{0}")]
    Credentials(&'static str),
}

/// A proxy.
#[derive(Clone)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
    pub(super) by_name: bool,
    past: Vec<Past>,
}

/// Something that is reached past the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Past {
    /// A host, and all below it.
    Domain(String),
    /// Addresses, where a URL holds one.
    Net(IpNet),
}

impl Proxy {
    /// The configured proxy, if there is one.
    pub fn of(config: &Config) -> Result<Option<Self>, Bad> {
        let past = config.no_proxy.iter().map(|text| past(text)).collect::<Result<_, _>>()?;
        if config.proxy.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(&config.proxy).map_err(|_| Bad::Url)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_string());
        let (Some(host), "http", true, None, None) = (host, url.scheme(), bare, url.query(), url.fragment())
        else {
            return Err(Bad::Url);
        };
        let secret = &config.proxy_credentials;
        let authorization = match secret.reveal() {
            "" => None,
            text => {
                secret.check().map_err(Bad::Credentials)?;
                Some(format!("Basic {}", STANDARD.encode(text)))
            }
        };
        let port = url.port_or_known_default().ok_or(Bad::Url)?;
        Ok(Some(Self { host, port, authorization, by_name: config.proxy_by_name, past }))
    }

    /// Whether a URL is reached past the proxy. Blocks hold for the addresses that stand in URLs; names are not
    /// resolved for this.
    pub(super) fn is_past(&self, url: &Url) -> bool {
        let by_address =
            |ip: IpAddr| self.past.iter().any(|past| matches!(past, Past::Net(net) if net.contains(&ip)));
        match url.host() {
            Some(Host::Ipv4(ip)) => by_address(ip.into()),
            Some(Host::Ipv6(ip)) => by_address(ip.into()),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                self.past.iter().any(|past| matches!(past, Past::Domain(domain) if is_below(name, domain)))
            }
            None => false,
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn past(text: &str) -> Result<Past, Bad> {
    if let Ok(net) = text.parse::<IpNet>() {
        return Ok(Past::Net(net));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Past::Net(ip.into()));
    }
    let name = text.trim_start_matches("*.").trim_matches('.');
    let plain =
        |domain: &str| domain.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
    match Host::parse(name) {
        Ok(Host::Domain(domain)) if plain(&domain) => Ok(Past::Domain(domain)),
        _ => Err(Bad::Exception(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Credentials;
    use super::*;

    fn proxy(url: &str, no_proxy: &[&str]) -> Result<Option<Proxy>, Bad> {
        let no_proxy = no_proxy.iter().map(ToString::to_string).collect();
        Proxy::of(&Config { proxy: url.into(), no_proxy, ..Config::default() })
    }

    #[test]
    fn where_it_is() {
        let good = proxy("http://proxy.example:3128", &[]).unwrap().unwrap();
        assert_eq!((good.host.as_str(), good.port), ("proxy.example", 3128));
        let six = proxy("http://[::1]:3128/", &[]).unwrap().unwrap();
        assert_eq!((six.host.as_str(), six.port), ("::1", 3128));
        assert!(proxy("", &[]).unwrap().is_none());
        for bad in
            ["proxy:3128", "https://p:1", "http://u:p@h:1", "http://h:1/x", "http://h:1/?x", "socks5://h:1"]
        {
            assert_eq!(proxy(bad, &[]).err(), Some(Bad::Url), "{bad}");
        }
        let proxy_credentials = Credentials::new("Aladdin:open sesame".into());
        let with = Config { proxy: "http://h:1".into(), proxy_credentials, ..Config::default() };
        let with = Proxy::of(&with).unwrap().unwrap();
        assert_eq!(with.authorization.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn what_is_past_it() {
        let some = ["corp.example", ".inner.example", "*.star.example", "10.0.0.0/8", "192.0.2.7", "::1"];
        let proxy = proxy("http://h:1", &some).unwrap().unwrap();
        let table = [
            ("https://corp.example/", true),
            ("https://CORP.example./", true),
            ("https://a.b.corp.example:8443/", true),
            ("https://notcorp.example/", false),
            ("https://inner.example/", true),
            ("https://x.star.example/", true),
            ("https://10.9.9.9/", true),
            ("https://11.9.9.9/", false),
            ("https://192.0.2.7/", true),
            ("https://192.0.2.8/", false),
            ("https://[::1]/", true),
            ("https://other.example/", false),
        ];
        for (url, want) in table {
            assert_eq!(proxy.is_past(&Url::parse(url).unwrap()), want, "{url}");
        }
        for bad in ["", "*", "a b", "10.0.0.0/99", "."] {
            assert!(matches!(super::past(bad), Err(Bad::Exception(_))), "{bad:?}");
        }
    }
}
