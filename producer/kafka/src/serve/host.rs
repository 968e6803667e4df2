//! Which names of a host are this machine's own: a page of a name that an attacker points to 127.0.0.1
//! would else be of the same origin (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

/// Whether a host, with or without a port, is this machine's loopback or the address listened on.
pub fn is_this_machine(host: &str, listen: Option<SocketAddr>) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(""),
        None => name,
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| {
            address.is_loopback() || listen.is_some_and(|listen| listen.ip() == address)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_the_address_listened_on() {
        let listen = "127.0.0.1:8080".parse().ok();
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.1.2.3", "[::1]:80", "[::1]"]
        {
            assert!(is_this_machine(host, listen) && is_this_machine(host, None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.nip.io",
            "",
            "[::1",
            "10.0.0.2",
            "192.168.0.2:8470",
        ] {
            assert!(!is_this_machine(host, listen) && !is_this_machine(host, None), "{host}");
        }
        assert!(is_this_machine("10.0.0.2:8080", "10.0.0.2:8080".parse().ok()));
    }
}
