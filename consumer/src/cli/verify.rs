//! `laju verify`: holds a worker's ledger, a store's, or a figure once quoted against the log. The
//! log is folded again from nothing, in memory, by the same judge and the same fold as a worker's.

mod args;
mod behind;
mod figure;
mod ledger;
mod report;

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;

pub use self::args::VerifyArgs;
use self::figure::FigureCheck;
use self::ledger::LedgerCheck;
use super::claim::Side;
use super::stop;

impl VerifyArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let stop = stop::on_signal()?;
        let (schemas, stop) = (&self.schemas.read()?[..], stop.flag());
        let side = match (self.figure, &self.worker, &self.store) {
            (Some(figure), ..) => {
                let (connection, json) = (&self.connection, self.json);
                return FigureCheck { figure, connection, schemas, json, stop }.run(out);
            }
            (None, Some(url), _) => Side::Worker(url.clone()),
            (None, None, Some(path)) => Side::Store(path.clone()),
            (None, None, None) => bail!("give --worker, --store or --figure"),
        };
        LedgerCheck { args: self, side, schemas, stop }.run(out)
    }
}
