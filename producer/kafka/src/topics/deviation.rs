//! In which way a topic differs from the contract, what that leads to, and what mends it.

use std::collections::BTreeMap;

use laju_schemas::topic::{Cleanup, Topic};

/// How a topic is, as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many partitions it has.
    pub partitions: u32,
    /// The fewest replicas that one of its partitions has.
    pub replication: u32,
    /// Its configuration, set or inherited from the broker.
    pub config: BTreeMap<String, String>,
}

/// One way in which a topic differs from the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What differs: `exists`, `partitions`, `replication`, or a property of the configuration.
    pub property: String,
    /// What the contract has.
    pub expected: String,
    /// What the topic has.
    pub found: String,
    /// What that leads to, in a sentence.
    pub why: String,
    /// What mends it: a command, or what to do.
    pub mend: String,
}

/// What a topic is checked against, beside the contract.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The topic's full name.
    pub name: &'a str,
    /// The addresses to show in commands.
    pub brokers: &'a str,
    /// The installation's prefix, to show in commands.
    pub prefix: &'a str,
    /// How many partitions the partitioned topics are to have; any number if `None`.
    pub partitions: Option<u32>,
    /// How many replicas are wanted; three, or as many as there are brokers, if `None`.
    pub replication: Option<u16>,
    /// How many brokers the cluster has.
    pub broker_count: u32,
}

impl Wanted<'_> {
    /// The command that makes what is missing.
    fn create(&self) -> String {
        let prefix = match self.prefix {
            "" => String::new(),
            prefix => format!(" --topic-prefix {prefix}"),
        };
        format!("laju topics create --brokers {}{prefix}", self.brokers)
    }
}

/// That partitions have records stamped more than a day ahead of now: by partition, the offset of
/// the first one. None if there is none.
#[must_use]
pub fn stamped_ahead(first: &BTreeMap<u32, i64>) -> Option<Deviation> {
    let each = first.iter().map(|(partition, at)| format!("partition {partition} at offset {at}"));
    let found = each.collect::<Vec<_>>().join(", ");
    (!found.is_empty()).then(|| Deviation {
        property: "timestamps".to_owned(),
        expected: "of no more than a day from now".to_owned(),
        found: format!("far in the future in {found}"),
        why:
            "When something was recorded never goes back within a partition: what comes after such \
              a record counts as recorded no earlier, and is left out as known at any day before."
                .to_owned(),
        mend: "set the clock of the broker that leads the partition right, and keep \
               message.timestamp.type=LogAppendTime; what is recorded stays as it is, and figures \
               without known_at, and their links, have all of it."
            .to_owned(),
    })
}

/// Every way in which a topic differs from the contract, the gravest first.
#[must_use]
pub fn deviations(topic: &Topic, wanted: &Wanted<'_>, found: Option<&Found>) -> Vec<Deviation> {
    let Some(found) = found else {
        return vec![Deviation {
            property: "exists".to_owned(),
            expected: "true".to_owned(),
            found: "false".to_owned(),
            why: format!("{} is not there, or this user may not see it.", wanted.name),
            mend: wanted.create(),
        }];
    };
    let mut all = Vec::new();
    all.extend(partitions(topic, wanted, found.partitions));
    all.extend(replication(wanted, found.replication));
    for (key, expected) in topic.config() {
        let has = found.config.get(key).map_or("", String::as_str);
        if !same(key, &expected, has) {
            let mend = format!(
                "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics \
                 --entity-name {} --add-config {key}={expected}",
                wanted.brokers, wanted.name
            );
            let why = consequence(topic, key, &expected, has);
            let found = if has.is_empty() { "not told" } else { has }.to_owned();
            all.push(Deviation { property: key.to_owned(), expected, found, why, mend });
        }
    }
    all
}

fn partitions(topic: &Topic, wanted: &Wanted<'_>, found: u32) -> Option<Deviation> {
    let expected = if topic.partitioned { wanted.partitions? } else { 1 };
    let (why, mend) = match () {
        () if found == expected => return None,
        () if topic.partitioned => (
            "Adding partitions to a topic that holds events puts subjects into another partition \
             than their earlier facts, and they would count twice."
                .to_owned(),
            format!(
                "While {0} is empty: delete it (kafka-topics.sh --bootstrap-server {1} --delete \
                 --topic {0}) and run {2} --partitions {expected}. Once it holds events keep it as \
                 it is, and check without --partitions",
                wanted.name,
                wanted.brokers,
                wanted.create()
            ),
        ),
        () => (
            "Every node reads this topic whole and takes its records in one order, which only a \
             single partition gives."
                .to_owned(),
            format!(
                "Partitions cannot be taken away: keep what it holds, delete it \
                 (kafka-topics.sh --bootstrap-server {1} --delete --topic {0}), run {2}, and \
                 publish what it held again",
                wanted.name,
                wanted.brokers,
                wanted.create()
            ),
        ),
    };
    let (property, expected) = ("partitions".to_owned(), expected.to_string());
    Some(Deviation { property, expected, found: found.to_string(), why, mend })
}

fn replication(wanted: &Wanted<'_>, found: u32) -> Option<Deviation> {
    let (expected, fits) = match wanted.replication {
        Some(count) => (u32::from(count), found == u32::from(count)),
        None => (wanted.broker_count.min(3), found >= wanted.broker_count.min(3)),
    };
    if fits {
        return None;
    }
    let why = if found < expected {
        format!(
            "With {found} of {expected} copies the loss of {} loses records that an agent has \
             been told are safe.",
            if found <= 1 { "one disk".to_owned() } else { format!("{found} disks") }
        )
    } else {
        format!("It keeps {found} copies where {expected} are asked for.")
    };
    Some(Deviation {
        property: "replication".to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
        why,
        mend: format!(
            "kafka-reassign-partitions.sh --bootstrap-server {} --execute \
             --reassignment-json-file FILE, with {expected} replicas for every partition of {}",
            wanted.brokers, wanted.name
        ),
    })
}

/// Whether a property has the value of the contract; a list has no order.
fn same(key: &str, expected: &str, found: &str) -> bool {
    if key == "cleanup.policy" {
        let set = |text: &str| {
            let mut parts: Vec<_> = text.split(',').map(|p| p.trim().to_owned()).collect();
            parts.sort_unstable();
            parts
        };
        return set(expected) == set(found);
    }
    if key == "segment.ms" {
        let ms = |text: &str| text.parse::<u64>().ok();
        return ms(found).is_some_and(|found| Some(found) <= ms(expected));
    }
    // Every negative retention means "for ever".
    let forever = |text: &str| text.parse::<i64>().is_ok_and(|n| n < 0);
    expected == found || (key.starts_with("retention") && forever(expected) && forever(found))
}

fn consequence(topic: &Topic, key: &str, expected: &str, found: &str) -> String {
    let less = || Some(found.parse::<u64>().ok()? < expected.parse::<u64>().ok()?);
    match key {
        _ if found.is_empty() => format!("The cluster does not tell {key}."),
        "cleanup.policy" if topic.cleanup == Cleanup::KeepAll => {
            "Compaction forgets all but the last record of a key, and with them what was known."
                .to_owned()
        }
        "cleanup.policy" => {
            "Only the last record of each key is wanted; without compaction the topic grows for \
             ever or loses kiosks that are silent."
                .to_owned()
        }
        "retention.ms" | "retention.bytes" => {
            "Records would be deleted, and no projection could be rebuilt from this topic."
                .to_owned()
        }
        "message.timestamp.type" => {
            "When a record was recorded would be the word of the producer's clock and not the \
             broker's, so that a wrong clock changes figures as known on a past day."
                .to_owned()
        }
        "segment.ms" => {
            "What a kiosk said before stays there for days, as the broker's segments do, and agents \
             read it when they start."
                .to_owned()
        }
        "max.message.bytes" if less() == Some(true) => {
            format!("Messages above {found} bytes would be refused, and {expected} are allowed.")
        }
        "max.message.bytes" => {
            format!(
                "Messages above {expected} bytes would be taken, and every reader refuses them."
            )
        }
        _ => format!("The contract has {key}={expected}."),
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::topic::{ALL, EVENTS, KIOSK_STATUS, QUARANTINE, REFERENCE};

    use super::*;

    const WANTED: Wanted<'_> = Wanted {
        name: "t",
        brokers: "b:1",
        prefix: "",
        partitions: None,
        replication: None,
        broker_count: 1,
    };

    fn as_made(topic: &Topic) -> Found {
        let config: BTreeMap<_, _> =
            topic.config().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        Found { partitions: if topic.partitioned { 12 } else { 1 }, replication: 1, config }
    }

    fn of(topic: &Topic, wanted: &Wanted<'_>, found: &Found) -> Vec<String> {
        deviations(topic, wanted, Some(found)).into_iter().map(|d| d.property).collect()
    }

    #[test]
    fn a_topic_as_made_does_not_deviate() {
        for topic in &ALL {
            assert_eq!(deviations(topic, &WANTED, Some(&as_made(topic))), []);
        }
    }

    #[test]
    fn a_missing_topic_is_told_with_the_command_that_makes_it() {
        let all = deviations(&EVENTS, &WANTED, None);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].mend, "laju topics create --brokers b:1");
        let all = deviations(&EVENTS, &Wanted { prefix: "a.", ..WANTED }, None);
        assert_eq!(all[0].mend, "laju topics create --brokers b:1 --topic-prefix a.");
    }

    #[test]
    fn every_property_of_the_contract_is_compared() {
        for topic in &ALL {
            for (key, _) in topic.config() {
                let mut found = as_made(topic);
                // Segments may be shorter.
                let wrong = if key == "segment.ms" { "604800000" } else { "77" };
                found.config.insert(key.to_owned(), wrong.to_owned());
                assert_eq!(of(topic, &WANTED, &found), [key]);
                found.config.remove(key);
                assert_eq!(of(topic, &WANTED, &found), [key]);
            }
        }
    }

    #[test]
    fn long_segments_of_a_compacted_topic_are_a_deviation() {
        let mut found = as_made(&KIOSK_STATUS);
        found.config.insert("segment.ms".to_owned(), "604800000".to_owned());
        let all = deviations(&KIOSK_STATUS, &WANTED, Some(&found));
        assert_eq!(all[0].property, "segment.ms");
        assert!(all[0].mend.ends_with("--add-config segment.ms=3600000"), "{}", all[0].mend);
        let mut found = as_made(&EVENTS);
        found.config.insert("segment.ms".to_owned(), "604800000".to_owned());
        assert_eq!(of(&EVENTS, &WANTED, &found), [""; 0]);
    }

    #[test]
    fn create_time_is_a_deviation_with_the_setting_that_mends_it() {
        let mut found = as_made(&EVENTS);
        found.config.insert("message.timestamp.type".to_owned(), "CreateTime".to_owned());
        let all = deviations(&EVENTS, &WANTED, Some(&found));
        assert!(all[0].why.contains("clock"), "{}", all[0].why);
        let setting = "--entity-name t --add-config message.timestamp.type=LogAppendTime";
        assert!(all[0].mend.ends_with(setting), "{}", all[0].mend);
    }

    #[test]
    fn records_stamped_ahead_are_named_with_partition_and_offset() {
        assert_eq!(stamped_ahead(&BTreeMap::new()), None);
        let found = stamped_ahead(&[(0, 7), (2, 11)].into()).unwrap().found;
        assert!(found.contains("partition 0 at offset 7, partition 2 at offset 11"), "{found}");
    }

    #[test]
    fn limits_below_and_above_have_their_own_words() {
        let why = |bytes: &str| {
            let mut found = as_made(&QUARANTINE);
            found.config.insert("max.message.bytes".to_owned(), bytes.to_owned());
            deviations(&QUARANTINE, &WANTED, Some(&found)).remove(0).why
        };
        assert!(why("1048588").contains("refused, and"));
        assert!(why("9999999").contains("taken, and"));
    }

    #[test]
    fn values_that_mean_the_same_are_the_same() {
        let mut found = as_made(&KIOSK_STATUS);
        found.config.insert("retention.ms".to_owned(), "-2".to_owned());
        assert_eq!(of(&KIOSK_STATUS, &WANTED, &found), [""; 0]);
        found.config.insert("segment.ms".to_owned(), "60000".to_owned());
        assert_eq!(of(&KIOSK_STATUS, &WANTED, &found), [""; 0]);
        found.config.insert("cleanup.policy".to_owned(), "delete, compact".to_owned());
        assert_eq!(of(&KIOSK_STATUS, &WANTED, &found), ["cleanup.policy"]);
    }

    #[test]
    fn partitions_and_copies_are_compared_with_what_is_wanted() {
        let mut found = as_made(&EVENTS);
        found.partitions = 6;
        assert_eq!(of(&EVENTS, &WANTED, &found), [""; 0]);
        let twelve = Wanted { partitions: Some(12), ..WANTED };
        assert_eq!(of(&EVENTS, &twelve, &found), ["partitions"]);

        let mut found = as_made(&REFERENCE);
        found.partitions = 3;
        assert_eq!(of(&REFERENCE, &WANTED, &found), ["partitions"]);
        found.partitions = 1;
        let five = Wanted { broker_count: 5, ..WANTED };
        assert_eq!(of(&REFERENCE, &five, &found), ["replication"]);
        found.replication = 3;
        assert_eq!(of(&REFERENCE, &five, &found), [""; 0]);
        let two = Wanted { replication: Some(2), ..five };
        assert_eq!(of(&REFERENCE, &two, &found), ["replication"]);
    }
}
