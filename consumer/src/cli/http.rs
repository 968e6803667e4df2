//! The options of a node's HTTP interface: where it listens, and for whom.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::api::access::{Access, USUAL_RATE};
use crate::api::origin::Origin;
use crate::api::tokens::{Tokens, TokensError};

/// Where a node answers HTTP, and for whom.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Where to answer HTTP. Anything but this machine's loopback needs --tokens.
    #[arg(
        long,
        env = "LAJU_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// Who may ask: a file that `laju token new` writes. With it every request but /healthz needs
    /// a token.
    #[arg(long, env = "LAJU_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// How many requests a second a client may send on average (a token, else an address), with
    /// twice as many at once; 0 for any number. Default: 100 beyond the loopback, else any.
    #[arg(long, env = "LAJU_RATE_LIMIT", value_name = "REQUESTS")]
    pub rate_limit: Option<u32>,

    /// An origin whose pages may read answers, e.g. <https://screen.example>; may be given many
    /// times.
    #[arg(
        long = "cors-origin",
        env = "LAJU_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<Origin>,
}

/// Why a node may not listen.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error(
        "--listen {0} lets in other machines, so it needs --tokens FILE (or LAJU_TOKENS), which says who may ask: make one with `laju token new --name NAME --role read --file FILE`, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

impl HttpArgs {
    /// Who may ask, of the files as they are now.
    pub fn access(&self) -> Result<Access, AccessError> {
        let is_local = self.listen.ip().is_loopback();
        if !is_local && self.tokens.is_none() {
            return Err(AccessError::Open(self.listen));
        }
        let rate_limit = match self.rate_limit {
            Some(rate) => NonZeroU32::new(rate),
            None => (!is_local).then_some(USUAL_RATE),
        };
        Ok(Access {
            tokens: self.tokens.as_deref().map(Tokens::read).transpose()?,
            listen: Some(self.listen),
            rate_limit,
            cors_origins: self.cors_origins.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::api::tokens::{NewToken, Role};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        http: HttpArgs,
    }

    fn access(args: &[&str]) -> Result<Access, String> {
        let cli = Cli::try_parse_from([&["laju"], args].concat()).map_err(|e| e.to_string())?;
        cli.http.access().map_err(|error| error.to_string())
    }

    #[test]
    fn whoever_lets_in_other_machines_has_to_say_who_may_ask() {
        for address in ["0.0.0.0:8080", "192.168.0.2:8080", "[::]:8080"] {
            let error = access(&["--listen", address]).unwrap_err();
            for part in [address, "--tokens FILE", "LAJU_TOKENS", "laju token new", "127.0.0.1"] {
                assert!(error.contains(part), "{error}");
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        NewToken::make("a", Role::Read).unwrap().append(&path).unwrap();
        let with_tokens = ["--listen", "0.0.0.0:8080", "--tokens", path.to_str().unwrap()];
        let open = access(&with_tokens).unwrap();
        assert!(open.tokens.is_some());
        assert_eq!(open.rate_limit, Some(USUAL_RATE));
        let none = access(&[&with_tokens[..], &["--rate-limit", "0"]].concat()).unwrap();
        assert_eq!(none.rate_limit, None);
    }

    #[test]
    fn this_machine_alone_needs_no_token_and_has_no_limit_unless_one_is_set() {
        let usual = access(&[]).unwrap();
        assert!(usual.tokens.is_none() && usual.rate_limit.is_none());
        assert_eq!(access(&["--rate-limit", "5"]).unwrap().rate_limit, NonZeroU32::new(5));
        assert!(access(&["--tokens", "/none"]).unwrap_err().contains("/none"));
        assert!(access(&["--cors-origin", "*"]).is_err());
    }
}
