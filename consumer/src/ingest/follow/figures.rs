//! The figures topic: its records as they come.
//!
//! It keeps nothing: which record stands is for [`crate::domain::figure_book`] to say.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::{LearningReader, NotKnown};
use laju_kafka::read::TailRecord;
use laju_schemas::QuotedFigure;
use laju_schemas::topic::FIGURES;

use super::{follow, when_known};
use crate::domain::figure_book::FigureRecord;
use crate::ingest::error::WorkerError;
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;

/// How long a topic that cannot be read is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A record of the figures topic as it was read, or with what is wrong with it.
///
/// # Errors
/// If it is not known yet which schema the record has. It may be given again.
pub fn read(
    reader: &mut LearningReader<QuotedFigure>,
    record: &TailRecord<'_>,
) -> Result<FigureRecord, NotKnown> {
    let figure = reader.read(record.value().unwrap_or_default())?;
    Ok(FigureRecord {
        offset: record.offset(),
        key: record.key().map(<[u8]>::to_vec),
        figure: figure.map_err(|error| error.to_string()),
    })
}

/// What there is to tell of the figures topic.
#[derive(Debug)]
pub enum Told {
    /// Its next record.
    Record(Box<FigureRecord>),
    /// All that was there at the start has been told.
    CaughtUp,
    /// It cannot be read, and is tried again: why, in words.
    Trouble(String),
}

/// Follows the figures topic until asked to stop. While it cannot be read it is tried again, from
/// its first record. A registry's word that it has no such schema is believed after `patience`.
pub fn follow_figures(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    mut tell: impl FnMut(Told),
) {
    let mut last_trouble = String::new();
    while !stop.is_stopped() {
        let Err(error) = follow_once(connection, patience, troubles, stop, &mut tell) else {
            return;
        };
        let trouble = error.to_string();
        if trouble != last_trouble {
            // A cluster whose topics were made before there were figures has this for ever.
            tracing::warn!(error = trouble, "no figures can be quoted; trying again");
            last_trouble.clone_from(&trouble);
        }
        tell(Told::Trouble(trouble));
        stop.wait(RETRY_INTERVAL);
    }
}

fn follow_once(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    tell: &mut impl FnMut(Told),
) -> Result<(), WorkerError> {
    let mut reader = LearningReader::new(connection.registry_client()?, patience)?;
    let topic = connection.topic(&FIGURES);
    let tell = std::cell::RefCell::new(tell);
    let each = |(): &mut (), record: &TailRecord<'_>| {
        let read = when_known(
            (&topic, record),
            troubles,
            stop,
            || read(&mut reader, record),
            |error| tracing::warn!(%error, "figures: waiting for the schema registry"),
        );
        if let Some(record) = read {
            tell.borrow_mut()(Told::Record(Box::new(record)));
        }
    };
    let caught_up = |(): &()| tell.borrow_mut()(Told::CaughtUp);
    follow(connection, &topic, troubles, stop, &mut (), each, caught_up)
}
