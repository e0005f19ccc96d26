//! TLS: server name and version of the hello (RFC 8446, clause 4.1; RFC 6066, clause 3), and the name in the server's
//! certificate, which versions up to 1.2 send in clear.

use crate::companion::{Companion, CompanionSession, Dialogue, Step, Told};
use crate::text::clean;
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Probe, Reader};

const PORTS: &[u16] = &[443];
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
/// Most bytes of one handshake message.
const MOST: usize = 16 << 10;
/// Longest record (RFC 8446, clause 5.1), with room for those of old implementations.
const RECORD: usize = (16 << 10) + 2048;

pub(crate) const TLS: Companion = Companion {
    id: Tls::ID,
    name: "TLS",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Tls>::boxed,
    fields: &[
        FieldDoc {
            name: "tls.handshake.type",
            kind: FieldKind::Number,
            meaning: "1 hello of the client, 2 hello of the server, 11 certificate",
        },
        FieldDoc {
            name: "tls.handshake.version",
            kind: FieldKind::Number,
            meaning: "Version of the hello: 0x0301 TLS 1.0 to 0x0303 TLS 1.2 (1.3 says 0x0303 here)",
        },
        FieldDoc {
            name: "tls.handshake.extensions_server_name",
            kind: FieldKind::Text,
            meaning: "Name of the server that the client wants",
        },
        FieldDoc {
            name: "x509sat.uTF8String",
            kind: FieldKind::Text,
            meaning: "Common name of the server's certificate",
        },
    ],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], _: bool, datagram: bool) -> Probe {
    let mut more = false;
    for (bytes, direction) in bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        match bytes {
            _ if datagram => {}
            [HANDSHAKE, 3, 0..=4, high, low, kind @ (CLIENT_HELLO | SERVER_HELLO), 0, _, _, 3, 0..=4, ..]
                if usize::from(u16::from_be_bytes([*high, *low])) <= RECORD =>
            {
                let client = if *kind == CLIENT_HELLO { direction } else { direction.reversed() };
                return Probe::Yes { client: Some(client) };
            }
            [] => {}
            [HANDSHAKE] | [HANDSHAKE, 3] => more = true,
            [HANDSHAKE, 3, 0..=4, ..] => more |= bytes.len() < 11,
            _ => {}
        }
    }
    if more { Probe::More } else { Probe::No }
}

#[derive(Default)]
struct Tls {
    /// Handshake messages whose records are not all there.
    held: [Vec<u8>; 2],
    client_done: bool,
    server_done: bool,
}

/// `TLS 1.2`.
fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        _ => "",
    }
}

/// Extensions of a hello: type and contents.
fn extensions<'a>(reader: &mut Reader<'a>) -> impl Iterator<Item = (u16, &'a [u8])> {
    let all = reader.u16().ok().and_then(|length| reader.take(usize::from(length)).ok()).unwrap_or_default();
    let mut reader = Reader::new(all);
    std::iter::from_fn(move || {
        let kind = reader.u16().ok()?;
        let length = reader.u16().ok()?;
        Some((kind, reader.take(usize::from(length)).ok()?))
    })
}

/// Version, and where the extensions of a hello begin.
fn hello(body: &[u8], client: bool) -> Option<(u16, Reader<'_>)> {
    let mut reader = Reader::new(body);
    let version = reader.u16().ok()?;
    reader.take(32).ok()?;
    let length = reader.u8().ok()?;
    reader.take(usize::from(length)).ok()?;
    if client {
        let length = reader.u16().ok()?;
        reader.take(usize::from(length)).ok()?;
        let length = reader.u8().ok()?;
        reader.take(usize::from(length)).ok()?;
    } else {
        reader.take(3).ok()?;
    }
    Some((version, reader))
}

/// The host name of the extension `server_name`.
fn server_name(contents: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(contents);
    reader.u16().ok()?;
    if reader.u8().ok()? != 0 {
        return None;
    }
    let length = reader.u16().ok()?;
    reader.take(usize::from(length)).ok()
}

/// An element of DER: tag, contents.
fn element<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let tag = reader.u8().ok()?;
    let length = match reader.u8().ok()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(reader.u8().ok()?),
        0x82 => usize::from(reader.u16().ok()?),
        _ => return None,
    };
    Some((tag, reader.take(length).ok()?))
}

/// Common name and organisation of the subject of a certificate (RFC 5280, clause 4.1).
fn subject(certificate: &[u8]) -> Option<[Option<String>; 2]> {
    let (_, certificate) = element(&mut Reader::new(certificate))?;
    let (_, signed) = element(&mut Reader::new(certificate))?;
    let mut reader = Reader::new(signed);
    let (tag, _) = element(&mut reader)?;
    // The version may be left out; then come serial number, algorithm, issuer, validity.
    for _ in 0..if tag == 0xa0 { 4 } else { 3 } {
        element(&mut reader)?;
    }
    let (_, names) = element(&mut reader)?;
    let mut found = [None, None];
    let mut names = Reader::new(names);
    while let Some((_, set)) = element(&mut names) {
        let Some((_, pair)) = element(&mut Reader::new(set)) else { continue };
        let mut pair = Reader::new(pair);
        let (Some((6, [0x55, 4, kind])), Some((_, value))) = (element(&mut pair), element(&mut pair)) else { continue };
        let place = match kind {
            3 => found.first_mut(),
            10 => found.get_mut(1),
            _ => None,
        };
        if let Some(place) = place {
            *place = Some(clean(value, 128));
        }
    }
    Some(found)
}

impl Tls {
    /// A whole handshake message.
    fn message(&mut self, told: &mut Told<'_, '_>, direction: Direction, kind: u8, body: &[u8]) {
        match kind {
            CLIENT_HELLO => {
                told.is_client(direction);
                self.client_done = true;
                let Some((version, mut reader)) = hello(body, true) else { return };
                let name = extensions(&mut reader)
                    .find(|(kind, _)| *kind == 0)
                    .and_then(|(_, contents)| server_name(contents));
                let name = name.map(|name| clean(name, 255));
                told.message(direction, |fields| {
                    fields.push(("tls.handshake.type", FieldValue::Unsigned(u64::from(kind))));
                    fields.push(("tls.handshake.version", FieldValue::Unsigned(u64::from(version))));
                    fields.extend(
                        name.clone().map(|name| ("tls.handshake.extensions_server_name", FieldValue::Text(name))),
                    );
                });
                if let Some(name) = name {
                    told.name(direction, &name, "TLS SNI");
                }
            }
            SERVER_HELLO => {
                told.is_client(direction.reversed());
                let Some((version, mut reader)) = hello(body, false) else {
                    self.server_done = true;
                    return;
                };
                // Version 1.3 is told in an extension (RFC 8446, clause 4.2.1).
                let newer = extensions(&mut reader).find_map(|(kind, contents)| match (kind, contents) {
                    (43, [high, low]) => Some(u16::from_be_bytes([*high, *low])),
                    _ => None,
                });
                let chosen = newer.unwrap_or(version);
                self.server_done |= chosen >= 0x0304;
                told.message(direction, |fields| {
                    fields.push(("tls.handshake.type", FieldValue::Unsigned(u64::from(kind))));
                    fields.push(("tls.handshake.version", FieldValue::Unsigned(u64::from(version))));
                });
                let speaker = told.speaker(direction);
                told.identity(speaker, "tls-version", version_name(chosen).to_owned(), "TLS hello");
            }
            CERTIFICATE => {
                self.server_done = true;
                let first = body.get(6..).unwrap_or_default();
                let Some([name, organisation]) = subject(first) else { return };
                told.message(direction, |fields| {
                    fields.push(("tls.handshake.type", FieldValue::Unsigned(u64::from(kind))));
                    fields.extend(name.clone().map(|name| ("x509sat.uTF8String", FieldValue::Text(name))));
                });
                let speaker = told.speaker(direction);
                told.identity(speaker, "certificate-name", name.unwrap_or_default(), "TLS certificate");
                told.identity(speaker, "certificate-organisation", organisation.unwrap_or_default(), "TLS certificate");
            }
            // What comes after the certificate names nothing.
            _ => {
                if told.line.client == Some(direction) {
                    self.client_done = true;
                } else {
                    self.server_done = true;
                }
            }
        }
    }
}

impl Dialogue for Tls {
    const ID: &'static str = "tls";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.client_done && self.server_done {
            return Step::Done;
        }
        let over = if told.line.client == Some(direction) { self.client_done } else { self.server_done };
        if over && told.line.client.is_some() {
            return Step::Skipped(bytes.len());
        }
        let (kind, length) = match bytes {
            [kind, 3, 0..=4, high, low, ..] => (*kind, usize::from(u16::from_be_bytes([*high, *low]))),
            [_] | [_, 3] | [_, 3, 0..=4] | [_, 3, 0..=4, _] => return Step::Need(5),
            _ => return Step::Done,
        };
        if kind != HANDSHAKE || length == 0 || length > RECORD {
            return Step::Done;
        }
        let Some(record) = bytes.get(5..length + 5) else { return Step::Need(length + 5) };
        let Some(held) = self.held.get_mut(direction.index()) else { return Step::Done };
        let mut all = std::mem::take(held);
        all.extend_from_slice(record);
        let mut rest = all.as_slice();
        while let [kind, a, b, c, body @ ..] = rest {
            let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            if length > MOST {
                return Step::Done;
            }
            let Some(message) = body.get(..length) else { break };
            self.message(told, direction, *kind, message);
            rest = body.get(length..).unwrap_or_default();
        }
        let rest = rest.to_vec();
        if let Some(held) = self.held.get_mut(direction.index()) {
            *held = rest;
        }
        Step::Decoded(length + 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_certificate_is_read() {
        // Built by hand: version, serial, algorithm, issuer, validity, subject O=Plant, CN=plc7.
        let sequence = |tag: u8, parts: &[&[u8]]| {
            let body = parts.concat();
            let mut made = vec![tag, u8::try_from(body.len()).unwrap()];
            made.extend(body);
            made
        };
        let name = |kind: u8, text: &[u8]| {
            sequence(0x31, &[&sequence(0x30, &[&[6, 3, 0x55, 4, kind], &sequence(0x0c, &[text])])])
        };
        let signed = sequence(
            0x30,
            &[
                &[0xa0, 3, 2, 1, 2],
                &[2, 1, 5],
                &sequence(0x30, &[]),
                &sequence(0x30, &[]),
                &sequence(0x30, &[]),
                &sequence(0x30, &[&name(10, b"Plant"), &name(3, b"plc7")]),
            ],
        );
        let certificate = sequence(0x30, &[&signed]);
        assert_eq!(subject(&certificate), Some([Some("plc7".to_owned()), Some("Plant".to_owned())]));
        for cut in 0..certificate.len() {
            let _ = subject(&certificate[..cut]);
        }
    }
}
