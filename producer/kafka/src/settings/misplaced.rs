//! Where an option belongs that stands on the wrong side of a subcommand: clap says only that it
//! did not expect it there.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Adds to an error about an unexpected option where it would have been expected, if it is an
/// option of a command that was called.
pub(super) fn explain(mut error: clap::Error, command: &Command, args: &[OsString]) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && let Some(tip) = tip(command, args, option.split('=').next().unwrap_or_default())
    {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// The commands that were called, outermost first, and how many of them stand before the option.
fn called<'a>(command: &'a Command, args: &[OsString], option: &str) -> (Vec<&'a Command>, usize) {
    let mut chain = vec![command];
    let mut before = None;
    for arg in args.iter().skip(1) {
        let Some(arg) = arg.to_str() else { continue };
        if before.is_none() && arg.split('=').next() == Some(option) {
            before = Some(chain.len() - 1);
        }
        let below = chain[chain.len() - 1].find_subcommand(arg);
        chain.extend(below);
    }
    (chain, before.unwrap_or_default())
}

fn has(command: &Command, option: &str) -> bool {
    let long = option.strip_prefix("--");
    command.get_arguments().any(|arg| arg.get_long().is_some() && arg.get_long() == long)
}

fn tip(command: &Command, args: &[OsString], option: &str) -> Option<String> {
    let (chain, before) = called(command, args, option);
    let names: Vec<_> = chain.iter().map(|command| command.get_name()).collect();
    // The nearest that has it: on the way out first.
    let outer = (0..before).rev().find(|depth| has(chain[*depth], option));
    if let Some(depth) = outer {
        let word = names[depth + 1];
        return Some(format!(
            "'{option}' belongs before the word '{word}': {} {option} … {word}",
            names[..=depth].join(" ")
        ));
    }
    let inner = (before + 1..chain.len()).find(|depth| has(chain[*depth], option));
    if let Some(depth) = inner {
        return Some(format!(
            "'{option}' belongs behind the word '{}': {} {option} …",
            names[depth],
            names[..=depth].join(" ")
        ));
    }
    None
}
