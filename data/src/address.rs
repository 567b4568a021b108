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
mod tests;
