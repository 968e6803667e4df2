//! Reads the settings file and holds it against the program's options.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use super::error::SettingsError;
use super::option::{self, subcommand};

/// For each long option that the file sets, its values as clap takes them.
pub(super) type Values = HashMap<String, Vec<OsString>>;

/// Reads a file and answers what it says for the subcommand at `path`: a table's keys go before
/// those of the tables around it.
pub(super) fn read(
    file: &Path,
    command: &Command,
    path: &[String],
) -> Result<Values, SettingsError> {
    let text = crate::text::read(file)
        .map_err(|source| SettingsError::Read { path: file.to_owned(), source })?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // Not the parser's words, and no line of the file: it may hold what should not be shown.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        SettingsError::Syntax { path: file.to_owned(), line }
    })?;
    let mut values = Values::new();
    let globals = BTreeMap::new();
    Reader { file }.table(&table, command, "", &globals, Some(path), &mut values)?;
    Ok(values)
}

struct Reader<'a> {
    file: &'a Path,
}

impl Reader<'_> {
    /// Checks a table and, if its command is called, notes what it sets.
    fn table<'c>(
        &self,
        table: &Table,
        command: &'c Command,
        within: &str,
        inherited: &BTreeMap<&'c str, &'c Arg>,
        path: Option<&[String]>,
        values: &mut Values,
    ) -> Result<(), SettingsError> {
        let mut known = inherited.clone();
        option::settings_of(command, &mut known);
        let mut globals = inherited.clone();
        globals.extend(
            command
                .get_arguments()
                .filter(|arg| arg.is_global_set())
                .filter_map(|arg| Some((arg.get_long()?, arg))),
        );

        let mut seen = BTreeMap::new();
        for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
            let full = format!("{within}{key}");
            let long = key.replace('_', "-");
            let Some(arg) = known.get(long.as_str()) else {
                return Err(self.unknown(full, command, &known));
            };
            if let Some(other) = seen.insert(long.clone(), key) {
                let wrong = format!("is set twice: '{within}{other}' is the same setting");
                return Err(self.wrong(full, wrong));
            }
            let given = given(arg, value).map_err(|wrong| self.wrong(full, wrong))?;
            if path.is_some() {
                values.insert(long, given);
            }
        }
        for (key, value) in table {
            let Value::Table(inner) = value else { continue };
            let full = format!("{within}{key}");
            let Some(sub) = subcommand(command, key) else {
                if known.contains_key(key.replace('_', "-").as_str()) {
                    return Err(self.wrong(full, "is a table; it takes a single value".to_owned()));
                }
                return Err(self.unknown(full, command, &known));
            };
            let below = match path {
                Some([first, rest @ ..]) if first == key => Some(rest),
                _ => None,
            };
            self.table(inner, sub, &format!("{full}."), &globals, below, values)?;
        }
        Ok(())
    }

    fn wrong(&self, key: String, wrong: String) -> SettingsError {
        SettingsError::WrongValue { path: self.file.to_owned(), key, wrong }
    }

    fn unknown(
        &self,
        key: String,
        command: &Command,
        known: &BTreeMap<&str, &Arg>,
    ) -> SettingsError {
        let keys: Vec<_> = known.keys().copied().collect();
        let tables: Vec<_> = command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .map(|sub| format!("[{}]", sub.get_name()))
            .collect();
        let mut allowed = format!("the settings here are {}", keys.join(", "));
        if !tables.is_empty() {
            allowed.push_str(&format!(", and the tables {}", tables.join(", ")));
        }
        SettingsError::UnknownKey { path: self.file.to_owned(), key, allowed }
    }
}

/// The values that a key gives to an option, checked.
fn given(arg: &Arg, value: &Value) -> Result<Vec<OsString>, String> {
    let repeatable = matches!(arg.get_action(), ArgAction::Append);
    let given = match (arg.get_action(), value) {
        (ArgAction::SetTrue | ArgAction::SetFalse, Value::Boolean(on)) => {
            return Ok(vec![option::flag_value(arg, *on)]);
        }
        (ArgAction::SetTrue | ArgAction::SetFalse, other) => {
            return Err(format!("must be true or false, but is {}", described(other)));
        }
        (_, Value::Array(items)) if repeatable => items
            .iter()
            .map(|item| {
                scalar(item).ok_or_else(|| {
                    format!("must be an array of single values, but holds {}", described(item))
                })
            })
            .collect::<Result<_, _>>()?,
        (_, value) => match scalar(value) {
            Some(text) => vec![text],
            None => return Err(format!("takes a single value, but is {}", described(value))),
        },
    };
    option::check(arg, &given)?;
    Ok(given)
}

fn scalar(value: &Value) -> Option<OsString> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Integer(number) => Some(number.to_string().into()),
        Value::Float(number) => Some(number.to_string().into()),
        Value::Boolean(on) => Some(on.to_string().into()),
        Value::Datetime(date) => Some(date.to_string().into()),
        Value::Array(_) | Value::Table(_) => None,
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}
