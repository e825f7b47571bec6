//! Sockets in memory whose other side is the body's own: what it puts in is read, what is written it takes out.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};
use tollgate::net::{ByteStream, Endpoint, Listener, Network};

#[derive(Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    /// Nothing more comes in.
    ended: bool,
    closed: bool,
}

/// A connection, as the code under test and the body both hold it.
#[derive(Clone, Default)]
pub struct End(Arc<Mutex<Pipe>>);

impl End {
    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().expect("nobody panics with the pipe in hand")
    }

    /// Lets bytes come in.
    pub fn put(&self, bytes: &[u8]) {
        self.pipe().incoming.extend(bytes);
    }

    pub fn end(&self) {
        self.pipe().ended = true;
    }

    /// Takes what was written.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.pipe().outgoing)
    }

    pub fn is_closed(&self) -> bool {
        self.pipe().closed
    }
}

impl ByteStream for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe();
        if pipe.incoming.is_empty() {
            return if pipe.ended || pipe.closed { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let n = buf.len().min(pipe.incoming.len());
        for (to, from) in buf.iter_mut().zip(pipe.incoming.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut pipe = self.pipe();
        if pipe.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        pipe.outgoing.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn close(&mut self) {
        self.pipe().closed = true;
    }
}

/// Connects to one end, and listens for what the body dials.
#[derive(Clone, Default)]
pub struct Pipes {
    server: End,
    waiting: Arc<Mutex<BTreeMap<String, VecDeque<End>>>>,
}

impl Pipes {
    /// Every connect reaches this end.
    pub fn to(server: &End) -> Pipes {
        Pipes { server: server.clone(), ..Pipes::default() }
    }

    /// A connection to whoever listens there.
    pub fn dial(&self, addr: &str) -> End {
        let end = End::default();
        let mut waiting = self.waiting.lock().expect("nobody panics with the listeners in hand");
        waiting.entry(addr.to_owned()).or_default().push_back(end.clone());
        end
    }
}

impl Network for Pipes {
    fn connect(&mut self, _: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
        Ok(Box::new(self.server.clone()))
    }

    fn listen(&mut self, addr: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Listening { pipes: self.clone(), addr: addr.to_owned() }))
    }
}

struct Listening {
    pipes: Pipes,
    addr: String,
}

impl Listener for Listening {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        let mut waiting = self.pipes.waiting.lock().expect("nobody panics with the listeners in hand");
        let next = waiting.get_mut(&self.addr).and_then(VecDeque::pop_front);
        Ok(next.map(|end| Box::new(end) as Box<dyn ByteStream>))
    }

    fn local_addr(&self) -> String {
        self.addr.clone()
    }
}
