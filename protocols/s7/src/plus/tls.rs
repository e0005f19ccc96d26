//! The connection after InitSsl: units of user data carry TLS records (RFC 8446, clause 5; RFC 5246, clause 6).
//!
//! What stands in the clear is read: kind, version and length of each record, and of the handshake the versions, the
//! cipher suite, the server name and, up to TLS 1.2, the subject of the server's certificate.

use super::identity::Telling;
use super::names;
use crate::layers;
use ot_protocol::{Direction, Fields, Reader, Short};

/// Source of what the handshake tells.
const SOURCE: &str = "S7comm-plus TLS";
/// Longest handshake message that is put together.
const MOST_HANDSHAKE: usize = 16 << 10;
/// Length of a record's header.
const RECORD: usize = 5;

/// Kinds of record.
mod content {
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    pub const HANDSHAKE: u8 = 22;
    pub const APPLICATION_DATA: u8 = 23;
}

/// Kinds of handshake message.
mod handshake {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const CERTIFICATE: u8 = 11;
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// The header of a record that is not whole yet.
    header: Vec<u8>,
    /// Bytes of the present record still to come, and its kind.
    left: usize,
    kind: u8,
    /// Handshake messages in the clear, as far as they have come.
    handshake: Vec<u8>,
    /// From here on handshake messages are encrypted.
    secret: bool,
    /// Bytes were lost: where the next record begins is not known.
    lost: bool,
}

/// What the handshake told.
#[derive(Debug, Default)]
struct Learned {
    version: Option<u16>,
    cipher: Option<u16>,
    subject: Option<String>,
}

/// TLS on a connection.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    halves: [Half; 2],
    learned: Learned,
    told: bool,
}

impl Tls {
    /// Whether a unit of user data begins with a record.
    pub fn begins(unit: &[u8]) -> bool {
        matches!(unit, [20..=23, 3, 0..=4, high, _, ..] if *high <= 0x48)
    }

    /// Bytes of a direction are lost.
    pub fn gap(&mut self, direction: Direction) {
        if let Some(half) = self.halves.get_mut(direction.index()) {
            *half = Half { lost: true, secret: true, ..Half::default() };
        }
    }

    /// Whether a record of a direction is not whole yet.
    pub fn is_within(&self, direction: Direction) -> bool {
        self.halves.get(direction.index()).is_some_and(|half| half.left > 0 || !half.header.is_empty())
    }

    /// A unit of user data. Gives the bytes that are no part of a record.
    pub fn unit(&mut self, direction: Direction, bytes: &[u8], mut fields: Option<&mut Fields>) -> usize {
        let Self { halves, learned, .. } = self;
        let Some(half) = halves.get_mut(direction.index()) else { return 0 };
        if half.lost {
            if !Self::begins(bytes) {
                return bytes.len();
            }
            half.lost = false;
        }
        let mut rest = bytes;
        let mut encrypted = 0_usize;
        while !rest.is_empty() {
            if half.left > 0 {
                let (piece, more) = rest.split_at(half.left.min(rest.len()));
                half.left -= piece.len();
                rest = more;
                if half.kind == content::HANDSHAKE && !half.secret {
                    half.add(piece);
                } else if half.kind != content::CHANGE_CIPHER_SPEC {
                    encrypted += piece.len();
                }
                if half.left == 0 {
                    half.end_of_record(learned, fields.as_deref_mut());
                }
                continue;
            }
            let missing = RECORD.saturating_sub(half.header.len()).min(rest.len());
            let (piece, more) = rest.split_at(missing);
            half.header.extend_from_slice(piece);
            rest = more;
            let Some(&[kind, major, minor, high, low]) = half.header.first_chunk::<RECORD>() else { continue };
            if !Self::begins(&half.header) {
                half.header.clear();
                half.lost = true;
                return rest.len() + RECORD;
            }
            half.header.clear();
            half.kind = kind;
            half.left = usize::from(u16::from_be_bytes([high, low]));
            if kind == content::APPLICATION_DATA {
                half.secret = true;
                half.handshake = Vec::new();
            }
            if let Some(fields) = fields.as_deref_mut() {
                layers::number(fields, "s7comm-plus.tls.record.content_type", kind);
                layers::text(fields, "s7comm-plus.tls.record.content_type.name", content_name(kind));
                layers::number(fields, "s7comm-plus.tls.record.version", u16::from_be_bytes([major, minor]));
                layers::number(fields, "s7comm-plus.tls.record.length", u16::from_be_bytes([high, low]));
            }
            if half.left == 0 {
                half.end_of_record(learned, fields.as_deref_mut());
            }
        }
        if encrypted > 0
            && let Some(fields) = fields
        {
            layers::number(fields, "s7comm-plus.encrypted_bytes", u64::try_from(encrypted).unwrap_or(u64::MAX));
        }
        0
    }

    /// What the handshake tells of the server, once.
    pub fn identity(&mut self) -> Vec<Telling> {
        let Learned { version, cipher, subject } = &mut self.learned;
        let mut told = Vec::new();
        if !self.told
            && let (Some(version), Some(cipher)) = (*version, *cipher)
        {
            self.told = true;
            told.push(("tls-version", version_name(version), SOURCE));
            told.push(("tls-cipher", cipher_name(cipher), SOURCE));
        }
        if let Some(subject) = subject.take() {
            told.push(("certificate", subject, SOURCE));
        }
        told
    }
}

impl Half {
    fn add(&mut self, piece: &[u8]) {
        let room = MOST_HANDSHAKE.saturating_sub(self.handshake.len());
        self.handshake.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if room < piece.len() {
            self.secret = true;
            self.handshake = Vec::new();
        }
    }

    fn end_of_record(&mut self, learned: &mut Learned, mut fields: Option<&mut Fields>) {
        if self.kind == content::CHANGE_CIPHER_SPEC {
            self.secret = true;
            self.handshake = Vec::new();
        }
        if self.kind != content::HANDSHAKE || self.secret {
            return;
        }
        let mut used = 0;
        loop {
            let mut reader = Reader::new(self.handshake.get(used..).unwrap_or_default());
            let Ok([kind, high, middle, low]) = reader.array() else { break };
            let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            let Ok(body) = reader.take(length) else { break };
            used += reader.offset();
            if let Some(fields) = fields.as_deref_mut() {
                layers::number(fields, "s7comm-plus.tls.handshake.type", kind);
            }
            _ = message(kind, body, learned, fields.as_deref_mut());
        }
        self.handshake.drain(..used);
    }
}

fn message(kind: u8, body: &[u8], learned: &mut Learned, fields: Option<&mut Fields>) -> Result<(), Short> {
    let mut reader = Reader::new(body);
    match kind {
        handshake::CLIENT_HELLO => client_hello(&mut reader, fields),
        handshake::SERVER_HELLO => server_hello(&mut reader, learned, fields),
        handshake::CERTIFICATE => {
            reader.take(3)?;
            let [high, middle, low] = reader.array()?;
            let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            if let Some(subject) = subject(reader.take(length)?) {
                if let Some(fields) = fields {
                    layers::text(fields, "s7comm-plus.tls.certificate.subject", subject.as_str());
                }
                learned.subject = Some(subject);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// RFC 8446, clause 4.1.2.
fn client_hello(reader: &mut Reader<'_>, fields: Option<&mut Fields>) -> Result<(), Short> {
    let mut version = reader.u16()?;
    reader.take(32)?;
    let session = reader.u8()?;
    reader.take(usize::from(session))?;
    let ciphers = reader.u16()?;
    reader.take(usize::from(ciphers))?;
    let methods = reader.u8()?;
    reader.take(usize::from(methods))?;
    let mut name = None;
    extensions(reader, |kind, data| match kind {
        0 => name = data.get(5..).map(names::clean),
        // The highest of those offered; values with equal halves are placeholders (RFC 8701).
        43 => {
            let offered = data.get(1..).unwrap_or_default().as_chunks::<2>().0;
            let real = offered.iter().map(|pair| u16::from_be_bytes(*pair)).filter(|version| version >> 8 == 3);
            version = real.max().unwrap_or(version);
        }
        _ => {}
    })?;
    if let Some(fields) = fields {
        layers::number(fields, "s7comm-plus.tls.handshake.version", version);
        layers::text(fields, "s7comm-plus.tls.handshake.version.name", version_name(version));
        if let Some(name) = name {
            layers::text(fields, "s7comm-plus.tls.handshake.server_name", name);
        }
    }
    Ok(())
}

/// RFC 8446, clause 4.1.3.
fn server_hello(reader: &mut Reader<'_>, learned: &mut Learned, fields: Option<&mut Fields>) -> Result<(), Short> {
    let mut version = reader.u16()?;
    reader.take(32)?;
    let session = reader.u8()?;
    reader.take(usize::from(session))?;
    let cipher = reader.u16()?;
    reader.u8()?;
    extensions(reader, |kind, data| {
        if kind == 43
            && let Some(chosen) = data.first_chunk()
        {
            version = u16::from_be_bytes(*chosen);
        }
    })?;
    learned.version = Some(version);
    learned.cipher = Some(cipher);
    if let Some(fields) = fields {
        layers::number(fields, "s7comm-plus.tls.handshake.version", version);
        layers::text(fields, "s7comm-plus.tls.handshake.version.name", version_name(version));
        layers::number(fields, "s7comm-plus.tls.handshake.ciphersuite", cipher);
        layers::text(fields, "s7comm-plus.tls.handshake.ciphersuite.name", cipher_name(cipher));
    }
    Ok(())
}

fn extensions(reader: &mut Reader<'_>, mut each: impl FnMut(u16, &[u8])) -> Result<(), Short> {
    if reader.remaining() < 2 {
        return Ok(());
    }
    let length = reader.u16()?;
    let mut inner = Reader::new(reader.take(usize::from(length))?);
    while inner.remaining() > 0 {
        let kind = inner.u16()?;
        let length = inner.u16()?;
        each(kind, inner.take(usize::from(length))?);
    }
    Ok(())
}

/// Common name of the subject of a certificate (RFC 5280, clause 4.1): the last common name in it, because the issuer's
/// stands before the subject's.
fn subject(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let places = certificate.windows(COMMON_NAME.len()).enumerate().filter(|(_, it)| *it == COMMON_NAME);
    // Extensions may hold names too: subject and issuer are the first two.
    let (at, _) = places.take(2).last()?;
    let &[_, length] = certificate.get(at + COMMON_NAME.len()..)?.first_chunk()?;
    let start = at + COMMON_NAME.len() + 2;
    let name = names::clean(certificate.get(start..start + usize::from(length))?);
    (!name.is_empty()).then_some(name)
}

fn content_name(kind: u8) -> &'static str {
    match kind {
        content::CHANGE_CIPHER_SPEC => "Change cipher spec",
        21 => "Alert",
        content::HANDSHAKE => "Handshake",
        content::APPLICATION_DATA => "Application data",
        _ => "unknown",
    }
}

fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// Names of the suites that controllers and their clients use (IANA TLS parameters).
fn cipher_name(cipher: u16) -> String {
    let name = match cipher {
        0x1301 => "TLS_AES_128_GCM_SHA256",
        0x1302 => "TLS_AES_256_GCM_SHA384",
        0x1303 => "TLS_CHACHA20_POLY1305_SHA256",
        0xC02B => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        0xC02C => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        0xC02F => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        0xC030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        0x009C => "TLS_RSA_WITH_AES_128_GCM_SHA256",
        0x009D => "TLS_RSA_WITH_AES_256_GCM_SHA384",
        0x002F => "TLS_RSA_WITH_AES_128_CBC_SHA",
        0x0035 => "TLS_RSA_WITH_AES_256_CBC_SHA",
        other => return format!("0x{other:04x}"),
    };
    name.to_owned()
}
