//! What every spelling of an address comes to, and what the policy says of it.

use proptest::prelude::*;

use super::*;

fn class(ip: &str) -> AddressClass {
    classify(ip.parse().unwrap())
}

#[test]
fn every_address_is_what_the_registries_say() {
    use AddressClass::*;
    let table = [
        (
            Public,
            "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 223.255.255.255",
        ),
        (
            Public,
            "2606:4700:4700::1111 2a00:1450::1 2001:4860:4860::8888 2001:200::1 64:ff9b::8.8.8.8 ::ffff:8.8.8.8",
        ),
        (
            Loopback,
            "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1::",
        ),
        (
            Private,
            "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::1 fec0::1",
        ),
        (LinkLocal, "169.254.0.1 fe80::1 febf::1"),
        (
            Metadata,
            "169.254.169.254 ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::",
        ),
        (Metadata, "169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254"),
        (Unspecified, "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 64:ff9b::"),
        (Multicast, "224.0.0.1 239.255.255.255 ff02::1"),
        (Broadcast, "255.255.255.255"),
        (Documentation, "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 3fff:fff::1"),
        (CarrierNat, "100.64.0.1 100.127.255.255"),
        (Benchmark, "198.18.0.1 198.19.255.255 2001:2::1"),
        (UniqueLocal, "fc00::1 fdff::1"),
        (
            Tunnel,
            "::8.8.8.8 2002:808:808::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:100::",
        ),
        (
            Reserved,
            "192.0.0.1 192.88.99.1 240.0.0.1 2001:10::1 2001:1ff::1 100::1 4000::1 5f00::1 fe00::1 64:ff9b:2::1",
        ),
    ];
    for (expected, addresses) in table {
        for address in addresses.split(' ') {
            assert_eq!(class(address), expected, "{address}");
        }
    }
}

#[test]
fn no_spelling_of_a_forbidden_address_can_be_saved() {
    let hosts = "127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 017700000001 0177.0.0.1 127.0.0.1. 127.0.0.1% \
         127。0。0。1 ①②⑦.0.0.1 %31%32%37.0.0.1 localhost LOCALHOST localhost. a.localhost a.LocalHost. 0 0.0.0.0 00 \
         169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 100.100.100.200 10.0.0.1 192.168.0.1 172.16.0.1 \
         [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::127.0.0.1] \
         [64:ff9b:1::1] [2002:7f00:1::] [2001:0:7f00:1::] [fd00:ec2::254] [fe80::1] [fe80::1%25eth0] [fe80::1%eth0] \
         [::1%25lo] 255.255.255.255 224.0.0.1 256.256.256.256 127.0.0.1.1 1.2.3.4.5 0x100000000 [127.0.0.1] []";
    for policy in [EgressPolicy::default(), EgressPolicy::parse("10.9.9.9, ::9").unwrap()] {
        for host in hosts.split_whitespace() {
            for url in
                [format!("http://{host}/"), format!("https://{host}:8443/x"), format!("https:\\\\{host}\\x")]
            {
                let saved = policy.check_url(&url);
                let error = saved.expect_err(&url);
                assert_eq!(error.field_errors()[0].field, "url", "{url}");
            }
        }
    }
}

#[test]
fn a_url_that_no_delivery_could_use_is_refused_with_advice() {
    let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
    let grows = format!("https://example.com/{}", "é".repeat(URL_BYTES_MAX / 2 - 20));
    let wrong = [
        ("", "absolute"),
        ("/path", "absolute"),
        ("example.com/x", "absolute"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("https://", "absolute"),
        ("https://user@example.com/", "user name"),
        ("https://user:secret@example.com/", "user name"),
        ("https://1.1.1.1@127.0.0.1/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:65536/", "absolute"),
        ("https://exa{mple.com/", "host"),
        ("https://example.com/a b", "white space"),
        ("https://example.com/\r\nHost: x", "white space"),
        (" https://example.com/", "white space"),
        ("http://example.com/", "https"),
        ("http://1.1.1.1/", "https"),
        (&long, "longer"),
        (&grows, "longer"),
    ];
    for (url, word) in wrong {
        let error = EgressPolicy::default().check_url(url).expect_err(url);
        assert!(error.message().contains(word), "{url}: {error}");
    }
}

#[test]
fn a_url_is_saved_as_the_standard_writes_it() {
    let policy = EgressPolicy::default();
    for (given, saved) in [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A?b=c", "https://example.com/A?b=c"),
        ("https://example.com:8443/a/../b", "https://example.com:8443/b"),
        ("https://bücher.example/é", "https://xn--bcher-kva.example/%C3%A9"),
        ("https://0x8080808/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/"),
    ] {
        assert_eq!(policy.check_url(given).as_deref(), Ok(saved));
    }
}

#[test]
fn what_the_operator_allows_may_be_private_and_plain() {
    let policy = EgressPolicy::parse(" 127.0.0.0/8, 10.1.2.7,,::ffff:192.168.0.0/112 , 203.0.113.9").unwrap();
    for ip in "127.0.0.1 ::ffff:127.0.0.1 10.1.2.7 192.168.7.7 ::ffff:192.168.7.7 203.0.113.9".split(' ') {
        assert_eq!(policy.permits(ip.parse().unwrap(), false), Ok(()), "{ip}");
    }
    for ip in "10.1.2.8 ::1 192.169.0.1 64:ff9b::10.1.2.7 2002:7f00:1:: ::127.0.0.1 1.1.1.1".split(' ') {
        assert!(policy.permits(ip.parse().unwrap(), false).is_err(), "{ip}");
    }
    for url in [
        "http://127.0.0.1:9/",
        "http://2130706433/",
        "http://localhost/",
        "http://crm.intranet/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        policy.check_url(url).unwrap();
    }
    assert_eq!(policy.localhost(false), Ok(vec![IpAddr::from([127, 0, 0, 1])]));
}

#[test]
fn the_allow_list_names_its_wrong_entry() {
    for wrong in ["10.0.0.0/33", "localhost", "10.0.0", "*", "::1/129"] {
        let error = EgressPolicy::parse(&format!("127.0.0.1, {wrong}")).unwrap_err();
        assert!(error.message().contains(wrong), "{error}");
    }
    assert_eq!(EgressPolicy::parse(""), Ok(EgressPolicy::default()));
}

#[test]
fn a_refusal_says_what_it_is_and_what_to_do() {
    let policy = EgressPolicy::default();
    let refusal = policy.permits("::ffff:10.0.0.1".parse().unwrap(), true).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "10.0.0.1 is an address of a private network, where deliveries may not go; to allow it, \
         add 10.0.0.1 to CASEWIRE_EGRESS_ALLOW"
    );
    let plain = policy.permits("1.1.1.1".parse().unwrap(), false).unwrap_err();
    assert!(plain.to_string().contains("use https"), "{plain}");
}

proptest! {
    /// A coat never makes an address more public than it is.
    #[test]
    fn no_coat_opens_a_closed_address(bits: u32) {
        let plain = Ipv4Addr::from(bits);
        let [high, low] = [(bits >> 16) as u16, bits as u16];
        let coats = [
            plain.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
        ];
        if classify(plain.into()) != AddressClass::Public {
            for coat in coats {
                prop_assert_ne!(classify(coat.into()), AddressClass::Public, "{}", coat);
            }
        }
    }

    /// Whatever is saved is read back as the same thing.
    #[test]
    fn what_is_saved_is_stable(url in "https?://[a-zA-Z0-9.:%\\[\\]@-]{0,24}(/[!-~]{0,12})?") {
        let policy = EgressPolicy::parse("127.0.0.0/8").unwrap();
        if let Ok(saved) = policy.check_url(&url) {
            prop_assert_eq!(policy.check_url(&saved), Ok(saved.clone()));
        }
    }
}
