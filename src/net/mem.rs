//! Sockets in memory, under a virtual clock, from one seed: what a simulation runs the real agents on.
//!
//! Same seed and same calls: same bytes at the same times. Each connection draws from a generator of its own, so one
//! more connection changes nothing on the others. Bytes of one direction stay in order, as TCP keeps them; they come
//! late (latency and jitter), in pieces (`chunk_max`), not beyond what the reader's buffer holds, or not at all (reset,
//! freeze, refusal).

use super::{ByteStream, Endpoint, Listener, Network};
use crate::domain::Nanos;
use crate::telemetry::clock::Clock;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// How the connections to one listener behave. Read when a connection is made, and at each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPlan {
    /// One way, of connects too.
    pub latency_ns: Nanos,
    /// Up to this is added to each write's latency, evenly drawn.
    pub jitter_ns: Nanos,
    /// Bytes written and not yet read, at most, each way.
    pub buffer: usize,
    /// Each read and write moves at most this many bytes, evenly drawn from 1; 0 moves all there is room for.
    pub chunk_max: usize,
    /// Chance of a write to break the connection at a byte within it, in parts per million. The writer is told that
    /// all was taken, as a kernel would say.
    pub reset_ppm: u32,
    /// Chance of a connect to be refused, in parts per million.
    pub refuse_ppm: u32,
}

impl Default for LinkPlan {
    /// Instant, whole, and without faults.
    fn default() -> Self {
        LinkPlan { latency_ns: 0, jitter_ns: 0, buffer: 1 << 20, chunk_max: 0, reset_ppm: 0, refuse_ppm: 0 }
    }
}

/// The whole network: listeners, connections, and the faults a test commands.
#[derive(Clone)]
pub struct MemHub(Arc<Mutex<Hub>>);

struct Hub {
    clock: Clock,
    seed: u64,
    plan: LinkPlan,
    ports: BTreeMap<String, Port>,
    connections: BTreeMap<u64, Connection>,
    connects: u64,
    next_port: u16,
}

/// What is known of one `host:port`, listened on or not.
#[derive(Default)]
struct Port {
    listening: bool,
    plan: Option<LinkPlan>,
    refusing: bool,
    frozen: bool,
    /// Connections not yet accepted, and when each reaches the listener.
    backlog: VecDeque<(Nanos, u64)>,
}

struct Connection {
    port: String,
    rng: fastrand::Rng,
    /// When the client's handshake is through.
    up_at: Nanos,
    refused: bool,
    /// From when each end finds the connection reset.
    reset_at: [Option<Nanos>; 2],
    /// What each end has written.
    ways: [Way; 2],
    /// Which ends are still held by somebody.
    held: [bool; 2],
}

#[derive(Default)]
struct Way {
    segments: VecDeque<(Nanos, Vec<u8>)>,
    /// Bytes of the first segment already read.
    read: usize,
    bytes: usize,
    last_arrival: Nanos,
    /// When the end of the stream arrives.
    fin_at: Option<Nanos>,
    /// Nothing written later arrives: the connection was cut within a write.
    cut: bool,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl MemHub {
    pub fn new(clock: &Clock, seed: u64) -> MemHub {
        MemHub(Arc::new(Mutex::new(Hub {
            clock: clock.clone(),
            seed,
            plan: LinkPlan::default(),
            ports: BTreeMap::new(),
            connections: BTreeMap::new(),
            connects: 0,
            next_port: 50_000,
        })))
    }

    /// What an agent is handed.
    pub fn network(&self) -> MemNetwork {
        MemNetwork(self.clone())
    }

    /// The plan of every `host:port` that has none of its own.
    pub fn set_default_plan(&self, plan: LinkPlan) {
        self.hub().plan = plan;
    }

    pub fn set_plan(&self, addr: &str, plan: LinkPlan) {
        self.hub().port(addr).plan = Some(plan);
    }

    /// Resets every connection of `addr` now, both ends; what was on the way is lost. Says how many that were.
    pub fn reset(&self, addr: &str) -> usize {
        let mut hub = self.hub();
        let now = hub.clock.now();
        let mut n = 0;
        for connection in hub.connections.values_mut().filter(|c| c.port == addr && c.reset_at == [None; 2]) {
            connection.reset_at = [Some(now); 2];
            n += 1;
        }
        n
    }

    /// Connects to `addr` are refused while this holds.
    pub fn refuse(&self, addr: &str, refusing: bool) {
        self.hub().port(addr).refusing = refusing;
    }

    /// While frozen nothing arrives on the connections of `addr`, though nobody is told: a dead link.
    pub fn freeze(&self, addr: &str, frozen: bool) {
        self.hub().port(addr).frozen = frozen;
    }

    /// The earliest arrival later than now: where a test may move its clock to.
    pub fn next_arrival(&self) -> Option<Nanos> {
        let hub = self.hub();
        let now = hub.clock.now();
        let backlogs = hub.ports.values().flat_map(|p| p.backlog.iter().map(|b| b.0));
        let connections = hub.connections.values().flat_map(|c| {
            let ways = c.ways.iter().flat_map(|w| w.segments.iter().map(|s| s.0).chain(w.fin_at));
            ways.chain(c.reset_at.iter().copied().flatten()).chain([c.up_at])
        });
        backlogs.chain(connections).filter(|&at| at > now).min()
    }

    /// Connections to `addr` of which at least one end is held.
    pub fn connections(&self, addr: &str) -> usize {
        self.hub().connections.values().filter(|c| c.port == addr).count()
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // A panic while the lock was held is a failed test already: its state is still the best there is.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Hub {
    fn port(&mut self, addr: &str) -> &mut Port {
        self.ports.entry(addr.to_owned()).or_default()
    }

    fn plan_of(&self, addr: &str) -> LinkPlan {
        self.ports.get(addr).and_then(|p| p.plan).unwrap_or(self.plan)
    }

    fn is_frozen(&self, addr: &str) -> bool {
        self.ports.get(addr).is_some_and(|p| p.frozen)
    }
}

/// A `Network` of a hub.
pub struct MemNetwork(MemHub);

impl Network for MemNetwork {
    fn connect(&mut self, to: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
        if to.tls {
            return Err(io::Error::new(ErrorKind::Unsupported, "TLS is not offered on sockets in memory"));
        }
        let addr = format!("{}:{}", to.host, to.port);
        let mut hub = self.0.hub();
        let now = hub.clock.now();
        let plan = hub.plan_of(&addr);
        let id = hub.connects;
        hub.connects += 1;
        let mut rng = fastrand::Rng::with_seed(hub.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let chance = rng.u32(..1_000_000) < plan.refuse_ppm;
        let port = hub.port(&addr);
        let refused = chance || port.refusing || !port.listening;
        if !refused {
            port.backlog.push_back((now + plan.latency_ns, id));
        }
        hub.connections.insert(
            id,
            Connection {
                port: addr,
                rng,
                up_at: now + 2 * plan.latency_ns,
                refused,
                reset_at: [None; 2],
                ways: [Way::default(), Way::default()],
                held: [true, !refused],
            },
        );
        drop(hub);
        Ok(Box::new(MemStream { hub: self.0.clone(), id, end: CLIENT, closed: false }))
    }

    fn listen(&mut self, addr: &str) -> io::Result<Box<dyn Listener>> {
        let mut hub = self.0.hub();
        let addr = match addr.strip_suffix(":0") {
            Some(host) => {
                hub.next_port += 1;
                format!("{host}:{}", hub.next_port)
            }
            None => addr.to_owned(),
        };
        let port = hub.port(&addr);
        if port.listening {
            return Err(io::Error::new(ErrorKind::AddrInUse, format!("{addr} is taken by another listener")));
        }
        port.listening = true;
        drop(hub);
        Ok(Box::new(MemListener { hub: self.0.clone(), addr }))
    }
}

struct MemListener {
    hub: MemHub,
    addr: String,
}

impl Listener for MemListener {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        let mut hub = self.hub.hub();
        let now = hub.clock.now();
        let backlog = &mut hub.port(&self.addr).backlog;
        match backlog.front() {
            Some(&(at, id)) if at <= now => {
                backlog.pop_front();
                Ok(Some(Box::new(MemStream { hub: self.hub.clone(), id, end: SERVER, closed: false })))
            }
            _ => Ok(None),
        }
    }

    fn local_addr(&self) -> String {
        self.addr.clone()
    }
}

impl Drop for MemListener {
    fn drop(&mut self) {
        let mut hub = self.hub.hub();
        let now = hub.clock.now();
        let port = hub.port(&self.addr);
        port.listening = false;
        let waiting: Vec<u64> = port.backlog.drain(..).map(|(_, id)| id).collect();
        for id in waiting {
            if let Some(connection) = hub.connections.get_mut(&id) {
                connection.reset_at = [Some(now); 2];
                connection.held[SERVER] = false;
            }
        }
    }
}

/// One end of a connection.
struct MemStream {
    hub: MemHub,
    id: u64,
    end: usize,
    closed: bool,
}

impl Connection {
    /// What stands in the way of reading or writing at `end`.
    fn obstacle(&self, end: usize, now: Nanos) -> Option<io::Error> {
        if end == CLIENT && now < self.up_at {
            return Some(ErrorKind::WouldBlock.into());
        }
        if self.refused {
            return Some(io::Error::new(ErrorKind::ConnectionRefused, format!("{} refused", self.port)));
        }
        if self.reset_at[end].is_some_and(|at| at <= now) {
            return Some(ErrorKind::ConnectionReset.into());
        }
        None
    }

    fn chunk(&mut self, most: usize, plan: &LinkPlan) -> usize {
        if plan.chunk_max == 0 || most == 0 { most } else { self.rng.usize(1..=plan.chunk_max).min(most) }
    }
}

impl ByteStream for MemStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(0);
        }
        let mut hub = self.hub.hub();
        let now = hub.clock.now();
        let Some(connection) = hub.connections.get(&self.id) else { return Ok(0) };
        let plan = hub.plan_of(&connection.port);
        let frozen = hub.is_frozen(&connection.port);
        let Some(connection) = hub.connections.get_mut(&self.id) else { return Ok(0) };
        if let Some(error) = connection.obstacle(self.end, now) {
            return Err(error);
        }
        let from = 1 - self.end;
        let way = &connection.ways[from];
        let arrived: usize = way.segments.iter().take_while(|s| s.0 <= now).map(|s| s.1.len()).sum::<usize>();
        let arrived = arrived.saturating_sub(way.read);
        if frozen || (arrived == 0 && way.fin_at.is_none_or(|at| at > now || !way.segments.is_empty())) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = connection.chunk(arrived.min(buf.len()), &plan);
        let way = &mut connection.ways[from];
        let mut done = 0;
        while done < most {
            let Some((_, segment)) = way.segments.front() else { break };
            let n = (segment.len() - way.read).min(most - done);
            buf[done..done + n].copy_from_slice(&segment[way.read..way.read + n]);
            done += n;
            way.read += n;
            if way.read == segment.len() {
                way.segments.pop_front();
                way.read = 0;
            }
        }
        way.bytes -= done;
        Ok(done)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut hub = self.hub.hub();
        let now = hub.clock.now();
        let Some(connection) = hub.connections.get(&self.id) else { return Err(ErrorKind::BrokenPipe.into()) };
        let plan = hub.plan_of(&connection.port);
        let Some(connection) = hub.connections.get_mut(&self.id) else { return Err(ErrorKind::BrokenPipe.into()) };
        if let Some(error) = connection.obstacle(self.end, now) {
            return Err(error);
        }
        // The peer has closed, and we have heard of it: TCP answers with a reset.
        if connection.ways[1 - self.end].fin_at.is_some_and(|at| at <= now) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = plan.buffer.saturating_sub(connection.ways[self.end].bytes);
        let n = connection.chunk(buf.len().min(room), &plan);
        if n == 0 {
            return if buf.is_empty() { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let jitter = if plan.jitter_ns > 0 { connection.rng.i64(0..=plan.jitter_ns) } else { 0 };
        let arrives = (now + plan.latency_ns + jitter).max(connection.ways[self.end].last_arrival);
        let broken = plan.reset_ppm > 0 && connection.rng.u32(..1_000_000) < plan.reset_ppm;
        let kept = if broken { connection.rng.usize(0..n) } else { n };
        let way = &mut connection.ways[self.end];
        if !way.cut && kept > 0 {
            way.segments.push_back((arrives, buf[..kept].to_vec()));
            way.bytes += kept;
            way.last_arrival = arrives;
        }
        if broken {
            way.cut = true;
            connection.reset_at[1 - self.end].get_or_insert(arrives + 1);
            connection.reset_at[self.end].get_or_insert(arrives + plan.latency_ns + 1);
        }
        Ok(n)
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let mut hub = self.hub.hub();
        let now = hub.clock.now();
        let Some(connection) = hub.connections.get(&self.id) else { return };
        let plan = hub.plan_of(&connection.port);
        let Some(connection) = hub.connections.get_mut(&self.id) else { return };
        connection.held[self.end] = false;
        let way = &mut connection.ways[self.end];
        way.fin_at = Some((now + plan.latency_ns).max(way.last_arrival));
        if connection.held == [false; 2] {
            hub.connections.remove(&self.id);
        }
    }
}

impl Drop for MemStream {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDR: &str = "venue:1";

    fn to() -> Endpoint {
        Endpoint { host: "venue".to_owned(), port: 1, tls: false }
    }

    struct Rig {
        clock: Clock,
        hub: MemHub,
        listener: Box<dyn Listener>,
    }

    fn rig(seed: u64, plan: LinkPlan) -> Rig {
        let clock = Clock::virtual_at(1_000);
        let hub = MemHub::new(&clock, seed);
        hub.set_default_plan(plan);
        let listener = hub.network().listen(ADDR).unwrap();
        Rig { clock, hub, listener }
    }

    impl Rig {
        fn pair(&mut self) -> (Box<dyn ByteStream>, Box<dyn ByteStream>) {
            let client = self.hub.network().connect(&to()).unwrap();
            while let Some(at) = self.hub.next_arrival() {
                self.clock.set(at);
            }
            (client, self.listener.accept().unwrap().unwrap())
        }
    }

    /// What a reader sees, step by step: when, and which bytes.
    fn transcript(seed: u64) -> Vec<(Nanos, Result<Vec<u8>, ErrorKind>)> {
        let plan = LinkPlan {
            latency_ns: 500,
            jitter_ns: 700,
            buffer: 300,
            chunk_max: 64,
            reset_ppm: 4_000,
            ..LinkPlan::default()
        };
        let mut rig = rig(seed, plan);
        let (mut client, mut server) = rig.pair();
        let mut seen = Vec::new();
        let mut next = 0u8;
        for _ in 0..400 {
            let bytes: Vec<u8> = (0..40).map(|i| next.wrapping_add(i)).collect();
            if let Ok(n) = client.write(&bytes) {
                next = next.wrapping_add(n as u8);
            }
            rig.clock.set(rig.clock.now() + 100);
            let mut buf = [0u8; 128];
            let got = server.read(&mut buf).map(|n| buf[..n].to_vec()).map_err(|e| e.kind());
            seen.push((rig.clock.now(), got));
        }
        seen
    }

    #[test]
    fn one_seed_is_one_history_and_bytes_stay_in_order() {
        for seed in 0..20 {
            let seen = transcript(seed);
            assert_eq!(seen, transcript(seed), "seed {seed}");
            let bytes: Vec<u8> = seen.iter().filter_map(|s| s.1.as_ref().ok()).flatten().copied().collect();
            let want: Vec<u8> = (0..bytes.len()).map(|i| i as u8).collect();
            assert_eq!(bytes, want, "seed {seed}");
        }
        assert_ne!(transcript(1), transcript(2));
        let resets = (0..20).filter(|s| transcript(*s).iter().any(|s| s.1 == Err(ErrorKind::ConnectionReset))).count();
        assert!((1..20).contains(&resets), "{resets} of 20 runs were reset");
    }

    #[test]
    fn bytes_arrive_after_the_latency_and_not_before() {
        let mut rig = rig(1, LinkPlan { latency_ns: 500, ..LinkPlan::default() });
        let (mut client, mut server) = rig.pair();
        let t = rig.clock.now();
        assert_eq!(client.write(b"abc").unwrap(), 3);
        let mut buf = [0u8; 8];
        rig.clock.set(t + 499);
        assert_eq!(server.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(rig.hub.next_arrival(), Some(t + 500));
        rig.clock.set(t + 500);
        assert_eq!(server.read(&mut buf).unwrap(), 3);
        drop(client);
        assert_eq!(server.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        rig.clock.set(t + 1000);
        assert_eq!(server.read(&mut buf).unwrap(), 0);
        assert_eq!(server.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(server);
        assert_eq!(rig.hub.connections(ADDR), 0);
    }

    #[test]
    fn a_full_buffer_a_frozen_link_a_reset_and_a_refusal_are_told_as_a_socket_would() {
        let mut rig = rig(1, LinkPlan { buffer: 4, ..LinkPlan::default() });
        let (mut client, mut server) = rig.pair();
        assert_eq!(client.write(b"abcdef").unwrap(), 4);
        assert_eq!(client.write(b"ef").unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut buf = [0u8; 8];
        rig.hub.freeze(ADDR, true);
        assert_eq!(server.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        rig.hub.freeze(ADDR, false);
        assert_eq!(server.read(&mut buf).unwrap(), 4);
        assert_eq!(rig.hub.reset(ADDR), 1);
        assert_eq!(server.read(&mut buf).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);

        rig.hub.refuse(ADDR, true);
        let mut refused = rig.hub.network().connect(&to()).unwrap();
        assert_eq!(refused.read(&mut buf).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let nobody = Endpoint { host: "nobody".to_owned(), port: 9, tls: false };
        let mut refused = rig.hub.network().connect(&nobody).unwrap();
        assert_eq!(refused.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(rig.hub.network().listen(ADDR).is_err_and(|e| e.to_string().contains(ADDR)));
    }
}
