//! The five offices: their kiosks, whom they serve, where they go, and how their figure grows.

use std::iter::repeat_n;

use jiff::civil::{Date, date};
use laju_schemas::event::{Channel, Venue};
use laju_schemas::{KioskId, RegionCode};

use super::calendar::day;
use super::reported::Cases;

/// An office and how its figures grow.
pub(super) struct Office {
    /// The beginning of its kiosks' ids.
    pub(super) prefix: &'static str,
    /// The regency or city that it serves in.
    pub(super) region: RegionCode,
    /// Whom its figure counts: regions and their weights.
    pub(super) homes: Vec<(RegionCode, u64)>,
    /// Where others come from who are served here, but counted elsewhere.
    pub(super) guests: Vec<RegionCode>,
    /// The active at the end of some days; the first is the day before the start.
    pub(super) active: Vec<(u16, u32)>,
    /// First-time card recordings at the end of some days.
    pub(super) first_cards: Vec<(u16, u32)>,
    /// What share of activations outreach visits bring.
    pub(super) outreach: f64,
    /// Days of an outreach drive at schools, government and private offices.
    pub(super) drive: Option<(u16, u16)>,
    /// Days around which a kiosk is surely out of reach: from, to.
    pub(super) silences: Vec<(u16, u16)>,
    /// How many kiosks of each channel it has; their ids count from 1.
    pub(super) kiosks: &'static [(Channel, usize)],
}

impl Office {
    /// The first day on which it serves anyone.
    pub(super) fn start(&self) -> u16 {
        self.active[0].0 + 1
    }

    /// How many are active at the end of a day between its points, about.
    pub(super) fn about(&self, on: u16) -> u64 {
        let after = self.active.partition_point(|(day, _)| *day < on);
        let Some(&(to, more)) = self.active.get(after) else { return 0 };
        let (from, fewer) = self.active[after.saturating_sub(1)];
        let (passed, days) = (on.saturating_sub(from), to.saturating_sub(from).max(1));
        u64::from(fewer) + u64::from(more - fewer) * u64::from(passed) / u64::from(days)
    }

    /// Whether a day is in its outreach drive.
    pub(super) fn in_drive(&self, day: u16) -> bool {
        self.drive.is_some_and(|(from, to)| (from..=to).contains(&day))
    }
}

/// A device of an office.
pub(super) struct Kiosk {
    pub(super) id: KioskId,
    pub(super) office: usize,
    pub(super) channel: Channel,
}

/// The kiosk that loses events for good, as no kiosk should: two of its sequences never arrive.
/// It serves the islands of province 19 only, which none of the checked figures counts.
pub const LOSING_KIOSK: &str = "bbl-03";

/// How many events the losing kiosk loses.
pub const LOST_EVENTS: u64 = 2;

/// Where outreach visits go.
pub(super) const PLACES: &[(Venue, &str)] = &[
    (Venue::School, "sman-1"),
    (Venue::School, "sman-5"),
    (Venue::School, "smkn-2"),
    (Venue::School, "smkn-4"),
    (Venue::School, "man-1"),
    (Venue::Campus, "universitas"),
    (Venue::Campus, "politeknik"),
    (Venue::Government, "balai-kota"),
    (Venue::Government, "kantor-camat"),
    (Venue::Government, "dinas-pu"),
    (Venue::Private, "bank-daerah"),
    (Venue::Private, "pabrik-karet"),
    (Venue::Private, "pasar-modern"),
    (Venue::Health, "rsud"),
    (Venue::Health, "puskesmas"),
    (Venue::Village, "balai-desa"),
    (Venue::Other, "alun-alun"),
];

/// Whether a drive goes to places of this kind.
pub(super) const fn is_of_a_drive(venue: Venue) -> bool {
    matches!(venue, Venue::School | Venue::Government | Venue::Private)
}

fn code(text: &str) -> RegionCode {
    RegionCode::parse(text).expect("the codes below are well formed")
}

fn before(start: Date) -> (u16, u32) {
    (day(start) - 1, 0)
}

fn end(year: i16) -> u16 {
    day(date(year, 12, 31))
}

/// The offices of the reported figures: four cities and regencies, and one of the province whose
/// reported figure is a pace.
pub(super) fn all(cases: &Cases) -> Vec<Office> {
    use Channel::{Office as Counter, Outreach, SelfService, ServiceMall, SubDistrict};
    let point = |id: &str| {
        let case = cases.get(id);
        (day(case.as_of), case.value)
    };
    let around = |id: &str| {
        let day = day(cases.get(id).as_of);
        (day - 3, day + 4)
    };
    let bandar_lampung = Office {
        prefix: "kbl",
        region: code("18.71"),
        homes: vec![(code("18.71"), 1)],
        guests: ["18.01", "18.09", "18.10", "18.72"].map(code).into(),
        active: vec![
            before(date(2022, 6, 20)),
            (end(2022), 11_000),
            (day(date(2023, 6, 30)), 44_000),
            point("bandar-lampung-2023"),
            (end(2024), 98_600),
        ],
        first_cards: vec![before(date(2022, 6, 20)), (end(2024), 900)],
        outreach: 0.3,
        drive: None,
        silences: vec![around("bandar-lampung-2023")],
        kiosks: &[
            (Counter, 3),
            (SubDistrict, 4),
            (ServiceMall, 2),
            (SelfService, 1),
            (Outreach, 4),
        ],
    };
    let pangkal_pinang = Office {
        prefix: "kpp",
        region: code("19.71"),
        homes: vec![(code("19.71"), 1)],
        guests: ["19.01", "19.04"].map(code).into(),
        active: vec![
            before(date(2022, 7, 18)),
            (end(2022), 310),
            point("pangkal-pinang-2023-02"),
            point("pangkal-pinang-2023-03"),
            (end(2023), 4_850),
            (end(2024), 8_300),
        ],
        first_cards: vec![before(date(2022, 7, 18)), (end(2024), 450)],
        outreach: 0.4,
        drive: Some((day(date(2023, 3, 1)), day(date(2023, 3, 17)))),
        silences: vec![around("pangkal-pinang-2023-02"), around("pangkal-pinang-2023-03")],
        kiosks: &[(Counter, 1), (SubDistrict, 1), (ServiceMall, 1), (Outreach, 2)],
    };
    let bengkulu = Office {
        prefix: "kbk",
        region: code("17.71"),
        homes: vec![(code("17.71"), 1)],
        guests: ["17.05", "17.09"].map(code).into(),
        active: vec![
            before(date(2022, 8, 1)),
            (end(2022), 140),
            point("bengkulu-2023"),
            (end(2024), 3_720),
        ],
        first_cards: vec![
            before(date(2022, 8, 1)),
            (end(2022), 820),
            point("bengkulu-2023-first-time"),
            (end(2024), 9_900),
        ],
        outreach: 0.45,
        drive: None,
        silences: vec![around("bengkulu-2023")],
        kiosks: &[(Counter, 2), (Outreach, 3)],
    };
    let serang = Office {
        prefix: "ksr",
        region: code("36.04"),
        homes: vec![(code("36.04"), 1)],
        guests: ["36.72", "36.73"].map(code).into(),
        active: vec![
            before(date(2022, 6, 27)),
            (end(2022), 4_900),
            point("serang-2024-01"),
            point("serang-2024-08"),
            (end(2024), 39_180),
        ],
        first_cards: vec![before(date(2022, 6, 27)), (end(2024), 800)],
        outreach: 0.35,
        drive: None,
        silences: vec![around("serang-2024-01"), around("serang-2024-08")],
        kiosks: &[(Counter, 2), (SubDistrict, 3), (SelfService, 1), (Outreach, 3)],
    };
    let islands = Office {
        prefix: "bbl",
        region: code("19.01"),
        homes: [("19.01", 6), ("19.02", 3), ("19.03", 3), ("19.04", 4), ("19.05", 3), ("19.06", 2)]
            .map(|(home, weight)| (code(home), weight))
            .into(),
        guests: vec![],
        active: vec![
            before(date(2022, 7, 25)),
            (end(2022), 610),
            (end(2023), 5_300),
            (end(2024), 9_450),
        ],
        first_cards: vec![before(date(2022, 7, 25)), (end(2024), 500)],
        outreach: 0.55,
        drive: None,
        silences: vec![],
        kiosks: &[(Counter, 1), (Outreach, 3)],
    };
    vec![bandar_lampung, pangkal_pinang, bengkulu, serang, islands]
}

/// Every kiosk of every office, those of one office together and in the order of their ids.
pub(super) fn kiosks(offices: &[Office]) -> Vec<Kiosk> {
    let mut kiosks = Vec::new();
    for (office, about) in offices.iter().enumerate() {
        let each = about.kiosks.iter().flat_map(|&(channel, many)| repeat_n(channel, many));
        for (place, channel) in each.enumerate() {
            let id = format!("{}-{:02}", about.prefix, place + 1);
            let id = id.parse().expect("a short prefix and a number are a kiosk's id");
            kiosks.push(Kiosk { id, office, channel });
        }
    }
    kiosks
}
