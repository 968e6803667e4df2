//! The sentence to quote: copied, and fixed under a permanent link.

use chromiumoxide::cdp::browser_protocol::browser::{
    PermissionDescriptor, PermissionSetting, SetPermissionParams,
};
use serde_json::Value;

use crate::stage::Visit;

pub(crate) async fn the_sentence_is_copied(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    for name in ["clipboard-read", "clipboard-write"] {
        let permission = SetPermissionParams::builder()
            .permission(PermissionDescriptor::new(name))
            .setting(PermissionSetting::Granted)
            .origin(tab.server())
            .browser_context_id(tab.profile().clone())
            .build()
            .unwrap();
        visit.browser().execute(permission).await.unwrap();
    }
    tab.click("#copy").await;
    tab.wait("it says so", "text(one('#copy')) === 'Tersalin'").await;
    let copied: String = tab.read("navigator.clipboard.readText()").await;
    assert_eq!(copied, tab.read::<String>("one('#sentence').textContent").await);
    assert!(copied.starts_with("Per 31 Desember 2023, 90.000 warga Kota Bandar Lampung"));
    assert_eq!(tab.text("#say").await, "Tersalin", "it is said to those who do not see it");
}

pub(crate) async fn a_figure_is_fixed_under_a_link(visit: &mut Visit<'_>) {
    let tab = visit.open("?region=18.71&as_of=2023-12-31&lang=id").await;
    let sentence = tab.text("#sentence").await;
    tab.click("#fix").await;
    let link = "main a[href*='figure=']";
    tab.wait("there is a link", &format!("all(\"{link}\").length === 1")).await;
    tab.click(link).await;
    tab.wait("it is followed", "new URLSearchParams(location.search).has('figure')").await;
    tab.is_drawn().await;
    let id: String = tab.read("new URLSearchParams(location.search).get('figure')").await;
    let kept = visit.ask(&format!("/v1/figures/{id}")).await;
    assert_ne!(kept, Value::Null);
    assert!(tab.text("#sentence").await.contains("90.000 warga Kota Bandar Lampung"), "{sentence}");
    let said = tab.text("#content").await;
    assert!(said.contains(&format!("laju verify --figure {id}")), "{said}");
    assert!(said.contains("Tidak berubah sejak dikutip"), "{said}");
    let other = visit.open(&format!("?figure={id}&lang=id")).await;
    assert_eq!(other.text("#sentence").await, tab.text("#sentence").await);
}
