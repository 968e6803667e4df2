//! An option that a setting stands for: which there are, and what each takes.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

/// The option that names the file.
pub(super) const CONFIG: &str = "config";

/// Options that no file sets: the file's own, and the one that would delete a store at every start.
const COMMAND_LINE_ONLY: [&str; 2] = [CONFIG, "rebuild"];

/// Whether an argument is an option that a setting can stand for.
pub(super) fn is_setting(arg: &Arg) -> bool {
    use ArgAction::{Append, Set, SetFalse, SetTrue};
    arg.get_long().is_some_and(|long| !COMMAND_LINE_ONLY.contains(&long))
        && matches!(arg.get_action(), Set | Append | SetTrue | SetFalse)
}

/// A command's subcommand of this name.
pub(super) fn subcommand<'a>(command: &'a Command, name: &str) -> Option<&'a Command> {
    command.get_subcommands().find(|sub| sub.get_name() == name)
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
