//! Private keys in PEM (§3): which kind one is, and signatures with it.
//!
//! What stays after loading is ring's key pair, which is neither printable nor wiped when it is dropped; it lives as
//! long as the process signs. Every copy of the key's bytes made on the way to it is wiped here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

/// What a PEM calls a key that a passphrase locks.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Longest signature: RSA with 4096 bits.
const SIGNATURE_MAX: usize = 512;
/// Bits of an RSA key that the venue takes (§3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why a secret is no key that can sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the secret is empty")]
    Empty,
    #[error("the private key is encrypted, and its passphrase is not given")]
    Encrypted,
    #[error("the private key is encrypted in the old manner of OpenSSL: convert it with `openssl pkcs8 -topk8`")]
    OldEncryption,
    #[error("the passphrase does not open the private key")]
    Passphrase,
    #[error(
        "the encrypted private key cannot be read: it is damaged, or encrypted by a method that is not known here; \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc` uses one that is"
    )]
    Cipher,
    #[error("the file holds a {0:?}, not a private key in PKCS#8: convert it with `openssl pkcs8 -topk8 -nocrypt`")]
    NotPkcs8(String),
    #[error("the PEM of the private key is cut off or damaged: copy it again, with its BEGIN and END lines")]
    Damaged,
    #[error("the private key is neither Ed25519 nor RSA ({0})")]
    NeitherKind(String),
    #[error("the RSA key has {0} bits, and the venue takes 2048 to 4096")]
    RsaBits(usize),
}

/// A key that signs with a private half of its own.
pub enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>, SystemRandom),
}

impl PrivateKey {
    /// `None` where the text is no PEM at all, but a secret of the HMAC kind.
    pub fn from_pem(text: &str) -> Option<Result<PrivateKey, KeyError>> {
        let begin = text.find("-----BEGIN ")?;
        Some(read(&text[begin..]))
    }

    /// Appends the signature of `payload` in base64. RSA asks for randomness, to blind the arithmetic; where the
    /// system has none, nothing is appended, and the venue refuses the request as unsigned.
    pub fn sign(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            PrivateKey::Ed25519(pair) => push_base64(pair.sign(payload).as_ref(), out),
            PrivateKey::Rsa(pair, random) => {
                let mut signature = [0u8; SIGNATURE_MAX];
                if let Some(room) = signature.get_mut(..pair.public().modulus_len())
                    && pair.sign(&RSA_PKCS1_SHA256, random, payload, room).is_ok()
                {
                    push_base64(room, out);
                }
            }
        }
    }
}

/// The PEM document that `text` begins with.
fn read(text: &str) -> Result<PrivateKey, KeyError> {
    let (label, rest) = text["-----BEGIN ".len()..].split_once("-----").ok_or(KeyError::Damaged)?;
    match label {
        "PRIVATE KEY" => {}
        ENCRYPTED => return Err(KeyError::Encrypted),
        other if rest.contains("Proc-Type: 4,ENCRYPTED") && other.ends_with("PRIVATE KEY") => {
            return Err(KeyError::OldEncryption);
        }
        other => return Err(KeyError::NotPkcs8(other.to_owned())),
    }
    let der = body(rest, "-----END PRIVATE KEY-----")?;
    // OpenSSL writes version 1 of PKCS#8, which leaves the public half out: it is computed.
    let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
    match (ed25519, RsaKeyPair::from_pkcs8(&der)) {
        (Ok(pair), _) => Ok(PrivateKey::Ed25519(pair)),
        (_, Ok(pair)) => {
            let bits = pair.public().modulus_len() * 8;
            if !RSA_BITS.contains(&bits) {
                return Err(KeyError::RsaBits(bits));
            }
            Ok(PrivateKey::Rsa(Box::new(pair), SystemRandom::new()))
        }
        (_, Err(cause)) => Err(KeyError::NeitherKind(cause.to_string())),
    }
}

/// The bytes of a PEM document up to its end line.
fn body(rest: &str, end: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (body, _) = rest.split_once(end).ok_or(KeyError::Damaged)?;
    let mut letters = Zeroizing::new(Vec::with_capacity(body.len()));
    letters.extend(body.bytes().filter(|c| !c.is_ascii_whitespace()));
    Ok(Zeroizing::new(BASE64_STANDARD.decode(&*letters).map_err(|_| KeyError::Damaged)?))
}

/// Whether `text` is a private key that a passphrase locks (PKCS#8).
pub fn is_encrypted(text: &str) -> bool {
    text.contains(&format!("-----BEGIN {ENCRYPTED}-----"))
}

/// The same key in PEM, open (PBES2 of RFC 8018: PBKDF2 or scrypt, with AES in CBC or GCM). The caller wipes it.
pub fn unlock(text: &str, passphrase: &[u8]) -> Result<Zeroizing<String>, KeyError> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {ENCRYPTED}-----")).ok_or(KeyError::Damaged)?;
    let der = body(rest, &format!("-----END {ENCRYPTED}-----"))?;
    let locked = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| KeyError::Cipher)?;
    if locked.encryption_algorithm.pbes2().is_none() {
        return Err(KeyError::Cipher);
    }
    let open = locked.decrypt(passphrase).map_err(|cause| match cause {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { .. }) => KeyError::Cipher,
        _ => KeyError::Passphrase,
    })?;
    let mut pem = Zeroizing::new(String::with_capacity(open.as_bytes().len() * 2 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    BASE64_STANDARD.encode_string(open.as_bytes(), &mut pem);
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(pem)
}

fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    // The room is exactly the text's length, so this cannot fail.
    let _ = BASE64_STANDARD.encode_slice(bytes, &mut out[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----\n";

    fn refused(text: &str) -> Option<KeyError> {
        PrivateKey::from_pem(text).and_then(Result::err)
    }

    #[test]
    fn a_key_that_cannot_sign_says_what_to_do_about_it() {
        let body = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u";
        let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let old = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA";
        for (text, want) in [
            (pem("ENCRYPTED PRIVATE KEY", body), KeyError::Encrypted),
            (pem("RSA PRIVATE KEY", old), KeyError::OldEncryption),
            (pem("RSA PRIVATE KEY", body), KeyError::NotPkcs8("RSA PRIVATE KEY".to_owned())),
            (pem("PUBLIC KEY", body), KeyError::NotPkcs8("PUBLIC KEY".to_owned())),
            (pem("PRIVATE KEY", &body[1..]), KeyError::Damaged),
            (pem("PRIVATE KEY", "not base64!"), KeyError::Damaged),
            (ED25519.replace("-----END", "----END"), KeyError::Damaged),
            ("-----BEGIN PRIVATE KEY".to_owned(), KeyError::Damaged),
        ] {
            assert_eq!(refused(&text), Some(want), "{text}");
        }
        assert!(matches!(refused(&pem("PRIVATE KEY", "AAAA")), Some(KeyError::NeitherKind(_))));
        assert_eq!(refused("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"), None);
    }

    #[test]
    fn line_ends_blanks_and_text_before_the_key_do_no_harm() {
        for text in [
            ED25519.to_owned(),
            ED25519.trim_end().to_owned(),
            ED25519.replace('\n', "\r\n"),
            format!("Bag Attributes\n  name: x\n{ED25519}"),
        ] {
            assert!(matches!(PrivateKey::from_pem(&text), Some(Ok(PrivateKey::Ed25519(_)))), "{text}");
        }
    }

    const LOCKED: [&str; 3] = [
        include_str!("testdata/ed25519-encrypted.pem"),
        include_str!("testdata/ed25519-encrypted-scrypt.pem"),
        include_str!("testdata/rsa-2048-encrypted.pem"),
    ];
    const PASSPHRASE: &[u8] = b"horse battery";

    #[test]
    fn a_passphrase_opens_the_keys_that_openssl_locked() {
        for (at, text) in LOCKED.into_iter().enumerate() {
            assert!(is_encrypted(text) && !is_encrypted(ED25519));
            let open = unlock(text, PASSPHRASE).unwrap();
            match PrivateKey::from_pem(&open) {
                Some(Ok(PrivateKey::Ed25519(pair))) if at < 2 => {
                    let (mut got, mut want) = (Vec::new(), Vec::new());
                    PrivateKey::Ed25519(pair).sign(b"payload", &mut got);
                    PrivateKey::from_pem(ED25519).unwrap().unwrap().sign(b"payload", &mut want);
                    assert_eq!(got, want, "it is the key that was locked");
                }
                Some(Ok(PrivateKey::Rsa(pair, _))) if at == 2 => assert_eq!(pair.public().modulus_len(), 256),
                other => panic!("{at}: {:?}", other.map(|key| key.err())),
            }
        }
    }

    #[test]
    fn a_key_that_does_not_open_says_why_and_shows_nothing() {
        let old = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
                   MFgwHAYKKoZIhvcNAQwBAzAOBAikMpCW1G1DZAICCAAEOKmjo+kAMI+KP7rq++gi\n\
                   TtX0OWjU4QuaRcUl1FMOziGnyeRqg/PCZbc+bSPSjoFeHrWjr+FP7B9b\n\
                   -----END ENCRYPTED PRIVATE KEY-----\n";
        for (text, passphrase, want) in [
            (LOCKED[0], &b"horse batterx"[..], "the passphrase does not open the private key"),
            (LOCKED[1], b"", "the passphrase does not open the private key"),
            (LOCKED[2], b"Horse battery", "the passphrase does not open the private key"),
            (&LOCKED[0][..120], PASSPHRASE, "the PEM of the private key is cut off or damaged"),
            (&LOCKED[0].replace("MIGb", "MIGc"), PASSPHRASE, "it is damaged, or encrypted by a method"),
            (old, PASSPHRASE, "it is damaged, or encrypted by a method"),
        ] {
            let said = unlock(text, passphrase).unwrap_err().to_string();
            assert!(said.contains(want), "{said}");
            assert!(passphrase.is_empty() || !said.contains(std::str::from_utf8(passphrase).unwrap()));
        }
    }
}
