//! TLS round a byte stream, with rustls on ring.
//!
//! AES suites stand first: ChaCha20 costs twice as much on a machine with AES instructions (`latency.md` §3.10).

use super::{ByteStream, Listener};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Connection, RootCertStore, ServerConfig};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most plaintext that waits to be encrypted and sent: beyond it writes are told to wait.
const BUFFER_MAX: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} holds no PEM certificate or key that can be read")]
    Pem {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("the TLS configuration is refused")]
    Config(#[from] rustls::Error),
}

/// How to be a TLS client: which certificates are believed. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Believes the public certificate authorities and, where given, those of a PEM file besides.
    pub fn new(extra_ca: Option<&Path>) -> Result<TlsClient, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = extra_ca {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsClient(Arc::new(config)))
    }
}

/// How to be a TLS server.
#[derive(Clone)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// From PEM files: the certificate chain, leaf first, and its private key.
    pub fn new(chain: &Path, key: &Path) -> Result<TlsServer, TlsError> {
        let pem = |source| TlsError::Pem { path: key.to_owned(), source };
        TlsServer::of(certificates(chain)?, PrivateKeyDer::from_pem_file(key).map_err(pem)?)
    }

    /// From the certificate chain, leaf first, and its private key.
    pub fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsServer, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsServer(Arc::new(config)))
    }

    /// For those who drive TLS themselves.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.clone()
    }
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("TlsServer")
    }
}

/// A listener whose connections speak TLS.
pub struct TlsListener {
    pub inner: Box<dyn Listener>,
    pub tls: TlsServer,
}

impl Listener for TlsListener {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        match self.inner.accept()? {
            Some(stream) => Ok(Some(Box::new(TlsStream::server(stream, &self.tls)?))),
            None => Ok(None),
        }
    }

    fn local_addr(&self) -> String {
        self.inner.local_addr()
    }
}

/// The certificates of a PEM file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<Vec<_>, _>>().map_err(pem)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}

fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| format!("{:?}", suite.suite()).contains("CHACHA20"));
    provider
}

/// A byte stream of plaintext over a byte stream of records. The handshake runs inside its reads and writes, which
/// answer `WouldBlock` until it is through.
pub struct TlsStream {
    inner: Box<dyn ByteStream>,
    connection: Connection,
}

impl TlsStream {
    /// The client's side. The server must prove that it is `host`.
    pub fn client(inner: Box<dyn ByteStream>, tls: &TlsClient, host: &str) -> io::Result<TlsStream> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, format!("{host} is no name that TLS can verify")))?;
        let connection = rustls::ClientConnection::new(tls.0.clone(), name).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, connection.into()))
    }

    /// The server's side.
    pub fn server(inner: Box<dyn ByteStream>, tls: &TlsServer) -> io::Result<TlsStream> {
        let connection = rustls::ServerConnection::new(tls.0.clone()).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, connection.into()))
    }

    fn new(inner: Box<dyn ByteStream>, mut connection: Connection) -> TlsStream {
        connection.set_buffer_limit(Some(BUFFER_MAX));
        TlsStream { inner, connection }
    }

    /// Reads what has come, without its plaintext, and answers what TLS itself wants answered; gives the bytes read.
    fn receive(&mut self) -> io::Result<usize> {
        let bytes = self.connection.read_tls(&mut Std(&mut *self.inner))?;
        if let Err(error) = self.connection.process_new_packets() {
            // The peer is told why, if it still listens.
            let _ = self.flush();
            return Err(io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}")));
        }
        self.flush()?;
        Ok(bytes)
    }

    /// Writes records as far as the stream takes them. True where none is left.
    #[inline]
    fn flush(&mut self) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Std(&mut *self.inner)) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

impl ByteStream for TlsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // What an earlier write could not send leaves here: the caller knows of no bytes that wait, and only reads on.
        self.flush()?;
        loop {
            match self.connection.reader().read(buf) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // An end without the peer's word for it may be an attacker's cut: not the same as an end.
                Err(e) => return Err(e),
            }
            // Zero bytes are the end: the reader's next answer says whether it was announced.
            self.receive()?;
        }
    }

    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // Who has something to say first may not read before: the peer's part of the handshake is taken in here.
        while self.connection.is_handshaking() {
            self.flush()?;
            if self.receive()? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed in the middle of the TLS handshake"));
            }
        }
        if !self.flush()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.connection.writer().write(buf)?;
        self.flush()?;
        Ok(n)
    }

    fn close(&mut self) {
        self.connection.send_close_notify();
        // The stream is closed behind it whether or not the peer still hears it.
        let _ = self.flush();
        self.inner.close();
    }
}

/// The standard library's idea of a stream, which rustls reads and writes.
struct Std<'a>(&'a mut dyn ByteStream);

impl Read for Std<'_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Std<'_> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! `testdata` holds a test CA and a certificate of it for `localhost`, valid for a hundred years, made with
    //! openssl for these tests alone; the CA's key was thrown away.

    use super::*;
    use crate::net::mem::{LinkPlan, MemHub};
    use crate::net::{Endpoint, Network};
    use crate::telemetry::clock::Clock;

    fn testdata(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata").join(name)
    }

    fn server() -> TlsServer {
        TlsServer::new(&testdata("server.pem"), &testdata("server.key")).unwrap()
    }

    struct Pair {
        clock: Clock,
        client: TlsStream,
        server: TlsStream,
    }

    fn pair(seed: u64, client: &TlsClient, name: &str) -> Pair {
        let clock = Clock::virtual_at(1);
        let hub = MemHub::new(&clock, seed);
        hub.set_default_plan(LinkPlan {
            latency_ns: 50,
            jitter_ns: 90,
            chunk_max: 300,
            buffer: 5000,
            ..LinkPlan::default()
        });
        let mut listener = hub.network().listen("venue:1").unwrap();
        let to = Endpoint { host: "venue".to_owned(), port: 1, tls: false };
        let raw = hub.network().connect(&to).unwrap();
        clock.set(1000);
        let accepted = listener.accept().unwrap().unwrap();
        Pair {
            clock,
            client: TlsStream::client(raw, client, name).unwrap(),
            server: TlsStream::server(accepted, &server()).unwrap(),
        }
    }

    /// One step of a reader that keeps what comes; the error where there is one besides "nothing now".
    fn pump(stream: &mut TlsStream, into: &mut Vec<u8>) -> Result<bool, io::Error> {
        let mut buf = [0u8; 999];
        match stream.read(&mut buf) {
            Ok(n) => {
                into.extend_from_slice(&buf[..n]);
                Ok(n == 0)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e),
        }
    }

    #[test]
    fn bytes_pass_both_ways_through_a_ragged_pipe_and_the_end_is_told() {
        let trusting = TlsClient::new(Some(&testdata("ca.pem"))).unwrap();
        let Pair { clock, mut client, mut server } = pair(5, &trusting, "localhost");
        let want: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
        let (mut sent, mut got, mut back) = (0, Vec::new(), Vec::new());
        let mut answered = 0;
        while back.len() < want.len() {
            clock.set(clock.now() + 40);
            if sent < want.len() {
                sent += client.write(&want[sent..]).unwrap_or(0);
            }
            assert!(!pump(&mut server, &mut got).unwrap());
            if answered < got.len() {
                answered += server.write(&got[answered..]).unwrap_or(0);
            }
            assert!(!pump(&mut client, &mut back).unwrap());
        }
        assert!(got == want && back == want);
        client.close();
        let mut rest = Vec::new();
        while !pump(&mut server, &mut rest).unwrap() {
            clock.set(clock.now() + 40);
        }
        assert!(rest.is_empty());
        let suite = server.connection.negotiated_cipher_suite().unwrap().suite();
        assert!(format!("{suite:?}").contains("AES"), "{suite:?}");
    }

    #[test]
    fn a_server_that_cannot_prove_its_name_is_refused() {
        let trusting = TlsClient::new(Some(&testdata("ca.pem"))).unwrap();
        let public_only = TlsClient::new(None).unwrap();
        for (client, name) in [(&trusting, "example.com"), (&public_only, "localhost")] {
            let Pair { clock, mut client, mut server } = pair(5, client, name);
            let mut got = Vec::new();
            let error = (0..10_000)
                .find_map(|_| {
                    clock.set(clock.now() + 40);
                    let refused = client.write(b"secret").unwrap_err();
                    if refused.kind() != ErrorKind::WouldBlock {
                        return Some(refused);
                    }
                    // The server hears of it too; its error is not what is looked at.
                    let _ = pump(&mut server, &mut got);
                    pump(&mut client, &mut Vec::new()).err()
                })
                .unwrap();
            assert!(error.to_string().contains("certificate"), "{name}: {error}");
            assert!(got.is_empty());
        }
    }

    #[test]
    fn a_client_that_only_writes_gets_through_the_handshake() {
        let trusting = TlsClient::new(Some(&testdata("ca.pem"))).unwrap();
        let Pair { clock, mut client, mut server } = pair(5, &trusting, "localhost");
        let mut got = Vec::new();
        let sent = (0..10_000).find_map(|_| {
            clock.set(clock.now() + 40);
            assert!(!pump(&mut server, &mut got).unwrap());
            client.write(b"first").ok()
        });
        assert_eq!(sent, Some(5));
    }

    #[test]
    fn a_cut_is_not_an_end() {
        let trusting = TlsClient::new(Some(&testdata("ca.pem"))).unwrap();
        let Pair { clock, mut client, mut server } = pair(5, &trusting, "localhost");
        let mut got = Vec::new();
        while got.is_empty() {
            clock.set(clock.now() + 40);
            let _ = client.write(b"x");
            assert!(!pump(&mut server, &mut got).unwrap() && !pump(&mut client, &mut Vec::new()).unwrap());
        }
        client.inner.close();
        let error = (0..1000).find_map(|_| {
            clock.set(clock.now() + 40);
            pump(&mut server, &mut Vec::new()).err()
        });
        assert_eq!(error.unwrap().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        for (file, want) in [("server.key", "no certificate"), ("absent.pem", "PEM")] {
            let error = TlsClient::new(Some(&testdata(file))).err().unwrap().to_string();
            assert!(error.contains(file) && error.contains(want), "{error}");
        }
    }
}
