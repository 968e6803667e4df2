//! DuckDB, pandas, Polars and Spark in the Python that `LAJU_TEST_PYTHON` names.

use std::path::Path;
use std::process::Command;

use laju_tests::process::{command, run, run_with_input};
use serde_json::Value;

const ASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/analyst/ask.py");

/// A Python with DuckDB, pandas, Polars and Spark.
pub(crate) struct Python(String);

impl Python {
    /// The Python, if there is one.
    pub(crate) fn find() -> Option<Self> {
        let python = std::env::var("LAJU_TEST_PYTHON").ok().filter(|value| !value.is_empty());
        if python.is_none() {
            println!(
                "NOT READ BY DUCKDB, PANDAS, POLARS AND SPARK: LAJU_TEST_PYTHON names no Python"
            );
        }
        python.map(Self)
    }

    /// The rows that DuckDB answers to each statement, in a folder.
    pub(crate) fn ask(&self, folder: &Path, statements: &[String]) -> Vec<Vec<Vec<Value>>> {
        let mut command = self.command(&[ASK]);
        command.current_dir(folder);
        let ended = run_with_input(command, &serde_json::to_string(statements).unwrap());
        assert!(ended.status.success(), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// It, with arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        command(&self.0, args)
    }

    /// What a script prints, in a folder.
    pub(crate) fn print(&self, folder: &Path, script: &str) -> String {
        let mut command = command(&self.0, &["-c", script]);
        command.current_dir(folder);
        let ended = run(command);
        assert!(ended.status.success(), "{ended:?}");
        ended.stdout.trim().to_owned()
    }
}
