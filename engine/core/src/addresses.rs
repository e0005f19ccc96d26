//! Which addresses belong to the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not part of the internet, with their reason (IANA IPv4 Special-Purpose Address Registry, and
/// the multicast and reserved space).
pub const NOT_PUBLIC_V4: [([u8; 4], u8, &str); 15] = [
    ([0, 0, 0, 0], 8, "this network (RFC 791)"),
    ([10, 0, 0, 0], 8, "private use (RFC 1918)"),
    ([100, 64, 0, 0], 10, "shared by providers for carrier-grade NAT (RFC 6598)"),
    ([127, 0, 0, 0], 8, "loopback (RFC 1122)"),
    ([169, 254, 0, 0], 16, "link local (RFC 3927)"),
    ([172, 16, 0, 0], 12, "private use (RFC 1918)"),
    ([192, 0, 0, 0], 24, "protocol assignments (RFC 6890)"),
    ([192, 0, 2, 0], 24, "documentation (RFC 5737)"),
    ([192, 88, 99, 0], 24, "old 6to4 relays (RFC 7526)"),
    ([192, 168, 0, 0], 16, "private use (RFC 1918)"),
    ([198, 18, 0, 0], 15, "benchmarks (RFC 2544)"),
    ([198, 51, 100, 0], 24, "documentation (RFC 5737)"),
    ([203, 0, 113, 0], 24, "documentation (RFC 5737)"),
    ([224, 0, 0, 0], 4, "multicast (RFC 1112)"),
    ([240, 0, 0, 0], 4, "reserved, and the limited broadcast (RFC 1112, RFC 8190)"),
];

/// IPv6 networks within 2000::/3 that are not part of the internet. Outside of 2000::/3 nothing is, but for the networks that
/// hold an IPv4 address (::ffff:0:0/96 and 64:ff9b::/96), which are what that address is.
pub const NOT_PUBLIC_V6: [(u128, u32, &str); 3] = [
    (0x2001_0000 << 96, 23, "protocol assignments, among them Teredo (RFC 2928)"),
    (0x2001_0db8 << 96, 32, "documentation (RFC 3849)"),
    (0x3fff_0000 << 96, 20, "documentation (RFC 9637)"),
];

/// Whether an address is routed in the internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let bits = ip.to_bits();
    !NOT_PUBLIC_V4.iter().any(|(net, length, _)| {
        let net = u32::from_be_bytes(*net);
        (bits ^ net) >> (32 - u32::from(*length)) == 0
    })
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let bits = ip.to_bits();
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    if bits >> 32 == 0x0064_ff9b << 64 {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    bits >> 125 == 1 && !NOT_PUBLIC_V6.iter().any(|(net, length, _)| (bits ^ net) >> (128 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_routed_in_the_internet_is_public_and_nothing_else() {
        for public in
            ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.1.1", "172.32.0.1", "192.0.1.1", "223.255.255.1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.1.2.3",
            "10.255.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.7.7",
            "172.16.0.1",
            "172.31.255.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.255.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
        for public in ["2a00:1450:4001::1", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "4000::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
