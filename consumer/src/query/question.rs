//! What is asked: the two days of a question, and the permanent link to it.

use jiff::civil::Date;
use laju_schemas::TimestampMs;

use super::scan::Window;
use crate::domain::day::Day;

/// The two days of a question. Any day will do, also one before the programme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The day whose truth is asked for; `None` for every posting, also those dated ahead.
    pub as_of: Option<Date>,
    /// The day whose knowledge is asked for; `None` for all that is known.
    pub known_at: Option<Date>,
}

/// Which days of knowledge a reference figure is looked up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// All there is.
    All,
    /// What was recorded up to a day.
    Until(Day),
    /// Nothing: the day is before the programme.
    Nothing,
}

impl Question {
    /// Which postings count.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::new(self.as_of, self.known_at)
    }

    /// The day shown, on which reference figures have to be valid.
    #[must_use]
    pub fn day(&self, today: Date) -> Date {
        self.as_of.unwrap_or(today)
    }

    /// Which reference figures count.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        match self.known_at.map(Day::of_date) {
            None => Knowledge::All,
            Some(Some(day)) => Knowledge::Until(day),
            Some(None) => Knowledge::Nothing,
        }
    }

    /// Whether it asks for the knowledge of a past day, of which it cannot be said any more what
    /// was missing then.
    #[must_use]
    pub fn asks_past_knowledge(&self, today: Date) -> bool {
        self.known_at.is_some_and(|day| day < today)
    }

    /// A relative link to the question with both days filled in: path, further parameters (each
    /// `name=value`), days. From the day after on it is answered with the same counts for ever;
    /// until then today's knowledge still grows. Without `as_of` postings dated ahead count as
    /// well, which the link, asking as of today, leaves out.
    #[must_use]
    pub fn link(&self, path: &str, parameters: &[String], today: Date) -> String {
        let mut link = format!("/v1/{path}?");
        for parameter in parameters {
            link.push_str(parameter);
            link.push('&');
        }
        let known_at = self.known_at.unwrap_or(today);
        link.push_str(&format!("as_of={}&known_at={known_at}", self.day(today)));
        link
    }
}

/// Today, in the programme's zone.
#[must_use]
pub fn today(now: TimestampMs) -> Date {
    const PROGRAMME_ZONE_MS: i64 = laju_schemas::Zone::Wib.hours() * 3_600_000;
    jiff::Timestamp::from_millisecond(now.0.saturating_add(PROGRAMME_ZONE_MS))
        .unwrap_or(jiff::Timestamp::MAX)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn today_is_jakartas() {
        let at = |text: &str| today(text.parse().unwrap());
        assert_eq!(at("2023-12-31T16:59:59Z"), date(2023, 12, 31));
        assert_eq!(at("2023-12-31T17:00:00Z"), date(2024, 1, 1));
    }

    #[test]
    fn a_link_fills_in_both_days() {
        let today = date(2024, 8, 2);
        let question = Question::default();
        assert_eq!(
            question.link("regions/18.71/progress", &[], today),
            "/v1/regions/18.71/progress?as_of=2024-08-02&known_at=2024-08-02"
        );
        let question =
            Question { as_of: Some(date(2023, 12, 31)), known_at: Some(date(2024, 1, 5)) };
        assert_eq!(
            question.link("progress", &["level=province".to_owned()], today),
            "/v1/progress?level=province&as_of=2023-12-31&known_at=2024-01-05"
        );
        assert!(question.asks_past_knowledge(today));
        assert!(!Question { known_at: Some(today), ..question }.asks_past_knowledge(today));
    }
}
