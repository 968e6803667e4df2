//! From where a worker takes its store, if it has none.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use laju_kafka::http_client::{self, Trust};

use super::args::patience;
use crate::seed::SeedFrom;

/// From where a worker takes its store, if it has none.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "A store from another node")]
pub struct SeedArgs {
    /// Where there is no store yet, take that of the node at this address instead of folding the log,
    /// and fold on from there. The node is of the same version and topic, and the address is its own,
    /// not a balancer's. A store that is there is left as it is; one that has come in part is gone on
    /// with.
    #[arg(long, env = "LAJU_SEED", value_name = "URL", value_parser = http_client::address,
          conflicts_with = "rebuild")]
    pub seed: Option<String>,

    /// Holds a token of the role seed, which that node asks for.
    #[arg(long, env = "LAJU_SEED_TOKEN_FILE", value_name = "FILE")]
    pub seed_token_file: Option<PathBuf>,

    /// How long that node is tried again while nothing comes.
    #[arg(long, env = "LAJU_SEED_PATIENCE", value_name = "TIME", default_value = "2m",
          value_parser = patience)]
    pub seed_patience: Duration,
}

impl SeedArgs {
    /// From where, if anything was said; the authorities are those of the connection.
    pub fn from(&self, trust: &Trust) -> Option<SeedFrom> {
        Some(SeedFrom {
            url: self.seed.clone()?,
            token_file: self.seed_token_file.clone(),
            trust: trust.clone(),
            patience: self.seed_patience,
        })
    }
}
