//! NATS JetStream: each message is published to a subject, and taken when the stream says that it has stored it. The id of the
//! message goes along as `Nats-Msg-Id`, by which the stream drops what comes again. From time to time the sensor says on a
//! subject of its own how it is, for the centre of many sensors; a stream that does not have that subject is none the worse.

use super::{PATIENCE, SendError, Sink};
use crate::nats::{Client, Said, token};
use crate::payload;
use crate::settings::{Format, Nats};
use ot_views::{AlertMessage, StatusMessage};
use serde_json::Value;
use std::time::Instant;

/// Bytes of an answer.
const MOST_ANSWER: usize = 64 << 10;

pub(super) struct NatsSink {
    settings: Nats,
    format: Format,
    client: Client,
}

/// The stream does not take messages of this size.
const TOO_LARGE: u32 = 10_054;

/// What a stream says of a message.
enum Stored {
    Yes,
    /// No stream has the subject.
    NoStream,
    /// This user may not publish there.
    Forbidden(String),
}

impl NatsSink {
    pub fn open(settings: &Nats, format: Format) -> Result<Self, SendError> {
        let client = Client::open(&settings.server, settings.tls.as_ref(), &settings.access, MOST_ANSWER)?;
        Ok(Self { settings: settings.clone(), format, client })
    }

    fn publish(&mut self, subject: &str, head: &str, body: &[u8]) -> Result<Stored, SendError> {
        let server = self.settings.server.clone();
        let reply = self.client.new_reply();
        self.client.publish(subject, Some(&reply), head, body)?;
        self.client.flush()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let message = match self.client.next(end)? {
                Said::Message(message) if message.subject == reply => message,
                Said::Refused(problem) if problem.contains(&format!("\"{subject}\"")) => {
                    return Ok(Stored::Forbidden(problem));
                }
                _ => continue,
            };
            if message.status.as_deref() == Some("503") {
                return Ok(Stored::NoStream);
            }
            let answer: Value = serde_json::from_slice(message.body.as_deref().unwrap_or_default()).unwrap_or_default();
            if answer.get("stream").is_some() && answer.get("error").is_none() {
                return Ok(Stored::Yes);
            }
            let words = answer["error"]["description"].as_str().unwrap_or("the answer cannot be read").to_owned();
            let problem = format!("{server}: the stream of {subject} did not store it: {words}");
            let too_large = answer["error"]["err_code"] == TOO_LARGE;
            return Err(if too_large { SendError::Refused(problem) } else { SendError::Broken(problem) });
        }
    }
}

/// A subject with the id of the sensor in its place.
fn subject(pattern: &str, sensor: Option<&str>) -> String {
    pattern.replace("{sensor}", &token(sensor.unwrap_or(payload::PRODUCT)))
}

impl Sink for NatsSink {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let server = self.settings.server.clone();
        let subject = subject(&self.settings.subject, message.alert.sensor.as_deref());
        let body = payload::render(self.format, message);
        let head = format!("Nats-Msg-Id: {}\r\n", message.id);
        if head.len() + body.len() + 16 > self.client.most_payload() {
            return Err(SendError::Refused(format!(
                "{server}: a message of {} bytes is more than the {} that the server takes",
                body.len(),
                self.client.most_payload()
            )));
        }
        match self.publish(&subject, &head, &body)? {
            Stored::Yes => Ok(()),
            Stored::NoStream => Err(SendError::Broken(format!(
                "{server}: no stream stores {subject}; create one in JetStream that has this subject"
            ))),
            Stored::Forbidden(problem) => Err(SendError::Broken(format!("{server}: NATS: {problem}"))),
        }
    }

    fn tell(&mut self, status: &StatusMessage) -> Result<(), SendError> {
        let subject = subject(&self.settings.status_subject, Some(&status.sensor));
        let body = serde_json::to_vec(status).unwrap_or_default();
        // Who runs no centre has neither a stream nor a right for it: that is nothing to complain of.
        self.publish(&subject, "", &body).map(drop)
    }

    fn answers(&self) -> bool {
        true
    }

    fn check(&mut self) -> Result<(), SendError> {
        self.client.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Server;
    use crate::trial::sample;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
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
        let settings = Nats { server, subject: "plant.{sensor}.alerts".into(), ..Nats::parse("nats://x").unwrap() };
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
        let settings = Nats { server, ..Nats::parse("nats://x").unwrap() };
        let error = NatsSink::open(&settings, Format::Json).err().unwrap().to_string();
        assert!(error.contains("is no NATS server"), "{error}");
        thread.join().unwrap();
    }
}
