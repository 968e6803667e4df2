//! Two languages, light and dark.

use crate::stage::Visit;

pub(crate) async fn the_language_changes_words_numbers_and_the_page(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=18.71&as_of=2023-12-31").await;
    let choose = |name: &str| {
        format!("all('#bar button').find((button) => button.innerText.trim() === '{name}')")
    };
    for (name, language, number, share, heading, says) in [
        (
            "ID",
            "id",
            "90.000",
            "11,73 %",
            "Rincian",
            "warga Kota Bandar Lampung telah mengaktifkan",
        ),
        (
            "EN",
            "en",
            "90,000",
            "11.73 %",
            "Break-down",
            "residents of Kota Bandar Lampung had activated",
        ),
        ("ID", "id", "90.000", "11,73 %", "Rincian", "telah mengaktifkan"),
    ] {
        tab.click_on(&choose(name)).await;
        let drawn = format!(
            "document.documentElement.lang === '{language}' && document.querySelector('#activated')?.innerText === '{number}'
                && all('h2').some((one) => one.innerText === '{heading}')"
        );
        tab.wait(&format!("the page speaks {language}"), &drawn).await;
        tab.is_drawn().await;
        assert_eq!(tab.read::<String>("text(all('.share .percent')[0])").await, share);
        assert!(tab.text("#sentence").await.contains(says));
        let pressed = format!("{}.getAttribute('aria-pressed') === 'true'", choose(name));
        assert!(tab.read::<bool>(&pressed).await);
    }
    tab.reload().await;
    assert_eq!(tab.read::<String>("document.documentElement.lang").await, "id", "it is kept");
    assert_eq!(tab.text("#activated").await, "90.000");
}

/// How light the ground of the page is, from 0 to 255.
const GROUND: &str = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number))";

pub(crate) async fn dark_is_dark_and_stays(visit: &mut Visit<'_>) {
    let tab = visit.blank().await;
    tab.system("light").await;
    tab.go("?region=18.71&as_of=2023-12-31&lang=id").await;
    assert!(tab.read::<u8>(GROUND).await > 200);
    let choose = |name: &str| format!("one('#bar button[title={name}]')");
    tab.click_on(&choose("Gelap")).await;
    tab.wait("it is dark", &format!("{GROUND} < 60")).await;
    assert_eq!(tab.read::<String>("document.documentElement.dataset.theme").await, "dark");
    let scheme = "getComputedStyle(document.documentElement).colorScheme";
    assert_eq!(tab.read::<String>(scheme).await, "dark", "so are the browser's own parts");
    tab.reload().await;
    assert!(tab.read::<u8>(GROUND).await < 60, "it is kept");
    tab.click_on(&choose("Terang")).await;
    tab.wait("it is light", &format!("{GROUND} > 200")).await;

    let other = visit.blank().await;
    other.system("dark").await;
    other.go("?region=18.71&as_of=2023-12-31").await;
    assert!(other.read::<u8>(GROUND).await < 60, "as the system is");
    other.system("light").await;
    other.wait("it follows the system", &format!("{GROUND} > 200")).await;
}
