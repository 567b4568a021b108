//! The HTTP client of a running server, for the commands that talk to one.

use std::time::Duration;

use awc::{
    ClientRequest, SendClientRequest,
    error::{ConnectError, SendRequestError},
    http::Method,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{Failure, output::printable};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one may take that copies all that a server stores.
const PATIENT_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// Bytes of the largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which server to talk to, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server's address with its prefix.
    #[arg(
        long,
        value_name = "URL",
        env = "CASEWIRE_SERVER",
        default_value = "http://127.0.0.1:8080/v2.3/webhooks"
    )]
    server: String,
    /// A bearer token; CASEWIRE_ADMIN_TOKEN serves as well.
    #[arg(long, env = "CASEWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Speaks to one server as one tenant.
pub(super) struct Client {
    http: awc::Client,
    server: String,
}

impl Client {
    /// A client that authenticates itself with the token given.
    pub(super) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let admin = || std::env::var("CASEWIRE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
        let token = args.token.clone().or_else(admin).ok_or_else(|| {
            Failure::Usage(
                "no token; give one with --token or CASEWIRE_TOKEN (`casewire token create` makes one)"
                    .into(),
            )
        })?;
        Self::of(args, Some(token))
    }

    /// A client for what asks for no token.
    pub(super) fn anonymous(args: &ServerArgs) -> Result<Self, Failure> {
        Self::of(args, None)
    }

    fn of(args: &ServerArgs, token: Option<String>) -> Result<Self, Failure> {
        let server = args.server.trim_end_matches('/').to_owned();
        let url = url::Url::parse(&server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            let message = "is not the URL of a server; write it like http://127.0.0.1:8080/v2.3/webhooks";
            Failure::Usage(format!("--server: `{server}` {message}"))
        })?;
        let mut connector = awc::Connector::new();
        // Reading the trust store takes longer than a request on loopback.
        if url.scheme() == "https" {
            connector = connector.rustls_0_23(casewire_actors::dispatch::tls_config());
        }
        let http = awc::Client::builder().connector(connector).disable_redirects().timeout(TIMEOUT);
        let http = match token {
            Some(token) => http.bearer_auth(token),
            None => http,
        };
        Ok(Self { http: http.finish(), server })
    }

    /// What is at a path below the prefix.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.answer(self.request(Method::GET, path).send()).await
    }

    /// The text that is at a path below the prefix.
    pub(super) async fn text(&self, path: &str) -> Result<String, Failure> {
        let request = self.http.get(format!("{}{path}", self.server));
        let body = self.body(request.send()).await?;
        String::from_utf8(body.into()).map_err(|_| self.stranger())
    }

    /// Sends a JSON body.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.answer(self.request(Method::POST, path).send_json(body)).await
    }

    /// Asks for what may take as long as the disk needs.
    pub(super) async fn post_and_wait(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.answer(self.request(Method::POST, path).timeout(PATIENT_TIMEOUT).send_json(body)).await
    }

    /// Sends a JSON body with the change of a thing.
    pub(super) async fn patch(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.answer(self.request(Method::PATCH, path).send_json(body)).await
    }

    /// Sends a JSON body that is a thing, whole.
    pub(super) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.answer(self.request(Method::PUT, path).send_json(body)).await
    }

    /// Deletes a thing; the answer is null.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.answer(self.request(Method::DELETE, path).send()).await
    }

    fn request(&self, method: Method, path: &str) -> ClientRequest {
        self.http
            .request(method, format!("{}{path}", self.server))
            .insert_header(("accept", "application/json"))
    }

    async fn answer(&self, sending: SendClientRequest) -> Result<Value, Failure> {
        let body = self.body(sending).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_| self.stranger())
    }

    async fn body(&self, sending: SendClientRequest) -> Result<Bytes, Failure> {
        let mut response = sending.await.map_err(|error| self.unreachable(&error))?;
        let body =
            response.body().limit(ANSWER_BYTES_MAX).await.map_err(|error| {
                Failure::failed(format!("the answer of {} broke off: {error}", self.server))
            })?;
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::Failed(problem(status.as_u16(), &body)));
        }
        Ok(body)
    }

    fn stranger(&self) -> Failure {
        Failure::failed(format!("{} doesn't answer as casewire does; is --server right?", self.server))
    }

    fn unreachable(&self, error: &SendRequestError) -> Failure {
        let server = &self.server;
        Failure::Failed(match error {
            SendRequestError::Connect(ConnectError::Io(error)) => {
                let next = match error.kind() {
                    // What came back was no TLS.
                    std::io::ErrorKind::InvalidData => "does it speak https?",
                    _ => "start it with `casewire serve`, or name it with --server",
                };
                format!("cannot reach {server}: {error}; {next}")
            }
            SendRequestError::Timeout => format!("{server} did not answer within {} s", TIMEOUT.as_secs()),
            other => format!("cannot reach {server}: {other}; is --server right?"),
        })
    }
}

/// One segment of a path, whatever the caller typed.
pub(super) fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A problem document (RFC 9457) as text for people.
fn problem(status: u16, body: &Bytes) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let part = |name: &str| problem[name].as_str().map(printable).unwrap_or_default();
    let next = match status {
        401 => "; give one with --token or CASEWIRE_TOKEN",
        404 if problem["detail"].is_null() => "; is --server right, its prefix included?",
        _ => "",
    };
    let mut text = match (part("title"), part("detail")) {
        (title, detail) if title.is_empty() && detail.is_empty() => format!("the server answered {status}"),
        (title, detail) if detail.is_empty() => format!("{title} ({status})"),
        (title, detail) if title.is_empty() => format!("{detail} ({status})"),
        (title, detail) => format!("{title} ({status}): {detail}"),
    };
    text.push_str(next);
    for error in problem["errors"].as_array().into_iter().flatten() {
        let part = |name: &str| error[name].as_str().map(printable).unwrap_or_default();
        let line = format!("{}: {}", part("field"), part("message"));
        // A single mistake is often the whole detail already.
        if !text.ends_with(&line) {
            text.push_str(&format!("\n  {line}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_a_message_with_a_line_a_field() {
        let body = r#"{"type":"about:blank","title":"Unprocessable","status":422,"detail":"1 field is wrong",
            "errors":[{"field":"events[0]","message":"there is no `cases.reopened`"}]}"#;
        assert_eq!(
            problem(422, &Bytes::from_static(body.as_bytes())),
            "Unprocessable (422): 1 field is wrong\n  events[0]: there is no `cases.reopened`"
        );
        assert_eq!(problem(502, &Bytes::from_static(b"<html>")), "the server answered 502");
        assert_eq!(
            problem(404, &Bytes::new()),
            "the server answered 404; is --server right, its prefix included?"
        );
    }

    #[test]
    fn what_was_typed_stays_one_segment() {
        assert_eq!(segment("../tokens?x y"), "..%2Ftokens%3Fx%20y");
    }
}
