//! What is wrong with a field of an event, in both languages.

use laju_schemas::OutreachId;
use laju_schemas::id::IdError;
use laju_schemas::nik::NikProblem;

use laju_kafka::problem::Words;
use laju_kafka::words;

/// What belongs in a field.
pub(in crate::agent) fn expected(field: &str) -> Option<Words> {
    Some(match field {
        "nik" => words!("a NIK: 16 digits in quotes", "NIK: 16 angka dalam tanda kutip"),
        "home_region" | "service_region" | "from_region" => words!(
            "the code of a regency or city in quotes, like \"18.71\"",
            "kode kabupaten atau kota dalam tanda kutip, seperti \"18.71\""
        ),
        "occurred_at" => words!(
            "a time with its zone in quotes, like \"2026-05-03T09:30:00+07:00\"",
            "waktu dengan zonanya dalam tanda kutip, seperti \"2026-05-03T09:30:00+07:00\""
        ),
        "outreach_id" | "idempotency_key" => words!("a text in quotes", "teks dalam tanda kutip"),
        "event_id" => {
            words!("an event's id (a UUID) in quotes", "id peristiwa (UUID) dalam tanda kutip")
        }
        "first_time_holder" => words!("true or false", "true atau false"),
        "fact" => words!(
            "an object with the fact's name, like {{\"Activated\": {{\"channel\": \"office\", …}}}}",
            "objek dengan nama faktanya, seperti {{\"Activated\": {{\"channel\": \"office\", …}}}}"
        ),
        "channel" | "venue" | "reason" => {
            words!(
                "one of the contract's words in quotes",
                "salah satu kata kontrak dalam tanda kutip"
            )
        }
        _ => return None,
    })
}

/// The errors of this program's own types, by their English words.
pub(in crate::agent) fn own_words(field: &str, text: &str) -> Option<Words> {
    if field == "nik" {
        return NikProblem::ALL.into_iter().find(|problem| problem.to_string() == text).map(of_nik);
    }
    if matches!(field, "home_region" | "service_region" | "from_region")
        && text.contains("is not a region code")
    {
        let text = text.to_owned();
        return Some(words!(
            "{text}",
            "bukan kode wilayah: kabupaten atau kota ditulis seperti 18.71; kode adalah teks, dan lembar kerja (spreadsheet) suka membuang angka nol di belakang"
        ));
    }
    if matches!(field, "outreach_id" | "kiosk_id") {
        return of_id(text);
    }
    None
}

/// What is wrong with a NIK.
fn of_nik(problem: NikProblem) -> Words {
    let indonesian = match problem {
        NikProblem::Shape => "NIK terdiri dari 16 angka dan tidak ada yang lain",
        NikProblem::Rounded => {
            "lembar kerja (spreadsheet) menganggap NIK sebagai bilangan dan membulatkannya, sehingga angka terakhirnya hilang: ambil dari asalnya, ke kolom teks"
        }
        NikProblem::Province => "dua angka pertama NIK bukan kode provinsi",
        NikProblem::District => "angka ke-3 sampai ke-6 NIK bukan nomor kabupaten dan kecamatan",
        NikProblem::Birth => {
            "angka ke-7 sampai ke-12 NIK bukan tanggal lahir (tanggal, bulan, tahun; untuk perempuan tanggal ditambah 40)"
        }
        NikProblem::Serial => "empat angka terakhir NIK bukan nomor urut",
    };
    Words::new(problem.to_string(), indonesian)
}

/// What is wrong with an id.
fn of_id(text: &str) -> Option<Words> {
    let most = OutreachId::MAX_BYTES;
    Some(if text == IdError::Alphabet.to_string() {
        Words::new(
            text.to_owned(),
            "hanya boleh berisi huruf a sampai z dan A sampai Z, angka, '.', '_' dan '-'",
        )
    } else if text == IdError::Nik.to_string() {
        Words::new(
            text.to_owned(),
            "memuat angka seperti NIK: nomor penduduk tidak boleh keluar dari kios",
        )
    } else if text.starts_with("must have 1 to ") {
        words!("must have 1 to {most} characters", "harus 1 sampai {most} karakter")
    } else {
        return None;
    })
}
