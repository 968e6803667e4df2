//! Time travel: the slider, the days, the address bar, and the way back.

use serde_json::Value;

use crate::nation::dotted;
use crate::stage::Visit;

async fn activated(visit: &Visit<'_>, region: &str, days: &str) -> String {
    let path = format!("/v1/regions/{region}/progress?{days}");
    dotted(&visit.ask(&path).await["activated"])
}

pub(crate) async fn the_slider_changes_figure_and_address(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    tab.focus("#time input[type=range]").await;
    for (key, day, said) in [
        ("ArrowLeft", "2023-12-30", "30 Desember 2023"),
        ("ArrowLeft", "2023-12-29", "29 Desember 2023"),
        ("ArrowRight", "2023-12-30", "30 Desember 2023"),
        ("Home", "2022-01-01", "1 Januari 2022"),
    ] {
        tab.press(key).await;
        let address = format!("new URLSearchParams(location.search).get('as_of') === '{day}'");
        tab.wait(&format!("the address says {day}"), &address).await;
        let expected = activated(visit, "18.71", &format!("as_of={day}")).await;
        tab.wait("the figure is that day's", &format!("text(one('#activated')) === '{expected}'"))
            .await;
        let value: String = tab.read("one('#time input[type=range]').ariaValueText").await;
        assert_eq!(value, said);
        assert_eq!(tab.read::<String>("one('input[name=as_of]').value").await, day);
        assert!(tab.read::<bool>("document.activeElement.type === 'range'").await);
    }
    assert_eq!(tab.text("#activated").await, "0");
}

pub(crate) async fn back_and_forward_go_where_one_was(visit: &mut Visit<'_>) {
    // The last days of that year were free.
    let days = ["as_of=2023-12-31", "as_of=2023-12-27"];
    let tab = visit.open(&format!("?{}&lang=id", days[0])).await;
    let nation = tab.text("#activated").await;
    assert_eq!(nation, activated(visit, "ID", days[0]).await);
    tab.click_on("card('Peringkat').querySelector(\"a[href*='region=18.71']\")").await;
    tab.wait("the city", "document.querySelector('h1')?.innerText === 'Kota Bandar Lampung'").await;
    tab.is_drawn().await;
    assert_eq!(tab.text("#activated").await, "90.000");
    tab.focus("#time input[type=range]").await;
    for _ in 27..31 {
        tab.press("ArrowLeft").await;
    }
    let before = activated(visit, "18.71", days[1]).await;
    assert_ne!(before, "90.000");
    let is_before = format!("text(one('#activated')) === '{before}'");
    tab.wait("some days before", &is_before).await;

    let _: Value = tab.read("history.back()").await;
    tab.wait("the nation again", "!new URLSearchParams(location.search).has('region')").await;
    tab.is_drawn().await;
    tab.wait("as it was", &format!("text(one('#activated')) === '{nation}'")).await;
    let _: Value = tab.read("history.forward()").await;
    tab.wait("the city again", "new URLSearchParams(location.search).get('region') === '18.71'")
        .await;
    tab.is_drawn().await;
    tab.wait("on that day", &is_before).await;
}

/// What a page says apart from the state of the node.
const SAID: &str =
    "['#activated', '#sentence', '.stand', '.facts', '.notice', '.gauge + .verdict', 'h1']
    .map((part) => text(one(part))).concat(text(card('Why it changed')), text(card('Break-down')))";

pub(crate) async fn a_link_with_a_former_code_shows_its_successor(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=91.01&as_of=2023-12-31").await;
    tab.wait("the region", "document.querySelector('h1')?.innerText === 'Kabupaten Merauke'").await;
    let address = tab.address().await;
    assert!(address.contains("region=93.01") && address.contains("as_of=2023-12-31"), "{address}");
}

pub(crate) async fn a_link_shows_somebody_else_the_same(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=19.71&as_of=2023-04-01").await;
    for (name, day) in [("known_at", "2023-03-20"), ("as_of", "2023-03-17")] {
        let choose = format!(
            "(() => {{ const day = one('input[name={name}]'); day.value = '{day}';
                day.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
        );
        let _: Value = tab.read(&choose).await;
        let address = format!("location.search.includes('{name}={day}')");
        tab.wait("the address says so", &address).await;
        tab.is_drawn().await;
    }
    let days = "as_of=2023-03-17&known_at=2023-03-20";
    let expected = activated(visit, "19.71", days).await.replace('.', ",");
    tab.wait("both days are applied", &format!("text(one('#activated')) === '{expected}'")).await;
    let address = tab.address().await;
    let other = visit.open(address.trim_start_matches('/')).await;
    assert_eq!(other.text("#activated").await, expected);
    let said: Vec<String> = other.read(SAID).await;
    let same = format!("JSON.stringify({SAID}) === {:?}", serde_json::to_string(&said).unwrap());
    tab.wait("both show the same", &same).await;
}

pub(crate) async fn what_was_known_then_is_shown(visit: &mut Visit<'_>) {
    let today = activated(visit, "19.71", "as_of=2023-03-17").await;
    let then = activated(visit, "19.71", "as_of=2023-03-17&known_at=2023-03-17").await;
    assert_ne!(then, today, "a kit was out of reach on that day");
    let tab = visit.open("?region=19.71&as_of=2023-03-17&known_at=2023-03-17&lang=id").await;
    assert_eq!(tab.text("#activated").await, then);
    assert!(tab.text(".notice").await.contains("sebagaimana diketahui pada 17 Maret 2023"));
    assert!(
        tab.text("#sentence").await.ends_with("Angka sebagaimana diketahui pada 17 Maret 2023.")
    );
    let clear = "(() => { const day = one('input[name=known_at]'); day.value = '';
        day.dispatchEvent(new Event('change', { bubbles: true })); })()";
    let _: Value = tab.read(clear).await;
    tab.wait("what is known by now", &format!("text(one('#activated')) === '{today}'")).await;
    assert!(!tab.address().await.contains("known_at"));
}
