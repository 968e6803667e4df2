//! Enumerations whose symbols are the contract's.

/// Declares an enumeration with its Avro symbols in the schema's order. The last one is
/// `unknown`, the default that a reader falls back to for a symbol of a later schema.
macro_rules! symbols {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $symbol:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $symbol, "`")] $variant,)+ }

        impl $name {
            /// Every value, in the order of the schema's symbols.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The symbol on the wire and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $symbol,)+ }
            }

            /// The value of a symbol; none if the contract has no such symbol.
            #[must_use]
            pub fn from_symbol(symbol: &str) -> Option<Self> {
                match symbol { $($symbol => Some(Self::$variant),)+ _ => None }
            }

            /// Its place among the schema's symbols.
            #[must_use]
            pub const fn index(self) -> u8 {
                self as u8
            }

            /// The value at a place among the schema's symbols.
            #[must_use]
            pub fn from_index(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }
        }

        impl $crate::datum::Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::cursor::put_long(out, self.index().into());
            }

            #[inline]
            fn read(
                at: &mut $crate::cursor::Cursor<'_>,
                field: &'static str,
            ) -> Result<Self, $crate::cursor::DecodeError> {
                Self::from_index(at.index(field)?).ok_or($crate::cursor::DecodeError::Choice(field))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::from_symbol(text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|v| v.as_str()).collect();
                    format!("'{text}' is none of {}", known.join(", "))
                })
            }
        }
    };
}

pub(crate) use symbols;
