//! The tokens file: who may ask, as TOML. It holds digests only, so its readers cannot ask;
//! and no message here repeats a value of it, so a token put in by mistake is not disclosed.
//!
//! ```toml
//! [[token]]
//! name = "screen"       # shown in logs, never secret
//! role = "read"         # or "quote" or "seed", which may read as well
//! sha256 = "9f86d081…"  # SHA-256 of the token's bytes, in hexadecimal
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rand::TryRng as _;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// The name of a client without a token on this machine: no token may have it.
pub const LOCAL: &str = "local";
/// How long a name may be, in characters.
const LONGEST_NAME: usize = 64;
/// What every token that is made here begins with, so that a scanner for lost secrets knows it.
const PREFIX: &str = "laju_";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read figures.
    Read,
    /// Read figures, and put one on record to be quoted.
    Quote,
    /// Read figures, and take the whole store, with every subject's pseudonym and facts: another node.
    Seed,
    /// Everything: any client on the machine of a node that asks for no tokens. No token has it.
    Local,
}

impl Role {
    /// As it is written in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Quote => "quote",
            Self::Seed => "seed",
            Self::Local => LOCAL,
        }
    }

    /// Whether it lets put figures on record.
    pub const fn may_quote(self) -> bool {
        matches!(self, Self::Quote | Self::Local)
    }

    /// Whether it lets take the store.
    pub const fn may_seed(self) -> bool {
        matches!(self, Self::Seed | Self::Local)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "read" => Ok(Self::Read),
            "quote" => Ok(Self::Quote),
            "seed" => Ok(Self::Seed),
            _ => Err("a role is read, quote or seed"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token, or [`LOCAL`] where none is needed. Never the token.
    pub name: Arc<str>,
    pub role: Role,
}

impl Caller {
    /// The caller where no token is needed: on this machine.
    pub fn local() -> Self {
        Self { name: LOCAL.into(), role: Role::Local }
    }
}

/// Why the tokens file is not used.
#[derive(Debug, Error)]
pub enum TokensError {
    #[error("the tokens file {path} cannot be read: {source}; `laju token new` makes one")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the tokens file {path} cannot be written: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the tokens file {path} may be written by everyone; chmod o-w {path}")]
    WritableByAll { path: PathBuf },
    #[error("the tokens file {path}, line {line}: {reason}")]
    Line { path: PathBuf, line: usize, reason: String },
    #[error(
        "the tokens file {path} holds no token, so nobody could ask; `laju token new --name NAME --role read --file {path}` adds one"
    )]
    Empty { path: PathBuf },
    #[error("no random bytes from the system for a token: {0}")]
    Random(String),
}

/// The tokens that let somebody in, as digests.
#[derive(Clone)]
pub struct Tokens(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    caller: Caller,
    sha256: [u8; 32],
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|entry| &entry.caller)).finish()
    }
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, holds no token, holds something else, or may be written by everyone.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let of_system = |source| TokensError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(of_system)?.mode() & 0o002 != 0 {
            return Err(TokensError::WritableByAll { path: path.to_owned() });
        }
        let text = laju_kafka::text::read(path).map_err(of_system)?;
        let tokens = Self::parse(&text).map_err(|wrong| wrong.in_file(path, &text))?;
        if tokens.0.is_empty() {
            return Err(TokensError::Empty { path: path.to_owned() });
        }
        Ok(tokens)
    }

    /// Whom a token lets in, if anybody. However much of it is right, it takes the same time:
    /// digests are compared, every one of them, and each to its end.
    pub fn caller(&self, presented: &[u8]) -> Option<&Caller> {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let mut found = u32::MAX;
        for (place, entry) in (0..).zip(&self.0) {
            found.conditional_assign(&place, entry.sha256.ct_eq(&presented));
        }
        self.0.get(found as usize).map(|entry| &entry.caller)
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let file = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // What the parser found instead could be a token.
            Wrong { at, reason: "this is not TOML".to_owned() }
        })?;
        let mut tokens = Self(Vec::new());
        for (key, value) in file.get_ref() {
            if key.get_ref() != "token" {
                return Err(wrong(key, "only [[token]] entries belong here"));
            }
            let entries = value.get_ref().as_array().ok_or_else(|| {
                wrong(value, "an entry begins with [[token]], in two pairs of brackets")
            })?;
            for entry in entries {
                tokens.add(entry)?;
            }
        }
        Ok(tokens)
    }

    fn add(&mut self, entry: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
        let table = entry.get_ref().as_table().ok_or_else(|| wrong(entry, "not a [[token]]"))?;
        if let Some((key, _)) = table
            .iter()
            .find(|(key, _)| !["name", "role", "sha256"].contains(&key.get_ref().as_ref()))
        {
            return Err(wrong(key, "a token has name, role and sha256, and nothing else"));
        }
        let text = |key: &str| {
            let value =
                table.get(key).ok_or_else(|| wrong(entry, format!("this token has no {key}")))?;
            let text = value.get_ref().as_str();
            text.map(|text| (value, text)).ok_or_else(|| wrong(value, format!("{key} is a text")))
        };
        let (place, name) = text("name")?;
        check_name(name).map_err(|reason| wrong(place, reason))?;
        if self.0.iter().any(|other| &*other.caller.name == name) {
            return Err(wrong(place, format!("there are two tokens of the name '{name}'")));
        }
        let (place, role) = text("role")?;
        let role = role.parse().map_err(|reason: &str| wrong(place, reason))?;
        let (place, digest) = text("sha256")?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).map_err(|_| {
            wrong(place, "sha256 is the token's SHA-256 in 64 hexadecimal digits, not the token")
        })?;
        if self.0.iter().any(|other| other.sha256 == sha256) {
            return Err(wrong(place, "another name has the same token: a token is one's own"));
        }
        self.0.push(Entry { caller: Caller { name: name.into(), role }, sha256 });
        Ok(())
    }
}

/// What is wrong, and after how many bytes of the file.
struct Wrong {
    at: usize,
    reason: String,
}

impl Wrong {
    fn in_file(self, path: &Path, text: &str) -> TokensError {
        let line = 1 + text.bytes().take(self.at).filter(|byte| *byte == b'\n').count();
        TokensError::Line { path: path.to_owned(), line, reason: self.reason }
    }
}

fn wrong<T>(place: &Spanned<T>, reason: impl Into<String>) -> Wrong {
    Wrong { at: place.span().start, reason: reason.into() }
}

/// Whether somebody may be called so.
///
/// # Errors
/// Says why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    match name {
        LOCAL => Err(format!("'{LOCAL}' is whoever asks without a token")),
        _ if name.starts_with(PREFIX) => Err(format!("a name does not begin with {PREFIX}")),
        _ if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_fit) => {
            Err(format!("a name is 1 to {LONGEST_NAME} of the characters A-Z a-z 0-9 - _ . @"))
        }
        _ => Ok(()),
    }
}

/// A token just made, and its entry for the file. The token is shown once and kept nowhere.
pub struct NewToken {
    /// The token: 256 random bits in hexadecimal, after a prefix.
    pub token: Zeroizing<String>,
    pub entry: String,
}

impl NewToken {
    /// Makes one for a name that [`check_name`] found fit.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn make(name: &str, role: Role) -> Result<Self, TokensError> {
        let mut random = Zeroizing::new([0_u8; 32]);
        rand::rngs::SysRng
            .try_fill_bytes(random.as_mut_slice())
            .map_err(|error| TokensError::Random(error.to_string()))?;
        let token = Zeroizing::new(format!("{PREFIX}{}", hex::encode(random.as_slice())));
        let sha256 = hex::encode(Sha256::digest(token.as_bytes()));
        let entry =
            format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n");
        Ok(Self { token, entry })
    }

    /// Adds the entry to a file, which is made if it is not there.
    ///
    /// # Errors
    /// If the file is not a sound tokens file, has the name already, or cannot be written.
    pub fn append(&self, path: &Path) -> Result<(), TokensError> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let before = match laju_kafka::text::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(TokensError::Read { path: path.to_owned(), source }),
        };
        let gap = match before.as_str() {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let addition = format!("{gap}{}", self.entry);
        let whole = format!("{before}{addition}");
        Tokens::parse(&whole).map_err(|wrong| wrong.in_file(path, &whole))?;
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(addition.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| TokensError::Write { path: path.to_owned(), source })
    }
}
