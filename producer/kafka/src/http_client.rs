//! The one place that makes HTTP clients, for both programs: of a worker, a schema registry or an
//! agent on this machine.
//!
//! Whatever the environment says of proxies, a client goes straight to its address, and it follows
//! no redirect: a token or a password goes to the address that was given and to nobody else. https
//! is spoken by the OpenSSL that Kafka's client has as well.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use thiserror::Error;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::text;

/// Longer words of a server are not repeated.
const QUOTED: usize = 200;

/// Whose certificates are trusted, for https.
#[derive(Clone, Debug, Default, Args)]
pub struct Trust {
    /// A file of certificates in PEM: the authorities trusted for https, in place of the machine's.
    #[arg(long, env = "LAJU_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// The authorities that are trusted, as read from where [`Trust`] says; by default the machine's.
#[derive(Clone, Debug, Default)]
pub struct Authorities(#[cfg(feature = "tls-system")] Option<ureq::tls::RootCerts>);

/// How long a client waits; `None` for as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// For the whole of a question and its answer.
    pub whole: Option<Duration>,
    /// For the connection alone, TLS included.
    pub connect: Option<Duration>,
}

/// An address that is no address of an HTTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("an address is like https://laju.example or http://laju.example:8080")]
    Shape,
    #[error("an address must not hold a user or a password: they come from files")]
    Credentials,
    #[error(
        "this program was built without TLS, which https needs: build it with the feature `tls`, or `tls-system` for the machine's OpenSSL"
    )]
    WithoutTls,
}

/// Why no answer came.
#[derive(Debug, Error)]
pub enum HttpError {
    #[error("cannot read the certificates in {path}")]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("{0} holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(
        "its certificate is not trusted ({0}): name a file with the certificate of the authority that signed it with --ca-file FILE or LAJU_CA_FILE"
    )]
    Untrusted(String),
    #[error(
        "its certificate is another host's: give the address by the name that stands in the certificate"
    )]
    AnotherHost,
    #[error("what answers there does not speak TLS: is it http:// and not https://?")]
    NoTls,
    #[error("what answers there does not speak HTTP: is it https:// and not http://?")]
    NoHttp,
    #[error("nothing came back in time")]
    Timeout,
    #[error("there is no host of that name")]
    NoHost,
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}

/// Reads an address: scheme, host, perhaps a port and a path; without the `/` at its end.
///
/// # Errors
/// If it is none, holds a user or a password, or wants TLS where there is none.
pub fn address(text: &str) -> Result<String, AddressError> {
    let (scheme, rest) = text.split_once("://").ok_or(AddressError::Shape)?;
    let is_https = scheme.eq_ignore_ascii_case("https");
    if !is_https && !scheme.eq_ignore_ascii_case("http") {
        return Err(AddressError::Shape);
    }
    if rest.contains('@') {
        return Err(AddressError::Credentials);
    }
    let rest = rest.trim_end_matches('/');
    let host = rest.split('/').next().unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\');
    if host.is_empty() || host.starts_with(':') || !rest.bytes().all(is_plain) {
        return Err(AddressError::Shape);
    }
    if is_https && !cfg!(feature = "tls-system") {
        return Err(AddressError::WithoutTls);
    }
    Ok(format!("{}://{rest}", if is_https { "https" } else { "http" }))
}

impl Trust {
    /// Reads the certificates.
    ///
    /// # Errors
    /// If the file cannot be read, holds none, or this program cannot speak TLS.
    pub fn read(&self) -> Result<Authorities, HttpError> {
        let Some(path) = &self.ca_file else { return Ok(Authorities::default()) };
        let failed = |source| HttpError::CaFile { path: path.clone(), source };
        let bytes = std::fs::read(path).map_err(failed)?;
        // What stands between certificates may be in any encoding.
        let pem = text::begin(&bytes).map_err(|error| failed(text::invalid(error)))?;
        authorities(pem).unwrap_or_else(|| Err(HttpError::NoCertificate(path.clone())))
    }
}

/// `None` if these are no certificates.
#[cfg(feature = "tls-system")]
fn authorities(pem: &[u8]) -> Option<Result<Authorities, HttpError>> {
    use ureq::tls::{PemItem, RootCerts, parse_pem};
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            certificates.push(certificate);
        }
    }
    let found = !certificates.is_empty();
    found.then(|| Ok(Authorities(Some(RootCerts::from(certificates)))))
}

#[cfg(not(feature = "tls-system"))]
fn authorities(_pem: &[u8]) -> Option<Result<Authorities, HttpError>> {
    Some(Err(AddressError::WithoutTls.into()))
}

/// A client that trusts these authorities. Answers of any status are answers, redirects too: see
/// [`elsewhere`].
pub fn client(authorities: &Authorities, times: Times) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(times.whole)
        .timeout_connect(times.connect)
        .user_agent(concat!("laju/", env!("CARGO_PKG_VERSION")));
    #[cfg(feature = "tls-system")]
    let config = {
        use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
        let roots = authorities.0.clone().unwrap_or(RootCerts::PlatformVerifier);
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots);
        config.tls_config(tls.build())
    };
    #[cfg(not(feature = "tls-system"))]
    let Authorities() = authorities;
    config.build().into()
}

/// Where an answer points, if it is a redirect. None is followed.
pub fn elsewhere(answer: &Response<Body>) -> Option<String> {
    let status = answer.status();
    if !status.is_redirection() {
        return None;
    }
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let place: String = location.unwrap_or("another place").chars().take(QUOTED).collect();
    Some(format!(
        "it points to {place} ({status}), where nothing is sent: give that address itself"
    ))
}

impl From<ureq::Error> for HttpError {
    fn from(error: ureq::Error) -> Self {
        use std::io::ErrorKind;
        match error {
            ureq::Error::Timeout(_) => Self::Timeout,
            ureq::Error::HostNotFound => Self::NoHost,
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::TimedOut => Self::Timeout,
                ErrorKind::ConnectionRefused => {
                    Self::Connection("connection refused: does anything listen there?".to_owned())
                }
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                    Self::Connection("the other side has closed it".to_owned())
                }
                _ => Self::Connection(error.to_string()),
            },
            ureq::Error::Protocol(_) => Self::NoHttp,
            #[cfg(feature = "tls-system")]
            ureq::Error::NativeTls(error) => of_openssl(&error.to_string()),
            other => Self::Answer(other.to_string()),
        }
    }
}

/// What an error of OpenSSL means. Its text is a list of library, function, reason and place, at the
/// end of which stands in brackets what is wrong with a certificate.
#[cfg(feature = "tls-system")]
fn of_openssl(text: &str) -> HttpError {
    if text.contains("certificate verify failed") {
        let reason = text.rsplit_once('(').map_or(text, |(_, reason)| reason);
        let reason = reason.trim_end_matches(')').trim();
        if reason.contains("ostname mismatch") || reason.contains("IP address mismatch") {
            return HttpError::AnotherHost;
        }
        return HttpError::Untrusted(reason.to_owned());
    }
    if ["wrong version number", "packet length too long", "http request"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        return HttpError::NoTls;
    }
    HttpError::Connection(format!("TLS fails: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_secrets() {
        for (text, right) in [
            ("http://r:8081/", "http://r:8081"),
            ("HTTP://r/apis/ccompat/v7/", "http://r/apis/ccompat/v7"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(right));
        }
        for wrong in
            ["", "r:8081", "http://", "http:///path", "ftp://r", "http://r?x=1", "http://r r"]
        {
            assert_eq!(address(wrong), Err(AddressError::Shape), "{wrong}");
        }
        for secret in ["http://user:hunter2@r", "https://hunter2@r/path"] {
            let error = address(secret).unwrap_err();
            assert_eq!(error, AddressError::Credentials);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    #[cfg(feature = "tls-system")]
    fn https_is_an_address() {
        assert_eq!(address("https://laju.example/").as_deref(), Ok("https://laju.example"));
    }

    #[test]
    #[cfg(not(feature = "tls-system"))]
    fn https_without_the_feature_says_how_to_build() {
        let error = address("https://laju.example").unwrap_err();
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trust = Trust { ca_file: Some(file.path().to_owned()) };
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(file.path(), text).unwrap();
            let error = trust.read().unwrap_err();
            #[cfg(feature = "tls-system")]
            assert!(matches!(error, HttpError::NoCertificate(_)), "{text}: {error}");
            #[cfg(not(feature = "tls-system"))]
            assert!(matches!(error, HttpError::Address(_)), "{text}: {error}");
        }
        let trust = Trust { ca_file: Some("/no/such/file".into()) };
        assert!(trust.read().unwrap_err().to_string().contains("/no/such/file"));
        assert!(Trust::default().read().is_ok());
    }

    #[test]
    #[cfg(feature = "tls-system")]
    fn what_openssl_says_becomes_what_to_do() {
        let failed = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate \
                      verify failed:ssl/statem/statem_clnt.c:2124: (self-signed certificate in \
                      certificate chain)";
        let text = of_openssl(failed).to_string();
        assert!(text.contains("(self-signed certificate in certificate chain)"), "{text}");
        assert!(text.contains("--ca-file") && !text.contains("statem"), "{text}");
        let other =
            failed.replace("self-signed certificate in certificate chain", "Hostname mismatch");
        assert!(matches!(of_openssl(&other), HttpError::AnotherHost));
        let plain =
            "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:ssl/record.c:1";
        assert!(matches!(of_openssl(plain), HttpError::NoTls));
    }
}
