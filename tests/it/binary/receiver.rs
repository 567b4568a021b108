//! A receiver that writes down every attempt as it came.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::PATIENCE;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// What it was answered.
    pub status: u16,
}

impl Attempt {
    /// The event's id, which is the same in all attempts.
    pub fn id(&self) -> &str {
        self.headers.get("webhook-id").map_or("", String::as_str)
    }
}

/// How to answer.
pub struct Reply {
    pub status: u16,
    pub location: Option<String>,
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self { status, location: None }
    }
}

type Answerer = Box<dyn Fn(&Attempt) -> Reply + Send + Sync>;

/// Listens on a port of its own until dropped; a thread a connection.
pub struct Receiver {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    attempts: Mutex<Vec<Attempt>>,
    came: Condvar,
    stopped: AtomicBool,
    reply: Answerer,
}

impl Receiver {
    pub fn start<R: Into<Reply>>(reply: impl Fn(&Attempt) -> R + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", reply)
    }

    pub fn start_on<R: Into<Reply>>(
        host: &str,
        reply: impl Fn(&Attempt) -> R + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            attempts: Mutex::default(),
            came: Condvar::new(),
            stopped: AtomicBool::new(false),
            reply: Box::new(move |attempt| reply(attempt).into()),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                // A connection that breaks is the other side's affair.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// Where it listens, as a URL with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many attempts there were so far.
    pub fn count(&self) -> usize {
        self.shared.attempts.lock().unwrap().len()
    }

    /// Waits until the attempts are as they should be, and answers them.
    pub fn wait(&self, what: &str, enough: impl Fn(&[Attempt]) -> bool) -> Vec<Attempt> {
        let attempts = self.shared.attempts.lock().unwrap();
        let waited = self.shared.came.wait_timeout_while(attempts, PATIENCE, |attempts| !enough(attempts));
        let (attempts, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "{what} never came; there were {} attempts", attempts.len());
        attempts.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the flag.
        drop(TcpStream::connect(&self.address));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(mut attempt) = read(&mut reader)? {
            let reply = (self.reply)(&attempt);
            attempt.status = reply.status;
            self.attempts.lock().unwrap().push(attempt);
            self.came.notify_all();
            let location = reply.location.map(|url| format!("Location: {url}\r\n")).unwrap_or_default();
            let head = format!("HTTP/1.1 {} Told\r\n{location}Content-Length: 0\r\n\r\n", reply.status);
            reader.get_mut().write_all(head.as_bytes())?;
        }
        Ok(())
    }
}

/// The next request of a connection; `None` at its end.
fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Attempt>> {
    let mut request_line = String::new();
    if reader.read_line(&mut request_line)? == 0 {
        return Ok(None);
    }
    let path = request_line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Attempt { path, headers, body, status: 0 }))
}
