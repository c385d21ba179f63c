//! A TCP proxy that counts what a PostgreSQL client does, and cuts its connection at a chosen message.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::postgres::{Database, Server};

/// A proxy on a port of its own in front of a server. It accepts until dropped; open connections last until either side
/// closes them.
///
/// Counting begins for each connection once the server has said that it is ready for the first query, so startup and
/// authentication do not count. What a client has sent is counted before it is passed on: when an answer has reached the
/// client, the question is in the counts. An encrypted connection is opaque and counts nothing.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    counts: Arc<Mutex<Counts>>,
    watch: Arc<Mutex<Watch>>,
    stopped: Arc<AtomicBool>,
}

/// A message on its way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Its number since the watching began, from 1, over all connections and both directions.
    pub number: usize,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Its type, such as `'Q'` from the client or `'Z'` from the server; `'0'` for the startup message.
    pub kind: char,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Pass,
    /// The connection is cut in both directions; the receiver never sees it.
    CutBefore,
    /// It goes on, and then the connection is cut in both directions.
    CutAfter,
}

/// Who decides on messages.
type Watcher = Box<dyn FnMut(Passing) -> Fate + Send>;

#[derive(Default)]
struct Watch {
    number: usize,
    watcher: Option<Watcher>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Watch {
    fn decide(&mut self, from_client: bool, kind: u8) -> Fate {
        self.number += 1;
        let passing = Passing { number: self.number, from_client, kind: char::from(kind) };
        self.watcher.as_mut().map_or(Fate::Pass, |watcher| watcher(passing))
    }
}

#[derive(Debug, Default)]
struct Counts {
    round_trips: usize,
    waits: usize,
    messages: BTreeMap<u8, usize>,
}

impl Proxy {
    /// A proxy in front of `host:port`.
    ///
    /// # Panics
    ///
    /// When no port can be listened on.
    pub fn new(host: &str, port: u16) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("cannot listen on 127.0.0.1: is loopback up?");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (counts, stopped) = (Arc::<Mutex<Counts>>::default(), Arc::<AtomicBool>::default());
        let watch = Arc::<Mutex<Watch>>::default();
        let (shared, watched, stop) = (counts.clone(), watch.clone(), stopped.clone());
        let target = (host.to_owned(), port);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                // A server that refuses is passed on to the client as a connection that closes at once.
                if let Ok(server) = TcpStream::connect((target.0.as_str(), target.1)) {
                    let _ = join(&client, &server, &shared, &watched);
                }
            }
        });
        Self { port: address.port(), counts, watch, stopped }
    }

    /// A proxy in front of a server's TCP port.
    ///
    /// # Panics
    ///
    /// As [`Proxy::new`].
    pub fn to(server: &Server) -> Self {
        Self::new(server.host(), server.port())
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL that reaches the database through this proxy.
    pub fn url_for(&self, database: &Database) -> String {
        database.url_at("127.0.0.1", self.port)
    }

    /// How often the traffic turned from server to client and back: the client spoke after the server had.
    ///
    /// Pipelined messages are one round trip as long as the server has not begun to answer. Good-bye (`X`) is none, and
    /// what a server sends unasked (notices, notifications, parameters) is no answer.
    pub fn round_trips(&self) -> usize {
        lock(&self.counts).round_trips
    }

    /// How often the server had nothing left to do when the client spoke: it had answered every query and every sync before.
    ///
    /// That is what a slow network costs. A client that always has a further message under way never makes the server
    /// wait, however many round trips it makes.
    pub fn waits(&self) -> usize {
        lock(&self.counts).waits
    }

    /// How many messages of a type clients sent: `'Q'` simple query, `'P'` parse, `'E'` execute, `'S'` sync, `'X'` end.
    pub fn messages(&self, kind: char) -> usize {
        let kind = u8::try_from(kind).expect("the type of a message is an ASCII character");
        lock(&self.counts).messages.get(&kind).copied().unwrap_or(0)
    }

    /// Begins again at zero.
    pub fn reset(&self) {
        *lock(&self.counts) = Counts::default();
    }

    /// Asks `watcher` about every message from now on, one at a time, before it is passed on. It may do anything
    /// meanwhile, such as killing the client: both directions of all connections wait for it.
    pub fn watch(&self, watcher: impl FnMut(Passing) -> Fate + Send + 'static) {
        *lock(&self.watch) = Watch { number: 0, watcher: Some(Box::new(watcher)) };
    }

    /// How many messages have passed in both directions since the watching began.
    pub fn watched(&self) -> usize {
        lock(&self.watch).number
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when this fails the thread is gone already.
        let _ = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// One connection, as both of its directions see it.
#[derive(Default)]
struct Connection {
    ready: bool,
    client_spoke_last: bool,
    /// Queries and syncs whose end (`Z`) has not come yet.
    unanswered: usize,
    /// The server's one-byte answers to requests for encryption, which have no frame, that are still to come.
    bare_bytes: usize,
}

fn join(
    client: &TcpStream,
    server: &TcpStream,
    counts: &Arc<Mutex<Counts>>,
    watch: &Arc<Mutex<Watch>>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let connection = Arc::<Mutex<Connection>>::default();

    let (counts, state, mut started) = (counts.clone(), connection.clone(), false);
    let mut scissors = Scissors::new(watch.clone(), true);
    pump(client.try_clone()?, server.try_clone()?, move |bytes| {
        for (index, byte) in bytes.iter().enumerate() {
            let head = if started {
                scissors.frames.typed(*byte).map(|kind| (kind, 5))
            } else {
                match scissors.frames.startup(*byte) {
                    // The codes of SSLRequest and GSSENCRequest: the true startup message comes after the answer.
                    Some(80_877_103 | 80_877_104) => {
                        lock(&state).bare_bytes += 1;
                        None
                    }
                    Some(_) => {
                        started = true;
                        Some((b'0', 8))
                    }
                    None => None,
                }
            };
            if let Some((kind, _)) = head.filter(|(kind, _)| *kind != b'0') {
                let mut connection = lock(&state);
                if connection.ready {
                    let mut counts = lock(&counts);
                    *counts.messages.entry(kind).or_default() += 1;
                    if kind != b'X' && !std::mem::replace(&mut connection.client_spoke_last, true) {
                        counts.round_trips += 1;
                    }
                    if matches!(kind, b'Q' | b'S') {
                        counts.waits += usize::from(connection.unanswered == 0);
                        connection.unanswered += 1;
                    }
                }
            }
            if let Some(end) = scissors.cut(index, head) {
                return Some(end);
            }
        }
        None
    });

    let state = connection;
    let mut scissors = Scissors::new(watch.clone(), false);
    pump(server.try_clone()?, client.try_clone()?, move |bytes| {
        for (index, byte) in bytes.iter().enumerate() {
            let mut connection = lock(&state);
            let head = if connection.bare_bytes > 0 {
                connection.bare_bytes -= 1;
                None
            } else {
                scissors.frames.typed(*byte).map(|kind| (kind, 5))
            };
            if let Some((kind, _)) = head {
                // The first one ends the startup, which no query asked for.
                if kind == b'Z' && std::mem::replace(&mut connection.ready, true) {
                    connection.unanswered = connection.unanswered.saturating_sub(1);
                }
                connection.client_spoke_last &= matches!(kind, b'N' | b'A' | b'S');
            }
            drop(connection);
            if let Some(end) = scissors.cut(index, head) {
                return Some(end);
            }
        }
        None
    });
    Ok(())
}

/// Copies one direction in a thread, each piece shown to `look` before it is sent. When `look` names a length, so much of
/// the piece is sent and then both directions are closed.
fn pump(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8]) -> Option<usize> + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let end = look(&buffer[..count]);
            let sent = to.write_all(&buffer[..end.unwrap_or(count)]);
            if end.is_some() {
                let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
                return;
            }
            if sent.is_err() {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
    });
}

/// Finds where one direction of a connection is to be cut.
struct Scissors {
    frames: Frames,
    watch: Arc<Mutex<Watch>>,
    from_client: bool,
    /// The connection is cut where the present message ends.
    at_end: bool,
}

impl Scissors {
    fn new(watch: Arc<Mutex<Watch>>, from_client: bool) -> Self {
        Self { frames: Frames::default(), watch, from_client, at_end: false }
    }

    /// How much of a piece is passed on, if the connection is to be cut at the byte of this index. `head` is the type and
    /// the length of the head that is complete with this byte.
    fn cut(&mut self, index: usize, head: Option<(u8, usize)>) -> Option<usize> {
        if let Some((kind, length)) = head {
            match lock(&self.watch).decide(self.from_client, kind) {
                Fate::Pass => {}
                Fate::CutBefore => return Some((index + 1).saturating_sub(length)),
                Fate::CutAfter => self.at_end = true,
            }
        }
        (self.at_end && self.frames.body == 0).then_some(index + 1)
    }
}

/// Finds where messages begin in a stream that arrives in pieces.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    body: usize,
}

impl Frames {
    /// Takes a byte of a stream of messages with a type; says the type when the head of a message is complete.
    fn typed(&mut self, byte: u8) -> Option<u8> {
        let head = self.take(byte, 5)?;
        self.body = length(&head[1..5]).saturating_sub(4);
        Some(head[0])
    }

    /// Takes a byte of a message of the startup phase, which has no type; says its code.
    fn startup(&mut self, byte: u8) -> Option<usize> {
        let head = self.take(byte, 8)?;
        self.body = length(&head[..4]).saturating_sub(8);
        Some(length(&head[4..8]))
    }

    fn take(&mut self, byte: u8, size: usize) -> Option<Vec<u8>> {
        if self.body > 0 {
            self.body -= 1;
            return None;
        }
        self.head.push(byte);
        (self.head.len() == size).then(|| std::mem::take(&mut self.head))
    }
}

fn length(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// A panic in another thread leaves counts that are still counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Output, run};

    fn psql(url: &str, arguments: &[&str]) -> Output {
        let mut psql = Server::shared().tool("psql");
        run(psql.args(["-X", "-q", "-A", "-t", "-d", url]).args(arguments))
    }

    /// Waits for what happens after the client is gone: its good-bye may still be on the way.
    #[track_caller]
    fn eventually(condition: impl Fn() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the condition did not come true");
    }

    #[test]
    fn psql_through_the_proxy() {
        let server = Server::shared();
        let (database, proxy) = (server.database(), Proxy::to(server));
        let url = proxy.url_for(&database);
        let output = psql(&url, &["-c", "SELECT 1", "-c", "DO $$BEGIN RAISE NOTICE 'x'; END$$", "-c", "SELECT 2"]);
        assert_eq!((output.code, output.stdout.as_str()), (0, "1\n2\n"), "{}", output.stderr);
        assert_eq!((proxy.round_trips(), proxy.messages('Q'), proxy.messages('P')), (3, 3, 0));
        assert_eq!(proxy.waits(), 3);
        eventually(|| proxy.messages('X') == 1);
        assert_eq!(proxy.round_trips(), 3);

        proxy.reset();
        assert_eq!(psql(&url, &["-c", "SELECT repeat('x', 100000)"]).stdout.len(), 100_001);
        assert_eq!((proxy.round_trips(), proxy.messages('Q')), (1, 1));
    }

    #[test]
    fn copy_takes_a_second_turn() {
        let server = Server::shared();
        let (database, proxy) = (server.database(), Proxy::to(server));
        database.psql("CREATE TABLE t (a text)");
        let output = psql(&proxy.url_for(&database), &["-c", "\\copy t from /dev/null"]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert_eq!((proxy.round_trips(), proxy.messages('c')), (2, 1));
    }

    #[test]
    fn cut_before_and_after_a_message() {
        let server = Server::shared();
        let (database, proxy) = (server.database(), Proxy::to(server));
        let url = proxy.url_for(&database);
        database.psql("CREATE TABLE t (a integer)");
        let query = "INSERT INTO t VALUES (1)";
        let rows = || database.psql("SELECT count(*) FROM t");
        let cut = |from_client: bool, kind: char, fate: Fate| {
            proxy.watch(
                move |passing| {
                    if passing.from_client == from_client && passing.kind == kind { fate } else { Fate::Pass }
                },
            );
            psql(&url, &["-c", query]).code
        };
        // The question is lost.
        assert_eq!((cut(true, 'Q', Fate::CutBefore), rows().as_str()), (2, "0"));
        // The answer is lost: what was asked for is done.
        assert_eq!((cut(false, 'C', Fate::CutBefore), rows().as_str()), (2, "1"));
        // The client hears that it is done, and no more.
        assert_eq!((cut(false, 'C', Fate::CutAfter), rows().as_str()), (2, "2"));
        assert_eq!(cut(true, '0', Fate::CutBefore), 2);
        // The server has the question, and the client is gone.
        assert_eq!(cut(true, 'Q', Fate::CutAfter), 2);
        eventually(|| rows() == "3");
        proxy.watch(|_| Fate::Pass);
        assert_eq!((psql(&url, &["-c", query]).code, rows().as_str()), (0, "4"));
        assert!(proxy.watched() > 5, "{}", proxy.watched());
    }

    #[test]
    fn dropped_proxy_refuses() {
        let server = Server::shared();
        let (database, proxy) = (server.database(), Proxy::to(server));
        let url = proxy.url_for(&database);
        drop(proxy);
        eventually(|| psql(&url, &["-c", "SELECT 1"]).code == 2);
    }

    #[test]
    fn frames_in_pieces() {
        let mut frames = Frames::default();
        let stream = [b"S\0\0\0\x04".as_slice(), b"Q\0\0\0\x09S\0\0\0\0", b"X\0\0\0\x04"].concat();
        let kinds: Vec<u8> = stream.iter().filter_map(|byte| frames.typed(*byte)).collect();
        assert_eq!(kinds, b"SQX");
    }
}
