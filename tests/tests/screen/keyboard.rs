//! Everything by keyboard: finding a region, seeing where one is, reaching everything, and staying
//! where one was.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::stage::Visit;
use crate::tab::{DESK, PHONE, Tab, quoted};

pub(crate) async fn a_region_is_found_by_typing(visit: &mut Visit<'_>) {
    let tab = visit.open("?as_of=2023-12-31&lang=id").await;
    tab.focus("#search").await;
    tab.type_text("serang").await;
    tab.wait("something is found", "all('#found [role=option]').length > 1").await;
    assert!(tab.read::<bool>("one('#search').ariaExpanded === 'true'").await);
    let options: Vec<String> = tab.read("all('#found [role=option]').map(text)").await;
    let place = options.iter().position(|name| name.contains("36.04")).expect("Kabupaten Serang");
    for _ in 0..=place {
        tab.press("ArrowDown").await;
    }
    let chosen =
        "text(document.getElementById(one('#search').getAttribute('aria-activedescendant')))";
    assert_eq!(tab.read::<String>(chosen).await, options[place], "it is told which one");
    tab.press("Enter").await;
    tab.wait(
        "its page is opened",
        "document.querySelector('h1')?.innerText === 'Kabupaten Serang'",
    )
    .await;
    assert_eq!(tab.address().await, "/?region=36.04&as_of=2023-12-31");

    tab.focus("#search").await;
    tab.type_text("19.7").await;
    tab.wait("codes are found as well", "all('#found [role=option]').length === 1").await;
    tab.press("Escape").await;
    tab.wait("the list is gone", "one('#found').hidden").await;
    assert!(tab.read::<bool>("one('#search').ariaExpanded === 'false'").await);
}

/// Numbers everything that can have the focus, in the order of the document.
const NUMBERED: &str = "(() => {
    const can = 'a[href], button:not([disabled]), input:not([disabled]), select, summary, [tabindex=\"0\"]';
    const seen = all(can).filter((element) => element.checkVisibility({ visibilityProperty: true }));
    seen.forEach((element, place) => { element.dataset.place = place; });
    return seen.map((element) => element.outerHTML.slice(0, 120));
})()";

/// Where the focus is, and what shows it.
const FOCUSED: &str = "(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const { left, top, width, height } = element.getBoundingClientRect();
    const points = [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.1], [0.5, 0.9]];
    const uncovered = points.some(([x, y]) => {
        const there = document.elementFromPoint(left + width * x, top + height * y);
        return there && (element.contains(there) || there.contains(element) && !there.matches('body, html, main'));
    });
    return {
        place: Number(element.dataset.place ?? -1),
        html: element.outerHTML.slice(0, 120),
        outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
        uncovered,
    };
})()";

#[derive(Deserialize)]
struct Focused {
    place: i64,
    html: String,
    outline: f64,
    uncovered: bool,
}

/// Goes through the page by the tabulator, and gives back what is wrong.
async fn walk(tab: &Tab) -> Vec<String> {
    let elements: Vec<String> = tab.read(NUMBERED).await;
    assert!(elements.len() > 20, "{elements:?}");
    let mut reached = HashSet::new();
    let mut wrong = Vec::new();
    let _: Value = tab.read("document.activeElement.blur()").await;
    for _ in 0..elements.len() * 2 {
        tab.press("Tab").await;
        let Some(focused) = tab.read::<Option<Focused>>(FOCUSED).await else { break };
        if !reached.insert(focused.place) && focused.place >= 0 {
            // A day's parts, year and month and day, are one element.
            continue;
        }
        if focused.outline < 2.0 {
            wrong.push(format!("the focus cannot be seen on {}", focused.html));
        }
        if !focused.uncovered {
            wrong.push(format!("something covers {}", focused.html));
        }
    }
    for (place, element) in elements.iter().enumerate() {
        if !reached.contains(&(place as i64)) {
            wrong.push(format!("not reached: {element}"));
        }
    }
    wrong
}

pub(crate) async fn focus_is_seen_and_reaches_everything(visit: &mut Visit<'_>) {
    let mut wrong = Vec::new();
    for (size, parameters) in [
        (DESK, "?region=18.71&as_of=2023-12-31&lang=id"),
        (PHONE, "?region=18.71&as_of=2023-12-31&lang=id"),
        (DESK, "?region=19&as_of=2023-12-31&lang=id"),
        (DESK, "?as_of=2023-12-31&lang=id"),
    ] {
        let tab = visit.blank().await;
        tab.resize(size).await;
        tab.go(parameters).await;
        let found = walk(&tab).await;
        wrong.extend(found.into_iter().map(|what| format!("{parameters} {size:?}: {what}")));
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));

    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    tab.press("Tab").await;
    assert!(tab.read::<bool>("document.activeElement.matches('.skip')").await, "first of all");
    let inside = "document.activeElement.getBoundingClientRect().left >= 0";
    assert!(tab.read::<bool>(inside).await, "it is seen once it has the focus");
    tab.press("Enter").await;
    tab.wait("the bar is skipped", "document.activeElement === one('#content')").await;
}

pub(crate) async fn focus_stays_where_it_was_used(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    for (within, name, then) in [
        ("one('#bar')", "☾", "☾"),
        ("one('#bar')", "EN", "EN"),
        ("one('#bar')", "ID", "ID"),
        ("card('Rincian')", "Tertunda", "Tertunda"),
        ("card('Kurva aktivasi')", "90 hari", "90 hari"),
        ("card('Mengapa berubah')", "yang kami ketahui", "yang kami ketahui"),
    ] {
        let find = "querySelectorAll('button')].find((one) => one.innerText.trim() ===";
        let button = format!("[...{within}.{find} {})", quoted(name));
        let _: Value = tab.read(&format!("{button}.focus()")).await;
        tab.press("Enter").await;
        let pressed = format!("{button}?.getAttribute('aria-pressed') === 'true'");
        tab.wait(&format!("{name} is chosen"), &pressed).await;
        tab.is_drawn().await;
        let kept = format!("document.activeElement.innerText?.trim() === {}", quoted(then));
        tab.wait(&format!("the focus stays on {name}"), &kept).await;
    }
}
