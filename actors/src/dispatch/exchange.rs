//! One request and its answer over one connection.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    time::timeout,
};

use super::{
    body::{Body, Taken},
    connection::Stream,
    failure::Failure,
    progress::Progress,
    response::{Answer, HEAD_BYTES_MAX, Parsed, parse},
};

/// Room that is made for each read, in bytes; most answers fit at once.
const READ_BYTES: usize = 2 * 1024;
/// Interim responses before an answer.
const INTERIMS_MAX: usize = 16;
/// How long the rest of a body without a length is waited for: a receiver that forgets to close the
/// connection must not hold a place until the deadline.
const UNFRAMED_MAX: Duration = Duration::from_millis(250);

/// See the module. Reads while it writes: an answer may come before the request is over, and a receiver that
/// is read from only later may never take the rest of it.
pub(super) struct Exchange<'a> {
    stream: &'a mut Stream,
    first: &'a [u8],
    second: &'a [u8],
    judged_headers: &'a [Box<str>],
    written: usize,
    sending: Sending,
    /// What has come and is not yet taken.
    incoming: &'a mut Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Writing,
    Flushing,
    Done,
    /// The receiver takes no more. What it may have answered is there to be read.
    Failed,
}

impl<'a> Exchange<'a> {
    /// A request in two pieces of which the second may be empty, the headers of the answer that are judged, and a
    /// buffer for what comes back.
    pub fn new(
        stream: &'a mut Stream,
        (first, second): (&'a [u8], &'a [u8]),
        judged_headers: &'a [Box<str>],
        incoming: &'a mut Vec<u8>,
    ) -> Self {
        incoming.clear();
        let sending = Sending::Writing;
        Self { stream, first, second, judged_headers, written: 0, sending, incoming }
    }

    /// Sends and reads. Gives whether the connection can be used again. Notes what has come so far, so that it
    /// outlives the end of the time.
    ///
    /// A status line of success counts, whatever follows it, unless headers are judged; any other needs its headers.
    pub async fn run(&mut self, progress: &mut Progress) -> Result<bool, Failure> {
        let (mut body, keep_alive) = match self.read_head(progress).await {
            Ok(framed) => framed,
            Err(failure) if progress.answer.is_none() => return Err(failure),
            Err(_) => return Ok(false),
        };
        let Some(Answer { status, body: kept, .. }) = &mut progress.answer else { return Ok(false) };
        let ended = if body.is_unframed() {
            // Boxed, because it is seldom: every attempt would carry room for a second clock.
            Box::pin(timeout(UNFRAMED_MAX, self.read_body(&mut body, kept))).await.unwrap_or(false)
        } else {
            self.read_body(&mut body, kept).await
        };
        if ended && is_success(*status) {
            // It took the request before it had all of it, and is owed the rest.
            poll_fn(|context| self.poll_send(context)).await;
        }
        Ok(ended && keep_alive && self.sending == Sending::Done && self.incoming.is_empty())
    }

    /// Reads up to the body, which it gives with whether the connection may be used again after it.
    async fn read_head(&mut self, progress: &mut Progress) -> Result<(Body, bool), Failure> {
        let mut interims = 0;
        loop {
            let parsed_bytes = self.incoming.len();
            self.read_more().await.map_err(|error| Failure::broken(&error, progress.heard.is_some()))?;
            progress.hear();
            if parsed_bytes > 0 && !self.incoming[parsed_bytes..].contains(&b'\n') {
                // Nothing new can be told before a line ends; a head that crawls is not parsed at each byte.
            } else if let Some(framed) = self.take_head(&mut progress.answer, &mut interims)? {
                return Ok(framed);
            }
            if self.incoming.len() >= HEAD_BYTES_MAX {
                return Err(Failure::protocol("its head is endless"));
            }
        }
    }

    /// Takes interim responses off what has come, and the head of the answer if it is complete.
    fn take_head(
        &mut self,
        answer: &mut Option<Answer>,
        interims: &mut usize,
    ) -> Result<Option<(Body, bool)>, Failure> {
        loop {
            let (status, failure) = match parse(self.incoming, self.judged_headers) {
                Parsed::Complete { answer: complete, framing, keep_alive, bytes } => {
                    *answer = Some(complete);
                    self.incoming.drain(..bytes);
                    return Ok(Some((Body::new(framing), keep_alive)));
                }
                Parsed::Interim { bytes } => {
                    *interims += 1;
                    self.incoming.drain(..bytes);
                    match *interims {
                        ..=INTERIMS_MAX if self.incoming.is_empty() => return Ok(None),
                        ..=INTERIMS_MAX => continue,
                        _ => (None, Some(Failure::protocol("interim responses without end"))),
                    }
                }
                Parsed::Unfinished { status } => (status, None),
                Parsed::Wrong { status, why } => (status, Some(Failure::protocol(&why))),
            };
            let counts_alone = |status: &u16| is_success(*status) && self.judged_headers.is_empty();
            if let Some(status) = status.filter(counts_alone) {
                *answer = Some(Answer { status, headers: Vec::new(), body: Vec::new() });
            }
            return failure.map_or(Ok(None), Err);
        }
    }

    /// Reads to the end, so that the connection can be used again, unless the end is too far away. Gives
    /// whether it was reached.
    async fn read_body(&mut self, body: &mut Body, kept: &mut Vec<u8>) -> bool {
        loop {
            match body.take(self.incoming, kept) {
                Taken::End(used) => {
                    self.incoming.drain(..used);
                    return true;
                }
                Taken::All => self.incoming.clear(),
                Taken::Lost => return false,
            }
            if self.read_more().await.is_err() {
                return false;
            }
        }
    }

    /// Waits for more to come, and writes on meanwhile.
    async fn read_more(&mut self) -> io::Result<()> {
        self.incoming.reserve(READ_BYTES);
        let read = poll_fn(|context| {
            let _ = self.poll_send(context);
            pin!(self.stream.read_buf(self.incoming)).poll(context)
        });
        match read.await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Writes what can be written; ready when nothing is left to do, be it because it failed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut stream = Pin::new(&mut *self.stream);
            let polled = match self.sending {
                Sending::Writing => {
                    let first = self.first.get(self.written..).unwrap_or_default();
                    let second = &self.second[self.written.saturating_sub(self.first.len())..];
                    match (first, second) {
                        (one, []) | ([], one) => stream.as_mut().poll_write(context, one),
                        both => {
                            let pieces = [IoSlice::new(both.0), IoSlice::new(both.1)];
                            stream.as_mut().poll_write_vectored(context, &pieces)
                        }
                    }
                }
                Sending::Flushing => stream.as_mut().poll_flush(context).map_ok(|()| 0),
                Sending::Done | Sending::Failed => return Poll::Ready(()),
            };
            self.sending = match (self.sending, polled) {
                (_, Poll::Pending) => return Poll::Pending,
                (Sending::Flushing, Poll::Ready(Ok(_))) => Sending::Done,
                (_, Poll::Ready(Ok(0) | Err(_))) => Sending::Failed,
                (_, Poll::Ready(Ok(bytes))) => {
                    self.written += bytes;
                    let is_all = self.written == self.first.len() + self.second.len();
                    if is_all { Sending::Flushing } else { Sending::Writing }
                }
            };
        }
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}
