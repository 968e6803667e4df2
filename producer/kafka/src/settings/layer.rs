//! Gives clap what the environment and the file say, as defaults.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::builder::{OsStr as ClapOsStr, Resettable};
use clap::{Arg, ArgAction, Command};

use super::file::Values;
use super::{Environment, SettingsError, is_setting};

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

/// What clap stores for a flag that is on or off.
pub(super) fn flag_value(arg: &Arg, on: bool) -> OsString {
    let stored = on == matches!(arg.get_action(), ArgAction::SetTrue);
    OsString::from(if stored { "true" } else { "false" })
}

/// Asks the option's own parser whether it takes these values; if not, says why.
pub(super) fn check(arg: &Arg, values: &[OsString]) -> Result<(), String> {
    const ID: &str = "value";
    let probe = Arg::new(ID)
        .long(ID)
        .action(ArgAction::Append)
        .num_args(1)
        .require_equals(true)
        .allow_hyphen_values(true)
        .ignore_case(arg.is_ignore_case_set())
        .value_parser(arg.get_value_parser().clone());
    let command = Command::new("check").no_binary_name(true).disable_help_flag(true).arg(probe);
    for value in values {
        let mut argument = OsString::from(format!("--{ID}="));
        argument.push(value);
        if let Err(error) = command.clone().try_get_matches_from([argument]) {
            return Err(format!("has a value it cannot have: {}", why(&error)));
        }
    }
    Ok(())
}

/// What an option's parser says, without the name that the probe gave it and without the value,
/// which may be a secret.
fn why(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    if let Some(ContextValue::Strings(possible)) = error.get(ContextKind::ValidValue)
        && !possible.is_empty()
    {
        return format!("it takes {}", possible.join(", "));
    }
    match std::error::Error::source(error) {
        Some(source) if source.is::<std::num::ParseIntError>() => {
            "it takes a whole number within bounds".to_owned()
        }
        Some(source) => source.to_string(),
        None => "it is empty".to_owned(),
    }
}

/// The long names of a command's options and those of all below it.
pub(super) fn settings_of<'a>(command: &'a Command, into: &mut BTreeMap<&'a str, &'a Arg>) {
    for arg in command.get_arguments().filter(|arg| is_setting(arg)) {
        if let Some(long) = arg.get_long() {
            into.entry(long).or_insert(arg);
        }
    }
    for sub in command.get_subcommands() {
        settings_of(sub, into);
    }
}
