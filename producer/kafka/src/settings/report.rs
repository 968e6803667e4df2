//! What a program says on stderr: its log, and the error it ends with. The one place that looks
//! at whether stderr is a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::error::SettingsError;
use super::layer::Environment;
use crate::terminal::{LogLines, shown};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// The options of both programs for their log, which goes to stderr.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub struct Logging {
    /// How log lines look.
    #[arg(long, global = true, env = "LAJU_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged, e.g. `debug` or `warn,laju_consumer=debug` (default: RUST_LOG, or info).
    #[arg(long, global = true, env = "LAJU_LOG", value_name = "FILTER", value_parser = parse_filter)]
    pub log: Option<String>,
}

fn parse_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Whether stderr should be coloured: on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
#[must_use]
pub fn colour_on_stderr(env: Environment<'_>) -> bool {
    let plain = env("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env("TERM").is_some_and(|value| value == "dumb");
    !plain && std::io::stderr().is_terminal()
}

/// Starts the log. A second call changes nothing.
pub fn init_tracing(logging: &Logging, env: Environment<'_>) {
    let from_env = || env("RUST_LOG")?.into_string().ok().filter(|text| !text.is_empty());
    let filter = logging.log.clone().or_else(from_env).unwrap_or_else(|| "info".to_owned());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        // Where the terminal is gone there is nobody to tell, and saying so there would panic.
        .log_internal_errors(false);
    // It fails where a log is running already, and that one is kept.
    let _ = match logging.log_format {
        LogFormat::Human => {
            let colour = colour_on_stderr(env);
            let lines = move || LogLines::of_text(std::io::stderr(), colour);
            builder.with_ansi(colour).with_writer(lines).try_init()
        }
        LogFormat::Json => {
            let lines = || LogLines::of_json(std::io::stderr());
            builder.json().flatten_event(true).with_writer(lines).try_init()
        }
    };
}

/// How a program ends. An error is printed to stderr with its causes, in colour on a terminal;
/// what clap has to say (help among it) as clap prints it.
pub fn exit_code(outcome: anyhow::Result<ExitCode>, env: Environment<'_>) -> ExitCode {
    let error = match outcome {
        Ok(code) => return code,
        Err(error) => error,
    };
    if let Some(SettingsError::Usage(usage)) = error.downcast_ref() {
        // Nobody is left to tell where stdout or stderr is closed.
        let plain = usage.to_string();
        let lines = plain.split('\n').map(shown).collect::<Vec<_>>().join("\n");
        let _ = if plain == lines { usage.print() } else { write!(std::io::stderr(), "{lines}") };
        return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
    }
    let text = described(&error, colour_on_stderr(env));
    let _ = std::io::stderr().write_all(text.as_bytes());
    if error.is::<SettingsError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// An error and its causes, a line each.
fn described(error: &anyhow::Error, colour: bool) -> String {
    let style = |style: Style| if colour { style } else { Style::new() };
    let red = style(AnsiColor::Red.on_default().bold());
    let dim = style(Style::new().dimmed());
    // What an error quotes may be anything.
    let lines = |text: &str| text.split('\n').map(shown).collect::<Vec<_>>().join("\n");
    let mut text = format!("{red}error:{red:#} {}\n", lines(&error.to_string()));
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some errors repeat their source in their own words.
        if !said.contains(&cause) {
            let _ = writeln!(text, "{dim}  because:{dim:#} {}", lines(&cause));
        }
        said = cause;
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_without_repeats() {
        let io = std::io::Error::other("disk on fire");
        let error = anyhow::Error::from(io)
            .context("cannot open the store: disk on fire")
            .context("cannot start");
        let expected = "error: cannot start\n  because: cannot open the store: disk on fire\n";
        assert_eq!(described(&error, false), expected);
        assert!(described(&error, true).contains('\u{1b}'));
    }

    #[test]
    fn what_an_error_quotes_steers_no_terminal_and_is_no_nik() {
        let cause = std::io::Error::other("'\u{1b}[2J 1871010101900001'\nsecond line");
        let error = anyhow::Error::from(cause).context("cannot read '\u{202e}x'");
        let expected = "error: cannot read '\u{fffd}x'\n  because: '\u{fffd}[2J (16 digits)'\n\
                        second line\n";
        assert_eq!(described(&error, false), expected);
    }

    #[test]
    fn no_color_is_honoured() {
        assert!(!colour_on_stderr(&|name| (name == "NO_COLOR").then(|| "1".into())));
    }

    #[test]
    fn wrong_settings_end_with_two_and_other_errors_with_one() {
        let none: Environment<'_> = &|_| None;
        let error = SettingsError::Environment { variable: "X".into(), wrong: "is wrong".into() };
        let code = exit_code(Err(error.into()), none);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
        let other = Err(std::io::Error::other("no")).context("cannot");
        assert_eq!(format!("{:?}", exit_code(other, none)), format!("{:?}", ExitCode::FAILURE));
    }
}
