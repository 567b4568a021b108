//! Events published over HTTP, beside a bare server on the same framework that parses, appends, syncs and answers.

use std::{
    cell::Cell,
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Bytes, Data},
};
use casewire_data::{event::Tenant, limits::Limits, token::Scope};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::net::TcpStream;

use super::{
    super::{Failure, server},
    Args,
    append::{Appended, Appender, Group, micros},
    histogram::Histogram,
    publish::logged_bytes,
    report::{Report, figure, median, ratio},
    sink::{self, frame},
    stage::{EVENT_TYPE, Scratch, Stage},
};

/// Seconds of a run if not said otherwise.
const SECONDS: u64 = 3;
/// Clients, each of which keeps its connection and waits for each answer.
const CLIENTS: usize = 16;
/// How long a run goes on before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// The engine's requests a second over the bare server's, at least.
const RATE_MIN: f64 = 0.5;
/// Where the admin API is mounted, as by default.
const PREFIX: &str = "/v2.3/webhooks";
/// Bytes of the largest answer that is expected.
const ANSWER_BYTES_MAX: usize = 4 * 1_024;

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let time = Duration::from_secs(args.seconds.unwrap_or(SECONDS));
    let bytes = logged_bytes(args).await?;
    let mut report = Report {
        scenario: "http",
        settings: format!(
            "{} rounds of {} s each, POST /events by {CLIENTS} keep-alive clients to {} threads, {} B payload, \
             {bytes} B logged for each event, no endpoint",
            args.rounds,
            time.as_secs(),
            server::workers(),
            args.payload_bytes
        ),
        headings: vec!["", "requests/s", "p50 ms", "p99 ms"],
        ..Report::default()
    };
    let (mut engine, mut bare): (Vec<Appended>, Vec<Appended>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        engine.push(of_engine(args, time).await?);
        bare.push(of_bare(args, bytes, time).await?);
    }
    for (name, runs) in [("engine", &engine), ("bare server", &bare)] {
        let figures: [fn(&Appended) -> f64; 3] =
            [|run| run.rate, |run| run.times.percentile_ms(0.5), |run| run.times.percentile_ms(0.99)];
        let figures = figures.map(|part| figure(median(runs.iter().map(part))));
        report.rows.push(std::iter::once(json!(name)).chain(figures).collect());
    }
    report.at_least("ratio of requests/s", ratio(&engine, &bare, |run| run.rate), RATE_MIN);
    report.found("ratio of p50", figure(ratio(&engine, &bare, |run| run.times.percentile_ms(0.5))));
    report.found("ratio of p99", figure(ratio(&engine, &bare, |run| run.times.percentile_ms(0.99))));
    Ok(report)
}

/// The admin API, served as `casewire serve` does, for a token that may publish and no more.
async fn of_engine(args: &Args, time: Duration) -> Result<Appended, Failure> {
    let stage = Stage::set(args, Limits::default(), []).await?;
    let scopes = vec![Scope::EventsPublish];
    let (_, secret) = stage.engine().create_token(Tenant::default(), scopes, None).await?;
    let listener = server::reserve(([127, 0, 0, 1], 0).into())?;
    let address = listener.local_addr().map_err(no_server)?;
    let server = server::run(stage.engine(), listener, PREFIX)?;
    let measured = drive(address, &secret, args.payload_bytes, time).await;
    server.stop(false).await;
    stage.strike().await;
    measured
}

async fn of_bare(args: &Args, bytes: usize, time: Duration) -> Result<Appended, Failure> {
    let scratch = Scratch::new(args)?;
    let group = Group::start(scratch.path())?;
    let (address, server) = serve_bare(group.appender(), bytes)?;
    let measured = drive(address, "none-is-asked-for", args.payload_bytes, time).await;
    server.stop(false).await;
    measured.and_then(|measured| group.end().map(|()| measured))
}

/// What the bare server reads of an event.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A server with as many threads as the engine's that appends so many bytes for each event.
fn serve_bare(appender: Appender, bytes: usize) -> Result<(SocketAddr, ServerHandle), Failure> {
    let publish = move |body: Bytes, appender: Data<Appender>| async move {
        let Ok(Event { event_type, data }) = serde_json::from_slice(&body) else {
            return HttpResponse::BadRequest().finish();
        };
        let mut record = [event_type.as_bytes(), data.get().as_bytes()].concat();
        record.resize(bytes, b'x');
        if !appender.append(record).await {
            return HttpResponse::InternalServerError().finish();
        }
        HttpResponse::Accepted().content_type("application/json").body(r#"{"data":{"deliveries":0}}"#)
    };
    let appender = Data::new(appender);
    let app = move || {
        App::new()
            .app_data(appender.clone())
            .service(web::scope(PREFIX).route("/events", web::post().to(publish)))
    };
    let server = HttpServer::new(app).workers(server::workers()).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).map_err(no_server)?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok((address, handle))
}

/// All clients, for a time after the warm-up.
async fn drive(
    address: SocketAddr,
    secret: &str,
    payload_bytes: u32,
    time: Duration,
) -> Result<Appended, Failure> {
    let from = Instant::now() + WARM_UP;
    let (number, times) = (Cell::new(0), std::cell::RefCell::new(Histogram::default()));
    let client = || async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = [0; ANSWER_BYTES_MAX];
        while from.elapsed() < time {
            let request = request(address, secret, &sink::payload(number.get(), 0, payload_bytes));
            number.set(number.get() + 1);
            let before = Instant::now();
            sink::write(&stream, request.as_bytes()).await?;
            answer(&stream, &mut buffer).await?;
            if before >= from {
                times.borrow_mut().add(micros(before));
            }
        }
        Ok(())
    };
    let done: Vec<std::io::Result<()>> = join_all((0..CLIENTS).map(|_| client())).await;
    let elapsed = from.elapsed();
    done.into_iter().collect::<std::io::Result<()>>().map_err(no_server)?;
    let times = times.into_inner();
    Ok(Appended { rate: times.count() / elapsed.as_secs_f64(), times })
}

/// An event as a client publishes it.
fn request(address: SocketAddr, secret: &str, payload: &str) -> String {
    let (begin, end) = (format!(r#"{{"type":"{EVENT_TYPE}","data":"#), "}");
    let length = begin.len() + payload.len() + end.len();
    let mut request = String::with_capacity(length + 256);
    let _ = write!(
        request,
        "POST {PREFIX}/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {secret}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{begin}{payload}{end}",
    );
    request
}

/// Reads one answer, which has to be 202.
async fn answer(stream: &TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    loop {
        match sink::read(stream, &mut buffer[filled..]).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            bytes => filled += bytes,
        }
        let Some((head, length)) = frame(&buffer[..filled]) else { continue };
        if !buffer.starts_with(b"HTTP/1.1 202 ") {
            let answer = String::from_utf8_lossy(&buffer[..filled]).into_owned();
            return Err(std::io::Error::other(format!("an event was not accepted: {answer}")));
        }
        if filled >= head + length {
            return Ok(());
        }
    }
}

fn no_server(error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot publish over HTTP: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_framed_and_holds_an_event() {
        let request = request(([127, 0, 0, 1], 80).into(), "s3cret", r#"{"n":"1"}"#);
        let (head, length) = frame(request.as_bytes()).unwrap();
        assert_eq!(head + length, request.len());
        let event: Event<'_> = serde_json::from_str(&request[head..]).unwrap();
        assert_eq!((event.event_type, event.data.get()), (EVENT_TYPE, r#"{"n":"1"}"#));
    }
}
