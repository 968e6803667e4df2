//! How the newtypes look in an OpenAPI document: as the text that they are in JSON.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::quoted::FigureDigest;
use crate::reference::Percent;
use crate::share::Share;
use crate::{EventId, FigureId, ReferenceId, RegionCode, TimestampMs};

fn text(description: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .examples([example])
}

macro_rules! text_schema {
    ($name:ident, $schema:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema.build()).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

text_schema!(
    RegionCode,
    text(
        "A region's code of Kepmendagri 300.2.2-2138/2025: a regency or city (`18.71`), a province \
         (`18`), or the nation (`ID`). The 26 codes that regencies and cities of Papua had \
         until 2022 are taken as their successors', and answers have today's.",
        "18.71"
    )
    .pattern(Some(r"^(ID|(0[1-9]|[1-9][0-9])(\.(0[1-9]|[1-9][0-9]))?)$"))
);
text_schema!(
    TimestampMs,
    text("An instant in UTC, to the millisecond.", "2023-12-31T05:00:00Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
);
text_schema!(
    Percent,
    text(
        "A percentage with at most four decimal places, from 0 to 99999: never a binary float.",
        "25"
    )
    .pattern(Some(r"^[0-9]{1,5}(\.[0-9]{1,4})?$"))
);
text_schema!(
    Share,
    text("A percentage with two decimal places, of an exact fraction, rounded half up.", "11.73")
        .pattern(Some(r"^[0-9]+\.[0-9]{2}$"))
);
text_schema!(
    EventId,
    text("An event's id: a UUID.", "018f0000-0000-7000-8000-000000000001")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
);
text_schema!(
    ReferenceId,
    text(
        "The id of one record of a denominator or target: a UUID.",
        "018f0000-0000-7000-8000-000000000001"
    )
    .format(Some(SchemaFormat::Custom("uuid".to_owned())))
);
text_schema!(
    FigureId,
    text(
        "The id of a quoted figure: a UUID made of its digest.",
        "3f2504e0-4f89-81d3-9a0c-0305e82c3301"
    )
    .format(Some(SchemaFormat::Custom("uuid".to_owned())))
);
text_schema!(
    FigureDigest,
    text(
        "SHA-256 over what a quoted figure says and rests on, in hexadecimal digits.",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    .pattern(Some("^[0-9a-f]{64}$"))
);
