//! Counters that a person should see.

/// Declares the counters once: the struct, their names, and their sum.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What became of the frames. All counters only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct LinkStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl LinkStats {
            /// All counters with their names, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        impl std::ops::AddAssign for LinkStats {
            fn add_assign(&mut self, other: Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

counters! {
    /// Frames seen.
    frames,
    /// Bytes on the wire.
    bytes,
    /// Frames cut by the snap length.
    frames_cut,
    /// Datagrams delivered of which the end is missing.
    datagrams_cut,
    /// IPv4 datagrams delivered, whole or put together.
    ipv4,
    /// IPv6 datagrams delivered, whole or put together.
    ipv6,
    /// ARP messages delivered.
    arp,
    /// Other Ethernet frames delivered.
    ethernet_other,
    /// Frames with a VLAN tag (outside a tunnel).
    vlan_tagged,
    /// Frames with more than one VLAN tag.
    vlan_stacked,
    /// Frames with MPLS labels.
    mpls,
    /// GRE tunnels taken off (without ERSPAN).
    gre,
    /// ERSPAN headers of type I, II and III taken off.
    erspan,
    /// VXLAN tunnels taken off.
    vxlan,
    /// IP-in-IP tunnels taken off.
    ip_in_ip,
    /// Ethernet-in-IP tunnels taken off.
    ethernet_in_ip,
    /// Tunnel headers that are cut or of an unknown kind; the outer datagram is delivered.
    tunnels_unknown,
    /// PPPoE sessions taken off.
    pppoe,
    /// Frames with a PRP trailer.
    prp,
    /// Frames with an HSR tag.
    hsr,
    /// Frames seen before (mirrored twice), dropped.
    duplicates,
    /// Twins of PRP or HSR frames, dropped.
    duplicates_redundancy,
    /// IP fragments seen.
    fragments,
    /// Datagrams put together from fragments.
    fragments_reassembled,
    /// Incomplete datagrams given up because they waited too long.
    fragments_expired,
    /// Incomplete datagrams given up because of the limits.
    fragments_evicted,
    /// Fragments with other bytes for a range already seen.
    fragments_conflicting,
    /// Fragments that cannot be used: cut, beyond the largest datagram, of a wrong size.
    fragments_unusable,
    /// Skipped: of a link type that is not decoded.
    skipped_link_type,
    /// Skipped: the frame ends within a link header or tag.
    skipped_short_link,
    /// Skipped: an ARP message that is cut or not for IPv4 over Ethernet.
    skipped_arp,
    /// Skipped: the IP header is cut or contradicts itself.
    skipped_ip_header,
    /// Skipped: more tunnels within each other than are taken off.
    skipped_depth,
    /// Skipped: neither IP nor ARP on a link without Ethernet header.
    skipped_protocol,
}
