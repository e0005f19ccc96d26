//! Syslog: RFC 5424 and RFC 3164, over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425).
//!
//! No receiver answers. A message on a stream counts as taken when the connection has stood for six seconds after it: a
//! receiver that dies ends the connection at once, a network that is cut lets the bytes go unacknowledged, which ends it after
//! four, and what was sent since then is sent again. Over UDP the system tells of a port that nobody listens on, which is
//! heeded, and of nothing else.

use super::stream::{Stream, UNACKNOWLEDGED, addresses, broken};
use super::{PATIENCE, SendError, Sink};
use crate::payload;
use crate::settings::{Format, Framing, Server, Standard, Syslog, Transport};
use ot_views::AlertMessage;
use std::io::Write as _;
use std::net::UdpSocket;
use std::time::Duration;

/// How long a connection must stand after a message.
const SETTLE: Duration = Duration::from_secs(6);
const _: () = assert!(SETTLE.as_secs() > UNACKNOWLEDGED.as_secs() + 1);
/// How soon the system tells of a port that nobody listens on.
const SETTLE_UDP: Duration = Duration::from_secs(1);
/// Bytes of a datagram at most (RFC 768 in IPv4).
const MOST_DATAGRAM: usize = 65_507;
/// Where `sequenceId` begins again (RFC 5424, section 7.3.1).
const MOST_SEQUENCE: u64 = 2_147_483_647;
/// How long the end of a connection is waited for.
const END: Duration = Duration::from_secs(3);

pub(super) fn open(syslog: &Syslog, format: Format) -> Result<Box<dyn Sink>, SendError> {
    let header = Header { standard: syslog.standard, facility: syslog.facility, format };
    let server = syslog.server.clone();
    Ok(match syslog.transport {
        Transport::Udp => Box::new(Datagrams { socket: socket(&server)?, server, header, sent: false }),
        Transport::Tcp | Transport::Tls => {
            let tls = (syslog.transport == Transport::Tls).then_some(&syslog.tls);
            let stream = Stream::open(&server, tls)?;
            Box::new(Connection { stream, server, framing: syslog.framing, header })
        }
    })
}

fn socket(server: &Server) -> Result<UdpSocket, SendError> {
    let address = *addresses(server)?.first().ok_or_else(|| SendError::Broken(format!("{server}: no address")))?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let made = UdpSocket::bind(local).and_then(|socket| {
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        Ok(socket)
    });
    made.map_err(|error| broken(server, "", &error))
}

/// What stands before each message.
struct Header {
    standard: Standard,
    facility: u8,
    format: Format,
}

impl Header {
    fn message(&self, message: &AlertMessage) -> Vec<u8> {
        let alert = &message.alert;
        // RFC 5424, section 6.2.1.
        let severity = match (alert.status.as_str(), alert.severity.as_str()) {
            ("closed", _) => 6,
            (_, "critical") => 2,
            (_, "major") => 3,
            (_, "minor") => 4,
            _ => 5,
        };
        let priority = u16::from(self.facility) * 8 + severity;
        let host = printable(alert.sensor.as_deref().unwrap_or("-"), 255);
        let time = payload::timestamp(&message.time).to_string();
        let time = time.parse::<jiff::Timestamp>().unwrap_or_default();
        let mut out = match self.standard {
            Standard::Rfc5424 => {
                let kind = printable(&format!("alert-{}", message.change), 32);
                let sequence = message.sequence.saturating_sub(1) % MOST_SEQUENCE + 1;
                format!(
                    "<{priority}>1 {time:.6} {host} ot-sensor - {kind} [origin software=\"ot-sensor\" \
                     swVersion=\"{}\"][meta sequenceId=\"{sequence}\"] ",
                    payload::VERSION
                )
            }
            Standard::Rfc3164 => format!("<{priority}>{} {host} ot-sensor: ", time.strftime("%b %e %H:%M:%S")),
        }
        .into_bytes();
        out.extend(payload::render(self.format, message));
        out
    }
}

/// Printable characters of ASCII alone, without spaces, at most so many.
fn printable(text: &str, most: usize) -> String {
    let clean: String =
        text.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '_' }).take(most).collect();
    if clean.is_empty() { "-".to_owned() } else { clean }
}

/// As it goes over a stream.
fn framed(framing: Framing, message: &[u8]) -> Vec<u8> {
    match framing {
        Framing::OctetCounting => [format!("{} ", message.len()).as_bytes(), message].concat(),
        Framing::Newline => {
            // Payloads hold no line feed; were there one, two messages would come of it.
            let line = message.iter().map(|&byte| if matches!(byte, b'\n' | b'\r' | 0) { b' ' } else { byte });
            line.chain([b'\n']).collect()
        }
    }
}

struct Connection {
    stream: Stream,
    server: Server,
    framing: Framing,
    header: Header,
}

impl Sink for Connection {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let frame = framed(self.framing, &self.header.message(message));
        self.stream.write_all(&frame).map_err(|error| broken(&self.server, "", &error))
    }

    fn flush(&mut self) -> Result<(), SendError> {
        self.stream.flush().map_err(|error| broken(&self.server, "", &error))
    }

    fn settle(&self) -> Duration {
        SETTLE
    }

    fn check(&mut self) -> Result<(), SendError> {
        self.stream.check().map_err(|error| broken(&self.server, "", &error))
    }

    fn finish(&mut self) -> Result<(), SendError> {
        self.check()?;
        self.stream.finish(END).map_err(|error| broken(&self.server, "", &error))
    }
}

struct Datagrams {
    socket: UdpSocket,
    server: Server,
    header: Header,
    sent: bool,
}

impl Sink for Datagrams {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let datagram = self.header.message(message);
        if datagram.len() > MOST_DATAGRAM {
            return Err(SendError::Refused(format!(
                "{}: a message of {} bytes does not fit into a datagram; use tcp:// or tls://, or another format",
                self.server,
                datagram.len()
            )));
        }
        self.sent = true;
        self.socket.send(&datagram).map(drop).map_err(|error| broken(&self.server, "", &error))
    }

    fn settle(&self) -> Duration {
        SETTLE_UDP
    }

    fn check(&mut self) -> Result<(), SendError> {
        match self.socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(broken(&self.server, "", &error)),
        }
    }

    fn finish(&mut self) -> Result<(), SendError> {
        if self.sent {
            std::thread::sleep(SETTLE_UDP);
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::sample;

    fn text(standard: Standard, message: &AlertMessage) -> String {
        String::from_utf8(Header { standard, facility: 16, format: Format::Text }.message(message)).unwrap()
    }

    #[test]
    fn headers_are_those_of_the_standards() {
        let mut message = sample();
        message.alert.sensor = Some("line 3 \u{7}ö".to_owned());
        let new = text(Standard::Rfc5424, &message);
        let head = format!(
            "<130>1 2026-01-15T08:11:25.021845Z line_3___ ot-sensor - alert-opened [origin software=\"ot-sensor\" \
             swVersion=\"{}\"][meta sequenceId=\"1\"] CRITICAL ",
            payload::VERSION
        );
        assert!(new.starts_with(&head), "{new}");
        assert!(text(Standard::Rfc3164, &message).starts_with("<130>Jan 15 08:11:25 line_3___ ot-sensor: CRITICAL "));
        message.alert.status = "closed".to_owned();
        message.sequence = MOST_SEQUENCE + 1;
        assert!(text(Standard::Rfc5424, &message).starts_with("<134>1 "));
        assert!(text(Standard::Rfc5424, &message).contains("sequenceId=\"1\""));
    }

    #[test]
    fn frames_can_be_told_apart() {
        assert_eq!(framed(Framing::OctetCounting, b"<1>a b"), b"6 <1>a b");
        assert_eq!(framed(Framing::Newline, b"<1>a\nb\0"), b"<1>a b \n");
    }
}
