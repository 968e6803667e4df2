//! Gives clap what the environment and the file say, as defaults.

use std::ffi::{OsStr, OsString};

use clap::builder::{OsStr as ClapOsStr, Resettable};
use clap::{Arg, ArgAction, Command};

use super::error::SettingsError;
use super::file::Values;
use super::option::{check, flag_value, is_setting};

/// How a program reads its environment; tests give it a map.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A variable, unless it is not set or set to nothing.
pub(super) fn variable(env: Environment<'_>, name: &str) -> Option<OsString> {
    env(name).filter(|value| !value.is_empty())
}

fn clear_env(arg: Arg) -> Arg {
    arg.env(Resettable::<ClapOsStr>::Reset)
}

/// The same command, blind to the process's environment.
pub(super) fn without_environment(command: Command) -> Command {
    command.mut_args(clear_env).mut_subcommands(without_environment)
}

/// The same command with every option's default taken from the environment, else from the file.
/// `path` names the subcommands called below this one; `None` if this one is not called.
pub(super) fn apply(
    command: Command,
    path: Option<&[String]>,
    file: &Values,
    env: Environment<'_>,
) -> Result<Command, SettingsError> {
    let mut failure = None;
    let mut given = Vec::new();
    let mut command = command.mut_args(|arg| {
        let name = arg.get_env().and_then(OsStr::to_str).map(str::to_owned);
        let values = if path.is_none() || !is_setting(&arg) {
            None
        } else {
            match from_environment(&arg, name.as_deref(), env) {
                Ok(Some(values)) => Some(values),
                Ok(None) => arg.get_long().and_then(|long| file.get(long)).cloned(),
                Err(error) => {
                    failure.get_or_insert(error);
                    None
                }
            }
        };
        let mut arg = match name {
            Some(name) => name_variable(clear_env(arg), &name),
            None => arg,
        };
        if let Some(values) = values {
            given.push(arg.get_id().clone());
            // Help must not show what may be secret; a flag's default is not shown anyway.
            if arg.get_action().takes_values() {
                arg = arg.hide_default_value(true);
            }
            arg = arg.required(false).default_values(values);
        }
        arg
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let satisfied: Vec<_> = command
        .get_groups()
        .filter(|group| group.is_required_set() && group.get_args().any(|id| given.contains(id)))
        .map(|group| group.get_id().clone())
        .collect();
    for group in satisfied {
        command = command.mut_group(group, |group| group.required(false));
    }
    let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let below = match path {
            Some([first, rest @ ..]) if *first == name => Some(rest),
            _ => None,
        };
        let mut result = Ok(());
        command = command.mut_subcommand(&name, |sub| match apply(sub.clone(), below, file, env) {
            Ok(sub) => sub,
            Err(error) => {
                result = Err(error);
                sub
            }
        });
        result?;
    }
    Ok(command)
}

/// Help tells the variable's name; clap itself would look it up in the process.
fn name_variable(arg: Arg, name: &str) -> Arg {
    let note = |text: Option<String>| match text {
        Some(text) => format!("{text} [env: {name}]"),
        None => format!("[env: {name}]"),
    };
    let long = arg.get_long_help().map(ToString::to_string);
    let arg = match long {
        Some(long) => arg.long_help(note(Some(long))),
        None => arg,
    };
    let short = arg.get_help().map(ToString::to_string);
    arg.help(note(short))
}

/// The values that a variable holds for an option, checked.
fn from_environment(
    arg: &Arg,
    name: Option<&str>,
    env: Environment<'_>,
) -> Result<Option<Vec<OsString>>, SettingsError> {
    let Some(name) = name else { return Ok(None) };
    let Some(value) = variable(env, name) else { return Ok(None) };
    let wrong = |wrong| SettingsError::Environment { variable: name.to_owned(), wrong };
    let values = match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => {
            let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
            let on = match text.as_str() {
                "true" | "1" | "yes" | "on" => true,
                "false" | "0" | "no" | "off" => false,
                _ => return Err(wrong("must be true or false".to_owned())),
            };
            vec![flag_value(arg, on)]
        }
        ArgAction::Append => match value.to_str() {
            Some(text) => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(OsString::from)
                .collect(),
            None => vec![value],
        },
        _ => vec![value],
    };
    check(arg, &values).map_err(wrong)?;
    Ok((!values.is_empty()).then_some(values))
}
