//! An attempt's way over the wire: to whom it went, and where its time went.

use std::{net::SocketAddr, num::NonZeroU32};

use serde::{Deserialize, Serialize};

/// See the module. What the attempt did not come to is absent, and all of it for one that was made before this was
/// kept. Times are in microseconds, at least one, each step's own; a step that the deadline cut off has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transit {
    /// Who was called; if nobody accepted, the address that was tried last.
    #[serde(with = "address")]
    pub remote: Option<SocketAddr>,
    /// From asking for the host's addresses to having them judged. Absent, as are the next two, where an open
    /// connection was used again.
    pub dns_us: Option<NonZeroU32>,
    /// Until an address accepted, or the last one did not.
    pub connect_us: Option<NonZeroU32>,
    /// The TLS handshake; absent over plain http.
    pub tls_us: Option<NonZeroU32>,
    /// From when the request could be sent to the first byte of the answer.
    pub first_byte_us: Option<NonZeroU32>,
}

/// An address as its bytes and its port's, 6 or 18 of them.
mod address {
    use std::net::{IpAddr, SocketAddr};

    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::super::bin;

    #[derive(Deserialize)]
    struct Bytes(#[serde(with = "bin")] Vec<u8>);

    pub fn serialize<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(address) = address else { return serializer.serialize_none() };
        let mut bytes = [0; 18];
        let length = match address.ip() {
            IpAddr::V4(ip) => put(&mut bytes, &ip.octets()),
            IpAddr::V6(ip) => put(&mut bytes, &ip.octets()),
        };
        bytes[length..length + 2].copy_from_slice(&address.port().to_be_bytes());
        serializer.serialize_bytes(&bytes[..length + 2])
    }

    fn put(bytes: &mut [u8], octets: &[u8]) -> usize {
        bytes[..octets.len()].copy_from_slice(octets);
        octets.len()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let Some(Bytes(bytes)) = Option::deserialize(deserializer)? else { return Ok(None) };
        let read = || {
            let (octets, port) = bytes.split_last_chunk::<2>()?;
            let ip = match octets.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
            };
            Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
        };
        read().map(Some).ok_or_else(|| de::Error::invalid_length(bytes.len(), &"6 or 18 bytes"))
    }
}
