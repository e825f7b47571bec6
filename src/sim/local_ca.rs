//! A certificate authority that lives as long as the simulated venue: clients are given its certificate, and its key
//! and the server's are nowhere but in memory.

use crate::net::tls::{TlsError, TlsServer};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names under which loopback is reached.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, thiserror::Error)]
pub enum LocalCaError {
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What clients believe, and what the venue serves with.
pub struct LocalCa {
    pub ca_pem: String,
    pub server: TlsServer,
}

/// For loopback, and for `host` besides.
pub fn generate(host: &str) -> Result<LocalCa, LocalCaError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::<String>::new())?;
    ca.distinguished_name.push(DnType::CommonName, "Tollgate simulated venue");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    if !host.is_empty() && !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    // Strict clients want to see who signed it.
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(LocalCa { ca_pem, server: TlsServer::of(vec![leaf.der().clone()], key)? })
}
