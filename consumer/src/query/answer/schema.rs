//! How rates look in an OpenAPI document: as the text that they are in JSON.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::rate::Rate;

impl PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A number with two decimal places, of an exact fraction, rounded half away from \
                 zero.",
            ))
            .pattern(Some(r"^-?[0-9]+\.[0-9]{2}$"))
            .examples(["23.36"]);
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for Rate {
    fn name() -> Cow<'static, str> {
        "Rate".into()
    }
}

/// What is said of a kiosk's conflicts: a number, or all of them.
pub(super) fn of_conflicts<C: ToSchema>() -> RefOr<Schema> {
    let mut schema = C::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description.get_or_insert_with(|| {
            "Events beyond the first that bear the same sequence: two devices have this id."
                .to_owned()
        });
    }
    schema
}
