//! Numbers on the wire.

/// Ethertypes (IEEE registration authority).
pub(crate) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    /// Transparent Ethernet bridging in GRE (RFC 1701).
    pub(crate) const BRIDGED: u16 = 0x6558;
    /// Cisco Discovery Protocol, behind SNAP.
    pub(crate) const CDP: u16 = 0x2000;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const MPLS: u16 = 0x8847;
    pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
    pub(crate) const PPPOE_SESSION: u16 = 0x8864;
    /// IEEE 802.1ad.
    pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
    pub(crate) const ERSPAN_1_2: u16 = 0x88be;
    pub(crate) const ERSPAN_3: u16 = 0x22eb;
    pub(crate) const HSR: u16 = 0x892f;
    /// QinQ before IEEE 802.1ad.
    pub(crate) const OLD_QINQ: u16 = 0x9100;
    pub(crate) const OLDER_QINQ: u16 = 0x9200;
    /// Last bytes of a PRP trailer.
    pub(crate) const PRP_SUFFIX: [u8; 2] = [0x88, 0xfb];

    /// Whether Ethernet frames of any network carry it: tells a frame from other bytes.
    pub(crate) fn is_usual(number: u16) -> bool {
        matches!(
            number,
            IPV4 | ARP | VLAN | IPV6 | MPLS | MPLS_MULTICAST | PPPOE_SESSION | SERVICE_VLAN | HSR | OLD_QINQ
            // PPPoE discovery, PROFINET, EtherCAT, POWERLINK, GOOSE, sampled values, LLDP, PTP, CFM, PRP supervision.
            | 0x8863 | 0x8892 | 0x88a4 | 0x88ab | 0x88b8 | 0x88ba | 0x88cc | 0x88f7 | 0x8902 | 0x88fb
        )
    }
}

/// IP protocol numbers (IANA).
pub(crate) mod ip {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const ETHERNET_IN_IP: u8 = 97;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const MPLS_IN_IP: u8 = 137;
    pub(crate) const HIP: u8 = 139;
    pub(crate) const SHIM6: u8 = 140;
}
