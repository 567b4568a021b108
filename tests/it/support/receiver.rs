//! Receivers: HTTP servers on threads of their own, so that they outlive every engine and need no runtime.
//!
//! A receiver records each request when it has come in whole, before it asks its script for the reply. A script may
//! block: requests on other connections go on meanwhile.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Instant, SystemTime},
};

use casewire::EventId;
use tokio::net::TcpSocket;

use super::wait_until;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it had come in whole.
    pub at: Instant,
    /// The same by the wall's clock.
    pub wall: SystemTime,
    pub method: String,
    pub path: String,
    /// Request line and headers, byte for byte.
    pub head: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How many requests with this `webhook-id` have come on this path, this one included.
    pub attempt: usize,
    /// How many requests the receiver was working on, this one included.
    pub concurrent: usize,
    /// When the reply began; the sender cannot have known it before.
    pub replied: Option<Instant>,
}

impl Request {
    /// A header that must be there, once.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let value = values.next().unwrap_or_else(|| panic!("no header {name}: {:?}", self.headers));
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        &value.1
    }

    /// A header's value, if it is there.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The event, by `webhook-id`.
    pub fn event(&self) -> EventId {
        self.header("webhook-id").parse().unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What a script answers with.
pub enum Reply {
    Answer {
        status: u16,
        headers: String,
        body: Vec<u8>,
    },
    /// Writes what it likes; the connection is closed after it.
    Raw(Box<dyn FnOnce(&mut TcpStream)>),
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: String::new(), body: Vec::new() }
    }

    pub fn with(mut self, header: &str, value: impl std::fmt::Display) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            *headers += &format!("{header}: {value}\r\n");
        }
        self
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = bytes.into();
        }
        self
    }

    pub fn raw(write: impl FnOnce(&mut TcpStream) + 'static) -> Self {
        Self::Raw(Box::new(write))
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server that records what it receives. Listens until the end of the test's process.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    attempts: HashMap<(String, String), usize>,
    concurrent: usize,
}

impl Receiver {
    /// A receiver on a free port that replies by a script.
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// A receiver that acknowledges everything.
    pub fn willing() -> Self {
        Self::start(|_| Reply::status(204))
    }

    fn serve(listener: TcpListener, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let receiver = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, script): (_, Arc<Script>) = (receiver.seen.clone(), Arc::new(script));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (seen, script) = (seen.clone(), script.clone());
                thread::spawn(move || converse(connection, &seen, &*script));
            }
        });
        receiver
    }

    /// Where it takes deliveries, at a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn url(&self) -> String {
        self.at("/hook")
    }

    pub fn count(&self) -> usize {
        self.seen().requests.len()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen().requests.clone()
    }

    /// The events that came, in the order of their requests.
    pub fn events(&self) -> Vec<EventId> {
        self.seen().requests.iter().map(Request::event).collect()
    }

    /// The most requests that it was working on at once.
    pub fn concurrent_max(&self) -> usize {
        self.seen().requests.iter().map(|request| request.concurrent).max().unwrap_or(0)
    }

    /// Waits for a number of requests.
    pub async fn received(&self, count: usize) -> Vec<Request> {
        wait_until(async || self.count(), |seen| *seen >= count).await;
        self.requests()
    }

    /// Waits until each of these events has come.
    pub async fn received_all(&self, events: &[EventId]) {
        let missing = async || {
            let come: HashSet<_> = self.events().into_iter().collect();
            events.iter().filter(|event| !come.contains(event)).count()
        };
        wait_until(missing, |missing| *missing == 0).await;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

/// A receiver that is down: its port is taken, so that nobody else gets it, and refuses connections.
pub struct Down(TcpSocket);

impl Down {
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.0.local_addr().unwrap())
    }

    /// It comes up, on the same port.
    pub fn start(self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Receiver {
        let listener = self.0.listen(1_024).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        Receiver::serve(listener, script)
    }
}

/// One connection, until either side has had enough.
fn converse(connection: TcpStream, seen: &Mutex<Seen>, script: &Script) {
    let _ = connection.set_nodelay(true);
    let Ok(mut writer) = connection.try_clone() else { return };
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        let (index, request) = record(seen, request);
        let reply = script(&request);
        {
            let mut seen = seen.lock().unwrap();
            seen.concurrent -= 1;
            seen.requests[index].replied = Some(Instant::now());
        }
        match reply {
            Reply::Answer { status, headers, body } => {
                let length =
                    if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
                let head = format!("HTTP/1.1 {status} Scripted\r\n{headers}{length}\r\n");
                if writer.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                    return;
                }
            }
            Reply::Raw(write) => return write(&mut writer),
        }
    }
}

fn record(seen: &Mutex<Seen>, mut request: Request) -> (usize, Request) {
    let id = request.headers.iter().find(|(name, _)| name == "webhook-id");
    let key = (request.path.clone(), id.map(|(_, id)| id.clone()).unwrap_or_default());
    let mut seen = seen.lock().unwrap();
    let attempts = seen.attempts.entry(key).or_default();
    *attempts += 1;
    request.attempt = *attempts;
    seen.concurrent += 1;
    request.concurrent = seen.concurrent;
    seen.requests.push(request.clone());
    (seen.requests.len() - 1, request)
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut head = String::new();
    reader.read_line(&mut head).ok()?;
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        head += &line;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let (at, wall) = (Instant::now(), SystemTime::now());
    Some(Request { at, wall, method, path, head, headers, body, attempt: 0, concurrent: 0, replied: None })
}
