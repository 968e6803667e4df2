//! A schema that refers to others: Confluent's and Apicurio's Maven plugins register them so, one for
//! each named type. All of them are asked for, and put into one text.

use std::collections::BTreeSet;

use laju_schemas::references::inline;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::StatusCode;

use super::{Found, Lacking, Registry, RegistryError};

/// What of a subject stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How many schemas one may refer to, itself and through others.
const MANY: usize = 200;
/// How long a chain of references may be.
const DEEP: usize = 32;
/// How many bytes all of them may have together.
const LARGE: usize = 4 << 20;

/// What a registry answers about a schema.
#[derive(Deserialize)]
pub(super) struct Schema {
    schema: String,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

/// That a schema names types of another one.
#[derive(Deserialize)]
struct Reference {
    subject: String,
    version: i64,
}

/// Why a schema with references cannot be put together.
enum Fault {
    /// The registry does not have one of them: its subject and version.
    Missing(String, i64),
    /// There is no answer: an outage.
    Outage(RegistryError),
    /// It is of no use, whatever is asked again.
    Unfit(String),
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        Self::Outage(error)
    }
}

/// The schemas that were asked for.
#[derive(Default)]
struct Collected {
    texts: Vec<String>,
    bytes: usize,
    known: BTreeSet<(String, i64)>,
    /// Those that lead to where we are.
    path: Vec<(String, i64)>,
}

impl Registry {
    /// The text of the schema with an id, with all that it refers to; or which of those the registry
    /// says that it does not have. What cannot be put together is given as it is: it will not serve, and what
    /// is wrong with it will never be mended, as what is registered does not change.
    pub(super) fn whole(&self, id: u32, schema: Schema) -> Result<Found, RegistryError> {
        let references = schema.references.unwrap_or_default();
        if references.is_empty() {
            return Ok(Found::Schema(schema.schema));
        }
        let mut collected = Collected::default();
        let whole = self.collect(&references, &mut collected).and_then(|()| {
            inline(&schema.schema, &collected.texts).map_err(|e| Fault::Unfit(e.to_string()))
        });
        match whole {
            Ok(whole) => Ok(Found::Schema(whole)),
            Err(Fault::Missing(subject, version)) => {
                Ok(Found::Missing(Lacking { id, reference: Some((subject, version)) }))
            }
            Err(Fault::Outage(error)) => Err(error),
            Err(Fault::Unfit(why)) => {
                tracing::warn!(why, "a schema with references is of no use");
                Ok(Found::Schema(schema.schema))
            }
        }
    }

    fn collect(&self, references: &[Reference], to: &mut Collected) -> Result<(), Fault> {
        for Reference { subject, version } in references {
            let place = (subject.clone(), *version);
            if to.path.contains(&place) {
                return Err(Fault::Unfit(format!(
                    "{subject}, version {version}, refers to itself"
                )));
            }
            if !to.known.insert(place.clone()) {
                continue;
            }
            if to.known.len() > MANY || to.path.len() >= DEEP {
                return Err(Fault::Unfit("it refers to too many others".to_owned()));
            }
            // Also one that was deleted since: what refers to it stays.
            let encoded = utf8_percent_encode(subject, PLAIN);
            let path = format!("/subjects/{encoded}/versions/{version}?deleted=true");
            let answer = self.get(&path)?;
            let Schema { schema, references } = match answer.status {
                StatusCode::OK => answer.read()?,
                StatusCode::NOT_FOUND if answer.says_unknown() => {
                    return Err(Fault::Missing(subject.clone(), *version));
                }
                _ => return Err(answer.refusal().into()),
            };
            to.bytes += schema.len();
            if to.bytes > LARGE {
                return Err(Fault::Unfit("what it refers to is too large".to_owned()));
            }
            to.texts.push(schema);
            to.path.push(place);
            self.collect(&references.unwrap_or_default(), to)?;
            to.path.pop();
        }
        Ok(())
    }
}
