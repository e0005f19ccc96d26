//! As much of an HTTP/1.1 client as a webhook needs: one POST after the other on a connection that is kept where the server
//! keeps it. What a server answers is read as far as it has to be, and no further.

use super::stream::{Stream, broken};
use super::{PATIENCE, SendError};
use crate::settings::{Server, Tls};
use std::io::{self, Read as _, Write as _};
use std::time::Instant;

/// Bytes of the head of an answer.
const MOST_HEAD: usize = 32 << 10;
/// Bytes of the body of an answer that are read, so that the connection can be used again.
const MOST_BODY: usize = 64 << 10;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status code.
    pub status: u16,
    /// The beginning of what it said, for people.
    pub words: String,
}

pub(super) struct Client {
    server: Server,
    tls: Option<Tls>,
    stream: Option<Stream>,
}

impl Client {
    pub fn open(server: &Server, tls: Option<&Tls>) -> Result<Self, SendError> {
        let stream = Stream::open(server, tls)?;
        Ok(Self { server: server.clone(), tls: tls.cloned(), stream: Some(stream) })
    }

    /// Sends one request and reads the answer. Headers hold no line feeds.
    pub fn post(&mut self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Answer, SendError> {
        if let Some(mut stream) = self.stream.take() {
            match self.exchange(&mut stream, path, headers, body) {
                Ok((answer, again)) => {
                    self.stream = again.then_some(stream);
                    return Ok(answer);
                }
                // The server ended the connection while it was idle: a fresh one is no failure yet.
                Err(Trouble { nothing_came: true, .. }) => {}
                Err(trouble) => return Err(trouble.error),
            }
        }
        let mut stream = Stream::open(&self.server, self.tls.as_ref())?;
        let (answer, again) = self.exchange(&mut stream, path, headers, body).map_err(|trouble| trouble.error)?;
        self.stream = again.then_some(stream);
        Ok(answer)
    }

    fn exchange(
        &self,
        stream: &mut Stream,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<(Answer, bool), Trouble> {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.host(), body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut nothing_came = true;
        self.talk(stream, &[head.as_bytes(), body].concat(), &mut nothing_came)
            .map_err(|error| Trouble { nothing_came, error: broken(&self.server, "", &error) })
    }

    fn talk(&self, stream: &mut Stream, request: &[u8], nothing_came: &mut bool) -> io::Result<(Answer, bool)> {
        stream.write_all(request)?;
        stream.flush()?;
        let end = Instant::now() + PATIENCE;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            if Instant::now() >= end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let got = stream.read(&mut buffer)?;
            if got == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server ended the connection without an answer",
                ));
            }
            *nothing_came = false;
            bytes.extend_from_slice(buffer.get(..got).unwrap_or_default());
            let Some(head) = head(&bytes)? else {
                if bytes.len() > MOST_HEAD {
                    return Err(io::Error::other("the head of the answer is too long"));
                }
                continue;
            };
            // 1xx goes before the answer itself.
            if (100..200).contains(&head.status) {
                bytes.drain(..head.length);
                // What stands behind it may be whole already.
                match self::head(&bytes)? {
                    Some(next) if next.status >= 200 => return self.body(stream, bytes, &next, end),
                    _ => continue,
                }
            }
            return self.body(stream, bytes, &head, end);
        }
    }

    /// Reads the rest of an answer where its length is known and small; else the connection is given up.
    fn body(&self, stream: &mut Stream, mut bytes: Vec<u8>, head: &Head, end: Instant) -> io::Result<(Answer, bool)> {
        bytes.drain(..head.length);
        let wanted = match head.body {
            Some(length) if length <= MOST_BODY => length,
            _ => return Ok((Answer { status: head.status, words: words(&bytes) }, false)),
        };
        let mut buffer = [0; 4_096];
        while bytes.len() < wanted && Instant::now() < end {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return Ok((Answer { status: head.status, words: words(&bytes) }, false)),
                Ok(got) => bytes.extend_from_slice(buffer.get(..got).unwrap_or_default()),
            }
        }
        let whole = bytes.len() == wanted;
        Ok((Answer { status: head.status, words: words(&bytes) }, whole && head.keep))
    }

    fn host(&self) -> String {
        let default = if self.tls.is_some() { 443 } else { 80 };
        if self.server.port == default && !self.server.host.contains(':') {
            self.server.host.clone()
        } else {
            self.server.to_string()
        }
    }
}

struct Trouble {
    nothing_came: bool,
    error: SendError,
}

struct Head {
    status: u16,
    length: usize,
    /// Bytes of the body; `None` where that is told in another way.
    body: Option<usize>,
    keep: bool,
}

fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let length = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(io::Error::other(format!("the answer is no HTTP ({error})"))),
    };
    let status = answer.code.unwrap_or_default();
    let find = |name: &str| {
        answer
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let body = match (find("transfer-encoding"), find("content-length")) {
        _ if matches!(status, 204 | 304) => Some(0),
        (None, Some(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let keep =
        answer.version == Some(1) && !find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head { status, length, body, keep }))
}

/// The beginning of a body, in one line.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(200)).unwrap_or_default());
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::net::{TcpListener, TcpStream};

    /// A server that gives one answer a connection, or on one connection all of them.
    fn server(answers: &'static [&'static str], one_connection: bool) -> (Server, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let thread = std::thread::spawn(move || {
            let mut connections = 0;
            let mut open: Option<TcpStream> = None;
            for answer in answers {
                let mut stream = open.take().unwrap_or_else(|| {
                    connections += 1;
                    listener.accept().unwrap().0
                });
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(text) = line.strip_prefix("Content-Length: ") {
                        length = text.trim().parse().unwrap();
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                open = one_connection.then_some(stream);
            }
            connections
        });
        (server, thread)
    }

    #[test]
    fn a_connection_is_kept_where_the_server_keeps_it() {
        let (at, thread) = server(
            &[
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 503 Later\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy",
            ],
            true,
        );
        let mut client = Client::open(&at, None).unwrap();
        assert_eq!(client.post("/", &[], b"1").unwrap(), Answer { status: 200, words: "ok".into() });
        assert_eq!(client.post("/", &[], b"2").unwrap().status, 204);
        assert_eq!(client.post("/", &[], b"3").unwrap(), Answer { status: 503, words: "busy".into() });
        assert_eq!(thread.join().unwrap(), 1);
    }

    #[test]
    fn a_connection_that_went_is_made_anew_and_what_is_no_http_is_told() {
        let (at, thread) = server(
            &[
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                "SSH-2.0-OpenSSH\r\n",
            ],
            false,
        );
        let mut client = Client::open(&at, None).unwrap();
        for _ in 0..2 {
            assert_eq!(client.post("/x", &[("X", "y".into())], b"body").unwrap().status, 200);
        }
        let error = client.post("/x", &[], b"body").unwrap_err();
        assert!(error.to_string().contains("is no HTTP"), "{error}");
        assert_eq!(thread.join().unwrap(), 3);
    }
}
