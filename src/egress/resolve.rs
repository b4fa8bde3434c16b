//! Name resolution behind the guard.
//!
//! reqwest asks it for every name (never for a literal) and connects to what comes back and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Refused;
use super::address::is_forbidden;

/// Resolves names and lets pass only what may be connected to: no gap for a rebinding name.
pub(super) struct Guarded {
    /// Networks that pass always.
    pub(super) allow: Arc<[IpNet]>,
    /// Whether public addresses pass as well.
    pub(super) public: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow, public) = (self.allow.clone(), self.public);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let passes = |ip| allowed(&allow, ip) || (public && !is_forbidden(ip));
            let good: Vec<SocketAddr> = found.into_iter().filter(|a| passes(a.ip())).collect();
            if good.is_empty() {
                return Err(Refused::Address.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Whether the operator allows an address although it may not be public.
pub(super) fn allowed(allow: &[IpNet], ip: IpAddr) -> bool {
    allow.iter().any(|net| net.contains(&ip))
}
