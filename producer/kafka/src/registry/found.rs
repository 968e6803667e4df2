//! What a registry has under an id.

use std::fmt;

/// How much of a subject's name is repeated in words.
const QUOTED: usize = 150;

/// What a registry has under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A schema: its text, with the types in it that other schemas have.
    Schema(String),
    /// None, or not all of what it refers to.
    Missing(Lacking),
}

impl Found {
    /// The schema, if there is one.
    #[must_use]
    pub fn schema(self) -> Option<String> {
        match self {
            Self::Schema(avsc) => Some(avsc),
            Self::Missing(_) => None,
        }
    }
}

/// What a registry does not have. In words it goes on after `it has`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    pub(super) id: u32,
    /// The subject and the version of a schema to which the one with the id refers; none if that one
    /// itself is not there.
    pub(super) reference: Option<(String, i64)>,
}

impl Lacking {
    /// No schema has this id.
    #[must_use]
    pub const fn of(id: u32) -> Self {
        Self { id, reference: None }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, reference } = self;
        match reference {
            None => write!(f, "no schema with id {id}"),
            Some((subject, version)) => {
                let subject: String =
                    subject.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
                write!(
                    f,
                    "the schema with id {id}, but not version {version} of the subject {subject}, to \
                     which it refers"
                )
            }
        }
    }
}
