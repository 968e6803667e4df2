//! The id of an event of the stream: up to where its reader has been told everything.
//!
//! `c1b2c3d4.0:123,1:456;r17;e7f00ba12.42.9d3c` is: of the log and fold version with this digest,
//! partition 0 up to offset 123 and partition 1 up to 456, the reference topic up to 17; edition
//! 42 of the run `7f00ba12`, as chosen by the selection with the digest `9d3c`.

use super::edition::Edition;
use super::selection::Selection;

/// What an event's id says to the program that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The run of the program.
    pub run: &'a str,
    /// The edition up to which everything was told.
    pub number: u64,
    /// The digest of the regions of which everything was told.
    pub selection: u32,
}

impl<'a> Mark<'a> {
    /// Of an id that a reader brings along; `None` of anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (_, mark) = text.rsplit_once(";e")?;
        let mut parts = mark.split('.');
        let (run, number, selection) = (parts.next()?, parts.next()?, parts.next()?);
        let digest = u32::from_str_radix(selection, 16).ok()?;
        let mark = Self { run, number: number.parse().ok()?, selection: digest };
        parts.next().is_none().then_some(mark)
    }

    /// The edition up to which a reader that brings this along has been told everything of these
    /// regions, as far as this run can tell.
    #[must_use]
    pub fn seen(&self, edition: &Edition, selection: &Selection) -> Option<u64> {
        let is_ours = *self.run == *edition.run && self.selection == selection.digest();
        (is_ours && (1..=edition.number).contains(&self.number)).then_some(self.number)
    }
}

/// The id of an event with which everything up to the edition with this number and these offsets
/// has been told.
#[must_use]
pub(super) fn id(offsets: &str, run: &str, number: u64, selection: &Selection) -> String {
    format!("{offsets};e{run}.{number}.{:x}", selection.digest())
}
