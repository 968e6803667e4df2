//! As whom a registry is asked, and whose certificate it must have.
//!
//! A password and a token come from files, are wiped from memory when they are no longer needed,
//! and are in no error and no log.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::http_client::Authorities;
use crate::secret::{self, Authorization, SecretError};

/// The options that say as whom a registry is asked.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryCredentials {
    /// The user by which the registry is asked, with the password in --registry-password-file.
    #[arg(long, env = "LAJU_REGISTRY_USER", value_name = "NAME")]
    pub registry_user: Option<String>,

    /// A file that holds that user's password and nothing else; surrounding white space is ignored.
    #[arg(long, env = "LAJU_REGISTRY_PASSWORD_FILE", value_name = "FILE")]
    pub registry_password_file: Option<PathBuf>,

    /// A file that holds the token by which the registry is asked, in place of user and password.
    #[arg(long, env = "LAJU_REGISTRY_TOKEN_FILE", value_name = "FILE")]
    pub registry_token_file: Option<PathBuf>,
}

/// Why a registry cannot be asked as somebody.
#[derive(Debug, Error)]
pub enum CredentialsError {
    #[error(
        "give --registry-user with --registry-password-file, or --registry-token-file, not both"
    )]
    Both,
    #[error("--registry-user and --registry-password-file go together: {0} is missing")]
    Half(&'static str),
    #[error("--registry-user must not be empty, nor hold ':' or a control character")]
    User,
    /// The file of the password or the token.
    #[error(transparent)]
    File(#[from] SecretError),
}

/// How a registry is reached: by default as nobody, with the machine's authorities.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// Whose certificates are trusted.
    pub authorities: Authorities,
    /// As whom it is asked.
    pub authorization: Option<Authorization>,
}

impl RegistryCredentials {
    /// Reads the password or the token; `None` if nobody is named.
    ///
    /// # Errors
    /// If the options do not go together, or the file cannot be read.
    pub fn read(&self) -> Result<Option<Authorization>, CredentialsError> {
        let (user, password) = (self.registry_user.as_deref(), &self.registry_password_file);
        match (user, password, &self.registry_token_file) {
            (None, None, None) => Ok(None),
            (None, None, Some(token)) => Ok(Some(secret::token(token)?)),
            (_, _, Some(_)) => Err(CredentialsError::Both),
            (Some(_), None, None) => Err(CredentialsError::Half("--registry-password-file")),
            (None, Some(_), None) => Err(CredentialsError::Half("--registry-user")),
            (Some(user), Some(password), None) => {
                // The first colon ends the name (RFC 7617, section 2).
                if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                    return Err(CredentialsError::User);
                }
                Ok(Some(Authorization::basic(user, &secret::password(password)?)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn read(
        user: Option<&str>,
        password: Option<&str>,
        token: Option<&str>,
    ) -> Result<String, String> {
        let [password, token] = [password, token].map(|text| text.map(file));
        let path =
            |file: &Option<tempfile::NamedTempFile>| file.as_ref().map(|f| f.path().to_owned());
        let credentials = RegistryCredentials {
            registry_user: user.map(str::to_owned),
            registry_password_file: path(&password),
            registry_token_file: path(&token),
        };
        match credentials.read() {
            Ok(Some(authorization)) => {
                assert!(!format!("{authorization:?}").contains("Basic"), "{authorization:?}");
                Ok(authorization.header().to_owned())
            }
            Ok(None) => Ok(String::new()),
            Err(error) => Err(format!("{error} {error:?}")),
        }
    }

    #[test]
    fn a_user_or_a_token_and_never_half_of_one_or_both() {
        assert_eq!(read(None, None, None).as_deref(), Ok(""));
        // The example of RFC 7617, section 2.
        let basic = read(Some("Aladdin"), Some("open sesame\n"), None);
        assert_eq!(basic.as_deref(), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(read(None, None, Some(" ey.J0 \n")).as_deref(), Ok("Bearer ey.J0"));
        for (user, password, token, says) in [
            (Some("a"), None, None, "--registry-password-file is missing"),
            (None, Some("hunter2"), None, "--registry-user is missing"),
            (Some("a"), Some("hunter2"), Some("hunter2"), "not both"),
            (Some("a"), None, Some("hunter2"), "not both"),
            (Some("a:b"), Some("hunter2"), None, "':'"),
            (Some("a"), Some(" \n"), None, "holds no password"),
            (Some("a"), Some("hunter2\nhunter2"), None, "holds no password"),
            (None, None, Some("hunter2 hunter2"), "holds no token"),
        ] {
            let error = read(user, password, token).unwrap_err();
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }
}
