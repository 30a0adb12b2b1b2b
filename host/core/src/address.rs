//! Which addresses may be called.
//!
//! A name is granted by a person, but an address is what it resolves to, which somebody else decides. So addresses are judged by
//! themselves: see [`check`]. Ranges are those of <https://www.iana.org/assignments/iana-ipv4-special-registry> and its sibling for IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use thiserror::Error;

/// Why an address may not be called. Each text continues "may not be called:".
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 0.0.0.0/8 and `::`: on many systems another name for this host.
    #[error("unspecified addresses are never called")]
    Unspecified,
    /// 169.254.0.0/16 and `fe80::/10`, where clouds keep the credentials of their machines.
    #[error("link-local addresses are never called")]
    LinkLocal,
    /// Where clouds keep such credentials in other ranges.
    #[error("metadata services of clouds are never called")]
    Metadata,
    /// One request to many.
    #[error("multicast and broadcast addresses are never called")]
    Multicast,
    /// 240.0.0.0/4.
    #[error("reserved addresses are never called")]
    Reserved,
    /// This host.
    #[error("loopback addresses are called only where an administrator grants the origin by name")]
    Loopback,
    /// Networks of one's own.
    #[error("private addresses are called only where an administrator grants the origin by name")]
    Private,
    /// Neither private nor anybody's on the internet: documentation, benchmarks, tunnels, ranges that are not assigned.
    #[error("addresses that are not public are called only where an administrator grants the origin by name")]
    NotPublic,
}

impl Refusal {
    /// Whether no grant changes it.
    fn is_final(self) -> bool {
        match self {
            Self::Unspecified | Self::LinkLocal | Self::Metadata | Self::Multicast | Self::Reserved => true,
            Self::Loopback | Self::Private | Self::NotPublic => false,
        }
    }
}

/// Whether `ip` may be called; `named` says that an administrator granted the very origin that it was found for.
///
/// An IPv6 address that has an IPv4 address in it (mapped, translated, tunnelled) is judged as both, because a router or the kernel will
/// take it for the other.
///
/// # Errors
/// The [`Refusal`] that no grant changes, if there is one.
pub fn check(ip: IpAddr, named: bool) -> Result<(), Refusal> {
    // The kernel makes an IPv4 connection of a mapped address.
    let refusals = match ip.to_canonical() {
        IpAddr::V4(ip) => [refusal_v4(ip), None, None],
        IpAddr::V6(ip) => {
            let [one, other] = embedded(ip);
            [refusal_v6(ip), one.and_then(refusal_v4), other.and_then(refusal_v4)]
        }
    };
    let refusals = || refusals.iter().flatten().copied();
    match refusals().find(|refusal| refusal.is_final()).or_else(|| refusals().next()) {
        Some(refusal) if refusal.is_final() || !named => Err(refusal),
        _ => Ok(()),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(bits: u128, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix)
}

/// All that is not public; the first range that fits speaks.
const RANGES_V4: [(Ipv4Net, Refusal); 19] = [
    // Alibaba Cloud, inside of a shared range.
    (v4(100, 100, 100, 200, 32), Refusal::Metadata),
    // Azure's "wire server", which hands out certificates and settings of machines.
    (v4(168, 63, 129, 16, 32), Refusal::Metadata),
    // Oracle Cloud.
    (v4(192, 0, 0, 192, 32), Refusal::Metadata),
    (v4(0, 0, 0, 0, 8), Refusal::Unspecified),
    (v4(169, 254, 0, 0, 16), Refusal::LinkLocal),
    (v4(224, 0, 0, 0, 4), Refusal::Multicast),
    (v4(255, 255, 255, 255, 32), Refusal::Multicast),
    (v4(240, 0, 0, 0, 4), Refusal::Reserved),
    (v4(127, 0, 0, 0, 8), Refusal::Loopback),
    (v4(10, 0, 0, 0, 8), Refusal::Private),
    (v4(172, 16, 0, 0, 12), Refusal::Private),
    (v4(192, 168, 0, 0, 16), Refusal::Private),
    // Carriers' own, which clusters and VPNs use for pods.
    (v4(100, 64, 0, 0, 10), Refusal::Private),
    (v4(192, 0, 0, 0, 24), Refusal::NotPublic),
    (v4(192, 0, 2, 0, 24), Refusal::NotPublic),
    (v4(198, 51, 100, 0, 24), Refusal::NotPublic),
    (v4(203, 0, 113, 0, 24), Refusal::NotPublic),
    (v4(198, 18, 0, 0, 15), Refusal::NotPublic),
    (v4(192, 88, 99, 0, 24), Refusal::NotPublic),
];

/// As [`RANGES_V4`]; what is outside of [`PUBLIC_V6`] is not public either.
const RANGES_V6: [(Ipv6Net, Refusal); 12] = [
    // Amazon's services for machines: metadata at ::254, credentials of pods at ::23.
    (v6(0xfd00_0ec2 << 96, 32), Refusal::Metadata),
    // Google Cloud.
    (v6((0xfd20_00ce << 96) | 0x254, 128), Refusal::Metadata),
    (v6(0, 128), Refusal::Unspecified),
    (v6(0xfe80 << 112, 10), Refusal::LinkLocal),
    (v6(0xff00 << 112, 8), Refusal::Multicast),
    (v6(1, 128), Refusal::Loopback),
    (v6(0xfc00 << 112, 7), Refusal::Private),
    // Site-local, deprecated and still routed by some.
    (v6(0xfec0 << 112, 10), Refusal::Private),
    // Teredo and other protocols of the IETF.
    (v6(0x2001 << 112, 23), Refusal::NotPublic),
    (v6(0x2001_0db8 << 96, 32), Refusal::NotPublic),
    // 6to4.
    (v6(0x2002 << 112, 16), Refusal::NotPublic),
    (v6(0x3fff << 112, 20), Refusal::NotPublic),
];

/// All global unicast addresses that were ever assigned.
const PUBLIC_V6: Ipv6Net = v6(0x2000 << 112, 3);
/// Translation to IPv4 that everybody may use (RFC 6052): as public as the address in it.
const TRANSLATION: Ipv6Net = v6(0x0064_ff9b << 96, 96);
/// Translation to IPv4 of a network's own (RFC 8215).
const LOCAL_TRANSLATION: Ipv6Net = v6(0x0064_ff9b_0001 << 80, 48);
/// `::a.b.c.d`, deprecated.
const COMPATIBLE: Ipv6Net = v6(0, 96);
/// `::ffff:0:a.b.c.d` (RFC 2765).
const STATELESS_TRANSLATION: Ipv6Net = v6(0xffff << 48, 96);
/// Tunnels with the address of their client in each address (RFC 4380).
const TEREDO: Ipv6Net = v6(0x2001 << 112, 32);
/// Tunnels with the address of their router in each address (RFC 3056).
const SIX_TO_FOUR: Ipv6Net = v6(0x2002 << 112, 16);

fn refusal_v4(ip: Ipv4Addr) -> Option<Refusal> {
    RANGES_V4.iter().find(|(range, _)| range.contains(&ip)).map(|(_, refusal)| *refusal)
}

fn refusal_v6(ip: Ipv6Addr) -> Option<Refusal> {
    let found = RANGES_V6.iter().find(|(range, _)| range.contains(&ip)).map(|(_, refusal)| *refusal);
    let is_public = PUBLIC_V6.contains(&ip) || TRANSLATION.contains(&ip);
    found.or_else(|| (!is_public).then_some(Refusal::NotPublic))
}

/// The IPv4 addresses in `ip`, of which there are up to two.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let octets = ip.octets();
    let at = |index: [usize; 4]| {
        let [a, b, c, d] = index.map(|index| octets.get(index).copied().unwrap_or_default());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    let is_host = |ip: &Ipv4Addr| ip.octets().first() != Some(&0);
    let last = at([12, 13, 14, 15]);
    if SIX_TO_FOUR.contains(&ip) {
        [at([2, 3, 4, 5]), None]
    } else if TEREDO.contains(&ip) {
        // The server, and the client with all bits turned.
        let client = last.map(|ip| Ipv4Addr::from_bits(!ip.to_bits()));
        [at([4, 5, 6, 7]), client]
    } else if LOCAL_TRANSLATION.contains(&ip) {
        // A prefix of 48 bits puts the address around the ninth octet (RFC 6052, section 2.2); one of 96 bits at the end. Where one
        // of them is, the other is mostly zeros.
        [at([6, 7, 9, 10]), last].map(|ip| ip.filter(is_host))
    } else if COMPATIBLE.contains(&ip) {
        // `::` and `::1` are something else.
        [last.filter(is_host), None]
    } else if [TRANSLATION, STATELESS_TRANSLATION].iter().any(|range| range.contains(&ip)) {
        [last, None]
    } else {
        [None, None]
    }
}

#[cfg(test)]
mod tests;
