//! What stands before the Avro bytes of a value and names their schema.
//!
//! Confluent framing: byte 0 and the registry's schema id (4 bytes, big endian); used when a
//! registry is configured. Avro single-object encoding: `C3 01` and the schema's 64-bit Rabin
//! fingerprint (8 bytes, little endian); used without one. A reader takes both.
//!
//! What other clients do instead is named, with the setting that makes them do one of these: ids of
//! eight bytes, and headers that name the schema of a value without a framing.

/// What is said of Apicurio's framing with ids of eight bytes.
const EIGHT_BYTES: &str = "no registry gives the id 0: this is Apicurio's framing, with eight \
    bytes of id; set apicurio.registry.as-confluent=true and apicurio.registry.use-id=contentId on \
    the client";

/// Why no registry can have a schema with an id, if none can: ids are Java's ints from 1 up. It
/// follows from the value alone, so nobody is asked.
#[must_use]
pub fn never_given(id: u32) -> Option<String> {
    match id {
        0 => Some(EIGHT_BYTES.to_owned()),
        1..=0x7FFF_FFFF => None,
        _ => Some(format!("no registry can have a schema with id {id}: ids end at 2147483647")),
    }
}

/// Whose header names the schema of a value that has no framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaHeader {
    /// Confluent's: `__value_schema_id`, with the schema's GUID or id.
    Confluent,
    /// Apicurio's: `apicurio.value.globalId`, `.contentId` or `.contentHash`.
    Apicurio,
}

impl SchemaHeader {
    /// The names of such headers, and whose each is.
    pub const NAMES: [(&str, Self); 4] = [
        ("__value_schema_id", Self::Confluent),
        ("apicurio.value.contentId", Self::Apicurio),
        ("apicurio.value.globalId", Self::Apicurio),
        ("apicurio.value.contentHash", Self::Apicurio),
    ];

    /// Whose header has this name, if it is one.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, whose)| *whose)
    }

    /// What is wrong, and which setting of the client mends it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Confluent => {
                "the schema's id is in the header __value_schema_id, and not before the value; \
                 leave value.schema.id.serializer out of the client's settings (or set it to \
                 io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer)"
            }
            Self::Apicurio => {
                "the schema's id is in a header of Apicurio's, and not before the value; set \
                 apicurio.registry.headers.enabled=false, apicurio.registry.as-confluent=true and \
                 apicurio.registry.use-id=contentId on the client"
            }
        }
    }
}

/// How a value is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Single-object encoding, with the schema's fingerprint.
    SingleObject(u64),
    /// Confluent framing, with the registry's schema id.
    Confluent(u32),
}

impl Framing {
    /// Splits a value into its framing and the Avro bytes behind it; `None` if it has neither
    /// of the two framings.
    #[must_use]
    #[inline]
    pub fn split(value: &[u8]) -> Option<(Self, &[u8])> {
        match value {
            [0xC3, 0x01, rest @ ..] => {
                let (fingerprint, payload) = rest.split_first_chunk::<8>()?;
                Some((Self::SingleObject(u64::from_le_bytes(*fingerprint)), payload))
            }
            [0x00, rest @ ..] => {
                let (id, payload) = rest.split_first_chunk::<4>()?;
                Some((Self::Confluent(u32::from_be_bytes(*id)), payload))
            }
            _ => None,
        }
    }

    /// Appends the header to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::SingleObject(fingerprint) => {
                out.extend_from_slice(&[0xC3, 0x01]);
                out.extend_from_slice(&fingerprint.to_le_bytes());
            }
            Self::Confluent(id) => {
                out.push(0);
                out.extend_from_slice(&id.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_split_again() {
        for framing in
            [Framing::Confluent(0), Framing::Confluent(u32::MAX), Framing::SingleObject(1)]
        {
            for payload in [&b""[..], b"\x00", b"\xC3\x01payload"] {
                let mut value = Vec::new();
                framing.write(&mut value);
                value.extend_from_slice(payload);
                assert_eq!(Framing::split(&value), Some((framing, payload)));
            }
        }
    }

    #[test]
    fn ids_that_no_registry_gives_are_named_as_what_they_are() {
        // Apicurio's: byte 0 and eight bytes of id, of which the first four are 0.
        let (framing, _) = Framing::split(&[0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2]).unwrap();
        assert_eq!(framing, Framing::Confluent(0));
        assert!(never_given(0).unwrap().contains("apicurio.registry.as-confluent=true"));
        assert_eq!((never_given(1), never_given(i32::MAX as u32)), (None, None));
        assert!(never_given(i32::MAX as u32 + 1).is_some());
        assert!(never_given(u32::MAX).is_some());
    }

    #[test]
    fn headers_that_name_a_schema_are_known_with_the_setting_to_change() {
        let confluent = SchemaHeader::of("__value_schema_id").unwrap();
        assert!(confluent.advice().contains("value.schema.id.serializer"));
        let apicurio = SchemaHeader::of("apicurio.value.globalId").unwrap();
        assert!(apicurio.advice().contains("apicurio.registry.headers.enabled=false"));
        for other in ["__key_schema_id", "apicurio.key.globalId", "apicurio.value.encoding", ""] {
            assert_eq!(SchemaHeader::of(other), None, "{other}");
        }
    }

    #[test]
    fn the_order_of_the_bytes_is_that_of_each_framing() {
        let mut value = Vec::new();
        Framing::Confluent(7).write(&mut value);
        assert_eq!(value, [0, 0, 0, 0, 7]);
        value.clear();
        Framing::SingleObject(0x0102_0304_0506_0708).write(&mut value);
        assert_eq!(value, [0xC3, 0x01, 8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn input_shorter_than_its_header_has_no_framing() {
        let single_object = [0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8];
        for length in 0..single_object.len() {
            assert_eq!(Framing::split(&single_object[..length]), None, "{length}");
        }
        let confluent = [0, 0, 0, 0, 7];
        for length in 0..confluent.len() {
            assert_eq!(Framing::split(&confluent[..length]), None, "{length}");
        }
        assert_eq!(Framing::split(b"{}, at some length"), None);
        assert_eq!(Framing::split(&[0xC3, 0x02, 1, 2, 3, 4, 5, 6, 7, 8]), None);
    }
}
