//! What a node lacks before it answers figures, in both languages.

use laju_kafka::problem::Words;
use laju_kafka::trouble::{TroubleKind, TroubledPartition};
use laju_schemas::text::shown;

use crate::query::readiness::{NotReady, NotReadyReason};

/// All of it, for a client that asked too early.
pub(super) fn words(not_ready: &NotReady) -> Words {
    let indonesian: Vec<_> = not_ready.0.iter().map(indonesian).collect();
    Words::new(shown(&not_ready.to_string()), indonesian.join("; "))
}

fn indonesian(lack: &NotReadyReason) -> String {
    match lack {
        NotReadyReason::Cluster => "simpul ini belum menjangkau Kafka".to_owned(),
        NotReadyReason::Partitions { loaded, total } => {
            format!("penyimpanan sedang dimuat: {loaded} dari {total} partisi topik peristiwa")
        }
        NotReadyReason::CatchingUp { partitions, events } => {
            format!("{partitions} partisi masih mengejar, {events} peristiwa lagi")
        }
        NotReadyReason::Behind { partition, seconds, max_seconds } => format!(
            "partisi {partition} tertinggal {seconds} detik dari akhirnya, lebih dari yang diizinkan --max-lag ({max_seconds} detik)"
        ),
        NotReadyReason::Reference => {
            "topik acuan belum dibaca sampai akhir yang terlihat saat mulai".to_owned()
        }
        NotReadyReason::Status => {
            "topik status kios belum dibaca sampai akhir yang terlihat saat mulai".to_owned()
        }
        NotReadyReason::Decisions => {
            "keputusan karantina belum dibaca sampai akhir yang terlihat saat mulai".to_owned()
        }
        NotReadyReason::Trouble(troubled) => trouble(troubled),
    }
}

fn trouble(TroubledPartition { topic, partition, trouble }: &TroubledPartition) -> String {
    let why = match trouble.kind {
        TroubleKind::Codec => "kompresi rekamannya tidak dapat dibuka program ini",
        TroubleKind::Damaged => "rekaman di sana rusak",
        TroubleKind::NotAuthorized => "pengguna ini tidak boleh membaca topik itu",
        TroubleKind::MessageFormat => "format rekamannya tidak dapat dibaca",
        TroubleKind::FetchFailed => "broker tidak memberikan rekamannya",
        TroubleKind::SchemaNotFound => "skemanya tidak ada di registry",
        TroubleKind::RegistryUnreachable => "registry tidak menjawab",
        TroubleKind::NotConfirmed => "tidak semua broker memastikan bahwa lognya masih sama",
        TroubleKind::AnotherLog => "topik itu dihapus dan dibuat lagi",
        TroubleKind::PartitionsAdded => "topik itu diberi partisi baru",
    };
    let (topic, offset) = (shown(topic), trouble.offset);
    format!(
        "partisi {partition} dari {topic} tidak dapat dibaca mulai offset {offset}: {why}; apa yang harus dilakukan ada di /readyz (dalam bahasa Inggris)"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use laju_kafka::problem::Language;
    use laju_kafka::trouble::Trouble;

    use super::*;

    #[test]
    fn whatever_is_lacking_is_named_in_both_languages() {
        let (topic, partition, offset) = (Arc::from("ikd.events.v1"), 3, 17);
        let trouble = Trouble {
            kind: TroubleKind::Damaged,
            offset,
            reason: "damaged".to_owned(),
            cure: "look".to_owned(),
        };
        let troubled = TroubledPartition { topic, partition, trouble };
        let not_ready = NotReady(vec![
            NotReadyReason::Partitions { loaded: 1, total: 12 },
            NotReadyReason::CatchingUp { partitions: 2, events: 345 },
            NotReadyReason::Trouble(Arc::new(troubled)),
        ]);
        let words = words(&not_ready);
        assert_eq!(words.to(Language::English), not_ready.to_string());
        let indonesian = words.to(Language::Indonesian);
        for part in
            ["1 dari 12 partisi", "345 peristiwa lagi", "partisi 3 dari ikd.events.v1", "17"]
        {
            assert!(indonesian.contains(part), "{part}: {indonesian}");
        }
    }
}
