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
    /// Whether postings of days after `as_of` count as well: what a question without `as_of` was
    /// answered on that day.
    pub ahead: bool,
}

/// Up to where a state goes beyond today: what a permanent link has to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Today, in the programme's zone.
    pub today: Date,
    /// The last day on which something in it counts as recorded, and today at least. It is later
    /// where a record was stamped in the future.
    pub known: Date,
    /// Whether there are postings of days after today: of regions where it is tomorrow already, or
    /// of a clock that is wrong.
    pub ahead: bool,
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
        Window::new(self.until(), self.known_at)
    }

    /// The last day of postings that count; `None` for all there are.
    #[must_use]
    pub fn until(&self) -> Option<Date> {
        self.as_of.filter(|_| !self.ahead)
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
    /// `name=value`), days. It gives this answer: where a question without days counts postings
    /// dated ahead or recorded in the future, the link covers those. From the day after
    /// `known_at` on it is answered with the same counts for ever; until then knowledge still
    /// grows.
    #[must_use]
    pub fn link(&self, path: &str, parameters: &[String], horizon: &Horizon) -> String {
        let mut link = format!("/v1/{path}?");
        for parameter in parameters {
            link.push_str(parameter);
            link.push('&');
        }
        let known_at = self.known_at.unwrap_or(horizon.known);
        link.push_str(&format!("as_of={}&known_at={known_at}", self.day(horizon.today)));
        if self.ahead || (self.as_of.is_none() && horizon.ahead) {
            link.push_str("&ahead=true");
        }
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
        let horizon = Horizon { today, known: today, ahead: false };
        let question = Question::default();
        assert_eq!(
            question.link("regions/18.71/progress", &[], &horizon),
            "/v1/regions/18.71/progress?as_of=2024-08-02&known_at=2024-08-02"
        );
        let far = Horizon { known: date(2099, 1, 1), ahead: true, ..horizon };
        assert_eq!(
            question.link("regions/18.71/progress", &[], &far),
            "/v1/regions/18.71/progress?as_of=2024-08-02&known_at=2099-01-01&ahead=true"
        );
        let question = Question {
            as_of: Some(date(2023, 12, 31)),
            known_at: Some(date(2024, 1, 5)),
            ahead: false,
        };
        assert_eq!(
            question.link("progress", &["level=province".to_owned()], &far),
            "/v1/progress?level=province&as_of=2023-12-31&known_at=2024-01-05"
        );
        assert!(question.asks_past_knowledge(today));
        assert!(!Question { known_at: Some(today), ..question }.asks_past_knowledge(today));
    }
}
