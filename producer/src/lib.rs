//! The publishing library and the program `laju-kiosk`.
