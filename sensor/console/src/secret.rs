//! Secrets: made from the system's random numbers, kept only as digests.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Fewest characters of a password.
pub const PASSWORD_LEAST: usize = 12;
/// Most bytes of a password.
pub const PASSWORD_MOST: usize = 256;
/// Memory of a hash in KiB, passes, lanes: what OWASP recommends.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Why a secret could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No random numbers.
    #[error("the system gives no random numbers ({0}); start again when it has booted")]
    Random(String),
    /// The password is too short or too long.
    #[error("a password has at least {PASSWORD_LEAST} characters and at most {PASSWORD_MOST} bytes; choose another")]
    Length,
    /// The hash could not be made.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// A new secret: 256 bits in hexadecimal digits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn generate() -> Result<String, SecretError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
    Ok(hexadecimal(&bytes))
}

/// A new password that can be read out: five groups of four letters and digits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn generate_password() -> Result<String, SecretError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
    let mut password = String::with_capacity(24);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x')));
    }
    Ok(password)
}

/// SHA-256 of a secret.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(a.as_bytes(), b.as_bytes()).into()
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password, in PHC format.
///
/// # Errors
/// Where it is too short or too long.
pub fn hash_password(password: &str) -> Result<String, SecretError> {
    if password.chars().count() < PASSWORD_LEAST || password.len() > PASSWORD_MOST {
        return Err(SecretError::Length);
    }
    let hash = argon2().hash_password(password.as_bytes()).map_err(|error| SecretError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether a password is the one of a hash. Without a hash it takes as long, and is not: who asks does not learn whether
/// there is such a user.
pub fn is_password(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    let password = password.get(..password.len().min(PASSWORD_MOST + 1)).unwrap_or_default();
    let nobody = || NOBODY.get_or_init(|| hash_password("nobody has this password").ok()).as_deref();
    let Some(parsed) = hash.or_else(nobody).and_then(|text| PasswordHash::new(text).ok()) else { return false };
    argon2().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_and_held_against_the_hash() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_password("correct horse battery", Some(&hash)));
        assert!(!is_password("correct horse batter", Some(&hash)));
        assert!(!is_password("nobody has this password", None));
        assert!(hash_password("short").is_err());
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(generate().unwrap(), generate().unwrap());
        assert_eq!(generate().unwrap().len(), 64);
        assert_eq!(generate_password().unwrap().len(), 24);
    }
}
