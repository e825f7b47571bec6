//! Byte streams and what travels on them.
//!
//! Owns: the `Network` that an agent is handed (real sockets through mio, or in-memory pipes under a virtual
//! clock), TLS, WebSocket framing, and the `Rest` seam for cold HTTP requests.
//! Must not know: venues, orders, prices. The rest of the crate but `domain`'s time and the process's clock, under
//! which sockets in memory and time-outs run.
//!
//! Added to the design's list of folders: feed, gateway and sim all need sockets, and a test needs to replace them
//! all at once.

pub mod link;
pub mod mem;
pub mod rest;
pub mod tcp;
pub mod tls;
pub mod url;
pub mod ws;

use std::io;

/// A connected, non-blocking byte stream. `WouldBlock` means nothing now; `Ok(0)` from `read` is the end.
/// A stream from `Network::connect` may still be connecting: reads and writes answer `WouldBlock` until it is.
pub trait ByteStream: Send {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    /// Closes both ways; later calls fail or answer the end.
    fn close(&mut self);
}

/// A listening socket.
pub trait Listener: Send {
    /// The next connection, or `None` where none waits.
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>>;
    /// `host:port` as bound; port 0 has become the real one.
    fn local_addr(&self) -> String;
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

/// Opens sockets. The one thing an agent needs to be run on real sockets or on pipes in memory.
pub trait Network: Send {
    /// Starts connecting; never blocks but for name resolution.
    fn connect(&mut self, to: &Endpoint) -> io::Result<Box<dyn ByteStream>>;
    /// Listens on `host:port`.
    fn listen(&mut self, addr: &str) -> io::Result<Box<dyn Listener>>;
}

/// A cold HTTP request. `url` is absolute, with the query already encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Its answer, whatever the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Sends cold HTTP requests without blocking the caller: ureq on a worker thread, or HTTP over in-memory pipes.
/// Answers come in any order, each with the id of its request; a failure is a sentence naming host and cause.
pub trait Rest: Send {
    fn submit(&mut self, id: u64, request: RestRequest);
    fn poll(&mut self) -> Option<(u64, Result<RestResponse, String>)>;
}
