//! A ledger as lines of JSON, and the digest over them that anybody can compute again.
//!
//! The lines of a partition are `head`, `tallies`, every `posting`, every `kiosk`, every
//! `quarantined`, the latest `refused`, and `end`. The digest is the SHA-256 of the lines between
//! `head` and `refused`, each with the line feed that ends it: of all that the log says, and of
//! nothing that differs between two copies of it (offsets, the names of topic and cluster). That of
//! a whole ledger is the SHA-256 of its partitions' digests, 32 bytes each, in order.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{
    LedgerHead, LedgerKiosk, LedgerPosting, LedgerQuarantined, LedgerRefused, LedgerTallies,
    kiosks, postings, quarantined, refused,
};
use crate::projection::partition_ledger::PartitionLedger;

/// About how many bytes are handed on at once.
const FRAME_BYTES: usize = 64 << 10;
/// The longest line that is read: a kiosk with a million gaps has a few megabytes.
const LONGEST_LINE: u64 = 64 << 20;

/// A line of a partition's ledger: an object with one member, which says what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerLine {
    /// What the ledger was made of: the first line.
    Head(LedgerHead),
    /// Its counts: the second line.
    Tallies(LedgerTallies),
    /// What was posted to one key.
    Posting(LedgerPosting),
    /// What a kiosk has sent.
    Kiosk(LedgerKiosk),
    /// How many records of one sort could not be counted.
    Quarantined(LedgerQuarantined),
    /// One of the latest of them.
    Refused(LedgerRefused),
    /// The last line: without it the ledger is not whole.
    End(LedgerEnd),
}

/// What tells a whole ledger from the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEnd {
    /// How many lines came before.
    pub lines: u64,
    /// The digest of those that it covers.
    pub digest: LedgerDigest,
}

/// The SHA-256 of a ledger's lines; 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerDigest(pub [u8; 32]);

impl LedgerDigest {
    /// Of a whole ledger: from its partitions' digests in order.
    #[must_use]
    pub fn of_all(partitions: impl IntoIterator<Item = Self>) -> Self {
        let mut hash = Sha256::new();
        partitions.into_iter().for_each(|digest| hash.update(digest.0));
        Self(hash.finalize().into())
    }

    /// Of a partition's ledger.
    #[must_use]
    pub fn of(part: &PartitionLedger) -> Self {
        let mut lines = Lines::default();
        lines.covered(part, &mut |_| true);
        lines.digest()
    }
}

impl fmt::Display for LedgerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LedgerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerDigest({self})")
    }
}

impl Serialize for LedgerDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LedgerDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// Writes a partition's ledger, some lines at a time, for as long as `emit` answers true.
pub fn write(part: &PartitionLedger, head: LedgerHead, mut emit: impl FnMut(Vec<u8>) -> bool) {
    let mut lines = Lines::default();
    if !lines.add(&LedgerLine::Head(head), false, &mut emit) || !lines.covered(part, &mut emit) {
        return;
    }
    for row in refused(&part.view) {
        if !lines.add(&LedgerLine::Refused(row), false, &mut emit) {
            return;
        }
    }
    let end = LedgerEnd { lines: lines.count, digest: lines.digest() };
    if lines.add(&LedgerLine::End(end), false, &mut emit) {
        emit(lines.frame);
    }
}

/// Lines on their way out.
#[derive(Default)]
struct Lines {
    frame: Vec<u8>,
    hash: Sha256,
    count: u64,
}

impl Lines {
    /// The lines that the digest covers; false once nobody takes them any more.
    fn covered(&mut self, part: &PartitionLedger, emit: &mut dyn FnMut(Vec<u8>) -> bool) -> bool {
        let view = &part.view;
        let tallies = std::iter::once_with(|| LedgerLine::Tallies(LedgerTallies::of(view)));
        let mut rows = tallies
            .chain(postings(part).map(LedgerLine::Posting))
            .chain(kiosks(view).map(LedgerLine::Kiosk))
            .chain(quarantined(view).map(LedgerLine::Quarantined));
        rows.all(|row| self.add(&row, true, emit))
    }

    fn add(
        &mut self,
        line: &LedgerLine,
        is_covered: bool,
        emit: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> bool {
        let from = self.frame.len();
        // Numbers and texts are JSON, and a vector takes them all.
        serde_json::to_writer(&mut self.frame, line).expect("rows are JSON");
        self.frame.push(b'\n');
        self.count += 1;
        if is_covered {
            self.hash.update(&self.frame[from..]);
        }
        if self.frame.len() < FRAME_BYTES {
            return true;
        }
        emit(std::mem::replace(&mut self.frame, Vec::with_capacity(FRAME_BYTES + 1_024)))
    }

    fn digest(&self) -> LedgerDigest {
        LedgerDigest(self.hash.clone().finalize().into())
    }
}

/// Why lines are not a ledger.
#[derive(Debug, Error)]
pub enum LinesError {
    /// They could not be read or kept.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// They end before the ledger does.
    #[error("the ledger broke off after {0} lines, before its end")]
    Cut(u64),
    /// A line is none of a ledger of this version.
    #[error("line {line} is none of a ledger that this version knows: {reason}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The end says otherwise than what came before it.
    #[error("the ledger's end says {said}, and there came {came}: it was changed on its way")]
    Changed {
        /// What the end says.
        said: String,
        /// What came.
        came: String,
    },
}

/// Reads a partition's ledger to its end, keeps its lines as they are, and holds them against their
/// own digest. Of each line only what it is is looked at.
///
/// # Errors
/// If it is cut, changed, or no ledger.
pub fn receive(
    mut from: impl BufRead,
    keep: &mut dyn Write,
) -> Result<(LedgerHead, LedgerDigest), LinesError> {
    let (mut line, mut count, mut hash) = (Vec::new(), 0, Sha256::new());
    let mut head = None;
    loop {
        line.clear();
        from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(LinesError::Cut(count));
        }
        keep.write_all(&line)?;
        let is_framing = [&b"{\"head\""[..], b"{\"refused\"", b"{\"end\""]
            .iter()
            .position(|start| line.starts_with(start));
        match (is_framing, &head) {
            (Some(0), None) => {
                let LedgerLine::Head(found) = parse(count + 1, &line)? else {
                    return Err(wrong(count + 1, "not a head"));
                };
                head = Some(found);
            }
            (Some(0), Some(_)) | (_, None) => return Err(wrong(count + 1, "out of place")),
            (None, _) => hash.update(&line),
            (Some(1), _) => {}
            (Some(_), Some(head)) => {
                let LedgerLine::End(end) = parse(count + 1, &line)? else {
                    return Err(wrong(count + 1, "not an end"));
                };
                let digest = LedgerDigest(hash.finalize().into());
                if (end.lines, end.digest) != (count, digest) {
                    let said = format!("{} lines of digest {}", end.lines, end.digest);
                    let came = format!("{count} of {digest}");
                    return Err(LinesError::Changed { said, came });
                }
                return Ok((head.clone(), digest));
            }
        }
        count += 1;
    }
}

fn wrong(line: u64, reason: &str) -> LinesError {
    LinesError::Line { line, reason: reason.to_owned() }
}

fn parse(line: u64, bytes: &[u8]) -> Result<LedgerLine, LinesError> {
    serde_json::from_slice(bytes)
        .map_err(|error| LinesError::Line { line, reason: error.to_string() })
}

/// The lines of a ledger that was received whole.
pub fn lines(from: impl BufRead) -> impl Iterator<Item = Result<LedgerLine, LinesError>> {
    (1..).zip(from.split(b'\n')).map(|(number, line)| parse(number, &line?))
}
