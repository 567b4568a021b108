//! A host application with an engine and the admin API, as an integrator would write it. Whatever it answers must be
//! what `/openapi.json` says of it.

use std::net::TcpListener;

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{Method, header::HeaderMap},
    rt, web,
};
use casewire::Engine;
use casewire_data::{event::Tenant, token::Scope};
use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, contract::CONTRACT};

pub const PREFIX: &str = "/v2.3/webhooks";

pub struct Host {
    pub engine: Engine,
    /// A token of the tenant `default` with the scope `admin`.
    pub admin: String,
    address: String,
    server: ServerHandle,
    _dir: Option<TempDir>,
}

impl Host {
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let engine = Engine::builder(dir.path())
            .egress_allow(vec!["127.0.0.0/8".parse().unwrap()])
            .start()
            .expect("an engine starts in an empty directory");
        Self { _dir: Some(dir), ..Self::around(engine).await }
    }

    /// The admin API of an engine that runs already.
    pub async fn around(engine: Engine) -> Self {
        let for_workers = engine.clone();
        let (address, server) =
            serve(move || App::new().service(web::scope(PREFIX).configure(for_workers.admin())));
        let (_, admin) = engine.create_token(Tenant::default(), vec![Scope::Admin], None).await.unwrap();
        Self { engine, admin, address, server, _dir: None }
    }

    /// Where the admin API listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A token of a tenant with some scopes.
    pub async fn token(&self, tenant: &str, scopes: &[Scope]) -> String {
        self.engine.create_token(Tenant::new(tenant).unwrap(), scopes.to_vec(), None).await.unwrap().1
    }

    /// A request of the admin's, with a JSON body unless it is empty.
    pub async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    pub async fn call_as(&self, token: &str, method: Method, path: &str, body: &str) -> Answer {
        let credentials = format!("Bearer {token}");
        let mut headers = vec![("Authorization", credentials.as_str())];
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.send(method, path, &headers, body.as_bytes().to_vec()).await
    }

    /// Any request, below the prefix. The answer is held against `/openapi.json`.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let client = awc::Client::builder().timeout(PATIENCE).no_default_headers().finish();
        let mut request = client.request(method.clone(), format!("http://{}{PREFIX}{path}", self.address));
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let sent = if body.is_empty() { request.send().await } else { request.send_body(body).await };
        let mut response = sent.unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = String::from_utf8(response.body().limit(64 << 20).await.unwrap().to_vec()).unwrap();
        let answer = Answer { status: response.status().as_u16(), headers: response.headers().clone(), text };
        CONTRACT.check(&method, path, &answer);
        answer
    }

    /// Creates an endpoint and answers its id.
    pub async fn endpoint(&self, body: &str) -> String {
        let answer = self.call(Method::POST, "/endpoints", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.data()["id"].as_str().unwrap().to_owned()
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
        self.engine.shutdown(PATIENCE).await;
    }
}

/// A receiver on a port of its own that answers everything with this status and body.
pub fn receiver(status: u16, body: &'static str) -> (String, ServerHandle) {
    let status = status.try_into().unwrap();
    let (address, server) = serve(move || {
        App::new().default_service(web::to(move || async move { HttpResponse::build(status).body(body) }))
    });
    (format!("http://{address}/hook"), server)
}

/// Serves an application on a free port.
fn serve<T, B>(factory: impl Fn() -> App<T> + Send + Clone + 'static) -> (String, ServerHandle)
where
    T: actix_web::dev::ServiceFactory<
            actix_web::dev::ServiceRequest,
            Config = (),
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: actix_web::body::MessageBody + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = HttpServer::new(factory).workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    rt::spawn(server);
    (address, handle)
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// What stands under `data`.
    pub fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    /// Holds the answer to be a problem (RFC 9457) with this status, and answers it.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let problem = self.json();
        let mut expected = vec!["type", "title", "status", "detail"];
        expected.extend((status == 422).then_some("errors"));
        assert_eq!(keys(&problem), expected);
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }
}

/// The keys of an object in the order in which they were written.
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The fields that a 422 names.
pub fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}
