//! `laju token`: makes the tokens that let somebody ask a worker.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::api::tokens::{NewToken, Role, check_name};

/// Make tokens, which say who may ask a worker.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and show it once: the tokens file has its digest only.
    New(NewArgs),
}

#[derive(Clone, Debug, Args)]
struct NewArgs {
    /// Whose it is, as logs will call them.
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,

    /// What they may do: read figures; also put them on record to be quoted; or, for another node, read
    /// figures and take the whole store, which holds every subject's pseudonym and facts.
    #[arg(long, value_name = "read|quote|seed")]
    role: Role,

    /// The tokens file to add the entry to; made if it is not there. Without it the entry is
    /// printed after the token.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned())
}

impl TokenArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let TokenCommand::New(new) = &self.command;
        let made = NewToken::make(&new.name, new.role)?;
        match &new.file {
            // The token alone, so that it can be piped to where it is kept.
            Some(file) => {
                made.append(file)?;
                writeln!(out, "{}", *made.token)?;
            }
            None => write!(out, "{}\n\n{}", *made.token, made.entry)?,
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::api::tokens::Tokens;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        token: TokenArgs,
    }

    fn run(args: &[&str]) -> Result<String, String> {
        let cli = Cli::try_parse_from([&["laju", "new"], args].concat());
        let mut out = Vec::new();
        cli.map_err(|error| error.to_string())?.token.run(&mut out).map_err(|e| e.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_token_printed_is_the_one_that_the_file_lets_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let file = path.to_str().unwrap();
        let token = run(&["--name", "a", "--role", "quote", "--file", file]).unwrap();
        let caller = Tokens::read(&path).unwrap().caller(token.trim().as_bytes()).cloned();
        assert_eq!(caller.map(|caller| caller.role), Some(Role::Quote));
        let printed = run(&["--name", "b", "--role", "read"]).unwrap();
        let (token, entry) = printed.split_once("\n\n").unwrap();
        std::fs::write(&path, entry).unwrap();
        assert_eq!(&*Tokens::read(&path).unwrap().caller(token.as_bytes()).unwrap().name, "b");
        assert!(run(&["--name", "local", "--role", "read"]).is_err());
        assert!(run(&["--name", "c", "--role", "write"]).is_err());
    }
}
