//! Receivers that cost as little as possible: HTTP/1.1 on bare sockets, on one thread of their own.
//!
//! They know the requests of a benchmark only: a `Content-Length`, and a payload that [`payload`] made.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task,
};

use super::{super::Failure, histogram::Histogram, process};

/// The thread's name, by which its CPU time is told from the engine's.
const THREAD: &str = "bench-sink";
/// The answer to each request.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// Bytes of a connection's buffer to begin with.
const BUFFER_BYTES: usize = 4 * 1_024;

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds on a clock that all of the benchmark shares.
pub(super) fn now_us() -> u64 {
    u64::try_from(BEGUN.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The payload of an event by its number from 0, which is to be counted as published at a time.
pub(super) fn payload(number: u64, at_us: u64, bytes: u32) -> String {
    let mut payload = format!(r#"{{"n":"{number:012}","at":"{at_us:016}","pad":""#);
    let padding = (bytes as usize).saturating_sub(payload.len() + 2);
    payload.push_str(&"x".repeat(padding));
    payload.push_str("\"}");
    payload
}

/// Number and time of a payload, wherever it begins in a body.
fn read_payload(body: &[u8]) -> Option<(u64, u64)> {
    const MARK: &[u8] = br#"{"n":""#;
    let begin = MARK.len() + body.windows(MARK.len()).position(|window| window == MARK)?;
    let digits = |range: std::ops::Range<usize>| std::str::from_utf8(body.get(range)?).ok()?.parse().ok();
    Some((digits(begin..begin + 12)?, digits(begin + 20..begin + 36)?))
}

/// Waits until each receiver has got so many events, and tells how many deliveries are missing after a minute.
pub(super) async fn missing(receivers: &[Receiver], events: u64) -> u64 {
    const PATIENCE: Duration = Duration::from_secs(60);
    const TICK: Duration = Duration::from_millis(2);
    let begun = Instant::now();
    loop {
        let missing = receivers.iter().map(|receiver| events.saturating_sub(receiver.distinct())).sum();
        if missing == 0 || begun.elapsed() > PATIENCE {
            return missing;
        }
        actix_rt::time::sleep(TICK).await;
    }
}

/// The thread of all receivers. It ends when this and all of them are dropped.
pub(super) struct Sink {
    listeners: mpsc::UnboundedSender<Opening>,
}

struct Opening {
    listener: std::net::TcpListener,
    receiver: Arc<Seen>,
    delay: Duration,
    closed: oneshot::Receiver<()>,
}

/// One receiver; it stops listening when it is dropped.
pub(super) struct Receiver {
    address: SocketAddr,
    seen: Arc<Seen>,
    _close: oneshot::Sender<()>,
}

/// What a receiver has seen.
#[derive(Default)]
struct Seen {
    received: AtomicU64,
    distinct: AtomicU64,
    /// Times of events published before this are not noted.
    times_from_us: AtomicU64,
    details: Mutex<Details>,
}

#[derive(Default)]
struct Details {
    numbers: Vec<u64>,
    times: Histogram,
}

impl Sink {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, Failure> {
        let (listeners, mut openings) = mpsc::unbounded_channel::<Opening>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_sink)?;
        let run = move || {
            task::LocalSet::new().block_on(&runtime, async move {
                while let Some(opening) = openings.recv().await {
                    task::spawn_local(listen(opening));
                }
            });
        };
        thread::Builder::new().name(THREAD.to_owned()).spawn(run).map_err(no_sink)?;
        Ok(Self { listeners })
    }

    /// A receiver at an address (port 0 picks one) that takes so long for each answer.
    pub(super) fn listen(&self, address: SocketAddr, delay: Duration) -> Result<Receiver, Failure> {
        let (close, closed) = oneshot::channel();
        let listener = std::net::TcpListener::bind(address).map_err(no_sink)?;
        listener.set_nonblocking(true).map_err(no_sink)?;
        let address = listener.local_addr().map_err(no_sink)?;
        let seen = Arc::new(Seen::default());
        let opening = Opening { listener, receiver: seen.clone(), delay, closed };
        self.listeners
            .send(opening)
            .map_err(|_| Failure::failed("the benchmark's receivers have stopped"))?;
        Ok(Receiver { address, seen, _close: close })
    }

    /// A receiver that answers at once.
    pub(super) fn healthy(&self) -> Result<Receiver, Failure> {
        self.listen((Ipv4Addr::LOCALHOST, 0).into(), Duration::ZERO)
    }

    /// CPU time of all receivers, in microseconds.
    pub(super) fn cpu_us() -> u64 {
        process::thread_cpu_us(THREAD)
    }
}

/// An address where nobody listens. Not on the loopback address from which connections are made, so that none of them
/// can come to have it.
pub(super) fn nobody() -> Result<SocketAddr, Failure> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).map_err(no_sink)?;
    listener.local_addr().map_err(no_sink)
}

/// The URL of an address.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}/bench")
}

fn no_sink(error: io::Error) -> Failure {
    Failure::failed(format!("cannot start the benchmark's receivers: {error}"))
}

impl Receiver {
    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests so far.
    pub(super) fn received(&self) -> u64 {
        self.seen.received.load(Ordering::Relaxed)
    }

    /// Events so far, each counted once.
    pub(super) fn distinct(&self) -> u64 {
        self.seen.distinct.load(Ordering::Relaxed)
    }

    /// From now on, notes the times of events that are published from now on.
    pub(super) fn note_times(&self) {
        self.seen.times_from_us.store(now_us(), Ordering::Relaxed);
        self.seen.details().times = Histogram::default();
    }

    /// From publish to arrival.
    pub(super) fn times(&self) -> Histogram {
        self.seen.details().times.clone()
    }
}

impl Seen {
    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().expect("nothing panics while it holds this lock")
    }

    fn see(&self, body: &[u8]) {
        self.received.fetch_add(1, Ordering::Relaxed);
        let Some((number, at_us)) = read_payload(body) else { return };
        let mut details = self.details();
        let Ok(word) = usize::try_from(number / 64) else { return };
        if details.numbers.len() <= word {
            details.numbers.resize(word + 1, 0);
        }
        let bit = 1 << (number % 64);
        if details.numbers[word] & bit == 0 {
            details.numbers[word] |= bit;
            self.distinct.fetch_add(1, Ordering::Relaxed);
        }
        if at_us >= self.times_from_us.load(Ordering::Relaxed) {
            details.times.add(now_us().saturating_sub(at_us));
        }
    }
}

async fn listen(opening: Opening) {
    let Opening { listener, receiver, delay, mut closed } = opening;
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        tokio::select! {
            _ = &mut closed => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    task::spawn_local(serve(stream, receiver.clone(), delay));
                }
                // Too many open files, or a connection that is gone already.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Answers the requests of one connection until it ends, however it does.
async fn serve(stream: TcpStream, receiver: Arc<Seen>, delay: Duration) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let (head, length) = frame(&buffer[..filled]).unwrap_or((filled, 1));
        if filled < head + length {
            if buffer.len() < head + length {
                buffer.resize(2 * (head + length), 0);
            }
            match read(&stream, &mut buffer[filled..]).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => filled += bytes,
            }
            continue;
        }
        receiver.see(&buffer[head..head + length]);
        buffer.copy_within(head + length..filled, 0);
        filled -= head + length;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if write(&stream, ANSWER).await.is_err() {
            return;
        }
    }
}

/// Bytes of a request's head and of its body, once the head is whole.
pub(super) fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let head = 4 + bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let begin = NAME.len()
        + bytes[..head].windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))?;
    let digits = bytes[begin..head].iter().take_while(|byte| byte.is_ascii_digit());
    Some((head, digits.fold(0, |length, digit| 10 * length + usize::from(digit - b'0'))))
}

/// Reads what there is, at least a byte; 0 at the end.
pub(super) async fn read(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.try_read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            read => return read,
        }
    }
}

/// Writes everything.
pub(super) async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_its_number_and_time_from_within_any_body() {
        let payload = payload(123, 4_567, 200);
        assert_eq!(payload.len(), 200);
        let body = format!(r#"{{"type":"bench.event","data":{payload}}}"#);
        assert_eq!(read_payload(body.as_bytes()), Some((123, 4_567)));
        assert_eq!(read_payload(b"{}"), None);
    }

    #[actix_rt::test]
    async fn a_receiver_tells_events_from_repetitions_however_they_are_cut() {
        let sink = Sink::start().ok().unwrap();
        let receiver = sink.healthy().ok().unwrap();
        let stream = TcpStream::connect(receiver.address()).await.unwrap();
        let mut bytes = String::new();
        for number in [0, 1, 1] {
            let body = payload(number, 0, 5_000);
            bytes.push_str(&format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
        for piece in bytes.as_bytes().chunks(3_333) {
            write(&stream, piece).await.unwrap();
        }
        let mut answers = Vec::new();
        while answers.len() < 3 * ANSWER.len() {
            let mut buffer = [0; 256];
            let read = read(&stream, &mut buffer).await.unwrap();
            answers.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(answers, ANSWER.repeat(3));
        assert_eq!((receiver.received(), receiver.distinct()), (3, 2));
    }
}
