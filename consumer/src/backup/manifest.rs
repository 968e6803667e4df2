//! What a backup says of itself: which installation it is of, which files it has, and up to where it
//! is whole. It is written last, and in one step: a file that it does not list is none of the
//! backup's.

use std::collections::BTreeMap;
use std::path::Path;

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use super::private::create_private;
use crate::files::{part_of, replace_by_json};

pub const MANIFEST: &str = "manifest.json";
/// The form of the manifest and of the files.
const FORM: u32 = 1;

/// Offsets without a record, from the first up to before the second: marks of transactions, what was
/// aborted, and what compaction has left.
pub type Gap = (i64, i64);

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of all of this.
    pub form: u32,
    /// The version of the program that wrote it last.
    pub program: String,
    /// The cluster that it is of.
    pub cluster_id: String,
    /// By the topic's name in the contract.
    pub topics: BTreeMap<String, TopicPart>,
    /// Up to where it is whole, once a backup has come to its end.
    pub cut: Option<Cut>,
}

/// What is kept of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPart {
    /// Its full name.
    pub name: String,
    /// Its own id, where the brokers give one.
    pub topic_id: Option<String>,
    pub partitions: u32,
    /// Its configuration, of what the contract speaks of; empty where the broker does not tell.
    pub config: BTreeMap<String, String>,
    /// The files, in the order in which they were ended: those of a partition by their offsets.
    pub segments: Vec<Segment>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Below the backup's directory.
    pub file: String,
    pub partition: u32,
    /// The first offset that it speaks of.
    pub from: i64,
    /// Behind the last one.
    pub next: i64,
    pub records: u64,
    /// Where it has none.
    pub gaps: Vec<Gap>,
    /// How long it is.
    pub bytes: u64,
    /// SHA-256 over all of it.
    pub sha256: String,
}

/// Up to where every topic belongs together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// When was looked how far the topics go.
    pub copied_at: TimestampMs,
    /// By topic, then by partition, the offset behind the last one.
    pub ends: BTreeMap<String, BTreeMap<u32, i64>>,
}

impl Manifest {
    /// Of nothing yet.
    pub fn begin(cluster_id: String) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self { form: FORM, program, cluster_id, topics: BTreeMap::new(), cut: None }
    }

    /// The one in a backup's directory, if there is one.
    pub fn load(root: &Path) -> Result<Option<Self>, BackupError> {
        let path = root.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(BackupError::Io { path, source }),
        };
        let wrong = |why: String| BackupError::Manifest { path: path.clone(), why };
        let read: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if read.form != FORM {
            return Err(wrong(format!("it is of form {}", read.form)));
        }
        for (name, part) in &read.topics {
            part.check().map_err(|why| wrong(format!("{name}: {why}")))?;
        }
        Ok(Some(read))
    }

    /// All files, each with its topic.
    pub fn segments(&self) -> impl Iterator<Item = (&str, &Segment)> + Clone {
        let topics = self.topics.iter();
        topics.flat_map(|(topic, part)| {
            part.segments.iter().map(move |segment| (topic.as_str(), segment))
        })
    }

    /// The files that a restore takes: up to where the backup is whole, or all if it never was. What a
    /// backup that was interrupted has kept since is not among them.
    pub fn whole_segments(&self) -> impl Iterator<Item = (&str, &Segment)> + Clone {
        let ends = self.cut.as_ref().map(|cut| &cut.ends);
        self.segments().filter(move |(topic, segment)| {
            ends.is_none_or(|ends| {
                let end = ends.get(*topic).and_then(|ends| ends.get(&segment.partition));
                end.is_some_and(|end| segment.from < *end)
            })
        })
    }

    /// Where a partition begins: its first offset when it was kept first, or the end of one of which
    /// all records had been deleted.
    pub fn begin_of(&self, topic: &str, partition: u32) -> Option<i64> {
        let kept = self.topics.get(topic).and_then(|part| part.begin(partition));
        let end = || self.cut.as_ref()?.ends.get(topic)?.get(&partition).copied();
        kept.or_else(end)
    }

    /// Writes it in place of the one before.
    pub fn save(&mut self, root: &Path) -> Result<(), BackupError> {
        env!("CARGO_PKG_VERSION").clone_into(&mut self.program);
        let path = root.join(MANIFEST);
        let new = part_of(&path);
        let written =
            create_private(&new).and_then(|file| replace_by_json((file, &new), &path, self));
        written.map_err(BackupError::at(&path))
    }
}

impl TopicPart {
    /// The files of a partition up to an offset, in the order of their offsets. No file goes across
    /// the end of a backup.
    pub fn segments_of(&self, partition: u32, end: i64) -> impl Iterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(move |segment| segment.partition == partition && segment.from < end)
    }

    /// Where a partition begins: its first offset when it was kept first.
    pub fn begin(&self, partition: u32) -> Option<i64> {
        self.segments_of(partition, i64::MAX).next().map(|segment| segment.from)
    }

    /// Up to where a partition was kept.
    pub fn next(&self, partition: u32) -> Option<i64> {
        self.segments_of(partition, i64::MAX).last().map(|segment| segment.next)
    }

    /// Where a partition has no records up to an offset, those of two files that meet as one.
    pub fn gaps(&self, partition: u32, end: i64) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        for &(from, to) in self.segments_of(partition, end).flat_map(|segment| &segment.gaps) {
            match gaps.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => gaps.push((from, to)),
            }
        }
        gaps
    }

    /// That the files of each partition follow on one another.
    fn check(&self) -> Result<(), String> {
        let mut nexts: BTreeMap<u32, i64> = BTreeMap::new();
        for segment in &self.segments {
            let Segment { file, partition, from, next, .. } = segment;
            let before = nexts.insert(*partition, *next);
            let follows = before.is_none_or(|before| before == *from);
            if !follows || next < from || *partition >= self.partitions {
                return Err(format!("{file} does not follow on what stands before it"));
            }
            if !is_plain(file) {
                return Err(format!("{file} is not the name of a file of a backup"));
            }
        }
        Ok(())
    }
}

/// Whether a name leads to a file right below a topic's directory, and nowhere else.
fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    let is_name = |part| matches!(part, Some(std::path::Component::Normal(_)));
    is_name(parts.next()) && is_name(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(partition: u32, from: i64, next: i64, gaps: &[Gap]) -> Segment {
        Segment {
            file: format!("t/{partition}-{from}.avro"),
            partition,
            from,
            next,
            records: 0,
            gaps: gaps.to_vec(),
            bytes: 0,
            sha256: String::new(),
        }
    }

    fn part(segments: Vec<Segment>) -> TopicPart {
        let (name, config) = ("t".to_owned(), BTreeMap::new());
        TopicPart { name, topic_id: None, partitions: 2, config, segments }
    }

    #[test]
    fn gaps_of_two_files_that_meet_are_one_and_what_is_behind_the_cut_is_left_out() {
        let part = part(vec![
            segment(0, 3, 10, &[(4, 5), (8, 10)]),
            segment(1, 0, 7, &[(0, 7)]),
            segment(0, 10, 20, &[(10, 12)]),
            segment(0, 20, 30, &[(20, 21)]),
        ]);
        assert_eq!(part.gaps(0, 20), [(4, 5), (8, 12)]);
        assert_eq!((part.begin(0), part.next(0), part.next(2)), (Some(3), Some(30), None));
    }

    #[test]
    fn what_was_kept_since_the_backup_was_whole_is_none_of_it() {
        let mut manifest = Manifest::begin("c".to_owned());
        let part =
            part(vec![segment(0, 0, 10, &[]), segment(1, 0, 5, &[]), segment(0, 10, 20, &[])]);
        manifest.topics.insert("t".to_owned(), part.clone());
        let files = |manifest: &Manifest| manifest.whole_segments().count();
        assert_eq!(files(&manifest), 3);
        let ends = BTreeMap::from([("t".to_owned(), BTreeMap::from([(0, 10), (1, 5)]))]);
        manifest.cut = Some(Cut { copied_at: TimestampMs(1), ends });
        manifest.topics.insert("new".to_owned(), part);
        assert_eq!(files(&manifest), 2);
    }

    #[test]
    fn a_manifest_whose_files_do_not_follow_on_one_another_is_refused() {
        let torn = part(vec![segment(0, 0, 10, &[]), segment(0, 11, 12, &[])]);
        let other = part(vec![segment(2, 0, 10, &[])]);
        let elsewhere = Segment { file: "../../etc/passwd".to_owned(), ..segment(0, 0, 1, &[]) };
        let directory = tempfile::tempdir().unwrap();
        for wrong in [torn, other, part(vec![elsewhere])] {
            let mut manifest = Manifest::begin("c".to_owned());
            manifest.topics.insert("t".to_owned(), wrong);
            manifest.save(directory.path()).unwrap();
            let error = Manifest::load(directory.path()).unwrap_err();
            assert!(matches!(error, BackupError::Manifest { .. }), "{error}");
        }
    }
}
