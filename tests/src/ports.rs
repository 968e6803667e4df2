//! Ports that a program is started on after they were looked for, or again after it was killed.

use std::net::TcpListener;

/// Below those that the system gives to clients: one that tries a port of those again and again
/// while nobody listens there gets itself for an answer, and holds the port.
const PORTS: std::ops::Range<u16> = 10_000..32_768;

/// A port of the loopback that is free, as are those behind it, so many in all, and those that far
/// behind it.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free_ports(count: u16, further: &[u16]) -> u16 {
    let reach = further.iter().copied().chain([count]).max().unwrap_or(count);
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..1_000)
        .map(|_| rand::random_range(PORTS.start..PORTS.end - reach))
        .find(|&port| {
            (0..count).chain(further.iter().copied()).all(|behind| is_free(port + behind))
        })
        .expect("free ports on the loopback")
}
