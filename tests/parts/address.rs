//! Loopback addresses of one's own. All of 127.0.0.0/8 is loopback on Linux, so each part gets an address and uses
//! fixed ports on it: no race for ports, and nobody takes the port of a broker that is dead for a moment.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Bound for as long as the address is in use; other test processes on the machine see it as taken.
const CLAIM_PORT: u16 = 7770;

/// A loopback address (`127.77.N.1`) that nothing else of the tests uses while this lives.
pub struct Address {
    pub ip: Ipv4Addr,
    _claim: TcpListener,
}

impl Address {
    /// Panics when all 250 are taken.
    pub fn claim() -> Self {
        (1..=250)
            .map(|n| Ipv4Addr::new(127, 77, n, 1))
            .find_map(|ip| Some(Self { ip, _claim: TcpListener::bind((ip, CLAIM_PORT)).ok()? }))
            .expect("a free address 127.77.N.1")
    }

    pub fn port(&self, port: u16) -> SocketAddr {
        (self.ip, port).into()
    }
}
