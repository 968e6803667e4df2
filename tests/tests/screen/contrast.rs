//! What axe-core, the usual judge of accessibility, says of every page.

use serde::Deserialize;
use serde_json::Value;

use crate::stage::Visit;
use crate::tab::{DESK, PHONE, Tab};

const AXE: &str = include_str!("../../assets/axe-core/axe.min.js");

#[derive(Deserialize)]
struct Violation {
    id: String,
    impact: Option<String>,
    help: String,
    nodes: Vec<String>,
}

const RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) => ({
    checked: found.passes.length,
    violations: found.violations.map(({ id, impact, help, nodes }) => ({
        id, impact, help, nodes: nodes.map((node) => `${node.target.join(' ')}: ${node.any.concat(node.all, node.none)[0]?.message ?? ''}`),
    })),
}))";

#[derive(Deserialize)]
struct Found {
    checked: usize,
    violations: Vec<Violation>,
}

async fn judge(tab: &Tab, place: &str) -> Vec<String> {
    let _: Value = tab.read(&format!("(() => {{ {AXE} }})()")).await;
    // What fades in has its colours once it has.
    tab.wait("nothing moves", "document.getAnimations().every((one) => one.effect.getTiming().iterations === Infinity || one.playState !== 'running')").await;
    let found: Found = tab.read(RUN).await;
    assert!(found.checked > 10, "{place}: only {} rules applied", found.checked);
    let serious = found
        .violations
        .into_iter()
        .filter(|violation| matches!(violation.impact.as_deref(), Some("serious" | "critical")));
    let told = serious.map(|Violation { id, help, nodes, .. }| {
        let shown = nodes.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n    ");
        format!("{place}: {id}: {help}, {} times:\n    {shown}", nodes.len())
    });
    told.collect()
}

pub(crate) async fn axe_finds_nothing_serious(visit: &mut Visit<'_>) {
    let mut wrong = Vec::new();
    for (size, device) in [(DESK, "desk"), (PHONE, "phone")] {
        for theme in ["light", "dark"] {
            let tab = visit.blank().await;
            tab.resize(size).await;
            for page in [
                "?as_of=2023-12-31",
                "?region=18.71&as_of=2023-12-31",
                "?region=19&as_of=2023-12-31",
            ] {
                tab.go(&format!("{page}&lang=id&theme={theme}")).await;
                wrong.extend(judge(&tab, &format!("{page} {device} {theme}")).await);
            }
            let button = "card('Mengapa berubah').querySelector('.bars button')";
            tab.click_on(button).await;
            tab.wait(
                "the postings are there",
                "Boolean(document.querySelector('dialog[open] tbody tr'))",
            )
            .await;
            wrong.extend(judge(&tab, &format!("dialog {device} {theme}")).await);
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}
