//! Which network addresses a delivery may go to: what an address is, and what the policy says of it.
//!
//! Nothing here resolves a name. [`EgressPolicy::check_url`] judges what a URL says at the time it is
//! saved; the address that is dialled is judged again by [`EgressPolicy::permits`], each time.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{
    error::{Error, Result},
    limits::{URL_BYTES_MAX, shorten},
};

/// What kind of address it is, by the special-purpose registries of IANA (RFC 6890 and its updates).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddressClass {
    /// Globally routable unicast: the only class that needs no permission.
    Public,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, and the old site-local `fec0::/10`.
    Private,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Where a cloud hands out credentials to whoever asks from inside.
    Metadata,
    /// `0.0.0.0/8`, `::`; many systems take it for the machine itself.
    Unspecified,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// `100.64.0.0/10`.
    CarrierNat,
    /// `198.18.0.0/15`, `2001:2::/48`.
    Benchmark,
    /// `fc00::/7`.
    UniqueLocal,
    /// An IPv6 form that carries some other address and that no receiver of today has for its own:
    /// IPv4-compatible, 6to4, Teredo, local NAT64.
    Tunnel,
    /// Set aside, or not assigned to anybody yet.
    Reserved,
}

impl AddressClass {
    /// In plain words, to follow "is".
    pub fn description(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address (this machine itself)",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud provider's metadata service",
            Self::Unspecified => "the unspecified address (this machine itself)",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address set aside for documentation",
            Self::CarrierNat => "an address inside a carrier's network",
            Self::Benchmark => "an address set aside for benchmarks",
            Self::UniqueLocal => "an address of a private IPv6 network",
            Self::Tunnel => "an IPv6 address that tunnels to some other address",
            Self::Reserved => "a reserved address",
        }
    }
}

/// What kind of address it is, after every form that embeds an IPv4 address is unpacked.
///
/// What is not clearly globally routable is never [`AddressClass::Public`].
pub fn classify(ip: IpAddr) -> AddressClass {
    match ip.to_canonical() {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass as Class;
    match ip.octets() {
        // AWS and most others; AWS ECS and EKS; Alibaba; Oracle; Azure's, which looks like a public one.
        [169, 254, 169, 254]
        | [169, 254, 170, 2 | 23]
        | [100, 100, 100, 200]
        | [192, 0, 0, 192]
        | [168, 63, 129, 16] => Class::Metadata,
        [0, ..] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [169, 254, ..] => Class::LinkLocal,
        [100, 64..=127, ..] => Class::CarrierNat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [198, 18..=19, ..] => Class::Benchmark,
        // Protocol assignments, and the relays of 6to4 that were.
        [192, 0, 0, _] | [192, 88, 99, _] => Class::Reserved,
        [224..=239, ..] => Class::Multicast,
        [255, 255, 255, 255] => Class::Broadcast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

fn classify_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass as Class;
    let s = ip.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // AWS; Google; Scaleway.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => Class::Metadata,
        [0, 0, 0, 0, 0, 0, high, low] => tunnel_to(high, low),
        // NAT64 under its well-known prefix is how an IPv6-only network reaches the public IPv4 one.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => classify_v4(embedded(high, low)),
        [0x64, 0xff9b, 1, ..] => Class::Tunnel,
        [0x2001, 0, ..] => Class::Tunnel,
        [0x2002, high, low, ..] => tunnel_to(high, low),
        [0x2001, 2, 0, ..] => Class::Benchmark,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Class::Documentation,
        // Protocol assignments, 2001::/23.
        [0x2001, 0..=0x1ff, ..] => Class::Reserved,
        [0xff00..=0xffff, ..] => Class::Multicast,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xfec0..=0xfeff, ..] => Class::Private,
        [0xfc00..=0xfdff, ..] => Class::UniqueLocal,
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// What a tunnel leads to, so that the message names it; even one to a public address is none itself.
fn tunnel_to(high: u16, low: u16) -> AddressClass {
    match classify_v4(embedded(high, low)) {
        AddressClass::Public => AddressClass::Tunnel,
        forbidden => forbidden,
    }
}

/// Why the policy forbids an address. Its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The address, with an IPv4 address in an IPv6 coat taken out of it.
    pub address: IpAddr,
    /// What kind of address it is; [`AddressClass::Public`] if only plain http is at fault.
    pub class: AddressClass,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, class } = self;
        let what = class.description();
        if *class == AddressClass::Public {
            return write!(
                f,
                "{address} is {what}, where only https may go; use https, or add {address} to CASEWIRE_EGRESS_ALLOW"
            );
        }
        write!(
            f,
            "{address} is {what}, where deliveries may not go; to allow it, add {address} to CASEWIRE_EGRESS_ALLOW"
        )
    }
}

impl std::error::Error for Refusal {}

/// Where deliveries may go: to public addresses over https, and wherever the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Networks that may be private and may be spoken to in plain http.
    allow: Vec<IpNet>,
}

impl EgressPolicy {
    /// A policy that allows these networks besides public https; an empty list allows nothing more.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into_iter().map(canonical).collect() }
    }

    /// A policy from a list such as `127.0.0.0/8, 10.1.2.7, ::1/128`. The error names the entry that is wrong.
    pub fn parse(list: &str) -> Result<Self> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let allow = entries.map(parse_network).collect::<Result<_>>()?;
        Ok(Self::new(allow))
    }

    /// The networks that are allowed besides public https.
    pub fn allowed(&self) -> &[IpNet] {
        &self.allow
    }

    /// Whether a delivery may go to this address, over https or in plain http.
    pub fn permits(&self, ip: IpAddr, https: bool) -> std::result::Result<(), Refusal> {
        let address = ip.to_canonical();
        if self.allow.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        match classify(address) {
            AddressClass::Public if https => Ok(()),
            class => Err(Refusal { address, class }),
        }
    }

    /// The addresses of the name `localhost` that are permitted; the refusal if none is.
    ///
    /// The name means this machine and nothing else (RFC 6761), so no resolver is asked, and one
    /// allowed loopback address is enough.
    pub fn localhost(&self, https: bool) -> std::result::Result<Vec<IpAddr>, Refusal> {
        let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let permitted: Vec<_> = [v4, v6].into_iter().filter(|ip| self.permits(*ip, https).is_ok()).collect();
        if permitted.is_empty() {
            self.permits(v4, https)?
        }
        Ok(permitted)
    }

    /// The URL as the URL standard writes it, if deliveries may go there as far as the URL itself tells.
    ///
    /// Every odd spelling of an address becomes what it is before it is judged. What a name resolves to
    /// is judged when it is dialled. Errors name the field `url`.
    pub fn check_url(&self, url: &str) -> Result<String> {
        let parsed = parse_url(url)?;
        let https = parsed.scheme() == "https";
        match parsed.host() {
            None => return Err(wrong("has no host; write https://example.com/path")),
            Some(Host::Ipv4(ip)) => self.permits(ip.into(), https).map_err(wrong)?,
            Some(Host::Ipv6(ip)) => self.permits(ip.into(), https).map_err(wrong)?,
            Some(Host::Domain(name)) if is_localhost(name) => {
                self.localhost(https).map_err(wrong)?;
            }
            Some(Host::Domain(name)) => self.check_name(name, https)?,
        }
        Ok(parsed.into())
    }

    fn check_name(&self, name: &str, https: bool) -> Result<()> {
        // The URL standard lets through more than a resolver and an HTTP request line can carry.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(wrong(format!("has the host {:?}, which is no host name", shorten(name))));
        }
        if !https && self.allow.is_empty() {
            return Err(wrong(
                "is plain http, which would show payloads to everyone on the way; use https, or \
                 add the receiver's network to CASEWIRE_EGRESS_ALLOW",
            ));
        }
        Ok(())
    }
}

/// Whether a host name is `localhost` or below it (RFC 6761, section 6.3).
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let top = name.rsplit('.').next().unwrap_or(name);
    top.eq_ignore_ascii_case("localhost")
}

/// A URL in which only the address is left to judge.
fn parse_url(url: &str) -> Result<Url> {
    let too_long = || wrong(format!("is longer than {URL_BYTES_MAX} bytes"));
    if url.len() > URL_BYTES_MAX {
        return Err(too_long());
    }
    // The URL standard would drop them in silence, and what was shown would not be what is called.
    if url.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err(wrong("contains white space or control characters; percent-encode or remove them"));
    }
    let parsed = Url::parse(url).map_err(|error| {
        wrong(format!("is not an absolute URL ({error}); write https://example.com/path"))
    })?;
    if !matches!(parsed.scheme(), "https" | "http") {
        return Err(wrong(format!("has the scheme {:?}; use https", shorten(parsed.scheme()))));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("contains a user name or password; put credentials into a header of the endpoint"));
    }
    if parsed.fragment().is_some() {
        return Err(wrong("contains a fragment (#…), which is never sent; remove it"));
    }
    if parsed.port() == Some(0) {
        return Err(wrong("has port 0, which nothing can listen on"));
    }
    if parsed.as_str().len() > URL_BYTES_MAX {
        return Err(too_long());
    }
    Ok(parsed)
}

fn wrong(message: impl ToString) -> Error {
    Error::field("url", message.to_string())
}

fn parse_network(entry: &str) -> Result<IpNet> {
    let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        let message = format!(
            "{:?} is neither an address nor a network; write 10.1.2.3 or 10.1.2.0/24",
            shorten(entry)
        );
        Error::field("egress_allow", message)
    })
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`: addresses are compared in one coat only.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_PREFIX_BITS: u8 = 96;
    let IpNet::V6(v6) = network else { return network };
    let bits = v6.prefix_len().checked_sub(MAPPED_PREFIX_BITS);
    let v4 = bits.zip(v6.addr().to_ipv4_mapped()).and_then(|(bits, ip)| Ipv4Net::new(ip, bits).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
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
                for url in [
                    format!("http://{host}/"),
                    format!("https://{host}:8443/x"),
                    format!("https:\\\\{host}\\x"),
                ] {
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
        let policy =
            EgressPolicy::parse(" 127.0.0.0/8, 10.1.2.7,,::ffff:192.168.0.0/112 , 203.0.113.9").unwrap();
        for ip in "127.0.0.1 ::ffff:127.0.0.1 10.1.2.7 192.168.7.7 ::ffff:192.168.7.7 203.0.113.9".split(' ')
        {
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
}
