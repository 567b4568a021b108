//! The only way out: resolve once, judge every address, connect to one that was judged.
//!
//! Nothing else in the engine opens a connection to a receiver. No proxy is taken from the environment,
//! and no name is resolved a second time between the judgement and the connection, so a name that
//! changes its mind in between changes nothing.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_rt::net::TcpStream;
use casewire_data::address::{AddressClass, EgressPolicy, Refusal, classify, is_localhost};
use futures_util::future::LocalBoxFuture;
use tokio::time::timeout;
use url::Url;

/// How many addresses of one name are tried; all of them are judged.
const TRIED_ADDRESSES_MAX: usize = 8;

/// How long one address may take to accept while there is another one to try, in milliseconds.
const TRY_MS_MAX: u64 = 3_000;

/// How names become addresses.
pub trait Resolve {
    /// The addresses of a name, each with the port that was asked for.
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> LocalBoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks the operating system, as every other program on the machine does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> LocalBoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Why no connection was even tried: the policy forbids an address of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The host, as the URL names it.
    pub host: String,
    /// The address and why it is forbidden.
    pub refusal: Refusal,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host != self.refusal.address.to_string() {
            write!(f, "{}: ", self.host)?;
        }
        self.refusal.fmt(f)
    }
}

impl StdError for Forbidden {}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The policy forbids it; nothing was dialled.
    Forbidden(Forbidden),
    /// The name has no address, said in plain words.
    Unresolved(String),
    /// No address accepted; this is what the last one said.
    Io(io::Error),
}

/// The other end of a connection, as the URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether TLS is spoken; plain connections go to fewer places.
    pub https: bool,
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// The port, also where the URL leaves it to the scheme.
    pub port: u16,
}

impl Origin {
    /// The origin of a URL; none if it has no host.
    pub fn of(url: &Url) -> Option<Self> {
        let host = bare(url.host_str()?).to_owned();
        Some(Self { https: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }
}

/// Makes the connections of one endpoint, and dials only what the policy permits.
#[derive(Clone)]
pub struct Egress {
    policy: Arc<EgressPolicy>,
    resolver: Rc<dyn Resolve>,
}

impl Egress {
    /// Connections under a policy.
    pub fn new(policy: Arc<EgressPolicy>, resolver: Rc<dyn Resolve>) -> Self {
        Self { policy, resolver }
    }

    /// The addresses of an origin, every one of them permitted. Has no deadline of its own.
    pub async fn resolve(&self, origin: &Origin) -> Result<Permitted, ConnectError> {
        let Origin { https, ref host, port } = *origin;
        let forbidden = |refusal| ConnectError::Forbidden(Forbidden { host: host.clone(), refusal });

        if is_localhost(host) {
            let permitted = self.policy.localhost(https).map_err(forbidden)?;
            return Ok(Permitted(permitted.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()));
        }
        let addresses = resolve(&*self.resolver, host, port).await.map_err(ConnectError::Unresolved)?;
        for address in &addresses {
            self.policy.permits(address.ip(), https).map_err(forbidden)?;
        }
        Ok(Permitted(addresses))
    }
}

/// Addresses that were judged, so that no others can be dialled.
#[derive(Debug)]
pub struct Permitted(Vec<SocketAddr>);

impl Permitted {
    /// A connection to the first of them that accepts, in the resolver's order. `dialled` is the one that is being tried.
    /// Has no deadline of its own.
    pub async fn dial(&self, dialled: &mut Option<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
        let tried = &self.0[..self.0.len().min(TRIED_ADDRESSES_MAX)];
        let (last, earlier) = tried.split_last().ok_or(io::ErrorKind::AddrNotAvailable)?;
        for address in earlier {
            *dialled = Some(*address);
            let connect = TcpStream::connect(address);
            if let Ok(Ok(stream)) = timeout(Duration::from_millis(TRY_MS_MAX), connect).await {
                return Ok((at_once(stream)?, *address));
            }
        }
        *dialled = Some(*last);
        Ok((at_once(TcpStream::connect(last).await?)?, *last))
    }
}

/// A request is written in few pieces and never waits for more: Nagle's algorithm would only delay it.
fn at_once(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The addresses of a host, at least one; or why there is none, in plain words.
async fn resolve(resolver: &dyn Resolve, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match resolver.lookup(host, port).await {
        Ok(addresses) if addresses.is_empty() => Err(format!("the name {host} has no address")),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(unresolved(host, &error.to_string())),
    }
}

/// Resolvers have one kind of error for all that goes wrong; only its words tell whether there is such a name.
fn unresolved(host: &str, words: &str) -> String {
    let absent = ["Name or service not known", "nodename nor servname", "Name does not resolve"];
    if absent.iter().any(|it| words.contains(it)) {
        return format!("name not found: {host}");
    }
    let cause = words.strip_prefix("failed to lookup address information: ").unwrap_or(words);
    format!("the name {host} could not be looked up: {cause}")
}

/// A host without the brackets that a URL puts around an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What the policy says of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressVerdict {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub class: AddressClass,
    /// Why deliveries may not go there, and what to do about it; absent if they may.
    pub refusal: Option<String>,
}

/// What the policy says of a URL, here and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The URL as it would be saved, or as it was given if it could not be.
    pub url: String,
    /// Whether deliveries may go there.
    pub permitted: bool,
    /// Why not, and what to do about it; absent if they may.
    pub reason: Option<String>,
    /// The host's addresses with a verdict on each; empty if it has none.
    pub addresses: Vec<AddressVerdict>,
}

/// Judges a URL as an endpoint's would be judged, first at saving and then at connecting; connects to nothing.
pub async fn explain(policy: &EgressPolicy, url: &str) -> Explanation {
    explain_with(&SystemResolver, policy, url).await
}

async fn explain_with(resolver: &dyn Resolve, policy: &EgressPolicy, url: &str) -> Explanation {
    let saved = policy.check_url(url);
    let host = Url::parse(url).ok();
    let found = match &host {
        Some(parsed) => judge_host(resolver, policy, parsed).await,
        None => Ok(Vec::new()),
    };
    let (addresses, unresolved) = match found {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let forbidden = forbidden(host.as_ref(), &addresses);
    let reason = saved.as_ref().err().map(|error| format!("the URL {error}")).or(unresolved).or(forbidden);
    Explanation {
        url: saved.unwrap_or_else(|_| url.to_owned()),
        permitted: reason.is_none(),
        reason,
        addresses,
    }
}

async fn judge_host(
    resolver: &dyn Resolve,
    policy: &EgressPolicy,
    url: &Url,
) -> Result<Vec<AddressVerdict>, String> {
    let Some(host) = url.host_str().map(bare) else { return Ok(Vec::new()) };
    let addresses = if is_localhost(host) {
        vec![([127, 0, 0, 1], 0).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 0).into()]
    } else {
        resolve(resolver, host, 0).await?
    };
    let verdict = |address: SocketAddr| {
        let refusal = policy.permits(address.ip(), url.scheme() == "https").err();
        AddressVerdict {
            address: address.ip(),
            class: classify(address.ip()),
            refusal: refusal.map(|refusal| refusal.to_string()),
        }
    };
    let mut verdicts: Vec<_> = addresses.into_iter().map(verdict).collect();
    // A resolver names an address once for each kind of socket.
    verdicts.dedup();
    Ok(verdicts)
}

/// One forbidden address forbids the host, except for `localhost`, where one that is permitted is enough.
fn forbidden(url: Option<&Url>, addresses: &[AddressVerdict]) -> Option<String> {
    let local = url.and_then(Url::host_str).is_some_and(is_localhost);
    let mut refusals = addresses.iter().map(|verdict| verdict.refusal.clone());
    if local && refusals.clone().any(|refusal| refusal.is_none()) {
        return None;
    }
    refusals.find_map(|refusal| refusal)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Answers with one list of addresses after the other, and with the last one from then on. The port is
    /// the one asked for.
    pub(crate) struct Scripted(RefCell<Vec<Vec<IpAddr>>>);

    impl Scripted {
        pub(crate) fn new(answers: &[&str]) -> Rc<Self> {
            let parse = |answer: &&str| answer.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
            Rc::new(Self(RefCell::new(answers.iter().rev().map(parse).collect())))
        }
    }

    impl Resolve for Scripted {
        fn lookup<'a>(
            &'a self,
            _host: &'a str,
            port: u16,
        ) -> LocalBoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let mut answers = self.0.borrow_mut();
            let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
            let addresses = answer.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, port));
            let addresses = addresses.collect();
            Box::pin(async move { Ok(addresses) })
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_told_from_one_that_cannot_be_looked_up() {
        let words = |words: &str| {
            unresolved("crm.example", &format!("failed to lookup address information: {words}"))
        };
        assert_eq!(words("Name or service not known"), "name not found: crm.example");
        let later = "the name crm.example could not be looked up: Temporary failure in name resolution";
        assert_eq!(words("Temporary failure in name resolution"), later);
    }

    async fn connect(
        egress: &Egress,
        scheme: &str,
        host: &str,
        port: u16,
    ) -> Result<SocketAddr, ConnectError> {
        let origin = Origin { https: scheme == "https", host: bare(host).to_owned(), port };
        let mut dialled = None;
        let connection = egress.resolve(&origin).await?.dial(&mut dialled).await;
        let (stream, remote) = connection.map_err(ConnectError::Io)?;
        assert!(stream.nodelay().unwrap());
        assert_eq!((Some(remote), remote), (dialled, stream.peer_addr().unwrap()));
        Ok(remote)
    }

    fn refused(result: Result<SocketAddr, ConnectError>) -> AddressClass {
        let Err(ConnectError::Forbidden(forbidden)) = result else { panic!("{result:?}") };
        forbidden.refusal.class
    }

    #[actix_rt::test]
    async fn a_permitted_address_is_dialled() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let policy = Arc::new(EgressPolicy::parse("127.0.0.0/8").unwrap());
        let egress = Egress::new(policy, Scripted::new(&["127.0.0.1"]));
        for host in ["crm.example", "127.0.0.1", "localhost", "crm.localhost."] {
            assert_eq!(connect(&egress, "http", host, there.port()).await.unwrap(), there, "{host}");
        }
    }

    #[actix_rt::test]
    async fn an_address_that_does_not_answer_yields_to_the_next() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let policy = Arc::new(EgressPolicy::parse("127.0.0.0/8").unwrap());
        let egress = Egress::new(policy, Scripted::new(&["127.0.0.2 127.0.0.1"]));
        assert_eq!(connect(&egress, "http", "crm.example", there.port()).await.unwrap(), there);
    }

    #[actix_rt::test]
    async fn forbidden_answers_are_never_dialled() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let policy = Arc::new(EgressPolicy::default());
        let answers = [
            ("127.0.0.1", AddressClass::Loopback),
            ("::ffff:127.0.0.1", AddressClass::Loopback),
            ("64:ff9b::127.0.0.1", AddressClass::Loopback),
            ("0.0.0.0", AddressClass::Unspecified),
            ("169.254.169.254", AddressClass::Metadata),
            ("1.1.1.1 127.0.0.1", AddressClass::Loopback),
            ("127.0.0.1 1.1.1.1", AddressClass::Loopback),
        ];
        for (answer, class) in answers {
            let egress = Egress::new(Arc::clone(&policy), Scripted::new(&[answer]));
            let result = connect(&egress, "https", "crm.example", port).await;
            assert_eq!(refused(result), class, "{answer}");
        }
        let egress = Egress::new(policy, Scripted::new(&["1.1.1.1"]));
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.localhost", "LOCALHOST."] {
            let result = connect(&egress, "https", host, port).await;
            assert_eq!(refused(result), AddressClass::Loopback, "{host}");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "0 connects");
    }

    #[actix_rt::test]
    async fn odd_spellings_that_reach_the_system_resolver_are_judged_by_what_they_are() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let egress = Egress::new(Arc::default(), Rc::new(SystemResolver));
        for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"] {
            let result = connect(&egress, "https", host, port).await;
            assert!(result.is_err(), "{host}: {result:?}");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "0 connects");
    }

    #[actix_rt::test]
    async fn a_name_that_rebinds_is_judged_anew_at_each_connection() {
        let allowed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = allowed.local_addr().unwrap().port();
        let policy = Arc::new(EgressPolicy::parse("127.0.0.1").unwrap());
        let egress = Egress::new(policy, Scripted::new(&["127.0.0.1", "127.0.0.2"]));
        connect(&egress, "http", "crm.example", port).await.unwrap();
        assert_eq!(refused(connect(&egress, "http", "crm.example", port).await), AddressClass::Loopback);
    }

    #[actix_rt::test]
    async fn explanations_list_every_address_with_its_verdict() {
        let policy = EgressPolicy::default();
        let resolver = Scripted::new(&["1.1.1.1 10.0.0.1"]);
        let mixed = explain_with(&*resolver, &policy, "https://crm.example/x").await;
        assert!(!mixed.permitted);
        assert!(mixed.reason.unwrap().contains("10.0.0.1"));
        assert_eq!(mixed.addresses[0].refusal, None);
        assert_eq!(mixed.addresses[1].class, AddressClass::Private);

        let good = explain_with(&*Scripted::new(&["1.1.1.1"]), &policy, "https://CRM.example").await;
        assert_eq!((good.permitted, good.url.as_str()), (true, "https://crm.example/"));
        let plain = explain(&policy, "http://0x7f.1:9/").await;
        assert_eq!(plain.addresses[0].class, AddressClass::Loopback);
        assert!(plain.reason.unwrap().contains("CASEWIRE_EGRESS_ALLOW"));
        assert!(!explain(&policy, "nonsense").await.permitted);
        let local = EgressPolicy::parse("127.0.0.1").unwrap();
        assert!(explain(&local, "http://localhost:9/").await.permitted);
        assert!(!explain_with(&*Scripted::new(&[""]), &policy, "https://crm.example/").await.permitted);
    }
}
