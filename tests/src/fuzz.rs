//! Input that no honest client sends, made without end and always the same: input number `n` is
//! the same on every machine, so that one that does harm can be looked at by its number.
//!
//! What makes input knows nothing of what reads it: [`wire`] makes values of the topics, [`json`]
//! what a kiosk agent may be sent. A suite gives either to [`run`] with what must hold.

pub mod bytes;
pub mod json;
pub mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;

/// How many inputs a suite makes, where not what it makes by itself.
pub const INPUTS: &str = "LAJU_FUZZ_INPUTS";
/// The number of the first.
pub const FIRST: &str = "LAJU_FUZZ_FIRST";

/// What input is made from.
pub type Random = Xoshiro256PlusPlus;

/// The stream that input of this number is made from.
#[must_use]
pub fn random(number: u64) -> Random {
    Xoshiro256PlusPlus::seed_from_u64(number)
}

/// Makes input and has it checked; gives how many times `check` gave each answer, which says what
/// became of an input.
///
/// # Panics
/// If `check` does: after the input, and how to make it again, was printed.
pub fn run<I: fmt::Debug>(
    suite: &str,
    ordinarily: u64,
    mut make: impl FnMut(&mut Random) -> I,
    mut check: impl FnMut(&I) -> &'static str,
) -> BTreeMap<&'static str, u64> {
    let (first, count) = (number_in(FIRST).unwrap_or(0), number_in(INPUTS).unwrap_or(ordinarily));
    let mut answers = BTreeMap::new();
    let start = Instant::now();
    for number in first..first + count {
        let input = make(&mut random(number));
        let named = Named { number, input };
        *answers.entry(check(&named.input)).or_default() += 1;
    }
    println!("{suite}: {count} inputs from {first} on in {:.1?}: {answers:?}", start.elapsed());
    answers
}

fn number_in(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not '{text}'")))
}

/// Names the input in hand when a check panics.
struct Named<I: fmt::Debug> {
    number: u64,
    input: I,
}

impl<I: fmt::Debug> Drop for Named<I> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { number, input } = self;
            eprintln!("input {number} ({FIRST}={number} {INPUTS}=1): {input:?}");
        }
    }
}
