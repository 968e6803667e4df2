//! TLS for the tests: an authority of a test's own, and a front that speaks https before any plain
//! HTTP server, as a proxy before a worker or a registry does. It remembers what heads of requests
//! it has passed on.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tempfile::NamedTempFile;

/// An https server before a plain one, by the name `localhost` and no other.
pub struct TlsFront {
    port: u16,
    authority: NamedTempFile,
    heads: Arc<Mutex<Vec<String>>>,
}

impl TlsFront {
    /// Starts it before the server at this `HOST:PORT`.
    ///
    /// # Panics
    /// If no certificate can be made or no port be had.
    #[must_use]
    pub fn before(upstream: &str) -> Self {
        let made = certificates().expect("an authority and a certificate by it");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let port = listener.local_addr().expect("it is bound").port();
        let mut authority = NamedTempFile::new().expect("a file");
        authority.write_all(&made.authority).expect("a certificate is written");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, upstream) = (Arc::clone(&heads), upstream.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let acceptor = made.acceptor.clone();
                let (seen, upstream) = (Arc::clone(&seen), upstream.clone());
                std::thread::spawn(move || {
                    // Who does not trust the certificate has gone away already.
                    if let Ok(stream) = acceptor.accept(stream) {
                        drop(pass_on(stream, &upstream, &seen));
                    }
                });
            }
        });
        Self { port, authority, heads }
    }

    /// Its address, by the name in its certificate.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Its port on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with the certificate of the authority that signed its own.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.authority.path()
    }

    /// The heads of all requests so far, in small letters but for the values.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Passes one request on, and its whole answer back.
fn pass_on(
    stream: SslStream<TcpStream>,
    upstream: &str,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut behind = TcpStream::connect(upstream)?;
    write!(behind, "{head}Connection: close\r\n\r\n")?;
    behind.write_all(&body)?;
    let mut stream = reader.into_inner();
    std::io::copy(&mut behind, &mut stream)?;
    drop(stream.shutdown());
    Ok(())
}

struct Made {
    authority: Vec<u8>,
    acceptor: SslAcceptor,
}

fn certificates() -> Result<Made, ErrorStack> {
    let authority_key = key()?;
    // A name of its own: one that trusts two of them finds the right one by it.
    let name = format!("Laju test authority {:08x}", rand::random::<u32>());
    let authority = certificate(&name, &authority_key, None)?;
    let own_key = key()?;
    let own = certificate("localhost", &own_key, Some((&authority, &authority_key)))?;
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    acceptor.set_private_key(&own_key)?;
    acceptor.set_certificate(&own)?;
    acceptor.add_extra_chain_cert(authority.clone())?;
    Ok(Made { authority: authority.to_pem()?, acceptor: acceptor.build() })
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)
}

/// A certificate by an authority, or that of an authority.
fn certificate(
    name: &str,
    key: &PKey<Private>,
    by: Option<(&X509, &PKey<Private>)>,
) -> Result<X509, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let serial = BigNum::from_u32(if by.is_some() { 2 } else { 1 })?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(by.map_or(&*subject, |(authority, _)| authority.subject_name()))?;
    builder.set_pubkey(key)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(2)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    if by.is_some() {
        let names =
            SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None))?;
        builder.append_extension(names)?;
    } else {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    }
    builder.sign(by.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(builder.build())
}

/// A plain HTTP server that answers everything with this head and no body. It counts connections.
pub struct Canned {
    address: String,
    connections: Arc<Mutex<usize>>,
}

impl Canned {
    /// Starts it; `head` is the status line and further lines, each with its end.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(head: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let address = listener.local_addr().expect("it is bound").to_string();
        let connections = Arc::new(Mutex::new(0));
        let (count, head) = (Arc::clone(&connections), head.to_owned());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                drop(lines);
                drop(write!(stream, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"));
            }
        });
        Self { address, connections }
    }

    /// Where it listens, as `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How often somebody has come.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
