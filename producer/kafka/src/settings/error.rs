//! Why settings cannot be used: always with the place that they come from.

use std::path::PathBuf;

use thiserror::Error;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// What clap has to say: a wrong option, or the help that was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The file cannot be read.
    #[error("cannot read the settings in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error(
        "{path}, line {line}: this is not TOML: a setting is written name = \"text\", name = 7 or name = true, a table [name]; each name once"
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A key that is no option.
    #[error("{path}: there is no setting '{key}'; {allowed}")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key, with the tables it stands in.
        key: String,
        /// What there is.
        allowed: String,
    },
    /// A value of another type, or one that the option does not take.
    #[error("{path}: the setting '{key}' {wrong}")]
    WrongValue {
        /// The file.
        path: PathBuf,
        /// The key, with the tables it stands in.
        key: String,
        /// What is wrong with it, and what would be right.
        wrong: String,
    },
    /// A variable whose value the option does not take.
    #[error("the environment variable {variable} {wrong}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong with it, and what would be right.
        wrong: String,
    },
}
