//! Has the linker put `connection::librdkafka` before a function of librdkafka that may end the
//! program. The build script of every package whose programs read Kafka.

fn main() {
    // Of nothing but this file, whose change builds and runs it again by itself.
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg=-Wl,--wrap=rd_slice_narrow_copy_relative");
    }
}
