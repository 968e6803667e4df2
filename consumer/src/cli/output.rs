//! How commands answer: bars while they work, then JSON or words, and an exit code.

use std::io::Write;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// A bar on a terminal, with rate and time left; nothing elsewhere and beside JSON.
pub(super) fn bar(what: &'static str, length: u64, json: bool) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left";
    styled_bar(template, length, json).with_message(what)
}

/// A bar that looks otherwise.
pub(super) fn styled_bar(template: &str, length: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Shows how far it is, of how much.
pub(super) fn show(bar: &ProgressBar, at: u64, all: u64) {
    if bar.length() != Some(all) {
        bar.set_length(all);
    }
    bar.set_position(at);
}

/// Writes an answer: in JSON if that was asked for, else in words.
pub(super) fn answer(
    out: &mut dyn Write,
    json: Option<impl Serialize>,
    words: impl FnOnce() -> String,
) -> std::io::Result<()> {
    let text = match json {
        Some(json) => serde_json::to_string_pretty(&json)?,
        None => words(),
    };
    writeln!(out, "{text}")
}

/// The exit code of a command that has found everything as it should be, or not.
pub(super) fn exit_code(ok: bool) -> ExitCode {
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
