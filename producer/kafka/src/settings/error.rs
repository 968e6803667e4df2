//! Why settings cannot be used: always with the place that they come from.

use std::path::PathBuf;

use thiserror::Error;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// What clap has to say: a wrong option, or the help that was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error("cannot read the settings in {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{path}, line {line}: this is not TOML: a setting is written name = \"text\", name = 7 or name = true, a table [name]; each name once"
    )]
    Syntax {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    #[error("{path}: there is no setting '{key}'; {allowed}")]
    UnknownKey {
        path: PathBuf,
        /// The key, with the tables it stands in.
        key: String,
        /// What there is.
        allowed: String,
    },
    #[error("{path}: the setting '{key}' {wrong}")]
    WrongValue {
        path: PathBuf,
        /// The key, with the tables it stands in.
        key: String,
        /// What is wrong with it, and what would be right.
        wrong: String,
    },
    #[error("the environment variable {variable} {wrong}")]
    Environment {
        variable: String,
        /// What is wrong with it, and what would be right.
        wrong: String,
    },
}
