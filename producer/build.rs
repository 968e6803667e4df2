//! Has the linker put [`connection::librdkafka`](src/connection/librdkafka.rs) before a function of
//! librdkafka that may end the program. The build script of every package whose programs read
//! Kafka.

use std::path::Path;

fn main() {
    // By its place, which is the same beside every package that has it.
    let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("../producer/build.rs");
    println!("cargo::rerun-if-changed={}", this.display());
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg=-Wl,--wrap=rd_slice_narrow_copy_relative");
    }
}
