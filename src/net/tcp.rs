//! Real sockets, through mio: one poll a thread, used only to sleep.
//!
//! A socket is read and written directly and without waiting, whether or not the poll has spoken of it: on the hot
//! path that saves the poll call (`latency.md` §3.1), and a socket that has nothing says `WouldBlock`. Readiness is
//! edge-triggered and only wakes the thread, so an agent reads until `WouldBlock` before it reports that it is idle.

use super::link::Wake;
use super::tls::{TlsClient, TlsStream};
use super::{ByteStream, Endpoint, Listener, Network};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Readiness is not dispatched, so every socket has the same token.
const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// Events taken from the kernel in one sleep. More stay queued there and end the next sleep at once.
const EVENTS_MAX: usize = 64;

/// One a thread: the poll in which the thread sleeps, and from which its agents' networks are made.
pub struct Reactor {
    poll: Poll,
    events: Events,
    wake: Wake,
}

impl Reactor {
    /// `wake` is the one that links to this thread's agents were made with.
    pub fn new(wake: &Wake) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        wake.set_waker(mio::Waker::new(poll.registry(), WAKER)?);
        Ok(Reactor { poll, events: Events::with_capacity(EVENTS_MAX), wake: wake.clone() })
    }

    /// A network for an agent that will run on this reactor's thread. `tls` serves endpoints that want it.
    pub fn network(&self, tls: &TlsClient) -> io::Result<TcpNetwork> {
        Ok(TcpNetwork { registry: self.poll.registry().try_clone()?, tls: tls.clone(), attempts: 0 })
    }

    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Sleeps until a socket is ready, the thread is woken, or `max` has passed (to the millisecond, upwards).
    pub fn sleep(&mut self, max: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(max)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }
}

/// Opens real sockets for the agents of one thread.
pub struct TcpNetwork {
    registry: Registry,
    tls: TlsClient,
    /// Connects so far: a name with several addresses is tried at the next one each time.
    attempts: usize,
}

impl TcpNetwork {
    /// Blocks while the name is resolved: a connect is never on the hot path, and resolvers have no other form.
    fn resolve(&mut self, to: &Endpoint) -> io::Result<SocketAddr> {
        let resolved = (to.host.as_str(), to.port).to_socket_addrs();
        let mut addrs: Vec<SocketAddr> =
            resolved.map_err(|e| named(e, &format!("{}: the name is not resolved", to.host)))?.collect();
        addrs.sort_by_key(SocketAddr::is_ipv6);
        let attempt = self.attempts;
        self.attempts = self.attempts.wrapping_add(1);
        match addrs.len() {
            0 => Err(io::Error::new(ErrorKind::NotFound, format!("{} has no address", to.host))),
            n => Ok(addrs[attempt % n]),
        }
    }

    fn stream(&self, mut socket: TcpStream, peer: String) -> io::Result<TcpByteStream> {
        self.registry.register(&mut socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        Ok(TcpByteStream { socket, peer, connected: false })
    }
}

impl Network for TcpNetwork {
    fn connect(&mut self, to: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
        let addr = self.resolve(to)?;
        let peer = format!("{}:{} ({})", to.host, to.port, addr.ip());
        let socket = TcpStream::connect(addr).map_err(|e| named(e, &peer))?;
        // Orders are small and must not wait for more bytes.
        socket.set_nodelay(true).map_err(|e| named(e, &peer))?;
        let stream = Box::new(self.stream(socket, peer)?);
        Ok(if to.tls { Box::new(TlsStream::client(stream, &self.tls, &to.host)?) } else { stream })
    }

    fn listen(&mut self, addr: &str) -> io::Result<Box<dyn Listener>> {
        let resolved =
            addr.to_socket_addrs().map_err(|e| named(e, &format!("{addr} is not an address to listen on")))?;
        let mut last = io::Error::new(ErrorKind::NotFound, format!("{addr} has no address"));
        for socket_addr in resolved {
            match TcpListener::bind(socket_addr) {
                Ok(mut socket) => {
                    self.registry.register(&mut socket, SOCKET, Interest::READABLE)?;
                    let registry = self.registry.try_clone()?;
                    return Ok(Box::new(TcpByteListener { socket, registry }));
                }
                Err(e) if e.kind() == ErrorKind::AddrInUse => {
                    last = named(e, &format!("{addr} is taken by another program"));
                }
                Err(e) => last = named(e, &format!("cannot listen on {addr}")),
            }
        }
        Err(last)
    }
}

struct TcpByteListener {
    socket: TcpListener,
    registry: Registry,
}

impl Listener for TcpByteListener {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        match self.socket.accept() {
            Ok((mut socket, peer)) => {
                socket.set_nodelay(true)?;
                self.registry.register(&mut socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
                Ok(Some(Box::new(TcpByteStream { socket, peer: peer.to_string(), connected: true })))
            }
            // A client that gave up while it waited is no fault of the listener.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn local_addr(&self) -> String {
        self.socket.local_addr().map(|addr| addr.to_string()).unwrap_or_default()
    }
}

struct TcpByteStream {
    socket: TcpStream,
    peer: String,
    /// Something was read or written: from then on "not connected" is an error.
    connected: bool,
}

impl TcpByteStream {
    #[inline]
    fn outcome(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        match result {
            Ok(n) => {
                self.connected = true;
                Ok(n)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Err(e),
            Err(e) => Err(self.failure(e)),
        }
    }

    #[cold]
    fn failure(&self, error: io::Error) -> io::Error {
        // Some systems call a socket that is still connecting "not connected".
        if error.kind() == ErrorKind::NotConnected && !self.connected {
            return match self.socket.take_error() {
                Ok(Some(cause)) => named(cause, &self.peer),
                _ => ErrorKind::WouldBlock.into(),
            };
        }
        named(error, &self.peer)
    }
}

impl ByteStream for TcpByteStream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.socket.read(buf);
        self.outcome(result)
    }

    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let result = self.socket.write(buf);
        self.outcome(result)
    }

    fn close(&mut self) {
        // Fails only where the connection is gone already.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// The same error with the place in front of its text.
fn named(error: io::Error, place: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ws::{WebSocket, WsConfig};

    fn reactor() -> (Reactor, TcpNetwork) {
        let reactor = Reactor::new(&Wake::default()).unwrap();
        let network = reactor.network(&TlsClient::new(None).unwrap()).unwrap();
        (reactor, network)
    }

    fn local(listener: &dyn Listener) -> Endpoint {
        let addr: SocketAddr = listener.local_addr().parse().unwrap();
        Endpoint { host: addr.ip().to_string(), port: addr.port(), tls: false }
    }

    #[test]
    fn a_websocket_runs_over_loopback_and_a_sleep_ends_with_its_bytes() {
        let (mut reactor, mut network) = reactor();
        let mut listener = network.listen("127.0.0.1:0").unwrap();
        let to = local(&*listener);
        let mut client = WebSocket::new(WsConfig::default(), 1);
        let mut server = WebSocket::new(WsConfig::default(), 2);
        client.connect(&mut network, &to, "/", &[], 0).unwrap();
        // The time given never moves: no time-out can be what ends this.
        let mut asked = false;
        let mut answer = None;
        while answer.is_none() {
            if let Some(stream) = listener.accept().unwrap() {
                server.accept(stream, "client", 0);
            }
            if let Some(message) = server.poll(0).unwrap() {
                assert_eq!(message.payload.len(), 200_000);
                server.send_text(b"pong").unwrap();
            }
            if let Some(message) = client.poll(0).unwrap() {
                answer = Some(message.payload.to_vec());
            } else if client.is_open() && !asked {
                client.send_binary(&vec![7; 200_000]).unwrap();
                asked = true;
            } else {
                reactor.sleep(Duration::from_secs(60)).unwrap();
            }
        }
        assert_eq!(answer.as_deref(), Some(&b"pong"[..]));
    }

    #[test]
    fn a_taken_port_and_a_refused_connect_are_sentences_with_the_address() {
        let (mut reactor, mut network) = reactor();
        let listener = network.listen("127.0.0.1:0").unwrap();
        let addr = listener.local_addr();
        let error = network.listen(&addr).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("{addr} is taken by another program")), "{error}");
        assert!(network.listen("nonsense").is_err_and(|e| e.to_string().contains("nonsense")));

        let to = local(&*listener);
        drop(listener);
        let mut stream = network.connect(&to).unwrap();
        let error = loop {
            match stream.write(b"x") {
                Err(e) if e.kind() == ErrorKind::WouldBlock => reactor.sleep(Duration::from_secs(60)).unwrap(),
                Err(e) => break e,
                Ok(_) => panic!("nobody listens"),
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&to.port.to_string()), "{error}");
        let nowhere = Endpoint { host: "no-such-host.invalid".to_owned(), port: 1, tls: false };
        assert!(network.connect(&nowhere).is_err_and(|e| e.to_string().contains("no-such-host.invalid")));
    }
}
