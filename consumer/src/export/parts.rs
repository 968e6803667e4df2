//! The files of one dataset while they are written: one a month, all open at once, because each
//! partition of the log goes through the months again. How many rows wait in memory is bounded over
//! all of them, and depends on nothing but the rows: the same rows give the same files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use laju_schemas::rules::PROGRAMME_BEGAN;

use super::cut::FileEntry;
use super::file::{Metadata, TableFile, WriteError};
use super::table::{Table, Value};
use super::write::Format;
use crate::domain::day::Day;

/// Rows that wait in memory at most, over all files of a dataset.
const HELD_ROWS: usize = 300_000;

/// A dataset's files being written.
pub struct Parts {
    table: &'static Table,
    format: Format,
    metadata: Metadata,
    root: PathBuf,
    increment: u32,
    /// By year and month; all in one where the dataset is not by month.
    open: BTreeMap<(i16, i8), (String, Box<dyn TableFile>)>,
    held: usize,
}

impl Parts {
    /// No files yet, below the folder `root`. `increment` numbers the files.
    pub fn new(
        root: &Path,
        table: &'static Table,
        format: Format,
        metadata: Metadata,
        increment: u32,
    ) -> Self {
        let (root, open) = (root.to_owned(), BTreeMap::new());
        Self { table, format, metadata, root, increment, open, held: 0 }
    }

    /// Adds a row that was recorded on a day (of no meaning where the dataset is not by month).
    pub fn row(&mut self, recorded: Date, row: &[Value<'_>]) -> Result<(), WriteError> {
        let file = self.file(recorded)?;
        let before = file.held();
        file.row(row)?;
        let after = file.held();
        self.held = self.held + after - before;
        if self.held >= HELD_ROWS {
            // Of equals the first: what is written does not depend on chance.
            let largest = self.open.values_mut().rev().max_by_key(|(_, file)| file.held());
            if let Some((_, file)) = largest {
                self.held -= file.held();
                file.release()?;
            }
        }
        Ok(())
    }

    fn file(&mut self, recorded: Date) -> Result<&mut dyn TableFile, WriteError> {
        let month = if self.table.by_month { (recorded.year(), recorded.month()) } else { (0, 0) };
        let place = match self.open.entry(month) {
            Entry::Occupied(place) => return Ok(place.into_mut().1.as_mut()),
            Entry::Vacant(place) => place,
        };
        let mut folder = self.table.name.to_owned();
        if self.table.by_month {
            folder.push_str(&format!("/month={:04}-{:02}", month.0, month.1));
        }
        std::fs::create_dir_all(self.root.join(&folder))?;
        let ending = self.format.as_str();
        let path = format!("{folder}/part-{:05}.{ending}", self.increment);
        let file = self.format.create(&self.root.join(&path), self.table, &self.metadata)?;
        Ok(place.insert((path, file)).1.as_mut())
    }

    /// Ends all files. A dataset that has none so far (`is_first`) and no row gets one of no rows,
    /// in the programme's first month, so that a reader finds its columns.
    pub fn finish(mut self, is_first: bool) -> Result<Vec<FileEntry>, WriteError> {
        if self.open.is_empty() && is_first {
            self.file(Day::recorded(PROGRAMME_BEGAN.0).date())?;
        }
        let finish = |(path, file): (String, Box<dyn TableFile>)| {
            let written = file.finish()?;
            let (rows, bytes, sha256) = (written.rows, written.bytes, written.sha256);
            Ok(FileEntry { path, rows, bytes, sha256 })
        };
        self.open.into_values().map(finish).collect()
    }
}
