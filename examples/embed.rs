//! A host application with the engine inside: publishes one event to a receiver of its own and shuts down.
//!
//! `cargo run --example embed`

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use casewire::{EndpointDraft, Engine, Tenant};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::builder(dir.path()).egress_allow(vec!["127.0.0.0/8".parse()?]).start()?;
    let tenant = engine.tenant(Tenant::default());

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let receiver = tokio::task::spawn_blocking(move || receive_one(&listener));
    tenant
        .create_endpoint(EndpointDraft { url, events: vec!["cases.*".into()], ..Default::default() })
        .await?;

    // Answers when the event is on disk and synced; from here on it arrives, whatever happens.
    let receipt = engine.publisher().publish_json("cases.created", r#"{"id":"case_1"}"#).await?;
    println!("published {}, on its way to {} endpoint(s)", receipt.id, receipt.deliveries);
    println!("received:\n{}", receiver.await??);

    println!("{:?}", engine.shutdown(Duration::from_secs(5)).await);
    Ok(())
}

/// The smallest receiver there is: takes one request and acknowledges it.
fn receive_one(listener: &TcpListener) -> std::io::Result<String> {
    let (mut connection, _) = listener.accept()?;
    let (mut request, mut buffer) = (String::new(), [0; 4096]);
    while !request.ends_with('}') {
        let read = connection.read(&mut buffer)?;
        request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        if read == 0 {
            break;
        }
    }
    connection.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    Ok(request)
}
