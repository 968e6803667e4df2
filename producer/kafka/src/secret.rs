//! Where the programme's key and a NIK come from: files, standard input or the environment. Never
//! from the command line, which every user of the machine can read.
//!
//! What is read is wiped from memory when it is no longer needed, and is in no error.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use laju_schemas::nik::{self, Nik, NikProblem};
use laju_schemas::pseudonym::{KeyError, ProgrammeKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::text;

/// A key has 64 digits and a NIK 16: more than this is some other file.
const LONGEST: u64 = 4096;

/// Why a secret cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("{0}")]
    Missing(&'static str),
    #[error("cannot read {path}")]
    Read {
        /// The file, or `standard input`.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the key file {path} may be read or changed by others (mode {mode:o}): run `chmod 600 {path}`"
    )]
    Open {
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    #[error("{0} is too long to be a key or a NIK")]
    TooLong(PathBuf),
    #[error(
        "{0} holds no token: one line of letters, digits and signs, as `laju token new` prints it for a worker"
    )]
    NoToken(PathBuf),
    #[error("{0} holds no password: one line of text")]
    NoPassword(PathBuf),
    #[error("{from}: {source}")]
    Key {
        /// Where it was read.
        from: String,
        /// What is wrong with it.
        source: KeyError,
    },
    #[error("{from}: {source}")]
    Nik {
        /// Where it was read.
        from: String,
        /// What is wrong with it.
        source: NikProblem,
    },
}

fn read(mut from: impl Read, path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    // Large enough from the start, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    let limit = LONGEST + 1;
    let length = from.by_ref().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if length as u64 == limit {
        return Err(SecretError::TooLong(path.to_owned()));
    }
    let text = text::decode(&bytes).map_err(|error| failed(text::invalid(error)))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn open(path: &Path) -> Result<File, SecretError> {
    File::open(path).map_err(|source| SecretError::Read { path: path.to_owned(), source })
}

/// A variable's text, wiped after use.
fn variable(value: Option<OsString>) -> Option<Zeroizing<String>> {
    value.and_then(|value| value.into_string().ok()).filter(|v| !v.is_empty()).map(Zeroizing::new)
}

/// Reads the programme's key from a file that only its owner may read, else from `LAJU_KEY`.
///
/// # Errors
/// If there is neither, others may read the file, or it is not a key.
pub fn key(file: Option<&Path>, laju_key: Option<OsString>) -> Result<ProgrammeKey, SecretError> {
    let (text, from) = match file {
        Some(path) => {
            let file = open(path)?;
            check_mode(&file, path)?;
            (read(file, path)?, path.display().to_string())
        }
        None => {
            let text = variable(laju_key).ok_or(SecretError::Missing(
                "the programme's key is needed: give --key-file FILE, or set LAJU_KEY",
            ))?;
            (text, "LAJU_KEY".to_owned())
        }
    };
    ProgrammeKey::parse(&text).map_err(|source| SecretError::Key { from, source })
}

/// Reads the token that lets a program ask a worker from a file; surrounding white space is ignored.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn token(path: &Path) -> Result<Authorization, SecretError> {
    let text = read(open(path)?, path)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::NoToken(path.to_owned()));
    }
    Ok(Authorization(Zeroizing::new(format!("Bearer {token}"))))
}

/// Reads a password from a file that holds nothing else; surrounding white space is ignored.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn password(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let text = read(open(path)?, path)?;
    let password = text.trim();
    if password.is_empty() || password.contains(char::is_control) {
        return Err(SecretError::NoPassword(path.to_owned()));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// The value of a header `Authorization`. It is shown by nothing but [`Authorization::header`].
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(Zeroizing<String>);

impl Authorization {
    /// A user and a password (RFC 7617). The user holds no `:`.
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Self(Zeroizing::new(format!("Basic {}", *encoded)))
    }

    /// The header's value.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(…)")
    }
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt;
    let metadata =
        file.metadata().map_err(|source| SecretError::Read { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::Open { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<(), SecretError> {
    Ok(())
}

/// Reads a NIK from a file (`-`: standard input), else from `LAJU_NIK`; surrounding white space
/// is ignored.
///
/// # Errors
/// If there is neither, or it is not a NIK.
pub fn nik(file: Option<&Path>, laju_nik: Option<OsString>) -> Result<Nik, SecretError> {
    checked_nik(file, laju_nik).map(|(nik, _)| nik)
}

/// A NIK's digits, read and checked as [`nik()`] does, for handing them to an agent.
///
/// # Errors
/// As for [`nik()`].
pub fn nik_text(
    file: Option<&Path>,
    laju_nik: Option<OsString>,
) -> Result<Zeroizing<String>, SecretError> {
    let (_, text) = checked_nik(file, laju_nik)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn checked_nik(
    file: Option<&Path>,
    laju_nik: Option<OsString>,
) -> Result<(Nik, Zeroizing<String>), SecretError> {
    let (text, from) = match file {
        Some(path) if path == Path::new("-") => {
            let name = "standard input";
            (read(std::io::stdin().lock(), Path::new(name))?, name.to_owned())
        }
        Some(path) => (read(open(path)?, path)?, path.display().to_string()),
        None => {
            let text = variable(laju_nik).ok_or(SecretError::Missing(
                "a NIK is needed: give --nik-file FILE (- for standard input), or set LAJU_NIK",
            ))?;
            (text, "LAJU_NIK".to_owned())
        }
    };
    let nik = nik::parse(text.trim()).map_err(|source| SecretError::Nik { from, source })?;
    Ok((nik, text))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";
    const NIK: &str = "1871010101900001";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    #[cfg(unix)]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let file = file(&format!("{KEY}\n"));
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let read = key(Some(file.path()), None);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_secret_and_utf_16_is_named() {
        let marked = |text: &str| file(&format!("\u{feff}{text}\r\n"));
        let nik_file = marked(NIK);
        assert_eq!(*nik_text(Some(nik_file.path()), None).unwrap(), NIK);
        let read = token(marked("laju_0f0f").path()).unwrap();
        assert_eq!(read.header(), "Bearer laju_0f0f");
        let key_file = marked(KEY);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(key_file.path(), mode).unwrap();
        }
        assert!(key(Some(key_file.path()), None).is_ok());

        let mut wide = tempfile::NamedTempFile::new().unwrap();
        let units = NIK.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        wide.write_all(&units).unwrap();
        let error = anyhow::Error::from(nik(Some(wide.path()), None).unwrap_err());
        assert!(format!("{error:#}").contains("UTF-16"), "{error:#}");
        assert!(!format!("{error:?}").contains("1871"), "{error:?}");
    }

    #[test]
    fn a_token_is_one_word_and_shown_by_nothing_but_its_header() {
        let token_file = file(" laju_0f0f\n");
        let read = token(token_file.path()).unwrap();
        assert_eq!(read.header(), "Bearer laju_0f0f");
        assert!(!format!("{read:?}").contains("0f"));
        for wrong in ["", " \n", "laju_0f0f\nlaju_1e1e", "laju_ö"] {
            let error = token(file(wrong).path()).unwrap_err();
            assert!(matches!(error, SecretError::NoToken(_)));
            assert!(!error.to_string().contains("laju_"), "{error}");
        }
    }

    #[test]
    fn the_file_goes_before_the_variable_and_one_is_needed() {
        let good = file(&format!(" {NIK}\n"));
        assert!(nik(Some(good.path()), Some("wrong".into())).is_ok());
        assert!(nik(None, Some(NIK.into())).is_ok());
        assert!(matches!(nik(None, None), Err(SecretError::Missing(_))));
        assert!(matches!(nik(None, Some("".into())), Err(SecretError::Missing(_))));
        assert!(matches!(key(None, None), Err(SecretError::Missing(_))));
        assert!(key(None, Some(KEY.into())).is_ok());
    }

    #[test]
    fn no_error_repeats_the_secret() {
        let wrong = format!("{}0000", &NIK[..12]);
        let error = nik(None, Some(wrong.clone().into())).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(&wrong[..6]), "{error:?}");
        let error = key(None, Some("deadbeef".into())).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("deadbeef"), "{error:?}");
        let long = file(&"1".repeat(5000));
        assert!(matches!(nik(Some(long.path()), None), Err(SecretError::TooLong(_))));
    }
}
