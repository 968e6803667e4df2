//! The languages that problems are told in, and words in both.

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language that problems are reported in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// For programs, and for clients that ask for nothing else.
    #[default]
    English,
    /// For the counter.
    Indonesian,
}

impl Language {
    /// What a client would rather read, by its `Accept-Language` (RFC 9110, 12.5.4); English among
    /// equals, and where it would read neither.
    pub fn of(headers: &HeaderMap) -> Self {
        // In thousandths; a language's own mention goes before the asterisk's.
        let (mut english, mut indonesian, mut others) = (None, None, None);
        let values = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|text| text.to_str().ok());
        for range in values.flat_map(|text| text.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |quality| {
                quality.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0)
            });
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let place = match primary.as_str() {
                "en" => &mut english,
                // `in` is what Indonesian was called until 1989, and still is by old browsers.
                "id" | "in" => &mut indonesian,
                "*" => &mut others,
                _ => continue,
            };
            *place = Some(place.unwrap_or(0.0_f32).max(quality));
        }
        let quality = |own: Option<f32>| own.or(others).unwrap_or(0.0);
        if quality(indonesian) > quality(english) { Self::Indonesian } else { Self::English }
    }

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
        }
    }
}

/// What is said, in both languages; made of the same values by [`words!`](crate::words).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    english: Cow<'static, str>,
    indonesian: Option<Cow<'static, str>>,
}

impl Words {
    /// The same in both languages.
    pub fn new(
        english: impl Into<Cow<'static, str>>,
        indonesian: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { english: english.into(), indonesian: Some(indonesian.into()) }
    }

    /// In a language; in English where there is nothing else.
    pub fn to(&self, language: Language) -> &str {
        match (language, &self.indonesian) {
            (Language::Indonesian, Some(words)) => words,
            _ => &self.english,
        }
    }

    /// The language that [`Words::to`] answers in.
    pub fn language(&self, wanted: Language) -> Language {
        if self.indonesian.is_some() { wanted } else { Language::English }
    }

    /// With every text changed.
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self {
            english: change(&self.english).into(),
            indonesian: self.indonesian.as_deref().map(|text| change(text).into()),
        }
    }
}

impl fmt::Display for Words {
    /// In English.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.english)
    }
}

impl From<&'static str> for Words {
    /// English alone.
    fn from(english: &'static str) -> Self {
        Self { english: english.into(), indonesian: None }
    }
}

impl From<String> for Words {
    /// English alone.
    fn from(english: String) -> Self {
        Self { english: english.into(), indonesian: None }
    }
}

impl From<&Self> for Words {
    fn from(words: &Self) -> Self {
        words.clone()
    }
}

/// Words in English and Indonesian, with the values in scope: `words!("{n} days", "{n} hari")`.
#[macro_export]
macro_rules! words {
    ($english:literal, $indonesian:literal $(,)?) => {
        $crate::problem::Words::new(::std::format!($english), ::std::format!($indonesian))
    };
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_reader_is_answered_in_the_language_they_would_rather_have() {
        for (asked, expected) in [
            ("", Language::English),
            ("id", Language::Indonesian),
            ("id-ID,id;q=0.9,en-US;q=0.8,en;q=0.7", Language::Indonesian),
            ("in", Language::Indonesian),
            ("ID", Language::Indonesian),
            ("en, id", Language::English),
            ("en;q=0.5, id", Language::Indonesian),
            ("id;q=0, *", Language::English),
            ("jv, id;q=0.3", Language::Indonesian),
            ("fr", Language::English),
            ("*", Language::English),
            ("id;q=2", Language::English),
            ("id;q=x;;,,", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(asked));
            assert_eq!(Language::of(&headers), expected, "{asked}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }

    #[test]
    fn both_languages_are_made_of_the_same_values() {
        let days = 3;
        let said = words!("{days} days", "{days} hari");
        assert_eq!(said.to(Language::English), "3 days");
        assert_eq!(said.to(Language::Indonesian), "3 hari");
        let english = Words::from("only this");
        assert_eq!(english.to(Language::Indonesian), "only this");
        assert_eq!(english.language(Language::Indonesian), Language::English);
    }
}
