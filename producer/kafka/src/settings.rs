//! Where an option's value comes from, the same for both programs: the command line, else the
//! environment, else a TOML file (`--config FILE`), else the default.
//!
//! The file has flat keys named as the long options, with `-` or `_`; a table named as a
//! subcommand goes before them for that subcommand. Whatever the file holds is checked before
//! anything starts, also what this run does not use. It knows no option by name but `--config`.
//!
//! What comes from the environment or the file stands as a default to clap: an option on the
//! command line that conflicts with it is no error, and it is the program's to prefer it.

mod error;
mod file;
mod layer;
mod misplaced;
mod option;
mod report;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Parser, ValueHint};
use laju_schemas::{FormerCode, RegionCode};

use option::CONFIG;

pub use error::SettingsError;
pub use layer::Environment;
pub use report::{LogFormat, Logging, colour_on_stderr, exit_code, init_tracing};

const CONFIG_ENV: &str = "LAJU_CONFIG";

/// Reads a program's settings. `args` begins with the program's name; `env` looks up a variable
/// (one that is set to nothing counts as not set).
///
/// # Errors
/// If the command line, the environment or the file holds what the program does not take; also if
/// help or the version was asked for, which [`exit_code`] prints.
pub fn parse<T: Parser>(
    args: impl IntoIterator<Item = OsString>,
    env: Environment<'_>,
) -> Result<T, SettingsError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = T::command().arg(
        Arg::new(CONFIG)
            .long(CONFIG)
            .env(CONFIG_ENV)
            .global(true)
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .value_parser(clap::value_parser!(PathBuf))
            .help("A TOML file with settings, named as the options"),
    );

    // A first look at the command line, to find the subcommand and the file. What is wrong with
    // it is left to the second one, which knows every default.
    let (path, file) = match layer::without_environment(command.clone())
        .ignore_errors(true)
        .try_get_matches_from(&args)
    {
        Ok(matches) => {
            let given = matches.get_one::<PathBuf>(CONFIG).cloned();
            let file = given.or_else(|| layer::variable(env, CONFIG_ENV).map(PathBuf::from));
            (subcommands(&matches), file)
        }
        // Help or the version: neither needs a file that may be broken.
        Err(_) => (Vec::new(), None),
    };
    let from_file = match file {
        Some(file) => file::read(&file, &command, &path)?,
        None => file::Values::new(),
    };
    let mut command = layer::apply(command, Some(&path), &from_file, env)?;
    let matches = match command.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) => return Err(misplaced::explain(error, &command, &args).into()),
    };
    for former in former_codes(&matches) {
        eprintln!("note: {former}");
    }
    T::from_arg_matches(&matches).map_err(|error| error.format(&mut command).into())
}

/// The region codes among the values, wherever they come from, that a region had before: they are
/// taken as their successors', and who wrote them is to know.
fn former_codes(matches: &ArgMatches) -> Vec<&'static FormerCode> {
    let codes = matches.ids().filter(|id| {
        // Whatever parser an option has, a region comes out as this type.
        matches!(matches.try_get_many::<RegionCode>(id.as_str()), Ok(Some(_)))
    });
    let texts = codes.filter_map(|id| matches.get_raw(id.as_str())).flatten();
    let mut found: Vec<_> =
        texts.filter_map(|text| text.to_str()).filter_map(FormerCode::find).collect();
    if let Some((_, inner)) = matches.subcommand() {
        found.extend(former_codes(inner));
    }
    found
}

/// The subcommands that were called, outermost first.
fn subcommands(matches: &ArgMatches) -> Vec<String> {
    let mut path = Vec::new();
    let mut matches = matches;
    while let Some((name, inner)) = matches.subcommand() {
        path.push(name.to_owned());
        matches = inner;
    }
    path
}

#[cfg(test)]
mod tests;
