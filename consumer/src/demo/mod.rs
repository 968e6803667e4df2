//! The demo: five offices over three years, played through the very pipeline that runs in
//! production.
