//! Connections: TCP, with TLS where it is asked for.

use super::{PATIENCE, SendError};
use crate::settings::{Server, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where systems keep the certificates that they trust.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How long bytes may be without acknowledgement by the other system until the connection ends by itself. Shorter than what a
/// message needs to settle: what went into a network that was cut does not count as taken.
pub(crate) const UNACKNOWLEDGED: Duration = Duration::from_secs(4);

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects; the handshake of TLS is done when this returns.
    pub fn open(server: &Server, tls: Option<&Tls>) -> Result<Self, SendError> {
        Self::over(connect(server)?, server, tls)
    }

    /// The same over a connection that is there.
    pub fn over(socket: TcpStream, server: &Server, tls: Option<&Tls>) -> Result<Self, SendError> {
        let Some(tls) = tls else { return Ok(Self::Plain(socket)) };
        let config = client(tls).map_err(SendError::Broken)?;
        let name = tls.server_name.as_deref().unwrap_or(&server.host).to_owned();
        let name = ServerName::try_from(name.clone()).map_err(|_| {
            SendError::Broken(format!("{server}: {name:?} cannot stand in a certificate; set server_name"))
        })?;
        let connection = ClientConnection::new(config, name)
            .map_err(|error| SendError::Broken(format!("{server}: TLS: {error}")))?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| broken(server, "TLS", &error))?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Whether it still stands: the other side may have ended it without a word from us. What it says is thrown away.
    pub fn check(&mut self) -> io::Result<()> {
        self.socket().set_nonblocking(true)?;
        let found = self.look();
        self.socket().set_nonblocking(false)?;
        found
    }

    fn look(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1_024];
        // A receiver that talks without end is not listened to without end.
        for _ in 0..64 {
            match self.read(&mut buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the receiver ended the connection")),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing more comes and waits until the other side has read all of it and ends the connection, too; a side that
    /// keeps it open for so long has it, as far as can be told.
    pub fn finish(&mut self, longest: Duration) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.socket().shutdown(Shutdown::Write)?;
        let end = Instant::now() + longest;
        let mut buffer = [0; 1_024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket().set_read_timeout(Some(left))?;
            match self.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // It ended without the courtesies of TLS; all was read, or it would have been a reset.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The addresses of a server.
pub(crate) fn addresses(server: &Server) -> Result<Vec<SocketAddr>, SendError> {
    let found: Vec<SocketAddr> = (server.host.as_str(), server.port)
        .to_socket_addrs()
        .map_err(|error| {
            SendError::Broken(format!("{server}: the name is not known ({error}); check it, and the name server"))
        })?
        .collect();
    if found.is_empty() {
        return Err(SendError::Broken(format!("{server}: the name has no address; check it")));
    }
    Ok(found)
}

/// Connects by TCP.
pub(crate) fn connect(server: &Server) -> Result<TcpStream, SendError> {
    let mut last = None;
    // Of a name with many addresses some are tried, so that one try stays short.
    for address in addresses(server)?.into_iter().take(4) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => {
                let set = socket
                    .set_nodelay(true)
                    .and_then(|()| socket.set_read_timeout(Some(PATIENCE)))
                    .and_then(|()| socket.set_write_timeout(Some(PATIENCE)))
                    .and_then(|()| SockRef::from(&socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
                return set.map(|()| socket).map_err(|error| broken(server, "", &error));
            }
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Err(broken(server, "", &error))
}

/// What is wrong with a connection, and what to do.
pub(crate) fn broken(server: &Server, layer: &str, error: &io::Error) -> SendError {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => "; does the receiver run, and listen there?",
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "; is it reachable, and does a firewall let it through?",
        io::ErrorKind::InvalidData => "; check ca, server_name, certificate and key on both sides",
        _ => "",
    };
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("no answer within {} s", PATIENCE.as_secs()),
        _ => error.to_string(),
    };
    let layer = if layer.is_empty() { String::new() } else { format!("{layer}: ") };
    SendError::Broken(format!("{server}: {layer}{what}{advice}"))
}

/// How TLS is spoken.
pub(crate) fn client(tls: &Tls) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}; give certificates in PEM", path.display()))?;
            }
        }
        None => {
            let path = SYSTEM.iter().map(Path::new).find(|path| path.is_file());
            let path =
                path.ok_or("this system keeps no list of trusted certificates; set ca, or install ca-certificates")?;
            // Some of a long list may be odd; the others count.
            roots.add_parsable_certificates(certificates(path)?);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let pair = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("{}: {error}; give a key in PEM", key.display()))?;
            builder.with_client_auth_cert(chain, pair).map_err(|error| {
                format!("{} and {}: {error}; give a certificate with its key", certificate.display(), key.display())
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(|list| list.collect())
        .map_err(|error| format!("{}: {error}; give certificates in PEM", path.display()))?;
    if found.is_empty() { Err(format!("{}: holds no certificate in PEM", path.display())) } else { Ok(found) }
}
