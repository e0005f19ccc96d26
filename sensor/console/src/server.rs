//! Listens, speaks TLS, and holds connections to their limits.

use crate::app::App;
use crate::dispatch::{self, Peer};
use crate::host::Host;
use crate::tls::{self, Tls, TlsError};
use crate::warm;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use ot_store::StoreError;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Connections at once; more wait until one ends.
const CONNECTIONS: usize = 512;
/// How long a TLS handshake may take, the header of a request, and a connection in all.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const HEADER_WITHIN: Duration = Duration::from_secs(10);
const CONNECTION_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long requests may go on after the end was asked for.
const END_WITHIN: Duration = Duration::from_secs(3);
/// Bytes of a header.
const HEADER_MOST: usize = 64 << 10;

/// How the console is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store.
    pub store: PathBuf,
    /// Where to listen; port 0: any that is free.
    pub listen: SocketAddr,
    /// Certificate and key; without it one of our own, kept beside the store.
    pub certificate: Option<tls::Files>,
    /// Plain HTTP, on a loopback address only.
    pub plain: bool,
    /// Threads for requests.
    pub threads: usize,
}

/// Why the console cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Plain HTTP where others could listen.
    #[error(
        "{0} can be reached from outside, and passwords would pass in clear text; use TLS there, or --plain-http with 127.0.0.1"
    )]
    Plain(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {detail}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        detail: String,
    },
    /// The system gives no threads.
    #[error("cannot start: {0}")]
    Start(String),
}

/// A console that listens.
pub struct Opened {
    listener: std::net::TcpListener,
    app: Arc<App>,
    tls: Option<Tls>,
    threads: usize,
    address: SocketAddr,
}

/// Opens a console: from here on it can be reached, and [`Opened::run`] answers.
///
/// # Errors
/// Where the store, the certificate or the address cannot be used.
pub fn open(settings: &Settings, host: Box<dyn Host>) -> Result<Opened, ConsoleError> {
    if settings.plain && !settings.listen.ip().is_loopback() {
        return Err(ConsoleError::Plain(settings.listen));
    }
    let app = Arc::new(App::open(&settings.store, host, !settings.plain)?);
    let tls = if settings.plain {
        None
    } else {
        let files = match &settings.certificate {
            Some(files) => files.clone(),
            None => {
                let own = tls::beside(&settings.store);
                tls::make(&own, names(settings.listen))?;
                own
            }
        };
        Some(tls::load(&files)?)
    };
    let fail = |error: std::io::Error| ConsoleError::Listen { address: settings.listen, detail: error.to_string() };
    let listener = std::net::TcpListener::bind(settings.listen).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok(Opened { listener, app, tls, threads: settings.threads.max(1), address })
}

/// Names for a certificate of our own.
fn names(listen: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "ot-sensor".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let address = listen.ip().to_string();
    if !listen.ip().is_unspecified() && !names.contains(&address) {
        names.push(address);
    }
    names.extend(std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()).filter(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    }));
    names
}

impl Opened {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:8443/`
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// SHA-256 of the certificate; `None` without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.fingerprint.as_str())
    }

    /// Whether anybody can sign in.
    ///
    /// # Errors
    /// As the store's.
    pub fn has_users(&self) -> Result<bool, StoreError> {
        Ok(!self.app.access().users()?.is_empty())
    }

    /// Answers until `end` is done.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn run(self, end: impl Future<Output = ()>) -> Result<(), ConsoleError> {
        let start = |error: std::io::Error| ConsoleError::Start(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .max_blocking_threads(32)
            .thread_name("console")
            .enable_all()
            .build()
            .map_err(start)?;
        let result = runtime.block_on(async {
            let listener = TcpListener::from_std(self.listener).map_err(start)?;
            tokio::spawn(warm::keep(Arc::clone(&self.app)));
            let router = dispatch::router(&self.app);
            accept(listener, router, self.tls.map(|tls| tls.config.into()), end).await;
            Ok(())
        });
        runtime.shutdown_timeout(END_WITHIN);
        result
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<tokio_rustls::TlsAcceptor>,
    end: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut end = pin!(end);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            () = &mut end => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // Too many open files: others have to end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => serve(stream, peer, router).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                        serve(stream, peer, router).await;
                    }
                }
            }
        });
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = Peer(peer.ip().to_string());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_MOST)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // Whoever neither sends nor reads is left at last.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = tokio::time::sleep(CONNECTION_WITHIN) => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(END_WITHIN, connection).await;
        }
    }
}
