//! The map: marks tell what they are, by pointer and by keyboard.

use serde_json::Value;

use crate::stage::Visit;

/// Where the mark of Bandar Lampung is that no smaller mark covers.
const MARK: &str = "(() => {
    const mark = one(\".map .mark[data-code='18.71']\");
    mark.scrollIntoView({ block: 'center', behavior: 'instant' });
    const { left, top, width, height } = mark.getBoundingClientRect();
    for (let y = 0.1; y < 1; y += 0.1) for (let x = 0.1; x < 1; x += 0.1) {
        const [there, down] = [left + width * x, top + height * y];
        if (document.elementFromPoint(there, down) !== mark) continue;
        return { scrollIntoView() {}, getBoundingClientRect: () => ({ left: there, top: down, width: 0, height: 0 }) };
    }
    throw new Error('other marks cover it');
})()";

pub(crate) async fn marks_tell_what_they_are(visit: &mut Visit<'_>) {
    let tab = visit.open("?as_of=2023-12-31&lang=id").await;
    assert!(tab.read::<bool>("one('.map .tip').hidden").await);
    tab.point_at(MARK).await;
    tab.wait("the mark tells", "!one('.map .tip').hidden").await;
    let said = tab.text(".map .tip").await;
    assert!(said.contains("Kota Bandar Lampung") && said.contains("90.000"), "{said}");
    assert!(said.contains("46,94 %"), "{said}");
    tab.wait("the outlines are drawn", "all('.map path.land').length > 30").await;

    let coverage =
        "[...card('Peta').querySelectorAll('button')].find((one) => one.innerText === 'Cakupan')";
    tab.click_on(coverage).await;
    tab.wait("the address says it", "location.search.includes('measure=coverage')").await;
    tab.point_at(MARK).await;
    tab.wait(
        "another measure",
        "!one('.map .tip').hidden && text(one('.map .tip')).includes('11,73 %')",
    )
    .await;
    tab.click_on(MARK).await;
    tab.wait(
        "a click opens it",
        "document.querySelector('h1')?.innerText === 'Kota Bandar Lampung'",
    )
    .await;
}

pub(crate) async fn a_region_is_opened_by_keyboard(visit: &mut Visit<'_>) {
    let tab = visit.open("?as_of=2023-12-31&lang=id").await;
    tab.focus(".map svg[tabindex]").await;
    let mut seen = Vec::new();
    for key in ["ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp"] {
        tab.press(key).await;
        tab.wait(
            "a mark is chosen",
            "all('.map .mark.chosen').length === 1 && !one('.map .tip').hidden",
        )
        .await;
        let code: String = tab.read("one('.map .mark.chosen').dataset.code").await;
        let name =
            visit.ask(&format!("/v1/regions/{code}/progress")).await["region"]["name"].clone();
        let label: String = tab.read("one('.map svg[tabindex]').ariaLabel").await;
        assert!(label.contains(name.as_str().unwrap()), "{label} is told of {name}");
        seen.push(code);
    }
    seen.dedup();
    assert!(seen.len() >= 4, "arrows move: {seen:?}");
    tab.press("Enter").await;
    let code = seen.last().unwrap();
    let opened = format!("new URLSearchParams(location.search).get('region') === '{code}'");
    tab.wait("its page is opened", &opened).await;
    tab.is_drawn().await;
    assert_ne!(tab.read::<Value>("document.querySelector('h1')").await, Value::Null);
}
