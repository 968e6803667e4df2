//! Which browser, and how it is started: nothing that it does by itself, and no name resolved.

use std::path::{Path, PathBuf};

use chromiumoxide::BrowserConfig;

/// The names that distributions give it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser that the environment names, else one on the `PATH`.
///
/// # Panics
/// If the environment names one that is not there.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LAJU_TEST_CHROMIUM").filter(|name| !name.is_empty()) {
        let found = on_path(Path::new(&named));
        assert!(found.is_some(), "LAJU_TEST_CHROMIUM names {named:?}, which is no file");
        return found;
    }
    NAMES.iter().find_map(|name| on_path(Path::new(name)))
}

fn on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The settings of a browser that keeps what it has to keep in `profile`.
pub(crate) fn settings(program: &Path, profile: &Path) -> BrowserConfig {
    BrowserConfig::builder()
        .chrome_executable(program)
        .user_data_dir(profile)
        .new_headless_mode()
        .no_sandbox()
        .viewport(None)
        .launch_timeout(laju_tests::process::PATIENCE)
        .request_timeout(laju_tests::process::PATIENCE)
        .args([
            "disable-gpu",
            "disable-quic",
            "disable-component-update",
            "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ])
        .build()
        .unwrap()
}
