use proptest::prelude::*;

use super::*;

/// NIKs of men and women of every province's kind.
fn nik() -> impl Strategy<Value = String> {
    let province =
        prop::sample::select(vec!["11", "18", "31", "35", "53", "64", "73", "82", "91", "96"]);
    (
        province,
        1..100_u32,
        1..100_u32,
        1..29_u32,
        any::<bool>(),
        1..13_u32,
        0..100_u32,
        1..10_000_u32,
    )
        .prop_map(|(province, regency, district, day, woman, month, year, serial)| {
            let day = day + if woman { 40 } else { 0 };
            format!("{province}{regency:02}{district:02}{day:02}{month:02}{year:02}{serial:04}")
        })
}

/// Whether one of the names that are not looked into came about by chance.
fn holds_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| {
        text.is_char_boundary(at) && {
            let rest = &text[at..];
            rest.len() >= 8 && rest.starts_with("20")
        }
    }) && !stretches(text, false).iter().any(|stretch| stretch.len() >= DIGITS)
}

fn in_script(nik: &str, zero: u32) -> String {
    nik.bytes().map(|byte| char::from_u32(zero + u32::from(byte - b'0')).unwrap()).collect()
}

proptest! {
    #[test]
    fn a_nik_is_seen_in_the_digits_of_any_script(
        nik in nik(),
        zeros in prop::collection::vec(prop::sample::select(vec![
            0x30_u32, 0x660, 0x6f0, 0x966, 0x1bb0, 0xa9d0, 0xff10, 0x1d7ce, 0x1d7f6, 0x2080,
        ]), 16),
    ) {
        prop_assert!(holds_nik(&nik));
        let mixed: String = nik
            .chars()
            .zip(zeros)
            .map(|(digit, zero)| in_script(&digit.to_string(), zero))
            .collect();
        let named = format!("visit {mixed}!");
        prop_assert!(holds_nik(&named), "{named}");
        prop_assert!(masked(&mixed) == "(16 digits)", "{}", masked(&mixed));
    }

    #[test]
    fn a_nik_is_seen_whatever_separates_its_digits(
        nik in nik(),
        gaps in prop::collection::vec("[ ._/x,:;+()\u{200b}\u{200d}\u{2013}\n\t#a-]{0,2}", 15),
    ) {
        let mut text = String::new();
        for (digit, gap) in nik.chars().zip(gaps.iter().map(String::as_str).chain([""])) {
            text.push(digit);
            let letters = gap.chars().filter(|c| c.is_alphabetic()).count();
            text.push_str(if letters > 1 { &gap[..1] } else { gap });
        }
        prop_assume!(!holds_day(&text));
        prop_assert!(holds_nik(&text), "{text:?}");
        let shown = masked(&text).into_owned();
        let left = shown.chars().filter(|c| digits::value(*c).is_some()).count();
        prop_assert!(left <= 2, "{shown}");
    }

    #[test]
    fn the_first_fourteen_and_fifteen_digits_are_seen_too(nik in nik(), length in 14..16_usize) {
        let part = &nik[..length];
        prop_assert!(holds_nik(part));
        let named = format!("sd-{part}-a");
        prop_assert!(holds_nik(&named), "{named}");
        let grouped = [&part[..4], &part[4..8], &part[8..12], &part[12..]].join(".");
        prop_assume!(!holds_day(&grouped));
        prop_assert!(holds_nik(&grouped), "{grouped}");
    }

    #[test]
    fn letters_that_look_like_digits_hide_nothing(nik in nik(), mask in any::<u16>()) {
        let text: String = nik
            .chars()
            .enumerate()
            .map(|(index, digit)| match digit {
                '0' if mask >> index & 1 == 1 => 'O',
                '1' if mask >> index & 1 == 1 => 'l',
                digit => digit,
            })
            .collect();
        prop_assume!(text.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_REAL);
        prop_assert!(holds_nik(&text), "{text}");
    }

    #[test]
    fn uuids_and_digests_are_none(bytes in any::<[u8; 32]>(), version in 1..=8_u8) {
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        id[6] = id[6] & 0x0f | version << 4;
        id[8] = id[8] & 0x3f | 0x80;
        let id = uuid::Uuid::from_bytes(id);
        prop_assert!(!holds_nik(&id.to_string()), "{id}");
        let told = format!("of event {id}, at 3/17");
        prop_assert!(!holds_nik(&told), "{told}");
        let digest = hex::encode(bytes);
        prop_assume!(digest.bytes().filter(u8::is_ascii_alphabetic).count() >= 4);
        let told = format!("sha256:{digest}");
        prop_assert!(!holds_nik(&told), "{told}");
    }

    #[test]
    fn names_of_visits_by_region_day_and_number_are_none(
        region in "[1-9][0-9]\\.[0-9]{2}|[1-9][0-9]{3}",
        year in 2020..2050_u32,
        month in 1..13_u32,
        day in 1..32_u32,
        number in 0..10_000_u32,
    ) {
        for text in [
            format!("{region}-{year}-{month:02}-{day:02}-{number:04}"),
            format!("{region}_{year}{month:02}{day:02}_{number}"),
            format!("{year}.{month:02}.{day:02}.{region}.{number}"),
        ] {
            prop_assert!(!holds_nik(&text), "{text}");
        }
    }

    #[test]
    fn any_text_is_taken(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let shown = masked(&text);
        prop_assert!(!holds_nik(&shown) || shown.contains("digits"));
        for span in spans_in_bytes(&bytes) {
            prop_assert!(span.start < span.end && span.end <= bytes.len());
        }
    }
}

#[test]
fn every_character_is_looked_at_without_harm() {
    for c in '\0'..=char::MAX {
        let value = digits::value(c);
        assert!(value.is_none_or(|value| value < 10), "{c:?}");
        assert_eq!(c.is_ascii_digit(), c.is_ascii() && value.is_some(), "{c:?}");
    }
}

#[test]
fn disguises_that_were_tried_are_seen_through() {
    for text in [
        "1871010101900001",
        "x1871010101900001y",
        "1871010x101900001",
        "18710101019000",
        "１８７１０１０１０１９００００１",
        "١٨٧١٠١٠١٠١٩٠٠٠٠١",
        "1871-0101-0190-0001",
        "1871_0101/0190–0001",
        "1 8 7 1 0 1 0 1 0 1 9 0 0 0 0 1",
        "18.71.01.01.01.90.00.01",
        "187101-410190-0001",
        "187lOlOlOl900001",
        "18710I0101900001",
        "1\u{200b}871010101900001",
        "111111111111111",
    ] {
        assert!(holds_nik(text), "{text}");
    }
}

#[test]
fn honest_names_and_sentences_are_none() {
    for text in [
        "",
        "kiosk-1",
        "18.71-2026-05-03-01",
        "jemput-bola-2024-05-03-18.71-0001",
        "visit 20260503123000",
        "20260503T023000.000Z",
        "2026-05-03T02:30:00.123Z",
        "018d4a6e-5c00-7000-8000-000000000001",
        "+62 812-3456-7890",
        "081234567890",
        "1720000000000",
        "00:1B:44:11:3A:B7",
        "Metro-2024-01-05-SMA-1",
        "90.000 of 767.000 (11,73 %) by 31-12-2023, 566 in February",
        "Disdukcapil Kota Bengkulu, 2024-01-31, no. 470/123/2024",
        "Kepmendagri 300.2.2-2138/2025",
        "3,466 repeats, 6,640 late, 551 retractions, 366 moves, 4,624 activated elsewhere",
    ] {
        assert!(!holds_nik(text), "{text}");
        assert_eq!(masked(text), text);
    }
}

#[test]
fn what_may_be_a_nik_is_not_shown() {
    for (text, expected) in [
        ("kiosk 18", "kiosk 18"),
        ("12345678901234", "12345678901234"),
        ("1234567890123456", "(16 digits)"),
        ("é12345678901234567x", "é(17 digits)x"),
        ("-9187101310190000 1871013101900001", "-(32 digits)"),
        ("to 1871_0101/0190–0001!", "to (16 digits)!"),
    ] {
        assert_eq!(masked(text), expected);
    }
    let bytes = b"\xff1871010101900001\x00".as_slice();
    assert_eq!(spans_in_bytes(bytes), vec![1..17]);
}

#[test]
fn men_and_women_of_known_provinces_are_accepted() {
    for nik in [
        "1871010101900001",
        "1871014101900001",
        "3175017112850003",
        "9271012902000001",
        "3201012902960012",
    ] {
        assert!(parse(nik).is_ok(), "{nik}");
    }
}

#[test]
fn each_part_is_checked_and_no_digit_is_repeated() {
    for (nik, problem) in [
        ("187101010190000", NikProblem::Shape),
        (" 1871010101900001", NikProblem::Shape),
        ("1.8710101019E+15", NikProblem::Rounded),
        ("1,87101E+15", NikProblem::Rounded),
        ("2E15", NikProblem::Rounded),
        ("1871010101900E01", NikProblem::Rounded),
        ("E+15", NikProblem::Shape),
        ("187101010190000a", NikProblem::Shape),
        ("0071010101900001", NikProblem::Province),
        ("9971010101900001", NikProblem::Province),
        ("1800010101900001", NikProblem::District),
        ("1871000101900001", NikProblem::District),
        ("1871010001900001", NikProblem::Birth),
        ("1871013201900001", NikProblem::Birth),
        ("1871014001900001", NikProblem::Birth),
        ("1871017201900001", NikProblem::Birth),
        ("1871013102900001", NikProblem::Birth),
        ("1871012902910001", NikProblem::Birth),
        ("1871010113900001", NikProblem::Birth),
        ("1871010101900000", NikProblem::Serial),
    ] {
        let found = parse(nik).unwrap_err();
        assert_eq!(found, problem, "{nik}");
        let start = nik.get(..6).unwrap_or(nik);
        assert!(!found.to_string().contains(start));
    }
}
