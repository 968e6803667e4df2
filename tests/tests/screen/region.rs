//! A region's page, part by part, checked against what the interface answers.

use serde_json::Value;

use crate::nation::{decimal, dotted};
use crate::stage::Visit;

pub(crate) async fn a_figure_comes_with_its_shares_and_sentence(visit: &mut Visit<'_>) {
    let path = "/v1/regions/18.71/progress?as_of=2023-12-31";
    let progress = visit.ask(path).await;
    let source = progress["denominators"][0]["source"].as_str().expect("a source").to_owned();
    assert!(!source.is_empty());
    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    assert_eq!(tab.text("#activated").await, "90.000");
    assert_eq!(tab.text("h1").await, "Kota Bandar Lampung");
    let shares: Vec<String> = tab.read("all('.share .percent').map(text)").await;
    assert_eq!(shares, ["11,73 %", "46,94 %"]);
    let expected = format!(
        "Per 31 Desember 2023, 90.000 warga Kota Bandar Lampung telah mengaktifkan IKD: 11,73 % dari \
         767.000 wajib KTP (sumber: {source}); 46,94 % dari target 25 %."
    );
    assert_eq!(tab.text("#sentence").await, expected);
    let said = tab.text(".shares").await;
    assert!(said.contains(&source) && said.contains("767.000 wajib KTP"), "{said}");
    let title: String = tab.read("document.title").await;
    assert!(title.starts_with("Kota Bandar Lampung"), "{title}");
}

pub(crate) async fn a_region_has_all_its_parts(visit: &mut Visit<'_>) {
    let when = "as_of=2023-11-30";
    let pace = visit.ask(&format!("/v1/regions/18.71/pace?{when}")).await;
    let change =
        visit.ask("/v1/regions/18.71/change?axis=as_of&from=2023-11-23&to=2023-11-30").await;
    let kiosks = visit.ask("/v1/kiosks?within=18.71&limit=500").await;
    let path = format!("/v1/outreach?within=18.71&from=2022-11-30&to=2023-11-30&{when}");
    let visits = visit.ask(&path).await;
    let flows = visit.ask(&format!("/v1/regions/18.71/flows?{when}")).await;
    let progress = visit.ask(&format!("/v1/regions/18.71/progress?{when}")).await;
    let tab = visit.open(&format!("?region=18.71&{when}&lang=id")).await;

    let drawn = "(() => {
        const canvas = card('Kurva aktivasi').querySelector('canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join());
        return colours.size;
    })()";
    assert!(tab.read::<u32>(drawn).await > 2, "the curve, its axes and the visits");
    let label: String =
        tab.read("card('Kurva aktivasi').querySelector('[role=img]').ariaLabel").await;
    assert!(label.contains(&dotted(&progress["activated"])), "{label}");

    let gauge: String = tab.read("card('Laju').querySelector('svg text').textContent").await;
    let month = &pace["windows"].as_array().unwrap().iter().find(|one| one["days"] == 28).unwrap();
    assert_eq!(gauge, month["per_day"].as_str().unwrap().replace('.', ","));
    let said: String = tab.read("text(card('Laju'))").await;
    for (name, words) in
        [("required_per_day", "dibutuhkan"), ("required_per_month", "Dibutuhkan per bulan")]
    {
        let required = decimal(&pace["goal"][name]);
        assert!(said.contains(words) && said.contains(&required), "{name} {required}: {said}");
    }

    let sum: String = tab.read("text(card('Mengapa berubah').querySelector('.sum'))").await;
    assert_eq!(sum, format!("+{}", dotted(&change["change"])));
    let parts = "card('Mengapa berubah').querySelectorAll('.bars li').length";
    assert_eq!(tab.read::<usize>(parts).await, change["parts"].as_array().unwrap().len());

    let said: String = tab.read("text(card('Kelengkapan'))").await;
    assert!(said.contains(&format!("{} kios", kiosks["total"])), "{said}");

    let rows = "card('Jemput bola').querySelectorAll('tbody tr').length";
    let total = visits["total"].as_u64().unwrap();
    assert!(total > 10, "{total}");
    assert_eq!(tab.read::<u64>(rows).await, total.min(60));

    let said: String = tab.read("text(card('Siapa melayani siapa'))").await;
    for name in ["own_served_here", "own_served_elsewhere", "guests_served"] {
        assert!(said.contains(&dotted(&flows[name])), "{name}: {said}");
    }
    let said: String = tab.read("text(one('.facts'))").await;
    assert!(said.contains(&dotted(&progress["cards"]["queue"])), "{said}");
    assert!(said.contains(&dotted(&progress["deferrals"])), "{said}");
}

/// The bars of a break-down that the interface answers: the longest first, nothing of nothing.
fn bars(answer: &Value) -> Vec<String> {
    let mut counts: Vec<_> =
        answer["rows"].as_array().unwrap().iter().map(|row| &row["count"]).collect();
    counts.retain(|count| **count != 0);
    counts.sort_by_key(|count| -count.as_i64().unwrap());
    counts.into_iter().take(12).map(dotted).collect()
}

pub(crate) async fn breakdowns_are_chosen_by_tabs(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=19.71&as_of=2024-06-30&lang=id").await;
    for (name, by) in [
        ("Lokasi jemput bola", "venue"),
        ("Tertunda", "deferral_reason"),
        ("Pemegang pertama", "first_time"),
        ("Nonaktif", "deactivation_reason"),
        ("Tempat layanan", "channel"),
    ] {
        let path = format!("/v1/regions/19.71/breakdown?by={by}&as_of=2024-06-30");
        let expected = bars(&visit.ask(&path).await);
        assert!(!expected.is_empty(), "{by}");
        let button = format!(
            "[...card('Rincian').querySelectorAll('button')].find((one) => one.innerText === '{name}')"
        );
        tab.click_on(&button).await;
        let pressed = format!("{button}.getAttribute('aria-pressed') === 'true'");
        tab.wait("the tab is chosen", &pressed).await;
        let shown = "[...card('Rincian').querySelectorAll('.bars b')].map(text)";
        assert_eq!(tab.read::<Vec<String>>(shown).await, expected, "{by}");
    }
}

pub(crate) async fn a_change_leads_to_its_postings(visit: &mut Visit<'_>) {
    let change =
        visit.ask("/v1/regions/18.71/change?axis=as_of&from=2024-06-23&to=2024-06-30").await;
    let link = change["parts"][0]["link"].as_str().expect("a link to the postings");
    let postings = visit.ask(&format!("{link}&limit=200")).await;
    let tab = visit.open("?region=18.71&as_of=2024-06-30&lang=id").await;
    let button = "card('Mengapa berubah').querySelector('.bars button')";
    let _: Value = tab.read(&format!("{button}.focus()")).await;
    tab.press("Enter").await;
    tab.wait("the postings are there", "Boolean(document.querySelector('dialog[open] tbody tr'))")
        .await;
    let rows: usize = tab.read("all('dialog tbody tr').length").await;
    assert_eq!(rows, postings["rows"].as_array().unwrap().len());
    let sum = "all('dialog tbody td.number')
        .reduce((sum, cell) => sum + Number(cell.innerText.replaceAll('.', '').replace('−', '-')), 0)";
    let expected: i64 = postings["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["amount"].as_i64().unwrap())
        .sum();
    assert_eq!(tab.read::<i64>(sum).await, expected);
    tab.press("Escape").await;
    tab.wait("the dialog is closed", "!document.querySelector('dialog')").await;
    let back = format!("document.activeElement === {button}");
    assert!(tab.read::<bool>(&back).await, "the focus is where it was");
}

pub(crate) async fn a_province_shows_its_regions(visit: &mut Visit<'_>) {
    let when = "as_of=2023-03-17&known_at=2023-04-30";
    let tab = visit.open(&format!("?region=19&{when}&lang=id")).await;
    let rows = "card('Kabupaten dan kota di sini').querySelectorAll('tbody tr').length";
    assert_eq!(tab.read::<u32>(rows).await, 7);
    assert_eq!(tab.read::<u32>("all('.map .mark[data-code]').length").await, 7);
    let pace = visit.ask(&format!("/v1/regions/19/pace?{when}")).await;
    let required = decimal(&pace["goal"]["required_per_month"]);
    let said: String = tab.read("text(card('Laju'))").await;
    assert!(
        said.contains("Dibutuhkan per bulan") && said.contains(&required),
        "{required}: {said}"
    );

    tab.click("a[href*='region=19.71']").await;
    tab.wait(
        "its city is opened",
        "document.querySelector('h1')?.innerText === 'Kota Pangkal Pinang'",
    )
    .await;
    tab.is_drawn().await;
    assert_eq!(tab.text("#activated").await, "1.400");
    tab.click(".trail a[href*='region=19&']").await;
    tab.wait(
        "the way back",
        "document.querySelector('h1')?.innerText === 'Kepulauan Bangka Belitung'",
    )
    .await;
}

pub(crate) async fn what_is_wrong_is_said(visit: &mut Visit<'_>) {
    let tab = visit.blank().await;
    tab.load("?region=99.99&as_of=2024-01-01&lang=id").await;
    tab.wait("it is said", "Boolean(document.querySelector('main [role=alert]'))").await;
    assert!(tab.text("main [role=alert]").await.contains("Wilayah tidak dikenal"));
    // The node is asked to say what is wrong in the page's language, not in the browser's.
    let listen = "(() => { const real = window.fetch; window.spoken = [];
        window.fetch = (url, options) => {
            window.spoken.push(new Headers(options?.headers).get('accept-language'));
            return real(url, options);
        }; })()";
    let _: Value = tab.read(listen).await;
    tab.click(".brand").await;
    tab.is_drawn().await;
    assert!(tab.address().await.contains("as_of=2024-01-01"), "the day stays");
    let spoken: Vec<Option<String>> = tab.read("window.spoken").await;
    assert!(spoken.contains(&Some("id".to_owned())), "{spoken:?}");
}
