//! NATS JetStream: each message is published to a subject, and taken when the stream says that it has stored it. The id of the
//! message goes along as `Nats-Msg-Id`, by which the stream drops what comes again.
//!
//! As much of the client protocol as that needs: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use super::stream::{Stream, broken, connect};
use super::{PATIENCE, SendError, Sink};
use crate::payload;
use crate::settings::{Format, Nats, NatsAccess};
use ot_store::wall_clock;
use ot_views::AlertMessage;
use serde_json::{Value, json};
use std::io::{self, Read, Write as _};
use std::time::Instant;

/// Bytes of a line of the server.
const MOST_LINE: usize = 64 << 10;
/// Bytes of an answer.
const MOST_ANSWER: usize = 64 << 10;

pub(super) struct NatsSink {
    settings: Nats,
    format: Format,
    stream: Stream,
    /// What was read and not looked at yet.
    unread: Vec<u8>,
    /// Where answers go.
    inbox: String,
    published: u64,
    most_payload: usize,
}

/// What a server says.
enum Said {
    /// A line that needs no answer.
    Line(String),
    /// A message: its subject, status of its head where it has one, body.
    Message { subject: String, status: Option<String>, body: Vec<u8> },
}

impl NatsSink {
    pub fn open(settings: &Nats, format: Format) -> Result<Self, SendError> {
        let server = &settings.server;
        let fail = |error: io::Error| broken(server, "NATS", &error);
        let mut socket = connect(server)?;
        // The server speaks first, without TLS.
        let info = first_line(&mut socket).map_err(fail)?;
        let info: Value = info
            .strip_prefix("INFO ")
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| SendError::Broken(format!("{server}: what listens there is no NATS server")))?;
        if info["tls_required"] == true && settings.tls.is_none() {
            return Err(SendError::Broken(format!("{server}: the server wants TLS; write tls:// in place of nats://")));
        }
        let stream = Stream::over(socket, server, settings.tls.as_ref())?;
        let mut sink = Self {
            inbox: format!("_INBOX.ot-sensor.{}.{}", std::process::id(), wall_clock().0),
            settings: settings.clone(),
            format,
            stream,
            unread: Vec::new(),
            published: 0,
            most_payload: info["max_payload"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1 << 20),
        };
        let mut options = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1,
            "name": payload::PRODUCT, "lang": "rust", "version": payload::VERSION, "tls_required": settings.tls.is_some(),
        });
        let secret = |secret: &crate::settings::Secret| secret.read().map_err(SendError::Broken);
        match &settings.access {
            NatsAccess::Anybody => {}
            NatsAccess::Token(token) => options["auth_token"] = secret(token)?.into(),
            NatsAccess::Password(user, password) => {
                options["user"] = user.as_str().into();
                options["pass"] = secret(password)?.into();
            }
        }
        let begin = format!("CONNECT {options}\r\nSUB {}.* 1\r\nPING\r\n", sink.inbox);
        sink.stream.write_all(begin.as_bytes()).and_then(|()| sink.stream.flush()).map_err(fail)?;
        let end = Instant::now() + PATIENCE;
        while !matches!(sink.next(end)?, Said::Line(line) if line == "PONG") {}
        Ok(sink)
    }

    /// What the server says next; pings are answered, and an error ends it.
    fn next(&mut self, end: Instant) -> Result<Said, SendError> {
        self.said(end).map_err(|error| broken(&self.settings.server, "NATS", &error))
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
                return Err(io::Error::other(line.trim_start_matches("-ERR").trim().trim_matches('\'').to_owned()));
            }
            "MSG" | "HMSG" => {
                let words: Vec<&str> = words.collect();
                let number = |from_end: usize| -> io::Result<usize> {
                    let word = words.len().checked_sub(from_end).and_then(|at| words.get(at));
                    let number = word.and_then(|word| word.parse().ok()).filter(|number| *number <= MOST_ANSWER);
                    number.ok_or_else(|| io::Error::other(format!("cannot be read: {line:.100}")))
                };
                let (head, whole) = if verb == "HMSG" { (number(2)?, number(1)?) } else { (0, number(1)?) };
                let subject = words.first().map(|word| (*word).to_owned()).unwrap_or_default();
                let bytes = self.bytes(whole + 2, end)?;
                let (head, rest) = bytes.split_at_checked(head).unwrap_or((&[], &bytes));
                let body = rest.strip_suffix(b"\r\n").unwrap_or(rest).to_vec();
                let head = String::from_utf8_lossy(head);
                let status = head.strip_prefix("NATS/1.0 ").and_then(|rest| rest.get(..3)).map(str::to_owned);
                return Ok(Said::Message { subject, status, body });
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

    fn read(&mut self, end: Instant) -> io::Result<()> {
        if Instant::now() >= end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server ended the connection")),
            got => {
                self.unread.extend_from_slice(buffer.get(..got).unwrap_or_default());
                Ok(())
            }
        }
    }

    fn subject(&self, message: &AlertMessage) -> String {
        let sensor = message.alert.sensor.as_deref().unwrap_or(payload::PRODUCT);
        self.settings.subject.replace("{sensor}", &token(sensor))
    }
}

/// A word as a part of a subject: what parts subjects, or has a meaning in them, becomes an underscore.
fn token(word: &str) -> String {
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

impl Sink for NatsSink {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let server = self.settings.server.clone();
        let (subject, body) = (self.subject(message), payload::render(self.format, message));
        let head = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\n\r\n", message.id);
        if head.len() + body.len() > self.most_payload {
            return Err(SendError::Refused(format!(
                "{server}: a message of {} bytes is more than the {} that the server takes",
                body.len(),
                self.most_payload
            )));
        }
        self.published += 1;
        let reply = format!("{}.{}", self.inbox, self.published);
        let begin = format!("HPUB {subject} {reply} {} {}\r\n{head}", head.len(), head.len() + body.len());
        self.stream
            .write_all(&[begin.as_bytes(), &body, b"\r\n"].concat())
            .and_then(|()| self.stream.flush())
            .map_err(|error| broken(&server, "NATS", &error))?;
        let end = Instant::now() + PATIENCE;
        loop {
            let Said::Message { subject: to, status, body } = self.next(end)? else { continue };
            if to != reply {
                continue;
            }
            if status.as_deref() == Some("503") {
                return Err(SendError::Broken(format!(
                    "{server}: no stream stores {subject}; create one in JetStream that has this subject"
                )));
            }
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            if answer.get("stream").is_some() && answer.get("error").is_none() {
                return Ok(());
            }
            let words = answer["error"]["description"].as_str().unwrap_or("the answer cannot be read").to_owned();
            return Err(SendError::Broken(format!("{server}: the stream of {subject} did not store it: {words}")));
        }
    }

    fn answers(&self) -> bool {
        true
    }

    fn check(&mut self) -> Result<(), SendError> {
        self.stream.check().map_err(|error| broken(&self.settings.server, "NATS", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Server;
    use crate::trial::sample;
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    /// A server that answers each message with the next of these, and says what it got.
    fn server(answers: &'static [&'static str]) -> (Nats, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let thread = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"INFO {\"max_payload\":1048576}\r\n").unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut got = Vec::new();
            let mut answers = answers.iter();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
                if line.starts_with("PING") {
                    stream.write_all(b"PING\r\nPONG\r\n").unwrap();
                } else if line.starts_with("HPUB") {
                    let words: Vec<&str> = line.split_ascii_whitespace().collect();
                    let mut body = vec![0; words[4].parse::<usize>().unwrap() + 2];
                    reader.read_exact(&mut body).unwrap();
                    got.push(format!("{} {}", words[1], String::from_utf8_lossy(&body).split("\r\n").nth(1).unwrap()));
                    let Some(answer) = answers.next() else { break };
                    let text = answer.replace("REPLY", words[2]);
                    stream.write_all(text.as_bytes()).unwrap();
                }
                line.clear();
            }
            got
        });
        let settings = Nats { server, tls: None, subject: "plant.{sensor}.alerts".into(), access: NatsAccess::Anybody };
        (settings, thread)
    }

    #[test]
    fn what_the_stream_says_is_heeded() {
        let (settings, thread) = server(&[
            "MSG REPLY 1 26\r\n{\"stream\":\"OT\",\"seq\": 12 }\r\n",
            "PING\r\nMSG other 1 2\r\n{}\r\nMSG REPLY 1 25\r\n{\"stream\":\"OT\",\"seq\":12.}\r\n",
            "HMSG REPLY 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
            "MSG REPLY 1 41\r\n{\"error\":{\"description\":\"maximum bytes\" }}\r\n",
            "-ERR 'Permissions Violation'\r\n",
        ]);
        let mut sink = NatsSink::open(&settings, Format::Json).unwrap();
        let mut message = sample();
        message.alert.sensor = Some("line 3.a>*".into());
        sink.send(&message).unwrap();
        let mut problem = || sink.send(&message).unwrap_err().to_string();
        assert!(problem().contains("cannot be read"));
        assert!(problem().contains("no stream stores plant.line_3_a__.alerts"));
        assert!(problem().contains("did not store it: maximum bytes"));
        assert!(problem().contains("Permissions Violation"));
        drop(sink);
        let got = thread.join().unwrap();
        assert_eq!(got.len(), 5);
        assert_eq!(got[0], format!("plant.line_3_a__.alerts Nats-Msg-Id: {}", message.id));
    }

    #[test]
    fn what_is_no_nats_server_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let thread =
            std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap());
        let settings = Nats { server, tls: None, subject: "x".into(), access: NatsAccess::Anybody };
        let error = NatsSink::open(&settings, Format::Json).err().unwrap().to_string();
        assert!(error.contains("is no NATS server"), "{error}");
        thread.join().unwrap();
    }
}
