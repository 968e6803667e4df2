//! A proxy between clients and one broker that damages what the broker sends: a bit of a record
//! batch flips, or it says that it is compressed with a codec that nobody has. It speaks as much of
//! Kafka's protocol as it needs for that.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Kafka's number for a Fetch request.
const FETCH: u16 = 1;
/// Where things stand in a record batch of the format 2, counted from its first byte.
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
/// The bits of the attributes that name the codec; 7 is nobody's.
const NO_CODEC: u8 = 7;

/// What the proxy does to batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// A byte of the batch that holds these bytes is another one: its checksum is wrong.
    Flip(Vec<u8>),
    /// The batch that holds these bytes says, with the right checksum, that it is compressed with a
    /// codec that there is not.
    Codec(Vec<u8>),
    /// No answer to a Fetch comes through.
    Withhold,
}

/// The proxy. It ends with the test's process.
pub struct Proxy {
    address: SocketAddr,
    damage: Arc<Mutex<Damage>>,
    stopped: Arc<AtomicBool>,
}

impl Proxy {
    /// Stands before the broker at this address (an IPv4 address and a port).
    ///
    /// # Panics
    /// If it cannot listen, or that is no address.
    #[must_use]
    pub fn before(broker: &str) -> Self {
        let broker: SocketAddr = broker.parse().expect("an address with a port");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let address = listener.local_addr().expect("it is bound");
        let damage = Arc::new(Mutex::new(Damage::None));
        let stopped = Arc::new(AtomicBool::new(false));
        let (its, until) = (Arc::clone(&damage), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if until.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(broker) else { continue };
                join(client, server, address.port(), broker, &its);
            }
        });
        Self { address, damage, stopped }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What is done to batches from now on.
    ///
    /// # Panics
    /// If another thread panicked while it looked.
    pub fn set(&self, damage: Damage) {
        *self.damage.lock().expect("nobody panics while it is held") = damage;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// Carries frames between a client and the broker, each way by a thread.
fn join(
    mut client: TcpStream,
    mut server: TcpStream,
    port: u16,
    broker: SocketAddr,
    damage: &Arc<Mutex<Damage>>,
) {
    let (Ok(mut to_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let fetches = Arc::new(Mutex::new(HashMap::new()));
    let asked = Arc::clone(&fetches);
    std::thread::spawn(move || {
        while let Some(frame) = read_frame(&mut client) {
            let kind = u16::from_be_bytes([frame[0], frame[1]]);
            let correlation = [frame[4], frame[5], frame[6], frame[7]];
            if kind == FETCH {
                asked.lock().expect("nobody panics while it is held").insert(correlation, ());
            }
            if write_frame(&mut to_server, &frame).is_err() {
                break;
            }
        }
        drop(to_server.shutdown(Shutdown::Both));
    });
    let damage = Arc::clone(damage);
    std::thread::spawn(move || {
        // Brokers tell where they listen: host, then port. Clients are to come to us.
        let host = broker.ip().to_string();
        let theirs = [host.as_bytes(), &u32::from(broker.port()).to_be_bytes()].concat();
        let ours = [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        while let Some(mut frame) = read_frame(&mut server) {
            let correlation = [frame[0], frame[1], frame[2], frame[3]];
            let mut fetches = fetches.lock().expect("nobody panics while it is held");
            if fetches.remove(&correlation).is_some() {
                let damage = damage.lock().expect("nobody panics while it is held");
                if *damage == Damage::Withhold {
                    continue;
                }
                damaged(&mut frame, &damage);
            } else {
                while let Some(at) = find(&frame, &theirs) {
                    frame[at..at + ours.len()].copy_from_slice(&ours);
                }
            }
            drop(fetches);
            if write_frame(&mut to_client, &frame).is_err() {
                break;
            }
        }
        drop(to_client.shutdown(Shutdown::Both));
    });
}

/// A frame without its length; none at the end of the stream. Every one has eight bytes at least,
/// or four from a broker.
fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).ok()?;
    (frame.len() >= 8).then_some(frame)
}

fn write_frame(stream: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(frame.len()).expect("a frame that came whole");
    stream.write_all(&[&length.to_be_bytes()[..], frame].concat())
}

fn damaged(frame: &mut [u8], damage: &Damage) {
    let (Damage::Flip(mark) | Damage::Codec(mark)) = damage else { return };
    let Some(at) = find(frame, mark) else { return };
    if matches!(damage, Damage::Flip(_)) {
        frame[at] ^= 1;
        return;
    }
    // The batch begins before the mark, at the place from which its length reaches behind it.
    let begins = (0..at).rev().find(|&begin| {
        let length = batch_length(frame, begin);
        length.is_some_and(|length| begin + length > at && frame[begin + MAGIC_AT] == 2)
    });
    let Some(begin) = begins else { return };
    let Some(length) = batch_length(frame, begin) else { return };
    frame[begin + ATTRIBUTES_AT + 1] |= NO_CODEC;
    let checksum = crc32c(&frame[begin + ATTRIBUTES_AT..begin + length]);
    frame[begin + CRC_AT..begin + CRC_AT + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// The length of a batch that would begin here, with its first two fields; none if it does not fit,
/// or its checksum is another: then none begins here.
fn batch_length(frame: &[u8], begin: usize) -> Option<usize> {
    let field = frame.get(begin + 8..begin + 12)?;
    let length = u32::from_be_bytes(field.try_into().ok()?) as usize + 12;
    let batch = frame.get(begin..begin + length).filter(|batch| batch.len() > ATTRIBUTES_AT)?;
    let checksum = crc32c(&batch[ATTRIBUTES_AT..]).to_be_bytes();
    (batch[CRC_AT..CRC_AT + 4] == checksum).then_some(length)
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

/// The checksum of a record batch (Castagnoli's polynomial).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }
}
