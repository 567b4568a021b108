//! One keep-alive connection, with nothing between the test and the socket.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use super::PATIENCE;

pub struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    /// What stands before each path, and whose token goes along.
    prefix: String,
    token: String,
}

impl Connection {
    pub fn open(address: &str, prefix: &str, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let (address, prefix, token) = (address.to_owned(), prefix.to_owned(), token.to_owned());
        Ok(Self { stream: BufReader::new(stream), address, prefix, token })
    }

    /// A request below the prefix, with a JSON body unless it is empty. An error is a lost connection.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let Self { address, prefix, token, .. } = self;
        let mut request = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status in `{status_line}`")))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "answers have a length");
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, text: String::from_utf8(body).map_err(io::Error::other)? })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// What stands under `data` of an answer with this status.
    pub fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let mut answer: Value = serde_json::from_str(&self.text).unwrap();
        answer["data"].take()
    }

    /// The id of what was made.
    pub fn id(&self, status: u16) -> String {
        self.data(status)["id"].as_str().unwrap().to_owned()
    }
}
