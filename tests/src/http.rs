//! HTTP/1.1 as far as the tests speak it: one request a connection, without TLS.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Header fields, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{}: not JSON: {}", self.status, self.text()))
    }
}

/// A request's head, all but its last line.
fn head(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// Sends a request and reads the answer to its end.
///
/// # Errors
/// Where there is no answer.
pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
    let mut head = head(address, method, path, headers);
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(head.as_bytes())?;
    // An answer may come before all of the body was taken.
    let _ = stream.write_all(body);
    read(&mut stream).with_context(|| format!("{method} {path}"))
}

/// Asks for something, and tells how long the first byte of the answer took.
///
/// # Errors
/// Where there is no answer.
pub fn timed(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<(Reply, Duration)> {
    let head = head(address, "GET", path, headers) + "\r\n";
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let began = Instant::now();
    stream.write_all(head.as_bytes())?;
    let mut bytes = vec![0];
    stream.read_exact(&mut bytes).with_context(|| format!("GET {path}"))?;
    let first = began.elapsed();
    stream.read_to_end(&mut bytes)?;
    Ok((parse(&bytes).with_context(|| format!("GET {path}"))?, first))
}

/// Reads an answer to its end.
///
/// # Errors
/// Where it is none.
pub fn read(stream: &mut TcpStream) -> Result<Reply> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        ensure!(!bytes.is_empty(), "no answer: {error}");
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the header")?;
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let raw = bytes.get(end + 4..).unwrap_or_default();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Ok(Reply { status, headers, body: if chunked { unchunk(raw) } else { raw.to_vec() } })
}

fn unchunk(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(raw.get(..end).unwrap_or_default()).ok();
        let Some(size) = size.and_then(|text| usize::from_str_radix(text, 16).ok()).filter(|size| *size > 0) else {
            break;
        };
        body.extend(raw.get(end + 2..end + 2 + size).unwrap_or_default());
        raw = raw.get(end + 4 + size..).unwrap_or_default();
    }
    body
}
