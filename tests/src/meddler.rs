//! A proxy between two programs, which does to what the one answers what networks and disks do: holds it
//! back, cuts it off, changes a bit of it. It knows nothing of what is said.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What befalls an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing more comes through, for as long as nothing else is set.
    Hold,
    /// Once, the connection is cut.
    Cut,
    /// Once, a bit is another one.
    Flip,
}

struct State {
    server: String,
    fault: Fault,
    /// Bytes of answers that still come through before it befalls them.
    left: u64,
    /// Bytes of answers that have come through since the fault was set.
    passed: u64,
    met: bool,
    stopped: bool,
}

/// The proxy. It ends with the test's process.
pub struct Meddler {
    address: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Meddler {
    /// Stands before the server that listens at this address.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let address = listener.local_addr().expect("it is bound").to_string();
        let server = server.to_owned();
        let (fault, left, passed, met, stopped) = (Fault::None, 0, 0, false, false);
        let state = State { server, fault, left, passed, met, stopped };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let its = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = {
                    let state = lock(&its.0);
                    if state.stopped {
                        return;
                    }
                    state.server.clone()
                };
                // Who cannot be reached hangs up.
                let Ok(server) = TcpStream::connect(server) else { continue };
                join(client, server, &its);
            }
        });
        Self { address, shared }
    }

    /// Its own address, as one of HTTP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What befalls answers from now on, once so many bytes of them have come through.
    pub fn set(&self, fault: Fault, after: u64) {
        let mut state = lock(&self.shared.0);
        (state.fault, state.left, state.passed, state.met) = (fault, after, 0, false);
        self.shared.1.notify_all();
    }

    /// Stands before somebody else from now on: connections that there are stay.
    pub fn stand_before(&self, server: &str) {
        server.clone_into(&mut lock(&self.shared.0).server);
    }

    /// Whether it has befallen an answer.
    #[must_use]
    pub fn is_met(&self) -> bool {
        lock(&self.shared.0).met
    }

    /// Bytes of answers that have come through since the fault was set.
    #[must_use]
    pub fn passed(&self) -> u64 {
        lock(&self.shared.0).passed
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.set(Fault::None, 0);
        lock(&self.shared.0).stopped = true;
        drop(TcpStream::connect(&self.address));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries bytes between a client and the server, each way by a thread.
fn join(mut client: TcpStream, mut server: TcpStream, shared: &Arc<(Mutex<State>, Condvar)>) {
    let (Ok(mut to_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        // Either side ends it by hanging up.
        drop(std::io::copy(&mut client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Both));
    });
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = server.read(&mut bytes) {
            if !befall(&mut bytes[..count], &mut to_client, &shared) {
                break;
            }
        }
        drop(to_client.shutdown(Shutdown::Both));
        drop(server.shutdown(Shutdown::Both));
    });
}

/// Passes bytes on, or does to them what is set; gives whether the connection goes on.
fn befall(bytes: &mut [u8], client: &mut TcpStream, shared: &(Mutex<State>, Condvar)) -> bool {
    let mut state = lock(&shared.0);
    let count = bytes.len() as u64;
    let mut place = 0;
    if state.fault != Fault::None && state.left < count {
        place = state.left as usize;
        state.met = true;
        match state.fault {
            Fault::Flip => {
                bytes[place] ^= 1;
                (state.fault, place) = (Fault::None, 0);
            }
            Fault::Cut => {
                (state.fault, state.left) = (Fault::None, 0);
                state.passed += place as u64;
                drop(state);
                drop(client.write_all(&bytes[..place]));
                return false;
            }
            _ => {
                state.passed += place as u64;
                state.left = 0;
                drop(state);
                if client.write_all(&bytes[..place]).is_err() {
                    return false;
                }
                state = lock(&shared.0);
                while state.fault == Fault::Hold && state.met {
                    state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
    let rest = &bytes[place..];
    state.left = state.left.saturating_sub(rest.len() as u64);
    state.passed += rest.len() as u64;
    drop(state);
    client.write_all(rest).is_ok()
}
