//! What the commands read: the quarantine topic, what was decided, and what the rules say of a record.

use clap::Args;
use laju_kafka::connection::Connection;

use crate::cli::args::Schemas;
use crate::cli::output::{bar, show};
use crate::domain::decisions::DecisionBook;
use crate::ingest::decide::{Judge, check_topics, read_decisions};
use crate::ingest::quarantine::{Passed, Quarantined, read_quarantine};

/// Where Kafka is, and the schemas that events may have.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("schemas", |arg| arg.help(SCHEMAS)))]
pub(super) struct Source {
    #[command(flatten)]
    pub schemas: Schemas,

    #[command(flatten)]
    pub connection: Connection,
}

const SCHEMAS: &str = "A further version of the events topic's schema, as the worker is given; may \
     be given many times";

/// What is known before the quarantine topic is read.
pub(super) struct Known {
    /// How many partitions the events topic has.
    pub(super) partitions: u32,
    pub(super) judge: Judge,
    pub(super) decisions: DecisionBook,
}

impl Source {
    pub(super) fn open(&self) -> anyhow::Result<Known> {
        let schemas = self.schemas.read()?;
        let partitions = check_topics(&self.connection)?;
        let judge = Judge::new(&schemas, self.connection.registry_client()?, partitions)?;
        Ok(Known { partitions, judge, decisions: read_decisions(&self.connection)? })
    }

    /// Reads the quarantine topic to its end under a bar, and hands over each record, until `each`
    /// fails.
    pub(super) fn read(
        &self,
        partitions: u32,
        (what, json): (&'static str, bool),
        mut each: impl FnMut(Quarantined) -> anyhow::Result<()>,
    ) -> anyhow::Result<Passed> {
        let bar = bar(what, 0, json);
        let mut ended = Ok(());
        let passed = read_quarantine(
            &self.connection,
            partitions,
            |at, all| show(&bar, at, all),
            |record| {
                if ended.is_ok() {
                    ended = each(record);
                }
            },
        );
        bar.finish_and_clear();
        let passed = passed?;
        ended.map(|()| passed)
    }
}
