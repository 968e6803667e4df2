//! Quoted figures to Avro and back.

use std::sync::LazyLock;

use apache_avro::Decimal;
use apache_avro::types::Value;
use jiff::civil::Date;

use super::{
    AgeCount, FigureContent, FigureDigest, QuotedBounds, QuotedDenominator, QuotedEvidence,
    QuotedFigure, QuotedMissing, QuotedPartition, QuotedSilence, QuotedTarget, ReasonCount,
    TargetKind,
};
use crate::cursor::{Cursor, fault, symbol};
use crate::decimal::{decimal_bytes, decimal_of};
use crate::event::DeactivationReason;
use crate::id::{FigureId, ReferenceId};
use crate::known::{OwnSchema, QUOTED_FIGURE, TopicValue, ValueReader};
use crate::raw::DecodeError;
use crate::reference::{Basis, Percent};
use crate::region::RegionCode;
use crate::share::Share;
use crate::time::{TimestampMs, date_from_days, days_of_date};

fn nullable(value: Option<Value>) -> Value {
    match value {
        Some(value) => Value::Union(1, Box::new(value)),
        None => Value::Union(0, Box::new(Value::Null)),
    }
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn count(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn int(number: u32) -> Value {
    Value::Int(i32::try_from(number).unwrap_or(i32::MAX))
}

fn day(date: Date) -> Value {
    Value::Date(days_of_date(date))
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn share(share: Share) -> Value {
    let hundredths = i64::try_from(share.hundredths()).unwrap_or(i64::MAX);
    Value::Decimal(Decimal::from(decimal_bytes(hundredths)))
}

fn array<T>(rows: &[T], row: impl FnMut(&T) -> Value) -> Value {
    Value::Array(rows.iter().map(row).collect())
}

impl QuotedFigure {
    pub(crate) fn to_avro(&self) -> Value {
        let content = &self.content;
        record([
            ("figure_id", Value::Fixed(16, self.figure_id.0.to_vec())),
            ("form", int(content.form)),
            ("region", Value::String(content.region.to_string())),
            ("as_of", day(content.as_of)),
            ("known_at", nullable(content.known_at.map(day))),
            ("activated", Value::Long(content.activated)),
            ("activations", Value::Long(content.activations)),
            (
                "activations_by_age",
                array(&content.activations_by_age, |row| {
                    record([
                        ("from_days", int(row.from_days)),
                        ("to_days", nullable(row.to_days.map(int))),
                        ("count", Value::Long(row.count)),
                    ])
                }),
            ),
            ("deactivations", Value::Long(content.deactivations)),
            (
                "deactivations_by_reason",
                array(&content.deactivations_by_reason, |row| {
                    let reason = row.reason;
                    record([
                        ("reason", Value::Enum(reason.index().into(), reason.to_string())),
                        ("count", Value::Long(row.count)),
                    ])
                }),
            ),
            ("moves_in", Value::Long(content.moves_in)),
            ("moves_out", Value::Long(content.moves_out)),
            ("denominators", array(&content.denominators, denominator)),
            ("target", nullable(content.target.as_ref().map(target))),
            ("evidence", evidence(&content.evidence)),
            ("digest", Value::Fixed(32, self.digest.0.to_vec())),
            (
                "bounds",
                nullable(self.bounds.map(|bounds| {
                    record([
                        ("lower", Value::Long(bounds.lower)),
                        ("upper", Value::Long(bounds.upper)),
                    ])
                })),
            ),
            ("missing", nullable(self.missing.as_ref().map(missing))),
            ("quoted_at", Value::TimestampMillis(self.quoted_at.0)),
            ("quoted_by", nullable(self.quoted_by.as_deref().map(text))),
            ("note", nullable(self.note.as_deref().map(text))),
        ])
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut at = Cursor::new(payload);
        let at = &mut at;
        let figure = Self {
            figure_id: FigureId(at.fixed("figure_id")?),
            content: content_of(at)?,
            digest: FigureDigest(at.fixed("digest")?),
            bounds: at.nullable("bounds", |at| {
                Ok(QuotedBounds { lower: at.long("lower")?, upper: at.long("upper")? })
            })?,
            missing: at.nullable("missing", missing_of)?,
            quoted_at: TimestampMs(at.long("quoted_at")?),
            quoted_by: at.nullable("quoted_by", |at| Ok(at.text("quoted_by")?.to_owned()))?,
            note: at.nullable("note", |at| Ok(at.text("note")?.to_owned()))?,
        };
        at.end()?;
        Ok(figure)
    }
}

fn denominator(denominator: &QuotedDenominator) -> Value {
    let QuotedDenominator { basis, value, coverage_percent, valid_from, source, reference_id } =
        denominator;
    record([
        ("basis", Value::Enum(basis.index().into(), basis.to_string())),
        ("value", count(*value)),
        ("coverage_percent", nullable(coverage_percent.map(share))),
        ("valid_from", day(*valid_from)),
        ("source", text(source)),
        ("reference_id", nullable(reference_id.map(|id| Value::Fixed(16, id.0.to_vec())))),
    ])
}

fn target(target: &QuotedTarget) -> Value {
    let percent = target.percent.map(|percent| {
        Value::Decimal(Decimal::from(decimal_bytes(percent.ten_thousandths().into())))
    });
    record([
        ("kind", Value::Enum(target.kind.index().into(), target.kind.to_string())),
        ("percent", nullable(percent)),
        ("basis", Value::Enum(target.basis.index().into(), target.basis.to_string())),
        ("people", count(target.people)),
        ("attainment_percent", nullable(target.attainment_percent.map(share))),
        ("valid_from", day(target.valid_from)),
        ("valid_to", nullable(target.valid_to.map(day))),
        ("source", text(&target.source)),
        ("reference_id", Value::Fixed(16, target.reference_id.0.to_vec())),
        (
            "inherited_from",
            nullable(target.inherited_from.map(|code| Value::String(code.to_string()))),
        ),
    ])
}

fn evidence(evidence: &QuotedEvidence) -> Value {
    record([
        ("cluster_id", text(&evidence.cluster_id)),
        (
            "partitions",
            array(&evidence.partitions, |row| {
                let until = row.recorded_until.map(|until| Value::TimestampMillis(until.0));
                record([
                    ("partition", int(row.partition)),
                    ("next_offset", Value::Long(row.next_offset)),
                    ("recorded_until", nullable(until)),
                ])
            }),
        ),
        ("reference_next_offset", Value::Long(evidence.reference_next_offset)),
        ("fold_version", text(&evidence.fold_version)),
    ])
}

fn missing(missing: &QuotedMissing) -> Value {
    record([
        ("events", count(missing.events)),
        ("kiosks", count(missing.kiosks)),
        ("quarantined", count(missing.quarantined)),
        (
            "silent_kiosks",
            array(&missing.silent_kiosks, |row| {
                record([
                    ("kiosk_id", text(&row.kiosk_id)),
                    ("usual_per_day", count(row.usual_per_day)),
                    ("silent_since", Value::TimestampMillis(row.silent_since.0)),
                ])
            }),
        ),
    ])
}

fn people(at: &mut Cursor<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let number = at.long(field)?;
    u64::try_from(number).map_err(|_| fault(field, &format!("{number} is below 0")))
}

fn small(at: &mut Cursor<'_>, field: &'static str) -> Result<u32, DecodeError> {
    let number = at.int(field)?;
    u32::try_from(number).map_err(|_| fault(field, &format!("{number} is below 0")))
}

fn region(at: &mut Cursor<'_>, field: &'static str) -> Result<RegionCode, DecodeError> {
    at.text(field)?.parse().map_err(|e| fault(field, &e))
}

fn date(at: &mut Cursor<'_>, field: &'static str) -> Result<Date, DecodeError> {
    let days = at.int(field)?;
    date_from_days(days).ok_or_else(|| fault(field, &format!("{days} days from 1970 is no date")))
}

fn share_of(at: &mut Cursor<'_>, field: &'static str) -> Result<Option<Share>, DecodeError> {
    at.nullable(field, |at| {
        let number = decimal_of(at.bytes(field)?).and_then(|number| u64::try_from(number).ok());
        let fits = number.filter(|number| *number <= Share::MAX.hundredths());
        fits.map(Share::from_hundredths).ok_or_else(|| fault(field, &"no percentage"))
    })
}

fn content_of(at: &mut Cursor<'_>) -> Result<FigureContent, DecodeError> {
    Ok(FigureContent {
        form: small(at, "form")?,
        region: region(at, "region")?,
        as_of: date(at, "as_of")?,
        known_at: at.nullable("known_at", |at| date(at, "known_at"))?,
        activated: at.long("activated")?,
        activations: at.long("activations")?,
        activations_by_age: at.array("activations_by_age", |at| {
            Ok(AgeCount {
                from_days: small(at, "from_days")?,
                to_days: at.nullable("to_days", |at| small(at, "to_days"))?,
                count: at.long("count")?,
            })
        })?,
        deactivations: at.long("deactivations")?,
        deactivations_by_reason: at.array("deactivations_by_reason", |at| {
            Ok(ReasonCount {
                reason: symbol!(at, DeactivationReason, "reason"),
                count: at.long("count")?,
            })
        })?,
        moves_in: at.long("moves_in")?,
        moves_out: at.long("moves_out")?,
        denominators: at.array("denominators", denominator_of)?,
        target: at.nullable("target", target_of)?,
        evidence: evidence_of(at)?,
    })
}

fn denominator_of(at: &mut Cursor<'_>) -> Result<QuotedDenominator, DecodeError> {
    Ok(QuotedDenominator {
        basis: symbol!(at, Basis, "basis"),
        value: people(at, "value")?,
        coverage_percent: share_of(at, "coverage_percent")?,
        valid_from: date(at, "valid_from")?,
        source: at.text("source")?.to_owned(),
        reference_id: at
            .nullable("reference_id", |at| Ok(ReferenceId(at.fixed("reference_id")?)))?,
    })
}

fn target_of(at: &mut Cursor<'_>) -> Result<QuotedTarget, DecodeError> {
    Ok(QuotedTarget {
        kind: symbol!(at, TargetKind, "kind"),
        percent: at.nullable("percent", |at| {
            let percent = decimal_of(at.bytes("percent")?).and_then(Percent::from_ten_thousandths);
            percent.ok_or_else(|| fault("percent", &"not from 0 to 99999"))
        })?,
        basis: symbol!(at, Basis, "basis"),
        people: people(at, "people")?,
        attainment_percent: share_of(at, "attainment_percent")?,
        valid_from: date(at, "valid_from")?,
        valid_to: at.nullable("valid_to", |at| date(at, "valid_to"))?,
        source: at.text("source")?.to_owned(),
        reference_id: ReferenceId(at.fixed("reference_id")?),
        inherited_from: at.nullable("inherited_from", |at| region(at, "inherited_from"))?,
    })
}

fn evidence_of(at: &mut Cursor<'_>) -> Result<QuotedEvidence, DecodeError> {
    Ok(QuotedEvidence {
        cluster_id: at.text("cluster_id")?.to_owned(),
        partitions: at.array("partitions", |at| {
            Ok(QuotedPartition {
                partition: small(at, "partition")?,
                next_offset: at.long("next_offset")?,
                recorded_until: at
                    .nullable("recorded_until", |at| at.long("recorded_until"))?
                    .map(TimestampMs),
            })
        })?,
        reference_next_offset: at.long("reference_next_offset")?,
        fold_version: at.text("fold_version")?.to_owned(),
    })
}

fn missing_of(at: &mut Cursor<'_>) -> Result<QuotedMissing, DecodeError> {
    Ok(QuotedMissing {
        events: people(at, "events")?,
        kiosks: people(at, "kiosks")?,
        quarantined: people(at, "quarantined")?,
        silent_kiosks: at.array("silent_kiosks", |at| {
            Ok(QuotedSilence {
                kiosk_id: at.text("kiosk_id")?.to_owned(),
                usual_per_day: people(at, "usual_per_day")?,
                silent_since: TimestampMs(at.long("silent_since")?),
            })
        })?,
    })
}

impl TopicValue for QuotedFigure {
    const OWN: &'static LazyLock<OwnSchema> = &QUOTED_FIGURE;

    fn from_avro(payload: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(payload)
    }
}

/// Reads the values of the figures topic, in either framing. Whether one says what was quoted is for
/// [`QuotedFigure::check`] to say.
pub type FigureReader = ValueReader<QuotedFigure>;
