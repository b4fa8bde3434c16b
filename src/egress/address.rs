//! Which addresses are on the public internet.
//!
//! Asked by `egress` for every literal and every resolved name. When in doubt an address is forbidden; the
//! operator's `allow_cidrs` is the way around it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata service of Azure's virtual machines.
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Whether an address is not on the public internet: this host, private, shared, link-local,
/// multicast, reserved, for documentation, or an IPv6 form that hides an IPv4 address.
pub fn is_forbidden(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_documentation()
                || matches!((a, b, c), (0, _, _) | (224..=255, _, _) | (192, 0, 0) | (192, 88, 99))
                || (a == 100 && b & 0xc0 == 64)
                || (a == 198 && b & 0xfe == 18)
                // A public address by number, but the host of a cloud's machines answers there.
                || ip == WIRE_SERVER
        }
        IpAddr::V6(ip) => forbidden_v6(ip),
    }
}

fn forbidden_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    // Global unicast is 2000::/3; inside it Teredo and the other IETF protocol space, documentation,
    // 6to4. Everything outside (loopback, mapped, NAT64, unique local, link-local, multicast) is refused.
    s[0] & 0xe000 != 0x2000
        || (s[0] == 0x2001 && s[1] < 0x0200)
        || (s[0] == 0x2001 && s[1] == 0x0db8)
        || s[0] == 0x2002
        || (s[0] == 0x3fff && s[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let forbidden = "0.1.2.3 10.1.1.1 100.64.0.1 100.127.255.255 127.9.9.9 169.254.169.254 172.31.0.1 \
            192.0.0.8 192.0.2.1 168.63.129.16 192.88.99.1 192.168.1.1 198.18.0.1 198.19.9.9 198.51.100.1 203.0.113.1 \
            224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::8.8.8.8 \
            64:ff9b:1::1 100::1 fc00::1 fdff::1 fe80::1 fec0::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1::1 3fff::1";
        for ip in forbidden.split_whitespace() {
            assert!(is_forbidden(ip.parse().unwrap()), "{ip}");
        }
        for ip in "8.8.8.8 100.63.0.1 100.128.0.1 172.32.0.1 198.20.0.1 2600::1 2a00:1450::1 2001:4860::8888"
            .split_whitespace()
        {
            assert!(!is_forbidden(ip.parse().unwrap()), "{ip}");
        }
    }
}
