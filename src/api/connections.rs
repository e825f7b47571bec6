//! Connections: so many at once, each with little time to say what it wants, over TLS where that is configured.
//!
//! A connection is busy while a request of somebody who was let in is being answered. When there are too many, the
//! oldest that is not busy makes room: whoever holds connections open keeps nobody out.

use super::tls::ReloadingTls;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Most headers of a request: far above what browsers send.
const HEADERS_MAX: usize = 100;
/// After an error of the listener itself, such as no file descriptor being left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Said to one who comes while all are busy.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 1\r\n\
                    Connection: close\r\nContent-Length: 62\r\n\r\n\
                    all connections are busy: come again, or use the one you have\n";

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub connections_max: usize,
    /// The whole head of a request, first line and headers.
    pub header_max_bytes: usize,
    /// From the moment that a request is waited for until its head is there; also for the TLS handshake.
    pub read_timeout: Duration,
}

/// The other side of a connection, as each of its requests knows it.
#[derive(Clone)]
pub struct Peer {
    pub ip: IpAddr,
    busy: Arc<AtomicUsize>,
}

impl Peer {
    /// The connection is kept while this value lives.
    pub fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.busy.clone())
    }
}

pub struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Open {
    busy: Arc<AtomicUsize>,
    close: Arc<Notify>,
}

/// The open connections in the order of their beginning.
#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
}

type SharedTable = Arc<Mutex<Table>>;

impl Table {
    /// Takes a connection in; `None` where all others are busy and there is no room.
    fn enter(&mut self, max: usize) -> Option<(u64, Open)> {
        if self.open.len() >= max {
            let idle = self.open.iter().find(|(_, open)| open.busy.load(Ordering::Relaxed) == 0);
            let oldest = idle.map(|(number, _)| *number)?;
            if let Some(open) = self.open.remove(&oldest) {
                open.close.notify_one();
            }
        }
        self.next += 1;
        let entry = || Open { busy: Arc::default(), close: Arc::default() };
        let open = entry();
        self.open.insert(self.next, Open { busy: open.busy.clone(), close: open.close.clone() });
        Some((self.next, open))
    }
}

/// Takes connections until `stop` says true, then lets the open ones end what they are at.
pub async fn take(
    listener: TcpListener,
    mut tls: Option<ReloadingTls>,
    router: Router,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let table = SharedTable::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            // The peer went before it was taken, or the process has no file left for it: others may fare better.
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some((number, open)) = super::auth::lock(&table).enter(limits.connections_max) else {
            if tls.is_none() {
                // What the socket does not take at once, nobody waits for.
                let _ = stream.try_write(FULL.as_bytes());
            }
            continue;
        };
        // Answers are small and awaited.
        let _ = stream.set_nodelay(true);
        let peer = Peer { ip: address.ip().to_canonical(), busy: open.busy };
        let acceptor = tls.as_mut().map(ReloadingTls::acceptor);
        let (router, stop, table) = (router.clone(), stop.clone(), table.clone());
        tokio::spawn(async move {
            serve(stream, acceptor, peer, router, limits, open.close, stop).await;
            super::auth::lock(&table).open.remove(&number);
        });
    }
    while !super::auth::lock(&table).open.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    peer: Peer,
    router: Router,
    limits: ConnectionLimits,
    close: Arc<Notify>,
    stop: watch::Receiver<bool>,
) {
    match tls {
        None => converse(stream, peer, router, limits, close, stop).await,
        Some(tls) => {
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(limits.read_timeout, tls.accept(stream)) => shaken,
                () = close.notified() => return,
            };
            // A client that breaks the handshake off has nothing to hear.
            if let Ok(Ok(stream)) = shaken {
                converse(stream, peer, router, limits, close, stop).await;
            }
        }
    }
}

async fn converse<S>(
    stream: S,
    peer: Peer,
    router: Router,
    limits: ConnectionLimits,
    close: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_timeout)
        .max_buf_size(limits.header_max_bytes)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            // Whatever ended it, there is nobody left to tell.
            _ = connection.as_mut() => return,
            () = close.notified() => return,
            _ = stop.changed(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_is_not_busy_makes_room() {
        let mut table = Table::default();
        let (first, open) = table.enter(2).unwrap();
        let peer = Peer { ip: IpAddr::from([127, 0, 0, 1]), busy: open.busy };
        let (second, _) = table.enter(2).unwrap();
        let busy = peer.busy();
        let (third, other) = table.enter(2).unwrap();
        assert_eq!(table.open.keys().copied().collect::<Vec<_>>(), [first, third], "{second} went");
        let also = Peer { ip: peer.ip, busy: other.busy }.busy();
        assert!(table.enter(2).is_none(), "all are busy");
        drop(busy);
        let (fourth, _) = table.enter(2).unwrap();
        assert_eq!(table.open.keys().copied().collect::<Vec<_>>(), [third, fourth]);
        drop(also);
    }
}
