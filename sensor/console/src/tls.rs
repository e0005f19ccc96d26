//! The certificate: a configured one, else one of our own, made on first start and kept.

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where certificate and key are: PEM, the key PKCS #8, PKCS #1 or SEC 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Key.
    pub key: PathBuf,
}

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {detail}; give a readable PEM file", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// Certificate and key do not fit.
    #[error("{} and {}: {detail}; give a certificate with its key", .certificate.display(), .key.display())]
    Pair {
        /// Certificate.
        certificate: PathBuf,
        /// Key.
        key: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A certificate of our own cannot be made.
    #[error("cannot make a certificate: {0}; give one with --certificate and --key")]
    Make(String),
}

/// TLS as it is spoken, and the SHA-256 of the certificate for those who compare it.
pub struct Tls {
    /// For connections.
    pub config: Arc<ServerConfig>,
    /// `AB:CD:…`
    pub fingerprint: String,
}

/// Beside a store, where none are configured.
pub fn beside(store: &Path) -> Files {
    let with = |end: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    Files { certificate: with(".tls.crt"), key: with(".tls.key") }
}

/// Makes a certificate of our own where there is none.
///
/// # Errors
/// Where it cannot be made or written.
pub fn make(files: &Files, names: Vec<String>) -> Result<(), TlsError> {
    if files.certificate.is_file() && files.key.is_file() {
        return Ok(());
    }
    let fail = |error: rcgen::Error| TlsError::Make(error.to_string());
    let key = KeyPair::generate().map_err(fail)?;
    let mut params = CertificateParams::new(names).map_err(fail)?;
    params.distinguished_name.push(DnType::CommonName, "ot-sensor");
    let year = i32::from(jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 5, 1, 1);
    let certificate = params.self_signed(&key).map_err(fail)?;
    let write = |path: &Path, text: &str| {
        private(path, text).map_err(|error| TlsError::File { path: path.to_owned(), detail: error.to_string() })
    };
    write(&files.key, &key.serialize_pem())?;
    write(&files.certificate, &certificate.pem())
}

fn private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::remove_file(path);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Reads certificate and key.
///
/// # Errors
/// Where they cannot be read, or do not fit.
pub fn load(files: &Files) -> Result<Tls, TlsError> {
    let fail = |path: &Path, error: rustls::pki_types::pem::Error| TlsError::File {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(|list| list.collect())
        .map_err(|error| fail(&files.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| fail(&files.key, error))?;
    let fingerprint = chain.first().map_or_else(String::new, |first| {
        Sha256::digest(first).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    });
    let pair = |detail: rustls::Error| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        detail: detail.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let files = beside(&folder.path().join("store.db"));
        let names = || vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        make(&files, names()).unwrap();
        let first = load(&files).unwrap().fingerprint;
        assert_eq!(first.len(), 32 * 3 - 1);
        make(&files, names()).unwrap();
        assert_eq!(load(&files).unwrap().fingerprint, first);
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o077, 0);
        std::fs::write(&files.key, "no key").unwrap();
        assert!(load(&files).is_err());
    }
}
