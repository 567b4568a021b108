//! What is sent: a target, a request to it, and the request's head as bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use casewire_data::{Error, Result, delivery::FailureClass, dialect::HeaderLines, limits::shorten};
use rustls::pki_types::ServerName;
use url::{Position, Url};

use super::failure::Failure;
use crate::egress::Origin;

/// Where requests go: a URL, taken apart once. Clones share it.
#[derive(Clone, Debug)]
pub struct Target(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    origin: Origin,
    /// What the certificate must name; none for plain http, and for a host that no certificate can name.
    server_name: Option<ServerName<'static>>,
    /// All between the method and the first header that a request brings.
    opening: String,
}

impl Target {
    /// A target from a URL that [`casewire_data::address::EgressPolicy::check_url`] has passed. The error
    /// names the field `url`.
    pub fn new(url: &str) -> Result<Self> {
        let unusable = || Error::field("url", format!("{:?} is no URL that can be called", shorten(url)));
        let parsed = Url::parse(url).map_err(|_| unusable())?;
        let origin = Origin::of(&parsed).ok_or_else(unusable)?;
        let authority = &parsed[Position::BeforeHost..Position::AfterPort];
        let path = &parsed[Position::BeforePath..Position::AfterQuery];
        if ![authority, path].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(unusable());
        }
        let opening = format!(" {path} HTTP/1.1\r\nHost: {authority}\r\n");
        let named = origin.https.then(|| ServerName::try_from(origin.host.clone()).ok());
        Ok(Self(Arc::new(Parts { origin, server_name: named.flatten(), opening })))
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    #[cfg(test)]
    pub(super) fn opening(&self) -> &str {
        &self.0.opening
    }

    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        self.0.server_name.clone()
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Take this body.
    Post,
    /// Say what you would take; asked before the first delivery by some dialects.
    Options,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Options => "OPTIONS",
        }
    }
}

/// A request, signed and complete.
#[derive(Clone)]
pub struct Request {
    /// What it asks for.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Its headers, sent in this order and in these letters. `Host` goes before them and what frames the
    /// message after; `Content-Type` and `User-Agent` are added if they are not among them, and nothing else.
    pub headers: HeaderLines,
    /// Its body, shared and not copied.
    pub body: Bytes,
    /// Headers of the answer, in lower case, by which it is judged. Where there are any, the first one of each name
    /// is kept however many others there are, and there is no answer before its head is complete.
    pub judged_headers: Arc<[Box<str>]>,
}

// Its headers may hold a secret, or an operator's credentials.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// All that goes over the wire before the body. Fails if a header would change more than itself.
    pub fn head(&self, user_agent: &str) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let written = self.write_head(Some(user_agent), &mut head);
        written.map(|()| head).map_err(|failure| Error::field("headers", failure.message))
    }

    /// Puts the head in place of what `head` holds. Fails if a header would change more than itself.
    pub(super) fn write_head(
        &self,
        user_agent: Option<&str>,
        head: &mut Vec<u8>,
    ) -> std::result::Result<(), Failure> {
        head.clear();
        head.extend_from_slice(self.method.as_str().as_bytes());
        head.extend_from_slice(self.target.0.opening.as_bytes());
        let has_body = !self.body.is_empty() || self.method == Method::Post;
        if let Some(name) = self.headers.refused() {
            let message = format!("the header {:?} cannot be sent; change it", shorten(name));
            return Err(Failure::new(FailureClass::Request, message));
        }
        head.extend_from_slice(self.headers.as_bytes());
        if has_body && !self.headers.says_type() {
            head.extend_from_slice(b"Content-Type: application/json\r\n");
        }
        if let Some(agent) = user_agent.filter(|_| !self.headers.says_agent()) {
            for part in ["User-Agent: ", agent, "\r\n"] {
                head.extend_from_slice(part.as_bytes());
            }
        }
        if has_body {
            head.extend_from_slice(b"Content-Length: ");
            head.extend_from_slice(itoa::Buffer::new().format(self.body.len()).as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Ok(())
    }
}
