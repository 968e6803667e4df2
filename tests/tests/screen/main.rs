//! The screen as people use it: the demo's own program, in a real Chromium without a window.
//!
//! `LAJU_TEST_CHROMIUM` names the browser. Without it one on the `PATH` is taken, and where there
//! is none the suite says so and runs nothing. `LAJU_SCREENSHOTS=DIR` has it leave pictures there.
//!
//! All tests ask one demo, one after the other, each in a browser profile of its own. After every
//! test nothing may stand in the console, no exception may have gone uncaught, and nobody but the
//! demo may have been asked for anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod browser;
mod contrast;
mod keyboard;
mod layout;
mod live;
mod look;
mod map;
mod nation;
mod pictures;
mod quote;
mod region;
mod stage;
mod tab;
mod travel;
mod watch;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};

use stage::Stage;

/// Trials of these tests, each on the one stage.
macro_rules! trials {
    ($stage:expr, $($module:ident: $($test:ident),+;)+) => {
        vec![$($({
            let stage = Arc::clone($stage);
            Trial::test(concat!(stringify!($module), "::", stringify!($test)), move || {
                stage.get_or_init(Stage::set).play(async |visit| $module::$test(visit).await);
                Ok(())
            })
        }),+),+]
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One browser and one demo on a few processors: side by side nothing would be sooner.
    arguments.test_threads.get_or_insert(1);
    if browser::find().is_none() {
        eprintln!("no Chromium on the PATH, and LAJU_TEST_CHROMIUM names none: nothing is tested");
        return;
    }
    let stage = Arc::new(OnceLock::new());
    let trials = trials![&stage,
        nation: the_sum_of_all_regions_is_shown, the_ranking_is_sorted_and_filtered,
            who_falls_behind_is_listed;
        region: a_figure_comes_with_its_shares_and_sentence, a_region_has_all_its_parts,
            breakdowns_are_chosen_by_tabs, a_change_leads_to_its_postings,
            a_province_shows_its_regions, what_is_wrong_is_said;
        travel: the_slider_changes_figure_and_address, back_and_forward_go_where_one_was,
            a_link_shows_somebody_else_the_same,
            a_link_with_a_former_code_shows_its_successor, what_was_known_then_is_shown;
        look: the_language_changes_words_numbers_and_the_page, dark_is_dark_and_stays;
        map: marks_tell_what_they_are, a_region_is_opened_by_keyboard;
        keyboard: a_region_is_found_by_typing, focus_is_seen_and_reaches_everything,
            focus_stays_where_it_was_used;
        layout: a_phone_needs_no_sideways_scrolling;
        contrast: axe_finds_nothing_serious;
        quote: the_sentence_is_copied, a_figure_is_fixed_under_a_link;
        live: figures_move_without_a_reload, a_region_moves_without_a_reload;
        pictures: of_every_page;
    ];
    let trials = trials.into_iter().map(|trial| {
        let is_left_out = trial.name().starts_with("pictures::") && pictures::folder().is_none();
        trial.with_ignored_flag(is_left_out)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(stage) = Arc::into_inner(stage).and_then(OnceLock::into_inner) {
        stage.strike();
    }
    conclusion.exit();
}
