//! `casewire listen` as a process.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use super::{
    Ended,
    server::{Process, command},
};

/// A running `casewire listen`; killed when dropped.
pub struct Listener {
    process: Process,
    address: String,
}

impl Listener {
    /// One that speaks to people.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = command();
        let mut process = Process::start({
            command.arg("listen").args(arguments);
            command
        });
        while let Some(line) = process.line() {
            if let Some((_, url)) = line.split_once("http://") {
                let address = url.split('/').next().unwrap_or_default().to_owned();
                return Self { process, address };
            }
        }
        panic!("it did not start: {:?}", process.end());
    }

    /// One that speaks JSON.
    pub fn json(arguments: &[&str]) -> Self {
        Self::start(&[&["--json"], arguments].concat())
    }

    /// Where it takes deliveries.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it tells next of a request that is no handshake.
    pub fn next(&mut self) -> Value {
        loop {
            let line = self.process.line().expect("it tells of another request");
            let told: Value = serde_json::from_str(&line).expect("a line of JSON");
            if told["handshake"] != true {
                return told;
            }
        }
    }

    /// Sends a request and answers with the whole answer.
    pub fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> String {
        let length = body.len();
        let mut head =
            format!("{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.write_all(&[head.as_bytes(), b"\r\n", body.as_bytes()].concat()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        self.process.end()
    }
}
