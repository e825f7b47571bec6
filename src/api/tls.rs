//! The server's certificate, read again when its files have changed.

use crate::net::tls::{TlsError, TlsServer};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio_rustls::TlsAcceptor;

type Stamp = Option<(u64, u64, i64, i64)>;

/// A certificate and its key. A pair that cannot be used leaves the one before it in use.
pub struct ReloadingTls {
    chain: PathBuf,
    key: PathBuf,
    stamps: [Stamp; 2],
    acceptor: TlsAcceptor,
}

impl ReloadingTls {
    pub fn open(chain: &Path, key: &Path) -> Result<ReloadingTls, TlsError> {
        let stamps = [chain, key].map(stamp);
        let acceptor = TlsAcceptor::from(TlsServer::new(chain, key)?.config());
        Ok(ReloadingTls { chain: chain.to_owned(), key: key.to_owned(), stamps, acceptor })
    }

    /// For one connection, with the certificate as it is now.
    pub fn acceptor(&mut self) -> TlsAcceptor {
        let stamps = [&*self.chain, &*self.key].map(stamp);
        if stamps != self.stamps {
            self.stamps = stamps;
            match TlsServer::new(&self.chain, &self.key) {
                Ok(server) => {
                    tracing::info!("the API's certificate was read anew from {}", self.chain.display());
                    self.acceptor = TlsAcceptor::from(server.config());
                }
                Err(error) => tracing::error!("the API keeps its certificate: the new one is not usable: {error}"),
            }
        }
        self.acceptor.clone()
    }
}

fn stamp(path: &Path) -> Stamp {
    let of = |metadata: Metadata| (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
    std::fs::metadata(path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn testdata(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata").join(name)
    }

    #[test]
    fn a_new_certificate_is_taken_and_an_unusable_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
        std::fs::copy(testdata("server.pem"), &chain).unwrap();
        std::fs::copy(testdata("server.key"), &key).unwrap();
        let mut tls = ReloadingTls::open(&chain, &key).unwrap();
        let config = |tls: &mut ReloadingTls| tls.acceptor().config().clone();
        let first = config(&mut tls);
        assert!(Arc::ptr_eq(&first, &config(&mut tls)), "nothing has changed");
        std::fs::write(&chain, "not a certificate").unwrap();
        assert!(Arc::ptr_eq(&first, &config(&mut tls)), "what cannot be used changes nothing");
        std::fs::remove_file(&chain).unwrap();
        std::fs::copy(testdata("server.pem"), &chain).unwrap();
        assert!(!Arc::ptr_eq(&first, &config(&mut tls)));
        assert!(ReloadingTls::open(&key, &key).is_err());
    }
}
