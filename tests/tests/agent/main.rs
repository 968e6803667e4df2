//! The kiosk agent as a program, from a client's request to the log: nothing is lost, nothing
//! counts twice and no NIK gets out, whatever happens to the agent, its disk, its clock and the
//! broker. On the embedded broker, and by the same code on the real Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod clock;
mod disk;
mod emit;
mod fatal;
mod fate;
mod faults;
mod kiosk;
mod limits;
mod no_loss;
mod no_nik;
mod problems;
mod refused;
mod signals;
mod simulated;
mod words;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
/// The programme's key of these tests.
const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";
