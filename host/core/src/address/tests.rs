use proptest::prelude::*;

use super::*;

/// What `ip` may be: `Ok` for all, `Err` with the refusal and whether a grant by name lifts it.
fn check_one(ip: &str, expected: Option<(Refusal, bool)>) {
    let address: IpAddr = ip.parse().unwrap();
    let refusal = expected.map(|(refusal, _)| refusal);
    assert_eq!(check(address, false).err(), refusal, "{ip}");
    let named = expected.filter(|(_, is_lifted)| !is_lifted).map(|(refusal, _)| refusal);
    assert_eq!(check(address, true).err(), named, "{ip}, named");
}

#[test]
fn public_addresses_are_called() {
    for ip in [
        "93.184.215.14",
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "2a00:1450:4001:82a::200e",
        "3ffe:ffff::1",
        "64:ff9b::93.184.215.14",
        "::ffff:93.184.215.14",
    ] {
        check_one(ip, None);
    }
}

#[test]
fn forbidden_addresses_are_never_called() {
    let check = |refusal: Refusal, ips: &[&str]| ips.iter().for_each(|ip| check_one(ip, Some((refusal, false))));
    check(Refusal::Unspecified, &["0.0.0.0", "0.0.0.1", "0.255.255.255", "::", "::ffff:0.0.0.0", "64:ff9b::"]);
    check(Refusal::LinkLocal, &["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "febf:ffff::1"]);
    check(Refusal::LinkLocal, &["169.254.170.2", "169.254.170.23", "fe80::a9fe:a9fe"]);
    check(Refusal::Metadata, &["100.100.100.200", "168.63.129.16", "192.0.0.192"]);
    check(Refusal::Metadata, &["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"]);
    check(Refusal::Multicast, &["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff00::", "ff02::1"]);
    check(Refusal::Reserved, &["240.0.0.1", "255.255.255.254"]);
}

#[test]
fn private_addresses_are_called_only_by_name() {
    let check = |refusal: Refusal, ips: &[&str]| ips.iter().for_each(|ip| check_one(ip, Some((refusal, true))));
    check(Refusal::Loopback, &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"]);
    check(Refusal::Private, &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"]);
    check(Refusal::Private, &["192.168.255.255", "100.64.0.0", "100.127.255.255", "::ffff:10.0.0.1", "::ffff:a00:1"]);
    check(Refusal::Private, &["fc00::1", "fd12:3456::1", "fdff:ffff::1", "fec0::1", "fd00:ec3::254", "fd20:ce::253"]);
    check(Refusal::NotPublic, &["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255"]);
    check(
        Refusal::NotPublic,
        &["192.0.0.1", "192.88.99.1", "2001:db8::1", "3fff::1", "2001:1::1", "4000::1", "100::1"],
    );
}

#[test]
fn an_address_inside_of_another_is_judged_too() {
    let metadata = Some((Refusal::LinkLocal, false));
    for ip in [
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::",
        "2002:a9fe:a9fe::1",
        // Teredo: by the server, and by the client, whose bits are turned.
        "2001:0:a9fe:a9fe::",
        "2001:0:5db8:d70e::5601:5601",
    ] {
        check_one(ip, metadata);
    }
    check_one("64:ff9b::10.0.0.7", Some((Refusal::Private, true)));
    check_one("64:ff9b::127.0.0.1", Some((Refusal::Loopback, true)));
    check_one("64:ff9b:1::10.0.0.7", Some((Refusal::NotPublic, true)));
    check_one("64:ff9b:1:a00:0:700::", Some((Refusal::NotPublic, true)));
    check_one("64:ff9b:1:5db8:d7:e00:5db8:d70e", Some((Refusal::NotPublic, true)));
    check_one("2002:5db8:d70e::1", Some((Refusal::NotPublic, true)));
    check_one("::5db8:d70e", Some((Refusal::NotPublic, true)));
}

/// The ranges that nobody may ever call, written out once more and by hand: the table must not be its own judge.
fn is_forbidden_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 0
        || a >= 224
        || (a, b) == (169, 254)
        || [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]].contains(&ip.octets())
}

/// Addresses that are forbidden often.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let known = prop::sample::select(vec![[100, 100, 100, 200], [168, 63, 129, 16], [127, 0, 0, 1], [10, 0, 0, 7]]);
    let link_local = any::<[u8; 2]>().prop_map(|[c, d]| [169, 254, c, d]);
    prop_oneof![any::<[u8; 4]>(), known, link_local].prop_map(Ipv4Addr::from)
}

proptest! {
    #[test]
    fn nothing_forbidden_is_ever_allowed(ip in any_v4(), named in any::<bool>()) {
        let result = check(ip.into(), named);
        prop_assert!(!(is_forbidden_v4(ip) && result.is_ok()), "{}", ip);
        prop_assert!(named || !(ip.is_private() || ip.is_loopback()) || result.is_err(), "{}", ip);
        prop_assert!(!named || is_forbidden_v4(ip) || result.is_ok(), "{}", ip);
    }

    #[test]
    fn no_disguise_helps(ip in any_v4(), named in any::<bool>()) {
        let bare = check(ip.into(), named);
        let [a, b, c, d] = ip.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        prop_assert_eq!(check(ip.to_ipv6_mapped().into(), named), bare);
        for disguised in [
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x5db8, 0xd70e, 0, 0, !high, !low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        ] {
            prop_assert!(bare.is_ok() || check(disguised.into(), named).is_err(), "{}", disguised);
        }
        // Where the address may be at several places, 0.0.0.0 is not told from no address at all. Nothing translates it anyway.
        for disguised in [
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, high, c, d << 8, 0, 0),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        ] {
            prop_assert!(a == 0 || bare.is_ok() || check(disguised.into(), named).is_err(), "{}", disguised);
        }
    }

    #[test]
    fn a_name_never_closes_what_is_open(ip in any::<[u8; 16]>().prop_map(Ipv6Addr::from)) {
        prop_assert!(check(ip.into(), false).is_err() || check(ip.into(), true).is_ok(), "{}", ip);
        let is_outside = !PUBLIC_V6.contains(&ip) && !TRANSLATION.contains(&ip) && ip.to_ipv4_mapped().is_none();
        prop_assert!(!is_outside || check(ip.into(), false).is_err(), "{}", ip);
    }
}
