//! A client of NATS with JetStream, as much as sensors and their centre need:
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use crate::destination::stream::{Stream, broken, connect};
use crate::destination::{PATIENCE, SendError};
use crate::payload;
use crate::settings::{NatsAccess, Server, Tls};
use ot_store::wall_clock;
use serde_json::{Value, json};
use std::io::{self, Read, Write as _};
use std::time::{Duration, Instant};

/// Bytes of a line of the server.
const MOST_LINE: usize = 64 << 10;
/// Bytes of bodies that are taken out of a stream at once.
const MOST_FETCHED: usize = 16 << 20;

/// An open way to a server.
pub struct Client {
    server: Server,
    stream: Stream,
    /// What was read and not looked at yet.
    unread: Vec<u8>,
    /// Where answers go.
    inbox: String,
    asked: u64,
    most_payload: usize,
    most_message: usize,
    version: (u32, u32, u32),
}

/// A message of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its subject.
    pub subject: String,
    /// Where an answer goes; of a message of a stream, where it is acknowledged.
    pub reply: Option<String>,
    /// Of what the server says itself: `404`, `408` …
    pub status: Option<String>,
    /// Its body; `None` where it is larger than this side takes: it was thrown away.
    pub body: Option<Vec<u8>>,
    /// Bytes that its body has.
    pub size: usize,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A line that needs no answer.
    Line(String),
    /// It refuses something, and goes on.
    Refused(String),
    /// A message.
    Message(Message),
}

impl Client {
    /// Connects and signs in. `most_message`: bytes of a message that this side takes.
    ///
    /// # Errors
    /// Where the server cannot be reached, or does not let us in.
    pub fn open(
        server: &Server,
        tls: Option<&Tls>,
        access: &NatsAccess,
        most_message: usize,
    ) -> Result<Self, SendError> {
        let fail = |error: io::Error| broken(server, "NATS", &error);
        let mut socket = connect(server)?;
        // The server speaks first, without TLS.
        let info = first_line(&mut socket).map_err(fail)?;
        let info: Value = info
            .strip_prefix("INFO ")
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| SendError::Broken(format!("{server}: what listens there is no NATS server")))?;
        if info["tls_required"] == true && tls.is_none() {
            return Err(SendError::Broken(format!("{server}: the server wants TLS; write tls:// in place of nats://")));
        }
        let mut client = Self {
            inbox: inbox(access),
            version: version(info["version"].as_str().unwrap_or_default()),
            server: server.clone(),
            stream: Stream::over(socket, server, tls)?,
            unread: Vec::new(),
            asked: 0,
            most_payload: info["max_payload"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1 << 20),
            most_message,
        };
        let mut options = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1,
            "name": payload::PRODUCT, "lang": "rust", "version": payload::VERSION, "tls_required": tls.is_some(),
        });
        let secret = |secret: &crate::settings::Secret| secret.read().map_err(SendError::Broken);
        match access {
            NatsAccess::Anybody => {}
            NatsAccess::Token(token) => options["auth_token"] = secret(token)?.into(),
            NatsAccess::Password(user, password) => {
                options["user"] = user.as_str().into();
                options["pass"] = secret(password)?.into();
            }
        }
        let begin = format!("CONNECT {options}\r\nSUB {}.* 1\r\nPING\r\n", client.inbox);
        client.stream.write_all(begin.as_bytes()).and_then(|()| client.stream.flush()).map_err(fail)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match client.next(end)? {
                Said::Line(line) if line == "PONG" => return Ok(client),
                Said::Refused(problem) => return Err(SendError::Broken(format!("{server}: NATS: {problem}"))),
                _ => {}
            }
        }
    }

    /// Where it is connected.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Version of the server; zeros where it does not say.
    pub fn version(&self) -> (u32, u32, u32) {
        self.version
    }

    /// Bytes of a message that the server takes.
    pub fn most_payload(&self) -> usize {
        self.most_payload
    }

    /// A subject of ours that nothing was sent to yet.
    pub fn new_reply(&mut self) -> String {
        self.asked += 1;
        format!("{}.{}", self.inbox, self.asked)
    }

    /// Publishes; it may stay on this side until [`Client::flush`]. `head`: header lines, each with its line end.
    ///
    /// # Errors
    /// Where the way is broken.
    pub fn publish(&mut self, subject: &str, reply: Option<&str>, head: &str, body: &[u8]) -> Result<(), SendError> {
        let reply = reply.map(|reply| format!(" {reply}")).unwrap_or_default();
        let begin = if head.is_empty() {
            format!("PUB {subject}{reply} {}\r\n", body.len())
        } else {
            let head = format!("NATS/1.0\r\n{head}\r\n");
            format!("HPUB {subject}{reply} {} {}\r\n{head}", head.len(), head.len() + body.len())
        };
        self.stream
            .write_all(&[begin.as_bytes(), body, b"\r\n"].concat())
            .map_err(|error| broken(&self.server, "NATS", &error))
    }

    /// Sends what is on this side.
    ///
    /// # Errors
    /// Where the way is broken.
    pub fn flush(&mut self) -> Result<(), SendError> {
        self.stream.flush().map_err(|error| broken(&self.server, "NATS", &error))
    }

    /// What the server says next; pings are answered.
    ///
    /// # Errors
    /// Where the way is broken, or the server says nothing until then.
    pub fn next(&mut self, end: Instant) -> Result<Said, SendError> {
        self.said(end).map_err(|error| broken(&self.server, "NATS", &error))
    }

    /// Asks the server for something and gives its answer.
    ///
    /// # Errors
    /// Where the way is broken, or nobody answers.
    pub fn ask(&mut self, subject: &str, body: &[u8]) -> Result<Value, SendError> {
        let reply = self.new_reply();
        self.publish(subject, Some(&reply), "", body)?;
        self.flush()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let message = match self.next(end)? {
                Said::Message(message) if message.subject == reply => message,
                Said::Refused(problem) => {
                    return Err(SendError::Broken(format!("{}: NATS: {problem}", self.server)));
                }
                _ => continue,
            };
            if message.status.as_deref() == Some("503") {
                let problem = "nobody answers there; does the server run with JetStream (nats-server -js)?";
                return Err(SendError::Broken(format!("{}: {subject}: {problem}", self.server)));
            }
            return serde_json::from_slice(message.body.as_deref().unwrap_or_default())
                .map_err(|_| SendError::Broken(format!("{}: {subject}: the answer cannot be read", self.server)));
        }
    }

    /// Messages that a consumer of a stream has for us, at most so many and at most 16 MiB. Where there is none, waits for one.
    ///
    /// # Errors
    /// Where the way is broken, or there is no such consumer.
    pub fn fetch(
        &mut self,
        stream: &str,
        consumer: &str,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, SendError> {
        // The server (from 2.8.3 on) leaves for the next question what would be more.
        let how = json!({ "batch": most, "no_wait": true, "max_bytes": MOST_FETCHED });
        let found = self.pull(stream, consumer, &how, most)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.pull(stream, consumer, &json!({ "batch": 1, "expires": wait }), 1)
    }

    fn pull(&mut self, stream: &str, consumer: &str, how: &Value, most: usize) -> Result<Vec<Message>, SendError> {
        let reply = self.new_reply();
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        self.publish(&subject, Some(&reply), "", how.to_string().as_bytes())?;
        self.flush()?;
        let end = Instant::now() + PATIENCE;
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        // An older server sends all at once: what is left then lies on the way until the next question.
        while found.len() < most && bytes < MOST_FETCHED {
            let message = match self.next(end) {
                Ok(Said::Message(message)) => message,
                Ok(Said::Refused(problem)) => {
                    return Err(SendError::Broken(format!("{}: NATS: {problem}", self.server)));
                }
                Ok(Said::Line(_)) => continue,
                // What came is not thrown away; whether the way still stands is seen with the next question.
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error),
            };
            match message.status.as_deref() {
                // What an earlier question had left.
                Some(_) if message.subject != reply => {}
                Some("100") => {}
                // 409: the next one would be more than the bytes asked for.
                Some("404" | "408") => break,
                Some("409") if !found.is_empty() || how["max_bytes"].is_u64() => break,
                Some("503") => {
                    let problem = format!("no consumer {consumer} of a stream {stream}");
                    return Err(SendError::Broken(format!("{}: {problem}", self.server)));
                }
                Some(other) => {
                    return Err(SendError::Broken(format!("{}: the stream {stream} says {other}", self.server)));
                }
                None if message.reply.is_some() => {
                    bytes += message.body.as_ref().map_or(0, Vec::len);
                    found.push(message);
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// Whether the way still stands.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.stream.check().map_err(|error| broken(&self.server, "NATS", &error))
    }

    fn said(&mut self, end: Instant) -> io::Result<Said> {
        let line = self.line(end)?;
        let mut words = line.split_ascii_whitespace();
        let verb = words.next().unwrap_or_default();
        match verb {
            "PING" => {
                self.stream.write_all(b"PONG\r\n")?;
                self.stream.flush()?;
            }
            "-ERR" => {
                let problem = line.trim_start_matches("-ERR").trim().trim_matches('\'').to_owned();
                // The server ends the connection after any other problem.
                if problem.starts_with("Permissions Violation") {
                    return Ok(Said::Refused(problem));
                }
                return Err(io::Error::other(problem));
            }
            "MSG" | "HMSG" => {
                let words: Vec<&str> = words.collect();
                let unreadable = || io::Error::other(format!("cannot be read: {line:.100}"));
                let numbers = if verb == "HMSG" { 2 } else { 1 };
                let number = |from_end: usize| -> io::Result<usize> {
                    let word = words.len().checked_sub(from_end).and_then(|at| words.get(at));
                    word.and_then(|word| word.parse().ok()).ok_or_else(unreadable)
                };
                let (head, whole) = if verb == "HMSG" { (number(2)?, number(1)?) } else { (0, number(1)?) };
                let subject = words.first().map(|word| (*word).to_owned()).unwrap_or_default();
                let reply = if words.len() > 2 + numbers { words.get(2).map(|&word| word.to_owned()) } else { None };
                let size = whole.checked_sub(head).ok_or_else(unreadable)?;
                if whole > self.most_message {
                    self.skip(whole.checked_add(2).ok_or_else(unreadable)?, end)?;
                    return Ok(Said::Message(Message { subject, reply, status: None, body: None, size }));
                }
                let bytes = self.bytes(whole + 2, end)?;
                let (head, rest) = bytes.split_at_checked(head).unwrap_or((&[], &bytes));
                let body = rest.strip_suffix(b"\r\n").unwrap_or(rest).to_vec();
                let head = String::from_utf8_lossy(head);
                let status = head.strip_prefix("NATS/1.0 ").and_then(|rest| rest.get(..3)).map(str::to_owned);
                return Ok(Said::Message(Message { subject, reply, status, body: Some(body), size }));
            }
            _ => {}
        }
        Ok(Said::Line(line))
    }

    fn line(&mut self, end: Instant) -> io::Result<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(self.unread.get(..at).unwrap_or_default()).into_owned();
                self.unread.drain(..at + 2);
                return Ok(line);
            }
            if self.unread.len() > MOST_LINE {
                return Err(io::Error::other("a line of the server has no end"));
            }
            self.read(end)?;
        }
    }

    fn bytes(&mut self, count: usize, end: Instant) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            self.read(end)?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Reads so many bytes and throws them away.
    fn skip(&mut self, count: usize, end: Instant) -> io::Result<()> {
        let mut left = count;
        loop {
            let now = left.min(self.unread.len());
            self.unread.drain(..now);
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.read(end)?;
        }
    }

    fn read(&mut self, end: Instant) -> io::Result<()> {
        if Instant::now() >= end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server ended the connection")),
            got => {
                self.unread.extend_from_slice(buffer.get(..got).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// Where answers go, with the user, so that the server can let each listen to its own alone.
fn inbox(access: &NatsAccess) -> String {
    let user = match access {
        NatsAccess::Password(user, _) => format!("{}.", token(user)),
        NatsAccess::Anybody | NatsAccess::Token(_) => String::new(),
    };
    format!("_INBOX.ot-sensor.{user}{}.{}", std::process::id(), wall_clock().0)
}

/// `2.9.10`, `2.10.0-beta.3`.
fn version(text: &str) -> (u32, u32, u32) {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map(|word| word.parse().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    (next(), next(), next())
}

/// A word as a part of a subject: what parts subjects, or has a meaning in them, becomes an underscore.
pub fn token(word: &str) -> String {
    word.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' }).collect()
}

/// The first line, byte by byte: behind it TLS may begin.
fn first_line(socket: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < MOST_LINE {
        if socket.read(&mut byte)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server ended the connection"));
        }
        match byte[0] {
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            other => line.push(other),
        }
    }
    Err(io::Error::other("a line of the server has no end"))
}
