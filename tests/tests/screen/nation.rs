//! The nation's page: the sum, the ranking, and who falls behind.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stage::Visit;
use crate::tab::quoted;

/// A count as Indonesian writes it: 90.000.
pub(crate) fn dotted(number: &Value) -> String {
    let digits = number.as_i64().expect("a whole number").to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push('.');
        }
        shown.push(digit);
    }
    shown
}

/// A decimal as Indonesian writes it: 7.535,68.
pub(crate) fn decimal(text: &Value) -> String {
    let (whole, places) = text.as_str().expect("a decimal").split_once('.').expect("places");
    format!("{},{places}", dotted(&whole.parse::<i64>().expect("whole").into()))
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().expect("rows")
}

pub(crate) async fn the_sum_of_all_regions_is_shown(visit: &mut Visit<'_>) {
    let days = "as_of=2024-12-31&known_at=2024-12-31";
    let regencies = visit.ask(&format!("/v1/progress?level=regency&{days}")).await;
    let sum: i64 = rows(&regencies).iter().map(|row| row["activated"].as_i64().unwrap()).sum();
    assert!(sum > 100_000, "the demo has played: {sum}");
    let tab = visit.open(&format!("?{days}&lang=id")).await;
    assert_eq!(tab.text("#activated").await, dotted(&sum.into()));
    let marks = "all('.map .mark[data-code]').length";
    assert_eq!(tab.read::<usize>(marks).await, rows(&regencies).len(), "a mark for each");
    assert_eq!(tab.read::<String>("one('#pulse').dataset.state").await, "past");
    assert!(tab.text(".notice").await.contains("31 Desember 2024"));
}

/// The numbers of the ranking's column of active people, in its order.
const NUMBERS: &str = "[...card('Peringkat').querySelectorAll('tbody tr')]
    .map((row) => Number(row.querySelector('td.number').innerText.replaceAll('.', '')))";
/// The codes of its rows.
const CODES: &str =
    "[...card('Peringkat').querySelectorAll('tbody .code')].map((code) => code.innerText)";

pub(crate) async fn the_ranking_is_sorted_and_filtered(visit: &mut Visit<'_>) {
    let days = "as_of=2023-12-31&known_at=2024-02-01";
    let tab = visit.open(&format!("?{days}&lang=id")).await;
    let heading = "card('Peringkat').querySelector('th.activated')";
    let click = format!("{heading}.querySelector('button')");

    tab.click_on(&click).await;
    let sorted = format!("{heading}.getAttribute('aria-sort') === 'descending'");
    tab.wait("the column is sorted downwards", &sorted).await;
    let numbers: Vec<i64> = tab.read(NUMBERS).await;
    assert!(numbers.is_sorted_by(|a, b| a >= b) && numbers[0] >= 90_000, "{:?}", &numbers[..5]);
    let all = visit.ask(&format!("/v1/progress?level=regency&{days}")).await;
    assert_eq!(numbers.len(), rows(&all).len());

    tab.click_on(&click).await;
    let sorted = format!("{heading}.getAttribute('aria-sort') === 'ascending'");
    tab.wait("the column is sorted upwards", &sorted).await;
    assert!(tab.read::<Vec<i64>>(NUMBERS).await.is_sorted());

    let expected: BTreeSet<String> = rows(&all)
        .iter()
        .map(|row| &row["region"])
        .filter(|region| region["name"].as_str().unwrap().to_lowercase().contains("lampung"))
        .map(|region| region["code"].as_str().unwrap().to_owned())
        .collect();
    assert!(expected.contains("18.71") && expected.len() > 3);
    let _: Value = tab.read("card('Peringkat').querySelector('input').focus()").await;
    tab.type_text("lampung").await;
    tab.wait("some are left out", &format!("{CODES}.length === {}", expected.len())).await;
    let found: Vec<String> = tab.read(CODES).await;
    assert_eq!(BTreeSet::from_iter(found), expected);

    let provinces = "[...card('Peringkat').querySelectorAll('header button')]
        .find((button) => button.innerText === 'Provinsi')";
    tab.click_on(provinces).await;
    tab.wait("one province has that name", &format!("{CODES}.join() === '18'")).await;
}

pub(crate) async fn who_falls_behind_is_listed(visit: &mut Visit<'_>) {
    let days = "as_of=2024-08-02&known_at=2024-09-01";
    let mut expected = BTreeSet::new();
    for level in ["regency", "province"] {
        let paces = visit.ask(&format!("/v1/pace?level={level}&{days}")).await;
        let behind = rows(&paces).iter().filter(|row| {
            let window = row["windows"].as_array().unwrap().last().unwrap();
            window["is_enough"] == false
        });
        expected.extend(behind.map(|row| row["region"]["name"].as_str().unwrap().to_owned()));
    }
    assert!((1..40).contains(&expected.len()), "{expected:?}");
    let tab = visit.open(&format!("?{days}&lang=id")).await;
    let names = "[...card('Tertinggal dari laju yang dibutuhkan').querySelectorAll('li a')]
        .map((link) => link.innerText)";
    let names: Vec<String> = tab.read(names).await;
    assert_eq!(BTreeSet::from_iter(names), expected);
    let first = expected.first().unwrap();
    let link = "card('Tertinggal dari laju yang dibutuhkan').querySelectorAll('li a')";
    tab.click_on(&format!("[...{link}].find((link) => link.innerText === {})", quoted(first)))
        .await;
    let heading = format!("document.querySelector('h1')?.innerText === {}", quoted(first));
    tab.wait("its page is opened", &heading).await;
    tab.is_drawn().await;
}
