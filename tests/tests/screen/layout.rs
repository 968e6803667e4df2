//! The screen on a phone: nothing needs scrolling sideways.

use crate::stage::Visit;
use crate::tab::PHONE;

/// What reaches beyond the right edge, of what no part of the page scrolls by itself.
const TOO_WIDE: &str = "(() => {
    const wide = document.documentElement.clientWidth;
    const scrolls = (element) => element && element !== document.body
        && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
    const beyond = all('body *').filter((element) => {
        const { right, width } = element.getBoundingClientRect();
        return width > 0 && right > wide + 0.5 && !scrolls(element.parentElement) && !element.closest('.unseen, svg');
    });
    return [document.documentElement.scrollWidth, innerWidth, beyond.slice(0, 8).map((element) => element.outerHTML.slice(0, 100))];
})()";

pub(crate) async fn a_phone_needs_no_sideways_scrolling(visit: &mut Visit<'_>) {
    for language in ["id", "en"] {
        for page in [
            "?as_of=2023-12-31",
            "?region=18.71&as_of=2023-12-31",
            "?region=19&as_of=2023-12-31",
            "?region=18.71&as_of=2023-12-31&known_at=2024-01-05",
        ] {
            let tab = visit.blank().await;
            tab.resize(PHONE).await;
            tab.go(&format!("{page}&lang={language}")).await;
            let (scroll, inner, beyond): (i64, i64, Vec<String>) = tab.read(TOO_WIDE).await;
            assert_eq!((scroll, inner), (PHONE.0, PHONE.0), "{page} {language}: {beyond:#?}");
            assert!(beyond.is_empty(), "{page} {language}: {beyond:#?}");
        }
    }
}
