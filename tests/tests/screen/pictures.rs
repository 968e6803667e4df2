//! Pictures of every page, where `LAJU_SCREENSHOTS` names a folder for them.

use std::path::PathBuf;

use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::page::ScreenshotParams;

use crate::stage::Visit;
use crate::tab::{DESK, PHONE};

/// Where they go.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("LAJU_SCREENSHOTS").filter(|name| !name.is_empty()).map(PathBuf::from)
}

pub(crate) async fn of_every_page(visit: &mut Visit<'_>) {
    let folder = folder().expect("asked for");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, page) in [
        ("nation", "?as_of=2024-08-02"),
        ("region", "?region=18.71&as_of=2023-12-31"),
        ("province", "?region=19&as_of=2023-12-31"),
    ] {
        for size in [DESK, PHONE] {
            for theme in ["light", "dark"] {
                let tab = visit.blank().await;
                tab.resize(size).await;
                tab.go(&format!("{page}&lang=id&theme={theme}")).await;
                let drawn = "document.fonts.ready.then(() => new Promise((drawn) =>
                    requestAnimationFrame(() => requestAnimationFrame(() => drawn(all('.map').length === 0 || all('.map path.land').length > 0)))))";
                tab.wait("fonts and outlines are there", drawn).await;
                let picture = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png);
                let picture = tab.page().screenshot(picture.build()).await.unwrap();
                let file = format!("{name}-{}x{}-{theme}.png", size.0, size.1);
                std::fs::write(folder.join(file), picture).unwrap();
            }
        }
    }
}
