//! Figures that move while one looks, as the demo's calendar goes on: by the stream, not by reloading
//! the page.

use serde_json::Value;

use crate::nation::dotted;
use crate::stage::Visit;

async fn moves(visit: &mut Visit<'_>, parameters: &str, region: &str) {
    let tab = visit.open(parameters).await;
    let _: Value = tab.read("void (window.notReloaded = true)").await;
    tab.wait("it is live", "one('#pulse').dataset.state === 'live'").await;
    let path = format!("/v1/regions/{region}/progress");
    let (first, begun) = (tab.text("#activated").await, visit.ask(&path).await);
    tab.wait("the figure moves", &format!("text(one('#activated')) !== '{first}'")).await;
    let now = visit.ask(&path).await;
    assert!(now["as_of"].as_str() >= begun["as_of"].as_str());
    // The page gets to what the interface has said meanwhile, or is beyond it.
    let known = dotted(&now["activated"]);
    let caught_up = format!(
        "Number(text(one('#activated')).replaceAll('.', '')) >= {} || text(one('#activated')) === '{known}'",
        now["activated"]
    );
    tab.wait("the page follows", &caught_up).await;
    assert!(tab.read::<bool>("window.notReloaded === true").await);
    assert!(tab.text("#pulse").await.contains("data berumur"), "it says how old it is");

    // Who looks at the past is left alone, and comes back to what lives.
    tab.focus("#time input[type=range]").await;
    tab.press("Home").await;
    tab.wait("the past", "one('#pulse').dataset.state === 'past'").await;
    tab.wait("nobody yet", "text(one('#activated')) === '0'").await;
    tab.click("#time button[name=now]").await;
    tab.wait("live again", "one('#pulse').dataset.state === 'live'").await;
    let at_least = format!(
        "Number(text(one('#activated')).replaceAll('.', '')) >= {} - 1000",
        now["activated"]
    );
    tab.wait("today's figure", &at_least).await;
}

pub(crate) async fn figures_move_without_a_reload(visit: &mut Visit<'_>) {
    moves(visit, "?lang=id", "ID").await;
}

pub(crate) async fn a_region_moves_without_a_reload(visit: &mut Visit<'_>) {
    moves(visit, "?region=18.71&lang=id", "18.71").await;
}
