//! What is possible: a client on bare sockets that sends the engine's requests, signed, and keeps nothing.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use casewire_data::{id::EventId, secret::Secret, signature::Signer};
use futures_util::future::join_all;
use tokio::net::TcpStream;

use super::{
    super::Failure,
    load::{Mark, Measured},
    sink::{self, ANSWER, Receiver},
    stage::{self, EVENT_TYPE},
};

/// Connections at least; more if there are more receivers.
const CONNECTIONS_MIN: usize = 64;
/// How long a run goes on before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// Sends for a time after the warm-up, and measures that time.
pub(super) async fn run(
    time: Duration,
    receivers: &Rc<Vec<Receiver>>,
    payload_bytes: u32,
) -> Result<Measured, Failure> {
    let until = Instant::now() + WARM_UP + time;
    let each = CONNECTIONS_MIN.div_ceil(receivers.len());
    let (clients, secret) = (receivers.clone(), stage::secret());
    let sending = actix_rt::spawn(async move {
        let all = clients.iter().flat_map(|receiver| std::iter::repeat_n(receiver, each));
        join_all(all.map(|receiver| send(receiver, &secret, payload_bytes, until))).await
    });
    actix_rt::time::sleep(WARM_UP).await;
    let mark = Mark::set(receivers);
    actix_rt::time::sleep(time).await;
    let measured = mark.measure(receivers);
    let sent = sending.await.map_err(|error| Failure::failed(format!("the bare client stopped: {error}")))?;
    let broken = sent.into_iter().find_map(Result::err);
    broken.map_or(Ok(measured), |error| Err(Failure::failed(format!("the bare client failed: {error}"))))
}

/// One request after the other on one connection.
async fn send(
    receiver: &Receiver,
    secret: &Secret,
    payload_bytes: u32,
    until: Instant,
) -> std::io::Result<()> {
    let stream = TcpStream::connect(receiver.address()).await?;
    stream.set_nodelay(true)?;
    let signer = Signer::new(std::slice::from_ref(secret));
    let mut answer = [0; 256];
    let mut number: u64 = 0;
    while Instant::now() < until {
        sink::write(&stream, &request(receiver, &signer, number, payload_bytes)).await?;
        number += 1;
        let mut read = 0;
        while read < ANSWER.len() {
            match sink::read(&stream, &mut answer[read..]).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                bytes => read += bytes,
            }
        }
    }
    Ok(())
}

/// A delivery as the engine makes it: body of the dialect, signature, headers.
fn request(receiver: &Receiver, signer: &Signer, number: u64, payload_bytes: u32) -> Vec<u8> {
    let data = sink::payload(number, 0, payload_bytes);
    let body = format!(r#"{{"type":"{EVENT_TYPE}","timestamp":"2024-03-26T18:53:16Z","data":{data}}}"#);
    let id = EventId::from_u128(number.into()).to_string();
    let signature = signer.sign(&id, 1_700_000_000, body.as_bytes());
    let head = format!(
        "POST /bench HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nuser-agent: bench\r\n\
         webhook-id: {id}\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: {signature}\r\n\
         content-length: {}\r\n\r\n",
        receiver.address(),
        body.len()
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}
